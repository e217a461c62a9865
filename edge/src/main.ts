/**
 * `causeway-edge`: the command line of the gateway. What one command alone needs is loaded when it is
 * given, for loading is most of a short command's time.
 */

import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CodedError } from "@causeway/shared/errors.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { collect, program } from "@causeway/shared/system-cli.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSecret, readSettings } from "@causeway/shared/system-settings.ts";
import type { Question } from "./cli/http-status-command.ts";
import { edgeSchema } from "./config.ts";
import { hasRules } from "./rules/rules-settings.ts";

interface StatusOptions {
  readonly config?: string;
  readonly set: string[];
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Where the gateway of this machine listens, unless the command line says otherwise. */
function questionOf({ config, set, url, tokenFile, json = false }: StatusOptions): Question {
  const http =
    config === undefined && set.length === 0
      ? edgeSchema.shape.http.parse(undefined)
      : readSettings(edgeSchema, config, set).http;
  const file = tokenFile ?? http.tokenFile;
  const host = http.host === "0.0.0.0" || http.host === "::" ? "127.0.0.1" : http.host;
  const address = host.includes(":") ? `[${host}]` : host;
  return {
    url: url ?? `http://${address}:${http.port}`,
    token: file === undefined ? undefined : readSecret(file),
    json,
  };
}

interface ConfigOptions {
  readonly config?: string;
  readonly set: string[];
}

/** With rules looked into where there are any. */
async function configOf({ config: file, set }: ConfigOptions) {
  const config = readSettings(edgeSchema, file, set);
  if (!hasRules(config)) return { config, judging: undefined };
  const { readJudging } = await import("./rules/system-judging.ts");
  return { config, judging: readJudging(file, set) };
}

interface OutboxOptions {
  readonly config?: string;
  readonly set: string[];
  readonly json?: boolean;
  readonly all?: boolean;
}

/** Resolves once the text has left, so that an end of the process cuts nothing off. */
function writeOut(lines: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(lines, (failure) => (failure ? reject(failure) : resolve()));
  });
}

const cli = program(
  "causeway-edge",
  "Keeps what devices publish over MQTT until the cloud has taken it",
);

cli.command(
  "run",
  "Run the gateway until SIGTERM",
  (command) =>
    command
      .option("-c, --config <file>", "configuration file (YAML)")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--end-with-stdin", "stop when stdin closes"),
  async (options: ConfigOptions & { endWithStdin?: boolean }) => {
    const { config, judging } = await configOf(options);
    const { run } = await import("./system-run.ts");
    return run(config, options.endWithStdin ?? false, judging);
  },
);

cli.command(
  "check",
  "Check a configuration, the files that it names, and its rules by their examples",
  (command) =>
    command
      .option("-c, --config <file>", "configuration file (YAML)")
      .option("--set <path=value>", "override one setting; may be repeated", collect, []),
  async (options: ConfigOptions) => {
    const { config, judging } = await configOf(options);
    const { readFiles } = await import("./system-run.ts");
    const { access } = readFiles(config, systemClock(), silentLogger);
    for (const fault of access.dateFaults()) process.stderr.write(`warning: ${fault}\n`);
    const what = `the configuration of gateway ${config.gateway}`;
    if (judging === undefined) {
      process.stdout.write(`${what} is good\n`);
      return 0;
    }
    const { checkJudging } = await import("./rules/system-judging.ts");
    return checkJudging(judging, what, options.config, options.set);
  },
);

cli.command(
  "status",
  "Ask the running gateway how it is; exit 1 where it is unhealthy",
  (command) =>
    command
      .option("-c, --config <file>", "configuration file (YAML), for address and token")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--url <url>", "address of the gateway's status page")
      .option("--token-file <file>", "file with the token that it asks for")
      .option("--json", "print one JSON object"),
  async (options: StatusOptions) => {
    const { askStatus } = await import("./cli/http-status-command.ts");
    const print = (line: string) => process.stdout.write(`${line}\n`);
    return askStatus(questionOf(options), systemClock(), print);
  },
);

cli.command(
  "outbox",
  "Look into the outbox of a stopped gateway: status, verify (exit 1 on a finding), or export",
  (command) =>
    command
      .argument("<what>", "status, verify or export")
      .option("-c, --config <file>", "configuration file (YAML)")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--json", "status and verify: print one JSON object")
      .option("--all", "export: also what the cloud has taken and is still kept"),
  async (options: OutboxOptions, what: string) => {
    const commands = await import("./cli/level-outbox-commands.ts");
    const { gateway, dataDir } = readSettings(edgeSchema, options.config, options.set);
    const print = { write: writeOut, json: options.json ?? false };
    const parts = { gateway, folder: join(dataDir, "outbox"), clock: systemClock(), ...print };
    if (what === "status") return commands.outboxStatus(parts);
    if (what === "verify") return commands.verifyOutbox(parts);
    if (what === "export") return commands.exportOutbox(parts, options.all ?? false);
    throw new CodedError("CLI_USAGE", `outbox ${what}: write status, verify or export`);
  },
);

interface DecodeOptions {
  readonly before: string[];
  readonly json?: boolean;
}

cli.command(
  "decode",
  "Print what the gateway makes of a device's message; exit 1 where it would be quarantined",
  (command) =>
    command
      .argument("<topic>", "topic of the message")
      .argument("<file>", "file with its payload, - for stdin")
      .option(
        "--before <topic=file>",
        "a message that came before, as a birth or discovery; may be repeated",
        collect,
        [],
      )
      .option("--json", "print a line of JSON for each reading"),
  async ({ before, json = false }: DecodeOptions, topic: string, file: string) => {
    const { decodePayload } = await import("./cli/file-decode-command.ts");
    const presentMs = () => systemClock().wallMs();
    return decodePayload({ topic, file, before, json, presentMs, write: writeOut });
  },
);

cli.command(
  "passwd",
  "Print the password file line of a user; the password is read from stdin",
  (command) => command.argument("<user>", "user name"),
  async (_options: object, user: string) => {
    const { passwordLine } = await import("./broker/access.ts");
    const password = (await text(process.stdin)).replace(/\r?\n$/, "");
    process.stdout.write(
      `${passwordLine(user, password, Buffer.from(systemRandom.hex(32), "hex"))}\n`,
    );
    return 0;
  },
);

await cli.run(process.argv);
