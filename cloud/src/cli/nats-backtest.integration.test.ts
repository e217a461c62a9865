// Goal: on a real nats-server, the rules that gave the alerts give the same again, others what they
// would have given; each time alike, and without a trace.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Event } from "@causeway/shared/event.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEngine, storedTransitions, until } from "../engine/testing/nats-engine.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { NatsTickJournal } from "../ticks/nats-tick-journal.ts";
import { committedOf } from "./nats-tail.ts";

/** What was received long before it is stored would be late. */
const bootOffset = Date.now();
const boots = { boot1: bootOffset };

const run = promisify(execFile);
const main = join(import.meta.dirname, "../main.ts");
const minuteMs = 60_000;
const minutes = 120;

const told = [
  { name: "hot", detector: "limits", hi: 50, metrics: ["temperature"] },
  { name: "silent", detector: "absence", after: "10m" },
];
const others = [
  { name: "hot", detector: "limits", hi: 70, metrics: ["temperature"] },
  { name: "warm", detector: "limits", hi: 30, devices: ["d1"] },
  { name: "silent", detector: "absence", after: "10m" },
  { name: "hotter", when: "value > 75.0" },
  { name: "untold", detector: "limits", hi: 30, mode: "shadow" },
];

let server: NatsServer;
let connection: NatsConnection;
let folder = "";
/** Positions of the gateway. */
let written = 0;

/** d1 is hot at minute 30 and hotter at 60; d2 falls silent at 40. */
function eventsAt(minute: number): readonly Event[] {
  const value = minute === 30 ? 60 : minute === 60 || minute === 61 ? 80 : 20 + (minute % 5);
  const one = readingEvent("d1", "temperature", value, minute * minuteMs);
  return minute < 40 ? [one, readingEvent("d2", "temperature", 21, minute * minuteMs)] : [one];
}

/** As gateway and ticker would write it; the last message's place in the journal. */
async function writeJournal(rules: string): Promise<number> {
  const ticks = new NatsTickJournal(jetstream(connection), await jetstreamManager(connection));
  let [position, sequence, lastTick] = [1, 0, 0];
  for (let minute = 0; minute < minutes; minute++) {
    const events = eventsAt(minute);
    const head = { nonce: `1.${systemRandom.hex(8)}` };
    sequence = await publishMessage(
      connection,
      journalMessage(0, position, events, { head, boots }),
    );
    position += events.length;
    written = position - 1;
    const tick = { n: minute + 1, at: bootOffset + minute * minuteMs + 5_000, rules, revision: 1 };
    lastTick = (await ticks.append(tick, systemRandom.hex(8), lastTick))?.sequence ?? 0;
  }
  return sequence;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-backtest-"));
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  // YAML reads JSON.
  await writeFile(join(folder, "told.yaml"), JSON.stringify({ rules: told }));
  await writeFile(join(folder, "others.yaml"), JSON.stringify({ rules: others }));
  const engine = await startEngine(server.url, rulesSchema.parse(told));
  await engine.ruleSets.keepOwn();
  const last = await writeJournal(engine.ruleSets.own);
  await until("all is committed", async () => {
    const { coveredUntil } = await committedOf(connection, systemRandom);
    return Math.max(0, ...coveredUntil.values()) >= last;
  });
  await engine.stop();
});

afterAll(async () => {
  await connection?.close();
  await server?.remove();
  await rm(folder, { recursive: true, force: true });
});

const iso = (minute: number) => new Date(bootOffset + minute * minuteMs).toISOString();

