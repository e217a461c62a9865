/** `causeway-cloud`: the command line of the cloud side. */
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import type { PlacedFault } from "@causeway/shared/settings.ts";
import { collect, program } from "@causeway/shared/system-cli.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemLogger } from "@causeway/shared/system-log.ts";
import { ownNkey } from "@causeway/shared/system-nkey.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import type { Command } from "commander";
import type { Found } from "./backtest/comparison.ts";
import { isDifference } from "./backtest/comparison.ts";
import { testReceiver } from "./cli/alert-test.ts";
import { backtestLines, promoted, rangeOf } from "./cli/backtest.ts";
import { backtestCsv } from "./cli/csv-backtest.ts";
import { showPlot } from "./cli/file-plot.ts";
import { rowsOf } from "./cli/file-rows.ts";
import { scoreFile } from "./cli/file-score.ts";
import { backtestJournal } from "./cli/nats-backtest.ts";
import { alerts, audit } from "./cli/nats-commands.ts";
import { deadAlerts } from "./cli/nats-dead-alerts.ts";
import type { DeviceFlags } from "./cli/nats-devices.ts";
import { deviceActs, devices, gatewayActs, gateways } from "./cli/nats-devices.ts";
import type { GatewayFlags } from "./cli/nats-gateways.ts";
import { acknowledge, addSilence, endSilence, listSilences } from "./cli/nats-silences.ts";
import { retire, streams } from "./cli/nats-streams.ts";
import { tail } from "./cli/nats-tail.ts";
import type { SilenceFlags } from "./cli/silence.ts";
import { addApiCommands } from "./cli/system-api-commands.ts";
import type { ConfigOptions } from "./cli/system-config.ts";
import {
  commandParts,
  fileOf,
  readConfig,
  withConfig,
  withRulesFile,
  write,
} from "./cli/system-config.ts";
import { addDeadCommands } from "./cli/system-dead-commands.ts";
import type { QueryFlags } from "./cli/system-query.ts";
import { query } from "./cli/system-query.ts";
import { parseFrom } from "./cli/tail.ts";
import type { ListFlags, SendFlags } from "./command/nats-command-cli.ts";
import { listCommands, sendCommand, showCommand } from "./command/nats-command-cli.ts";
import { signingKeyOf } from "./command/system-signing-key.ts";
import { cloudSchema } from "./config.ts";
import { openReceivers } from "./notify/system-receivers.ts";
import type { ReportFlags } from "./report/nats-report-command.ts";
import { reportCommand } from "./report/nats-report-command.ts";
import { usualSilentMs } from "./report/report-stage.ts";
import { configuredRules, readRulesText } from "./rules/file-rules.ts";
import { checkRules, rules as rulesCommand } from "./rules/nats-rules-commands.ts";
import { tellCheck } from "./rules/rules-check.ts";
import type { LoadedRules } from "./rules/rules-document.ts";
import {
  exampleFaults,
  examplesIn,
  faultsOfAllExamples,
  faultsThrown,
} from "./rules/rules-document.ts";
import { stageNames } from "./stages/stage.ts";
import { run } from "./system-run.ts";

const cli = program(
  "causeway-cloud",
  "Takes what gateways send once, finds what is abnormal, tells people",
);

const rulesActs =
  "check FILE, put FILE, list, show [NAME], history, diff A [B] (exit 1 where they differ), remove, " +
  "mode NAME live|shadow|off";

function rulesOf(options: ConfigOptions): LoadedRules {
  return configuredRules(readConfig(options), fileOf(options) ?? "settings");
}

cli.command(
  "run",
  "Run the cloud side until SIGTERM",
  (command) =>
    withConfig(command)
      .option("--stages <list>", `what this process does, of ${stageNames.join(", ")}`)
      .option("--end-with-stdin", "stop when stdin closes"),
  async ({ stages, ...options }: ConfigOptions & { stages?: string; endWithStdin?: boolean }) => {
    const wanted = stages === undefined ? [] : [`stages=[${stages}]`];
    const config = readConfig({ ...options, set: [...options.set, ...wanted] });
    return run(config, fileOf(options) ?? "settings", options.endWithStdin ?? false);
  },
);

