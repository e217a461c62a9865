/** `causeway-cloud`: the command line of the cloud side. */
import { existsSync } from "node:fs";
import { CodedError } from "@causeway/shared/errors.ts";
import { collect, program } from "@causeway/shared/system-cli.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import type { Command } from "commander";
import { scoreFile } from "./cli/file-score.ts";
import type { CommandParts } from "./cli/nats-commands.ts";
import { alerts, audit, tail } from "./cli/nats-commands.ts";
import { retire, streams } from "./cli/nats-streams.ts";
import { parseFrom } from "./cli/tail.ts";
import type { CloudConfig } from "./config.ts";
import { cloudSchema } from "./config.ts";
import { run } from "./system-run.ts";

interface ConfigOptions {
  readonly config?: string;
  readonly set: readonly string[];
}

const cli = program(
  "causeway-cloud",
  "Takes what gateways send once, finds what is abnormal, tells people",
);

/** Where a configuration is looked for when none is named; `npm start` writes the second. */
const usualFiles = ["cloud.yaml", ".data/cloud.yaml"];

function withConfig(command: Command): Command {
  return command
    .option("-c, --config <file>", `configuration file (default: ${usualFiles.join(", then ")})`)
    .option("--set <path=value>", "override one setting; may be repeated", collect, []);
}

function readConfig({ config, set }: ConfigOptions): CloudConfig {
  return readSettings(cloudSchema, config ?? usualFiles.find((file) => existsSync(file)), set);
}

/** A command ends in order by Ctrl-C, by SIGTERM, and when nobody reads its output any more. */
function commandParts(options: ConfigOptions): CommandParts {
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  process.stdout.once("error", () => ended.abort());
  return {
    settings: readConfig(options).nats,
    clock: systemClock(),
    random: systemRandom,
    write: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${line}\n`),
    signal: ended.signal,
  };
}

cli.command(
  "run",
  "Run the cloud side until SIGTERM",
  (command) => withConfig(command).option("--end-with-stdin", "stop when stdin closes"),
  async (options: ConfigOptions & { endWithStdin?: boolean }) =>
    run(readConfig(options), options.endWithStdin ?? false),
);

cli.command(
  "check",
  "Check a configuration and exit",
  withConfig,
  async (options: ConfigOptions) => {
    const { rules, receivers } = readConfig(options);
    process.stdout.write(
      `the configuration is good: ${rules.length} rules, ${receivers.length} receivers\n`,
    );
    return 0;
  },
);

interface TailFlags extends ConfigOptions {
  readonly json?: boolean;
  readonly from: string;
  readonly untilIdle?: string;
  readonly kind: string;
  readonly format?: string;
}

cli.command(
  "tail",
  "Print what the engine takes, each event once and in order",
  (command) =>
    withConfig(command)
      .option("--json", "a JSON object a line")
      .option("--from <where>", "start, now, ISO 8601 or ms since 1970", "now")
      .option("--until-idle <ms>", "end after so long without anything new")
      .option("--kind <kind>", "reading, system, quarantined, …, or all", "reading")
      .option("--format <format>", "cloudevents: a CloudEvent a line"),
  async (options: TailFlags) => {
    if (options.format !== undefined && options.format !== "cloudevents") {
      throw new CodedError("CLI_USAGE", `--format ${options.format}: only cloudevents is known`);
    }
    const format =
      options.format === "cloudevents" ? "cloudevents" : options.json ? "json" : "text";
    const untilIdleMs =
      options.untilIdle === undefined ? undefined : milliseconds(options.untilIdle);
    const from = parseFrom(options.from);
    return tail(commandParts(options), { from, kind: options.kind, format, untilIdleMs });
  },
);

function milliseconds(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new CodedError("CLI_USAGE", `--until-idle ${text}: write milliseconds`);
}

cli.command(
  "audit",
  "Print the ledger; exit 1 where an epoch that has ended was not taken to its end",
  (command) => withConfig(command).option("--json", "a JSON object a line"),
  async (options: ConfigOptions & { json?: boolean }) =>
    audit(commandParts(options), options.json ?? false),
);

interface AlertFlags extends ConfigOptions {
  readonly json?: boolean;
  readonly open?: boolean;
  readonly transitions?: boolean;
}

cli.command(
  "alerts",
  "Print alerts, each in its last state",
  (command) =>
    withConfig(command)
      .option("--json", "a JSON object a line")
      .option("--open", "only those that fire now")
      .option("--transitions", "every firing and resolving as it was decided, as JSON"),
  async ({ json = false, open = false, transitions = false, ...options }: AlertFlags) =>
    alerts(commandParts(options), { json, openOnly: open, transitions }),
);

interface StreamsFlags extends ConfigOptions {
  readonly json?: boolean;
  readonly force?: boolean;
}

cli.command(
  "streams",
  "Print the JetStream streams, the journal's readers and what holds it back; or retire a reader",
  (command) =>
    withConfig(command)
      .argument("[retire]", "retire: forget a reader, so that the journal is not kept for it")
      .argument("[name]", "of the reader")
      .option("--json", "a JSON object a line")
      .option("--force", "retire a reader that has moved on just now"),
  async (
    { json = false, force = false, ...options }: StreamsFlags,
    act?: string,
    name?: string,
  ) => {
    if (act === undefined) return streams(commandParts(options), json);
    if (act === "retire" && name !== undefined) return retire(commandParts(options), name, force);
    throw new CodedError("CLI_USAGE", `streams ${act}: write streams, or streams retire NAME`);
  },
);

interface ScoreFlags {
  readonly detector: string;
  readonly input: string;
  readonly output?: string;
  readonly train?: string;
  readonly reference?: string;
  readonly delimiter: string;
  readonly time: string;
  readonly value: string;
  readonly parameter: readonly string[];
}

cli.command(
  "score",
  "Put a CSV file through a detector, row by row, as the engine would",
  (command) =>
    command
      .requiredOption("--input <file>", "rows with a head; .gz is unpacked")
      .option("--output <file>", "the same rows and anomaly_score (default: standard output)")
      .option("--detector <name>", "as in a rule", "auto")
      .option("--train <rows>", "rows that only teach")
      .option("--reference <how>", "adaptive, slow or frozen after the training")
      .option("--delimiter <character>", "between columns", ",")
      .option("--time <column>", "ISO 8601, or seconds or ms since 1970", "timestamp")
      .option("--value <columns>", "metrics of one device, separated by commas", "value")
      .option("--parameter <name=value>", "of the detector; may be repeated", collect, []),
  async ({ input, output, train, reference, parameter, ...options }: ScoreFlags) => {
    if (train !== undefined && !/^[1-9][0-9]{0,6}$/.test(train)) {
      throw new CodedError("CLI_USAGE", `--train ${train}: write a number of rows`);
    }
    const values = options.value.split(",").map((column) => column.trim());
    const settings = {
      ...{ detector: options.detector, delimiter: options.delimiter, time: options.time, values },
      ...{ train: train === undefined ? undefined : Number(train), reference },
      parameters: parametersOf(parameter),
    };
    return scoreFile({ input, output }, settings);
  },
);

function parametersOf(given: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    given.map((text) => {
      const [, name, value] = /^([a-zA-Z]+)=(.*)$/.exec(text) ?? [];
      if (name !== undefined && value !== undefined) return [name, value];
      throw new CodedError("CLI_USAGE", `--parameter ${text}: write name=value`);
    }),
  );
}

await cli.run(process.argv);