async function backtest(rules: string, ...given: readonly string[]) {
  const range = given.includes("--from") ? [] : ["--from", iso(0), "--to", iso(minutes)];
  const flags = ["--set", `nats.servers=[${server.url}]`, "--rules", join(folder, rules)];
  const ended = run(process.execPath, [main, "backtest", ...flags, ...range, ...given]);
  return ended.then(
    ({ stdout }) => ({ code: 0, stdout, stderr: "" }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => {
      return { code, stdout, stderr };
    },
  );
}

/** What identifies all that the streams hold, and who reads them. */
async function streamStates(): Promise<unknown> {
  const manager = await jetstreamManager(connection);
  const found: unknown[] = [];
  for await (const { config, state } of manager.streams.list()) {
    found.push([config.name, state.messages, state.bytes, state.first_seq, state.last_seq]);
  }
  return found;
}

interface Line {
  readonly in: string;
  readonly rule: string;
  readonly device: string;
  readonly firingAt: number;
}

const linesOf = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line)
    .map(({ in: side, rule, device, firingAt }) => {
      return `${side} ${rule} ${device} at ${Math.round((firingAt - bootOffset) / minuteMs)}`;
    });

test("alerts were told at all", async () => {
  const transitions = await storedTransitions(connection);
  const fired = transitions.filter(({ state }) => state === "firing");
  expect(fired.map(({ rule, device }) => `${rule} ${device}`)).toEqual([
    "hot d1",
    "silent d2",
    "hot d1",
  ]);
});

test("the rules that gave the alerts give the same again, and nothing was written", async () => {
  const before = await streamStates();
  expect(await backtest("told.yaml")).toEqual({
    code: 0,
    stdout: "3 alerts as they were, 0 more (+), 0 less (-)\n",
    stderr: "",
  });
  expect(await streamStates()).toEqual(before);
});

test("other rules differ by what they would have given, the same to the byte each time", async () => {
  const [first, second] = [
    await backtest("others.yaml", "--json"),
    await backtest("others.yaml", "--json"),
  ];
  expect(second).toEqual(first);
  expect(first.code).toBe(1);
  expect(linesOf(first.stdout).toSorted()).toEqual([
    "both hot d1 at 60",
    "both silent d2 at 50",
    "new hotter d1 at 60",
    "new warm d1 at 30",
    "new warm d1 at 60",
    "old hot d1 at 30",
  ]);
  const { stdout } = await backtest("others.yaml");
  expect(
    stdout
      .split("\n")
      .map((line) => line.slice(0, 1))
      .toSorted(),
  ).toEqual(["", "+", "+", "+", "-", "2"]);
});

test("only alerts that began in the range count", async () => {
  const { code, stdout } = await backtest(
    "others.yaml",
    "--json",
    "--from",
    iso(45),
    "--to",
    iso(55),
  );
  expect(linesOf(stdout)).toEqual(["both silent d2 at 50"]);
  expect(code).toBe(0);
});

test("a plot shows the series and both sides", async () => {
  const svg = join(folder, "plot.svg");
  await backtest("others.yaml", "--plot", svg);
  const text = await readFile(svg, "utf8");
  for (const shown of ["g1 d1 temperature", "hot: found", "hot: told", "warm: found"]) {
    expect(text).toContain(shown);
  }
  const { stdout } = await backtest("others.yaml", "--plot", "-");
  expect(stdout).toMatch(/hot: told ·*▲+·+▲+/);
});

test("what the engine has not come to is no difference (N3)", async () => {
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  const event = readingEvent("d1", "temperature", 90, minutes * minuteMs);
  await publishMessage(connection, journalMessage(0, written + 1, [event], { head, boots }));
  const { code, stdout } = await backtest("told.yaml", "--from", iso(0), "--to", iso(2 * minutes));
  expect([code, stdout]).toEqual([0, "3 alerts as they were, 0 more (+), 0 less (-)\n"]);
});

test.each([
  [["--from", "yesterday", "--to", "now"], "CLI_USAGE: --from yesterday"],
  [["--from", "now", "--to", "start"], "CLI_USAGE: --from now is not before"],
  [["--from", "start"], "CLI_USAGE: write --from and --to"],
])("%j is refused", async (given, stderr) => {
  const { code, stderr: text } = await backtest("told.yaml", ...given);
  expect([code, text.includes(stderr)]).toEqual([2, true]);
});
