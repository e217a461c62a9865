/** What every command is told of the configuration, and what one that asks nats-server needs. */
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import type { SettingsFault } from "@causeway/shared/settings.ts";
import { collect } from "@causeway/shared/system-cli.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import type { Command } from "commander";
import type { CloudConfig } from "../config.ts";
import { cloudSchema } from "../config.ts";
import type { CommandParts } from "./nats-commands.ts";

export interface ConfigOptions {
  readonly config?: string;
  readonly set: readonly string[];
}

/** Where a configuration is looked for when none is named; `npm start` writes the second. */
const usualFiles = ["cloud.yaml", ".data/cloud.yaml"];

export function withConfig(command: Command): Command {
  return command
    .option("-c, --config <file>", `configuration file (default: ${usualFiles.join(", then ")})`)
    .option("--set <path=value>", "override one setting; may be repeated", collect, []);
}

export function fileOf({ config }: ConfigOptions): string | undefined {
  return config ?? usualFiles.find((usual) => existsSync(usual));
}

export function readConfig(
  options: ConfigOptions,
  findFaults?: (config: CloudConfig) => readonly SettingsFault[],
): CloudConfig {
  const file = fileOf(options);
  const config = readSettings(cloudSchema, file, options.set, findFaults);
  return withRulesFile(config, file);
}

/** Settings name it relative to the file that they stand in. */
export function withRulesFile({ rulesFile, ...config }: CloudConfig, file = "."): CloudConfig {
  if (rulesFile === undefined) return config;
  return {
    ...config,
    rulesFile: isAbsolute(rulesFile) ? rulesFile : join(dirname(file), rulesFile),
  };
}

export function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A command ends in order by Ctrl-C, by SIGTERM, and when nobody reads its output any more. */
export function commandParts(options: ConfigOptions): CommandParts {
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  process.stdout.once("error", () => ended.abort());
  return {
    settings: readConfig(options).nats,
    clock: systemClock(),
    random: systemRandom,
    write,
    warn: (line) => process.stderr.write(`${line}\n`),
    signal: ended.signal,
  };
}