cli.command(
  "check",
  "Check a configuration, and its rules by their examples; exit 1 where one of these fails",
  (command) => withConfig(command).option("--json", "a JSON object a line"),
  async ({ json = false, ...options }: ConfigOptions & { json?: boolean }) =>
    tellCheck("the configuration", () => checkedConfig(options), { json, write }),
);

function checkedConfig(options: ConfigOptions) {
  const { receivers } = readConfig(options);
  const { rules } = rulesOf(options);
  const counts = { rules: rules.length, examples: examplesIn(rules), receivers: receivers.length };
  return { counts, failures: failuresIn(options) };
}

/** Of examples; in a configuration whose rules are good. */
function failuresIn(options: ConfigOptions): readonly PlacedFault[] {
  const { rulesFile } = readConfig(options);
  if (rulesFile !== undefined) return exampleFaults(readRulesText(rulesFile), rulesFile);
  return faultsThrown(() => readConfig(options, faultsOfAllExamples));
}

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
      .option("--kind <kind>", "reading, system, derived, …, or all", "reading")
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
  readonly shadow?: boolean;
  readonly note: string;
  readonly by?: string;
}

const alertActs =
  "ack ALERT --note TEXT, test RECEIVER, dead [RECEIVER]; without one, alerts are printed";

cli.command(
  "alerts",
  "Print alerts, each in its last state; acknowledge one; test a receiver; list what none took",
  (command) =>
    withConfig(command)
      .argument("[act]", alertActs)
      .argument("[name]", "of a receiver, or the id of an alert")
      .option("--json", "a JSON object a line")
      .option("--note <text>", "of an acknowledgement", "")
      .option("--by <name>", "who acknowledges (default: who is logged in)")
      .option("--open", "only those that fire now")
      .option("--transitions", "every firing and resolving as it was decided, as JSON")
      .option("--shadow", "those of rules in shadow, which nobody is told of"),
  async ({ json = false, open = false, ...options }: AlertFlags, act, name) => {
    const { transitions = false, shadow = false } = options;
    if (act === "ack") {
      if (name === undefined) throw new CodedError("CLI_USAGE", "alerts ack ALERT: name an alert");
      return acknowledge(commandParts(options), name, { note: options.note, by: options.by, json });
    }
    if (act === "test") return testOneReceiver(options, name, json);
    if (act === "dead") return deadAlerts(commandParts(options), name, json);
    if (act !== undefined) throw new CodedError("CLI_USAGE", `alerts ${act}: ${alertActs}`);
    const { fleet } = rulesOf(options);
    return alerts(commandParts(options), { json, openOnly: open, transitions, shadow, fleet });
  },
);

function testOneReceiver(options: ConfigOptions, name: string | undefined, asJson: boolean) {
  if (name === undefined)
    throw new CodedError("CLI_USAGE", "alerts test RECEIVER: name one of receivers");
  const parts = commandParts(options);
  const { receivers, logLevel } = readConfig(options);
  const log = systemLogger(logLevel, { service: "causeway-cloud" });
  return testReceiver(
    openReceivers(receivers, parts.clock, parts.random, log),
    name,
    parts,
    asJson,
  );
}

cli.command(
  "silence",
  "Keep alerts quiet that labels select: once until a time, or in windows that come again",
  (command) =>
    withConfig(command)
      .argument("<act>", "add, list, end ID")
      .argument("[id]", "of a silence")
      .option("--match <label=pattern>", "rule, gateway, device, …; may be repeated", collect, [])
      .option("--for <span>", "such as 2h")
      .option("--from <time>", "ISO 8601 (default: now)")
      .option("--until <time>", "ISO 8601")
      .option("--cron <cron>", "windows begin then, such as 0 22 * * SUN")
      .option("--duration <span>", "of each window")
      .option("--zone <zone>", "of the cron (default: UTC)")
      .option("--author <name>", "default: who is logged in")
      .option("--comment <text>", "why")
      .option("--all", "list those that are over too")
      .option("--json", "a JSON object a line"),
  async (flags: ConfigOptions & SilenceFlags, act = "", id = "") => {
    if (act === "add" && id === "")
      return addSilence(commandParts(flags), flags, rulesOf(flags).fleet);
    if (act === "list" && id === "") return listSilences(commandParts(flags), flags);
    if (act === "end" && id !== "") return endSilence(commandParts(flags), id, flags);
    throw new CodedError("CLI_USAGE", `silence ${act}: write add, list, or end ID`);
  },
);

