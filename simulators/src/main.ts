/** `causeway-sim`: the command line of the simulators. */
import { basename } from "node:path";
import { CodedError } from "@causeway/shared/errors.ts";
import { deviceId } from "@causeway/shared/names.ts";
import { collect, program } from "@causeway/shared/system-cli.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { Command } from "commander";
import { Option } from "commander";
import {
  brokerUrl,
  deviceNameOf,
  duration,
  gatherList,
  oneCharacter,
  speed,
  wholeNumber,
} from "./arguments.ts";
import { parseFault } from "./faults/fault-text.ts";
import { openJsonLines } from "./file-json-lines.ts";
import { linesOf } from "./file-lines.ts";
import { judge } from "./file-verdict.ts";
import { fleetClientIds, fleetMembers, runFleet } from "./fleet.ts";
import { actLoad, declareLoad } from "./load/system-command.ts";
import type { ProfileName } from "./profiles/catalogue.ts";
import { profileNames } from "./profiles/catalogue.ts";
import { actProxy, declareProxy } from "./proxy/system-proxy.ts";
import type { Row } from "./replay/columns.ts";
import { rowsOf } from "./replay/recording.ts";
import { latestTimeMs, replay } from "./replay/replay.ts";
import { actScenario, declareScenario } from "./scenario/system-command.ts";
import type { Session } from "./session.ts";
import type { RunOptions } from "./system-run.ts";
import { runToEnd } from "./system-run.ts";
import { verdictJson, verdictText } from "./verdict/verdict-report.ts";
import { actWorld, declareWorld } from "./world/system-world.ts";

const devicesMax = 100_000;
const connectionsMax = 10_000;
const windowMax = 10_000;
const intervalMsMax = 86_400_000;
const durationMsMax = 2_000_000_000;
const drainMsMax = 600_000;
const defaultDrainMs = 30_000;

function withRunFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", "MQTT broker")
        .default("mqtt://127.0.0.1:1883")
        .argParser(brokerUrl),
    )
    .option("--username <name>", "user name at the broker")
    .option("--password-file <file>", "file that holds the password")
    .addOption(
      new Option("--qos <n>", "MQTT quality of service: 0, 1 or 2")
        .default(1)
        .argParser(wholeNumber(0, 2)),
    )
    .addOption(
      new Option("--window <n>", "publishes waiting or unacknowledged at most, per connection")
        .default(100)
        .argParser(wholeNumber(1, windowMax)),
    )
    .option("--acked <file>", "write a JSON line per PUBACK, for `causeway-sim verdict`")
    .addOption(
      new Option("--drain-timeout <seconds>", "how long to wait for the last acknowledgements")
        .default(defaultDrainMs, "30")
        .argParser(duration("s", 0, drainMsMax)),
    )
    .option("--json", "end with the summary as a JSON object")
    .option("--end-with-stdin", "stop when stdin closes");
}

interface FleetOptions extends RunOptions {
  readonly devices: number;
  readonly interval: number;
  readonly profile: ProfileName;
  readonly seed: string;
  readonly prefix: string;
  readonly duration?: number;
  readonly count?: number;
  readonly connectionsMax: number;
  readonly fault: readonly string[];
  readonly labels?: string;
}

const fleetHelp = `
A device whose window is full, as while the broker is away, skips its sample: it uses up no seq.

Faults: kind=shift|spike, device=NUMBER|NAME, metric, at and for (as 60s), every, size.
  --fault demo    device 1 goes wrong after 75 s, for 45 s, and again every 4 minutes

Examples:
  causeway-sim fleet --devices 10 --interval 1s --profile mixed --fault demo
  causeway-sim fleet --devices 50 --interval 100ms --duration 60 --seed 7 --acked acked.jsonl
  causeway-sim fleet --fault kind=shift,device=3,metric=temperature,at=60s,for=30s,size=18`;

