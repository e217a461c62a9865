/** `causeway-sim load`: as many MQTT publishes as a broker takes, measured. */

import { CodedError } from "@causeway/shared/errors.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { endOrder, exitCodes } from "@causeway/shared/system-process.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import type { Command } from "commander";
import { Option } from "commander";
import { brokerUrl, duration, wholeNumber } from "../arguments.ts";
import { openJsonLines } from "../file-json-lines.ts";
import { isGoodLoad, loadJson, loadText } from "./report.ts";
import { runLoad } from "./system-load.ts";

const timeMsMax = 86_400_000;
const payloadBytesMax = 262_144;

const loadHelp = `
Closed loop: each connection keeps its window full. Open loop (--rate): messages are due at even
times, and latency counts from when a message was due, also where the broker kept it from being sent.
At QoS 0 there are no acknowledgements: what counts is what was written, and in the end a ping tells
that it was worked off.

Examples:
  causeway-sim load --connections 10 --window 100 --duration 5s --pid $(pgrep -f causeway-edge)
  causeway-sim load --url mqtt://127.0.0.1:1884 --rate 5000 --connections 50 --json
  causeway-sim load --messages 100000 --acked acked.jsonl --reconnect`;

interface LoadFlags {
  readonly url: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly qos: 0 | 1;
  readonly connections: number;
  readonly window: number;
  readonly rate?: number;
  readonly messages?: number;
  readonly warmUp: number;
  readonly duration?: number;
  readonly drainTimeout: number;
  readonly payloadBytes: number;
  readonly topic: string;
  readonly prefix: string;
  readonly reconnect?: boolean;
  readonly pid?: number;
  readonly acked?: string;
  readonly json?: boolean;
  readonly endWithStdin?: boolean;
}

export function declareLoad(command: Command): Command {
  const number = (flags: string, about: string, least: number, most: number) =>
    new Option(flags, about).argParser(wholeNumber(least, most));
  const time = (flags: string, about: string) =>
    new Option(flags, about).argParser(duration("s", 0, timeMsMax));
  return command
    .addOption(
      new Option("--url <url>", "MQTT broker, mqtt://host:port")
        .default("mqtt://127.0.0.1:1883")
        .argParser(brokerUrl),
    )
    .option("--username <name>", "user name at the broker")
    .option("--password-file <file>", "file that holds the password")
    .addOption(number("--qos <n>", "0 or 1", 0, 1).default(1))
    .addOption(number("--connections <n>", "how many", 1, 10_000).default(10))
    .addOption(number("--window <n>", "unacknowledged at most, each", 1, 65_535).default(100))
    .addOption(number("--rate <n>", "open loop: messages a second, in all", 1, 10_000_000))
    .addOption(number("--messages <n>", "end after so many", 1, Number.MAX_SAFE_INTEGER))
    .addOption(time("--warm-up <time>", "not measured").default(0, "0"))
    .addOption(time("--duration <time>", "measured; 5 s unless --messages is given"))
    .addOption(
      time("--drain-timeout <time>", "wait for the last acknowledgements").default(30_000, "30 s"),
    )
    .addOption(
      number("--payload-bytes <n>", "pad shorter payloads", 0, payloadBytesMax).default(120),
    )
    .option("--topic <topic>", "%d is the device's name", "devices/%d/telemetry")
    .option("--prefix <text>", "device names and client ids begin with it", "load-")
    .option("--reconnect", "connect again when a connection breaks, and send again with DUP")
    .addOption(number("--pid <n>", "tell CPU and memory of this process", 1, 4_194_304))
    .option("--acked <file>", "write a JSON line per PUBACK, for `causeway-sim verdict`")
    .option("--json", "print one JSON object")
    .option("--end-with-stdin", "stop when stdin closes")
    .addHelpText("after", loadHelp);
}

export async function actLoad(flags: LoadFlags): Promise<number> {
  const url = new URL(flags.url);
  if (url.protocol !== "mqtt:") {
    throw new CodedError("CLI_USAGE", `--url ${flags.url}: a load speaks plain mqtt:// only`);
  }
  if (flags.acked !== undefined && flags.qos === 0) {
    throw new CodedError("CLI_USAGE", "--acked: QoS 0 has no acknowledgements");
  }
  const { username, passwordFile, messages, rate, pid } = flags;
  const clock = systemClock();
  let unwritable: CodedError | undefined;
  const acked =
    flags.acked === undefined
      ? undefined
      : openJsonLines(flags.acked, clock, (failure) => {
          unwritable = failure;
        });
  const options = {
    ...{ username, rate, pid, messages: messages ?? Number.POSITIVE_INFINITY },
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 1_883 : Number(url.port),
    password: passwordFile === undefined ? undefined : readSecret(passwordFile),
    qos: flags.qos,
    connections: flags.connections,
    window: flags.window,
    warmUpMs: flags.warmUp,
    durationMs: flags.duration ?? (messages === undefined ? 5_000 : timeMsMax),
    drainMs: flags.drainTimeout,
    payloadBytes: flags.payloadBytes,
    topic: flags.topic,
    prefix: flags.prefix,
    reconnects: flags.reconnect ?? false,
  };
  const report = await runLoad(options, clock, acked, endOrder(flags.endWithStdin ?? false));
  acked?.close();
  process.stdin.destroy(); // an open stdin would keep the process alive
  process.stdout.write(`${flags.json ? loadJson(report) : loadText(report)}\n`);
  if (unwritable !== undefined) throw unwritable;
  return isGoodLoad(report) ? exitCodes.good : exitCodes.finding;
}
