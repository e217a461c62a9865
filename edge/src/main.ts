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
import type { Checked } from "./cli/checked-lines.ts";
import type { Question } from "./cli/http-question.ts";
import type { EdgeConfig } from "./config.ts";
import { edgeSchema } from "./config.ts";
import { hasRoutes } from "./mapping/routes-settings.ts";
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

/** With rules and routes looked into where there are any. */
async function configOf({ config: file, set }: ConfigOptions) {
  const config = readSettings(edgeSchema, file, set);
  const routing = await routingOf(config, file, set);
  if (!hasRules(config)) return { config, routing, judging: undefined };
  const { readJudging } = await import("./rules/system-judging.ts");
  return { config, routing, judging: readJudging(file, set) };
}

async function routingOf(config: EdgeConfig, file: string | undefined, set: readonly string[]) {
  if (!hasRoutes(config)) return undefined;
  const { readRouting } = await import("./mapping/file-routing.ts");
  return readRouting(file, set);
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
    const { config, judging, routing } = await configOf(options);
    const { run } = await import("./system-run.ts");
    return run(config, options.endWithStdin ?? false, judging, routing);
  },
);

cli.command(
  "check",
  "Check a configuration, the files that it names, and its rules and routes by their examples",
  (command) =>
    command
      .option("-c, --config <file>", "configuration file (YAML)")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--connect", "then dial each server step by step; exit 1 where one cannot be used")
      .option("--json", "with --connect: print a line of JSON for each step"),
  async (options: ConfigOptions & { connect?: boolean; json?: boolean }) => {
    const { config, judging, routing } = await configOf(options);
    const { readFiles } = await import("./system-run.ts");
    const { access } = readFiles(config, systemClock(), silentLogger);
    for (const fault of access.dateFaults()) process.stderr.write(`warning: ${fault}\n`);
    const { config: file, set } = options;
    const { tellChecked } = await import("./cli/checked-lines.ts");
    const checked: Checked[] = [];
    if (judging !== undefined) {
      const { checkJudging, rulesOf } = await import("./rules/system-judging.ts");
      checked.push(checkJudging(judging, file, set));
      const { idleFilters } = await import("./filter/idle-filters.ts");
      for (const idle of idleFilters(config.filters, rulesOf(judging)))
        process.stderr.write(`warning: ${idle}\n`);
    }
    if (routing !== undefined) {
      const { checkRouting } = await import("./mapping/file-routing.ts");
      checked.push(checkRouting(routing, file, set));
    }
    const { text, code } = tellChecked(`the configuration of gateway ${config.gateway}`, checked);
    const { connect = false, json = false } = options;
    if (!connect || !json) await writeOut(text);
    if (!connect || code !== 0) return code;
    const { checkConnect } = await import("./cli/nats-check-connect.ts");
    const print = (line: string) => void process.stdout.write(`${line}\n`);
    const parts = { clock: systemClock(), random: systemRandom, print, json };
    return checkConnect(config, parts);
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

interface InspectOptions extends StatusOptions {
  readonly topic?: string;
  readonly device?: string;
  readonly refused?: boolean;
  readonly once?: boolean;
  readonly topics?: boolean;
  readonly suggest?: string;
}

cli.command(
  "inspect",
  "Show what comes in, raw beside mapped, and why something is refused; Ctrl-C ends",
  (command) =>
    command
      .option("--topic <filter>", "only topics that this MQTT filter matches")
      .option("--device <name>", "only of this device")
      .option("--refused", "only what could not be read, or in part")
      .option("--once", "the newest message of each topic, then end; exit 1 where one was refused")
      .option("--topics", "the topics with their counts, then end")
      .option("--suggest <topic>", "print a route for the topic, from what came on it last")
      .option("-c, --config <file>", "configuration file (YAML), for address and token")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--url <url>", "address of the gateway's status page")
      .option("--token-file <file>", "file with the token that it asks for")
      .option("--json", "print a line of JSON for each message, or topic"),
  async (options: InspectOptions) => {
    const { topic, device, refused = false, suggest } = options;
    const { isFilter, isTopic } = await import("./broker/topic-filter.ts");
    if (suggest !== undefined && !isTopic(suggest))
      throw new CodedError("CLI_USAGE", `--suggest ${suggest}: write one MQTT topic`);
    if (topic !== undefined && !isFilter(topic))
      throw new CodedError("CLI_USAGE", `--topic ${topic}: write an MQTT topic or filter`);
    const { inspectLive, inspectOnce, inspectTopics, suggestRoute } = await import(
      "./cli/http-inspect-command.ts"
    );
    const { terminal } = await import("./cli/system-terminal.ts");
    const parts = { ...terminal(), question: questionOf(options), clock: systemClock() };
    const wish = { topic, device, refused };
    if (suggest !== undefined) return suggestRoute(parts, suggest);
    if (options.topics === true) return inspectTopics(parts, wish);
    return options.once === true ? inspectOnce(parts, wish) : inspectLive(parts, wish);
  },
);

cli.command(
  "devices",
  "List the devices that the running gateway has heard of, with rate, size and connection",
  (command) =>
    command
      .argument("[device]", "only this one")
      .option("-c, --config <file>", "configuration file (YAML), for address and token")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--url <url>", "address of the gateway's status page")
      .option("--token-file <file>", "file with the token that it asks for")
      .option("--json", "print a line of JSON for each"),
  async (options: StatusOptions, device: string | undefined) => {
    const { listDevices } = await import("./cli/http-inspect-command.ts");
    const { terminal } = await import("./cli/system-terminal.ts");
    const parts = { ...terminal(), question: questionOf(options), clock: systemClock() };
    return listDevices(parts, device);
  },
);

interface DecodeOptions extends ConfigOptions {
  readonly before: string[];
  readonly json?: boolean;
}

/** Undefined where none is configured. */
async function routesOf(file: string | undefined, set: readonly string[]) {
  if (file === undefined && set.length === 0) return undefined;
  const routing = await routingOf(readSettings(edgeSchema, file, set), file, set);
  if (routing === undefined) return undefined;
  const { compiledRoutes } = await import("./mapping/file-routing.ts");
  return compiledRoutes(routing);
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
      .option("-c, --config <file>", "configuration file (YAML), for its routes")
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--json", "print a line of JSON for each reading"),
  async ({ before, json = false, config, set }: DecodeOptions, topic: string, file: string) => {
    const { decodePayload } = await import("./cli/file-decode-command.ts");
    const presentMs = () => systemClock().wallMs();
    const routes = await routesOf(config, set);
    return decodePayload({ topic, file, before, json, routes, presentMs, write: writeOut });
  },
);

interface JoinOptions extends ConfigOptions {
  readonly renew?: boolean;
  readonly json?: boolean;
}

cli.command(
  "join",
  "Make this gateway's own key, once, and print what the operator of the cloud is to run",
  (command) =>
    command
      .option(
        "-c, --config <file>",
        "configuration file (YAML); the key is uplink.auth.nkeySeedFile",
      )
      .option("--set <path=value>", "override one setting; may be repeated", collect, [])
      .option("--renew", "make another key in place of the one that is there")
      .option("--json", "print a line of JSON, for causeway-cloud gateways import"),
  async ({ config, set, renew = false, json = false }: JoinOptions) => {
    const { joinLines } = await import("./cli/system-join-command.ts");
    const { gateway, uplink } = readSettings(edgeSchema, config, set);
    await writeOut(joinLines({ gateway, file: uplink.auth?.nkeySeedFile, renew, json }));
    return 0;
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