interface RulesFlags extends ConfigOptions {
  readonly json?: boolean;
  readonly note?: string;
  readonly revision?: string;
}

cli.command(
  "rules",
  "Change rules while the cloud runs: those in bucket RULES go before the configuration's",
  (command) =>
    withConfig(command)
      .argument("<act>", rulesActs)
      .argument("[first]", "FILE, NAME, or for diff a revision or a file")
      .argument("[second]", "for mode: live, shadow or off; for diff a revision or a file")
      .option("--json", "a JSON object a line")
      .option("--note <text>", "why, for the history")
      .option("--revision <n>", "to show; or the one that must be there to be changed"),
  async ({ json = false, note = "", revision, ...options }: RulesFlags, act = "", ...given) => {
    const args = given.filter((argument) => argument !== undefined);
    if (act === "check" && args.length === 1) return checkRules(args[0] ?? "", { json, write });
    if (revision !== undefined && !/^[0-9]{1,15}$/.test(revision))
      throw new CodedError("CLI_USAGE", `--revision ${revision}: write a number`);
    const asked = revision === undefined ? undefined : Number(revision);
    const configured = () => rulesOf(options);
    const parts = { ...commandParts(options), json, note, revision: asked, configured };
    return rulesCommand(parts, act, args);
  },
);

cli.command(
  "report",
  "Print a report: the last one that was made under a name, or one over the journal as it is now",
  (command) =>
    withConfig(command)
      .argument("[name]", "one of reports (default: all gateways, over the last day)")
      .option("--site <site>", "only of this one")
      .option("--from <time>", "over the journal: from start, ISO 8601 or ms since 1970")
      .option("--to <time>", "until now, ISO 8601 or ms since 1970")
      .option("--last <span>", "over the journal: day or week")
      .option("--json", "all figures, as one JSON object"),
  async (flags: ConfigOptions & ReportFlags, name) => {
    const { reports, gateways } = readConfig(flags);
    const silentMs = gateways.silentAfter || usualSilentMs;
    const run = { reports, fleet: rulesOf(flags).fleet, silentMs };
    return reportCommand(commandParts(flags), name, run, flags);
  },
);

cli.command(
  "query",
  "Print readings of the history: as they came, summed up, or the newest of each series",
  (command) =>
    withConfig(command)
      .option("--gateway <name>", "of readings; * stands for anything, here and below")
      .option("--device <name>", "at the gateway")
      .option("--metric <name>", "of the device")
      .option("--site <site>", "of the gateway")
      .option("--tag <tag>", "of the device")
      .option("--from <time>", "ISO 8601 or ms since 1970 (default: a day before --to)")
      .option("--to <time>", "ISO 8601 or ms since 1970 (default: now)")
      .option("--last <span>", "in place of --from, such as 2h")
      .option("--points <count>", "no more than so many a series, the extremes among them")
      .option("--bucket <span>", "count, mean, min, max and last of stretches such as 5m")
      .option("--latest", "the newest reading of each series")
      .option("--series", "the series themselves")
      .option("--losses", "positions that were lost")
      .option("--order <order>", "asc or desc, by time")
      .option("--limit <count>", "rows at most")
      .option("--format <format>", "json, ndjson, csv or parquet")
      .option("--output <file>", "in place of standard output")
      .option("--json", "a JSON object a line"),
  async (flags: ConfigOptions & QueryFlags) => {
    const { history: settings, dataDir } = readConfig(flags);
    const { clock, signal } = commandParts(flags);
    return query({ settings, dataDir, clock, signal, output: process.stdout }, flags);
  },
);