function declareFleet(command: Command): Command {
  command
    .addOption(
      new Option("--devices <n>", "how many").default(10).argParser(wholeNumber(1, devicesMax)),
    )
    .addOption(
      new Option("--interval <ms>", "from one publish of a device to its next")
        .default(1_000)
        .argParser(duration("ms", 1, intervalMsMax)),
    )
    .addOption(
      new Option("--profile <name>", "what they measure")
        .choices([...profileNames])
        .default("temperature"),
    )
    .option("--seed <text>", "the same seed measures the same", "1")
    .option("--prefix <text>", "device names begin with it", "sim-")
    .addOption(
      new Option("--duration <seconds>", "end after this time").argParser(
        duration("s", 1, durationMsMax),
      ),
    )
    .addOption(
      new Option("--count <n>", "end after so many publishes of all devices").argParser(
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(
      new Option("--connections-max <n>", "with more devices, connections are shared")
        .default(200)
        .argParser(wholeNumber(1, connectionsMax)),
    )
    .addOption(
      new Option("--fault <fault>", "a labelled fault, or demo; may be repeated")
        .default([], "none")
        .argParser(collect),
    )
    .option("--labels <file>", "write a JSON line per fault that began");
  return withRunFlags(command).addHelpText("after", fleetHelp);
}

async function actFleet(options: FleetOptions): Promise<number> {
  const clock = systemClock();
  const { devices, prefix, profile, seed, interval: intervalMs } = options;
  deviceName(prefix);
  const members = fleetMembers(prefix, devices, profile);
  const faults = options.fault.map((text) => parseFault(text, members));
  const clientIds = fleetClientIds(members, prefix, options.connectionsMax);
  const { duration: durationMs, count: publishesMax } = options;
  const plan = { members, seed, intervalMs, faults, durationMs, publishesMax };
  const produce = async (session: Session) => {
    const { connections, tally, ending } = session;
    const labels =
      options.labels === undefined
        ? undefined
        : openJsonLines(options.labels, clock, (failure) => session.fail(failure));
    const ports = { clock, connections, tally, label: (line: object) => labels?.write(line) };
    await runFleet(plan, ports, ending);
    labels?.close();
    return !ending.aborted || (durationMs ?? publishesMax) === undefined;
  };
  return runToEnd({ command: "fleet", clock, clientIds, produce }, options);
}

interface ReplayOptions extends RunOptions {
  readonly timeColumn: string;
  readonly valueColumn: readonly string[];
  readonly delimiter: string;
  readonly device?: string;
  readonly speed: number;
  readonly time: "original" | "shift";
  readonly skipBadRows?: boolean;
}

const replayHelp = `
Times: YYYY-MM-DD HH:MM:SS (UTC where no zone is told), ISO 8601, or seconds or milliseconds since
1970. Rows are published in file order, whatever their times. An empty cell is a value of bad
quality; another text that is no number is a row that cannot be read.

Examples:
  causeway-sim replay machine.csv.gz --value-column value=temperature --device machine
  causeway-sim replay plant.csv --delimiter ';' --time-column datetime --value-column Amps,Volts
  causeway-sim replay machine.csv --speed 60 --time shift`;

function declareReplay(command: Command): Command {
  command
    .argument("<file>", "CSV file with a header, .gz or not")
    .option("--time-column <name>", "column that holds the time", "timestamp")
    .addOption(
      new Option(
        "--value-column <names>",
        'columns to publish, each a metric; column=metric renames (default: "value")',
      ).argParser(gatherList),
    )
    .addOption(
      new Option("--delimiter <character>", "between cells; tab is a tab")
        .default(",")
        .argParser(oneCharacter),
    )
    .option("--device <name>", "device to publish as (default: from the file's name)")
    .addOption(
      new Option("--speed <factor>", "1 is real time; max is as fast as acknowledged")
        .default(Infinity, "max")
        .argParser(speed),
    )
    .addOption(
      new Option("--time <which>", "shift: the latest row is now, differences kept")
        .choices(["original", "shift"])
        .default("original"),
    )
    .option("--skip-bad-rows", "leave out rows that cannot be read, instead of ending");
  return withRunFlags(command).addHelpText("after", replayHelp);
}

async function actReplay(options: ReplayOptions, file: string): Promise<number> {
  const clock = systemClock();
  const device = deviceName(options.device ?? deviceNameOf(basename(file)));
  const valueColumns = options.valueColumn ?? ["value"];
  const { timeColumn, delimiter, skipBadRows = false, window } = options;
  const rows = (skipped: () => void): AsyncIterable<readonly Row[]> =>
    rowsOf(file, linesOf(file), { timeColumn, valueColumns, delimiter, skipBadRows }, skipped);
  // The first reading of the file also finds what cannot be read before anything is published.
  const latestMs = options.time === "shift" ? await latestTimeMs(rows(() => {})) : undefined;
  const shiftMs = latestMs === undefined ? 0 : clock.wallMs() - latestMs;
  const plan = { device, speed: options.speed, shiftMs, windowMax: window };
  const produce = async ({ connections, tally, ending }: Session) => {
    const [connection] = connections;
    if (connection === undefined) return false;
    const counted = rows(() => {
      tally.badRows += 1;
    });
    return (await replay(plan, counted, connection, clock, ending)).complete;
  };
  return runToEnd({ command: "replay", clock, clientIds: [device], produce }, options);
}

interface VerdictOptions {
  readonly acked: string;
  readonly tail: string;
  readonly gateway?: string;
  readonly json?: boolean;
}

const verdictHelp = `
Exit code 1 where a publish that was acknowledged is lost, repeated or misordered. A publish that
the client had to send again may come out as two events (re-sent): counted, and no fault.

Example:
  causeway-cloud tail --json --until-idle 5000 | causeway-sim verdict --acked acked.jsonl --tail -`;

function declareVerdict(command: Command): Command {
  return command
    .requiredOption("--acked <file>", "what a run wrote by --acked")
    .requiredOption("--tail <file>", "output of `causeway-cloud tail --json`; - is stdin")
    .option("--gateway <name>", "look only at what came by this gateway")
    .option("--json", "print a JSON object")
    .addHelpText("after", verdictHelp);
}

async function actVerdict({ acked, tail, gateway, json }: VerdictOptions): Promise<number> {
  const result = await judge(acked, tail, { gateway });
  process.stdout.write(`${json ? verdictJson(result) : verdictText(result)}\n`);
  return result.good ? exitCodes.good : exitCodes.finding;
}

/** A device name that is one level of an MQTT topic. */
function deviceName(text: string) {
  if (!text.includes("/")) return deviceId(text);
  throw new CodedError("NAME_INVALID", `device ${JSON.stringify(text)}: "/" parts topics`);
}

const cli = program("causeway-sim", "Simulated devices, recordings, and a verdict on what arrived");
cli.command("fleet", "Run simulated devices over MQTT", declareFleet, actFleet);
cli.command("replay", "Publish a CSV recording over MQTT", declareReplay, actReplay);
cli.command(
  "verdict",
  "Compare what was acknowledged with what came out",
  declareVerdict,
  actVerdict,
);
cli.command("scenario", "Run a scenario on real programs", declareScenario, actScenario);
cli.command("load", "Load an MQTT broker and measure it", declareLoad, actLoad);
cli.command("proxy", "Be a bad link between a client and its server", declareProxy, actProxy);
cli.command(
  "world",
  "Run real gateways and engines on a seed, in virtual time, over parts that fail",
  declareWorld,
  actWorld,
);
await cli.run(process.argv);