const commandActs = "send GATEWAY DEVICE NAME, list, show ID";

cli.command(
  "command",
  "Send a command to a device, and see what became of it; with send --wait exit 1 unless it is done",
  (command) =>
    withConfig(command)
      .argument("<act>", commandActs)
      .argument("[first]", "GATEWAY, or for show the ID")
      .argument("[device]", "as in devices/DEVICE/commands/NAME")
      .argument("[name]", "as there")
      .option("--payload <text>", "JSON or any text; @file reads it from there")
      .option("--expires <span>", "such as 5m, 30d at most (default: 5m)")
      .option("--wait", "until the device has replied, or it has expired")
      .option("--no-reply", "the payload as it is; done with the device's PUBACK")
      .option("--id <id>", "the same id again has no second effect (default: a new one)")
      .option("--by <name>", "who sends it (default: who is logged in)")
      .option("--gateway <name>", "list: only of this one")
      .option("--state <state>", "list: only those in this state")
      .option("--limit <count>", "list: the newest", "100")
      .option("--json", "a JSON object a line"),
  async (flags: ConfigOptions & SendFlags & ListFlags, act = "", ...given) => {
    const args = given.filter((argument) => argument !== undefined);
    const [first = "", device = "", name = ""] = args;
    const parts = commandParts(flags);
    if (act === "send" && args.length === 3) {
      const { signingKeyFile } = readConfig(flags).commands;
      return sendCommand(parts, [first, device, name], flags, signingKeyOf(signingKeyFile));
    }
    if (act === "list" && args.length === 0) return listCommands(parts, flags);
    if (act === "show" && args.length === 1) return showCommand(parts, first, flags.json);
    throw new CodedError("CLI_USAGE", `command ${act}: write ${commandActs}`);
  },
);

function withDeviceFlags(command: Command): Command {
  return withConfig(command)
    .option("--note <text>", "why", "")
    .option("--by <name>", "who says so (default: who is logged in)")
    .option("--json", "a JSON object a line");
}

function deviceParts(flags: ConfigOptions) {
  return { ...commandParts(flags), silentAfterMs: readConfig(flags).gateways.silentAfter };
}

cli.command(
  "devices",
  "List devices as they were seen; give one a name, let one go on as another, take one out of service",
  (command) =>
    withDeviceFlags(command)
      .argument("[act]", deviceActs, "list")
      .argument("[gateway]", "that the device is at")
      .argument("[device]", "its name in topics; of replace the old one")
      .argument(
        "[third]",
        "of rename the name for people, none to take it away; of replace the new one",
      )
      .option("--gateway <name>", "list: only of this one")
      .option("--state <state>", "list: only online, offline, quiet, unknown or retired"),
  async (flags: ConfigOptions & DeviceFlags, act = "", ...given) => {
    const args = given.filter((argument) => argument !== undefined);
    return devices(deviceParts(flags), act, args, flags);
  },
);

cli.command(
  "gateways",
  "List gateways; let one in by its key, or revoke that; give one a name, take one out of service",
  (command) =>
    withDeviceFlags(command)
      .argument("[act]", gatewayActs, "list")
      .argument("[gateway]", "its name; of import a file")
      .argument("[word]", "of add: its key; of rename: a name for people, none to take it away")
      .option("--site <site>", "add: where it belongs; an empty one takes that away")
      .option(
        "--label <name=value>",
        "add: may be repeated; an empty value takes it away",
        collect,
        [],
      )
      .option("--replace", "add, import: another key may come in place of the one that there is"),
  async (flags: ConfigOptions & DeviceFlags & GatewayFlags, act = "", ...given) => {
    const args = given.filter((argument) => argument !== undefined);
    return gateways({ ...deviceParts(flags), users: readConfig(flags).gateways }, act, args, flags);
  },
);

cli.command(
  "key",
  "Print the public half of an nkey that nats-server is to know; the file is made where it is missing",
  (command) => command.argument("<file>", "that holds the seed, for nats.auth.nkeySeedFile"),
  async (_options: object, file = "") => {
    write(ownNkey(file).publicKey);
    return 0;
  },
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
  readonly plot?: string;
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
      .option("--parameter <name=value>", "of the detector; may be repeated", collect, [])
      .option("--plot <file>", "the values and their scores as SVG; - is this terminal"),
  async ({ input, output, plot, train, reference, parameter, ...options }: ScoreFlags) => {
    if (train !== undefined && !/^[1-9][0-9]{0,6}$/.test(train)) {
      throw new CodedError("CLI_USAGE", `--train ${train}: write a number of rows`);
    }
    const values = options.value.split(",").map((column) => column.trim());
    const settings = {
      ...{ detector: options.detector, delimiter: options.delimiter, time: options.time, values },
      ...{ train: train === undefined ? undefined : Number(train), reference },
      parameters: parametersOf(parameter),
    };
    return scoreFile({ input, output, plot }, settings);
  },
);

interface BacktestFlags extends ConfigOptions {
  readonly rules: string;
  readonly from?: string;
  readonly to?: string;
  readonly input?: string;
  readonly device: string;
  readonly delimiter: string;
  readonly time: string;
  readonly value: string;
  readonly plot?: string;
  readonly shadow?: boolean;
  readonly json?: boolean;
}

cli.command(
  "backtest",
  "Print the alerts that other rules would have given; exit 1 where they differ from those told",
  (command) =>
    withConfig(command)
      .requiredOption("--rules <file>", "as cloud.yaml: its rules and its fleet are judged by")
      .option("--from <time>", "over the journal: alerts from start, ISO 8601 or ms since 1970")
      .option("--to <time>", "until now, ISO 8601 or ms since 1970")
      .option("--input <file>", "over a CSV file in place of the journal; .gz is unpacked")
      .option("--device <name>", "that the rows of --input are of, for rules to select", "input")
      .option("--delimiter <character>", "between the columns of --input", ",")
      .option("--time <column>", "of --input: ISO 8601, or seconds or ms since 1970", "timestamp")
      .option("--value <columns>", "of --input: metrics, separated by commas", "value")
      .option("--shadow", "rules in shadow too, as though they were live")
      .option("--plot <file>", "readings and alerts as SVG; - is this terminal")
      .option("--json", "a JSON object a line, alerts that do not differ too"),
  async ({
    rules,
    shadow = false,
    from,
    to,
    input,
    device,
    value,
    plot,
    json = false,
    ...flags
  }: BacktestFlags) => {
    const judged = configuredRules(
      withRulesFile(readSettings(cloudSchema, rules, []), rules),
      rules,
    );
    const tried = shadow ? judged.rules.map(promoted) : judged.rules;
    const alerting = createAlerting(compileRules(tried, judged.fleet));
    const names = tried.filter(({ mode }) => mode === "live").map(({ name }) => name);
    const untold = tried.filter(({ mode }) => mode === "shadow").length;
    const tell = async ({ compared, hasJudged, chart }: Found) => {
      const isJournal = input === undefined;
      const telling = { asJson: json, hasBefore: isJournal, untold, hasJudged };
      for (const line of backtestLines(compared, telling)) process.stdout.write(`${line}\n`);
      if (plot !== undefined) await showPlot(await chart(), plot);
      return compared.some(isDifference) ? 1 : 0;
    };
    if (input === undefined) {
      const range = rangeOf(from, to, systemClock().wallMs());
      return backtestJournal(commandParts(flags), { alerting, rules: names, range }, tell);
    }
    const { delimiter, time } = flags;
    const values = value.split(",").map((column) => column.trim());
    const run = { title: input, device, rules: names, delimiter, time, values };
    return tell(await backtestCsv(alerting, rowsOf(input), run));
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

addApiCommands(cli);
addDeadCommands(cli);

await cli.run(process.argv);
