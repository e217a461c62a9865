/**
 * Goal: a report is made of what two gateways brought to a real nats-server, figure by figure, and
 * comes to its receiver once, whoever is killed meanwhile and however many processes make it.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { engineStream, subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RunningEngine } from "../engine/testing/nats-engine.ts";
import { startEngine, until } from "../engine/testing/nats-engine.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { NatsTickJournal } from "../ticks/nats-tick-journal.ts";
import { ruleSetToKeep } from "../ticks/rule-sets.ts";
import type { ReportFlags } from "./nats-report-command.ts";
import { reportCommand } from "./nats-report-command.ts";
import type { Report } from "./report.ts";
import { reportsSchema } from "./report-settings.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const rules = rulesSchema.parse([
  { name: "hot", detector: "limits", hihi: 50, metrics: ["temperature"] },
]);
const kept = ruleSetToKeep(rules);
const child = fileURLToPath(new URL("./testing/system-report-child.ts", import.meta.url));

let server: NatsServer;
let connection: NatsConnection;
let hook: HttpHook;
let engine: RunningEngine;
let children: ChildProcess[] = [];
/** Of the period: some hours ago, so that nothing is received after it was stored. */
let from: number;
let reports: string;
let positions = new Map<string, number>();

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  hook = await HttpHook.open();
  engine = await startEngine(server.url, rules);
  positions = new Map();
  const { time } = await jetstreamManager(connection).then((manager) =>
    manager.streams.info(engineStream).then(({ created }) => ({ time: Date.parse(created) })),
  );
  from = Math.floor((time - 12 * hour) / minute) * minute;
  const at = new Date(from).toISOString().slice(11, 16);
  reports = JSON.stringify([{ name: "daily", at, receivers: ["hook"] }]);
});

afterEach(async () => {
  await killAll();
  await engine.stop();
  hook.close();
  await connection.close();
  await server.remove();
});

async function killAll(): Promise<void> {
  const ended = children
    .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    .map((one) => once(one, "exit"));
  for (const one of children) one.kill("SIGKILL");
  children = [];
  await Promise.all(ended);
}

function start(killAt = 0): ChildProcess {
  const args = [child, server.url, `${hook.url}/hook`, reports, `${killAt}`];
  const process_ = spawn(process.execPath, args, { stdio: ["pipe", "inherit", "inherit"] });
  children.push(process_);
  return process_;
}

async function send(gateway: string, events: readonly Partial<Event>[], at: number) {
  const parsed = events.map((event) =>
    eventSchema.parse({ device: null, topic: null, bootMs: at, observedAt: null, ...event }),
  );
  const position = (positions.get(gateway) ?? 0) + 1;
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  const boots = { boot1: from };
  const message = journalMessage(0, position, parsed, { gateway, head, boots });
  const to = Number(message.header("Cw-To"));
  positions.set(gateway, to);
  await publishMessage(connection, message, gateway);
}

function reading(device: string, value: number): Partial<Event> {
  const readings = [{ metric: "temperature", value, quality: "good" as const }];
  return { kind: "reading", device, readings } as Partial<Event>;
}

let ticks = 0;
async function tick(at: number): Promise<void> {
  const journal = new NatsTickJournal(jetstream(connection), await jetstreamManager(connection));
  const last = await journal.last();
  ticks = (last?.tick.n ?? 0) + 1;
  const one = { n: ticks, at: Math.max(at, last?.tick.at ?? 0), rules: kept.name, revision: 1 };
  expect(await journal.append(one, systemRandom.hex(8), last?.sequence ?? 0)).toBeDefined();
}

/** What came to the hook, by its key: one report, however often it was sent. */
function told(): Map<string, Report> {
  const bodies = hook.requests.map(({ body }) => {
    return JSON.parse(body) as { notification: { key: string; kind: string }; report: Report };
  });
  const found = bodies.filter(({ notification }) => notification.kind === "report");
  return new Map(found.map(({ notification, report }) => [notification.key, report]));
}

async function layRules(): Promise<void> {
  const { text, subject } = { text: kept.text, subject: subjects.ruleSet(kept.name) };
  await jetstream(connection).publish(subject, text);
}

test("two gateways, an outage, losses and alerts: the report is right in every figure", async () => {
  await layRules();
  start();
  await tick(from + 12 * hour);
  for (let at = 0; at < 60; at++) {
    await send("gw-1", [reading("d1", 20), reading("d2", 21)], at * minute);
    if (at < 20 || at >= 40) await send("gw-2", [reading("d3", 22)], at * minute);
  }
  await send("gw-1", [reading("d1", 99)], 60 * minute);
  await send("gw-2", [{ kind: "loss", to: 50, reason: "corrupt", count: 10 }], 60 * minute);
  await send("gw-1", [reading("d1", 20)], 90 * minute);
  await tick(from + day - 5_000);
  expect(told().size).toBe(0);
  await tick(from + day);
  await until("the report comes", () => told().size === 1);
  const [report] = told().values();
  expect(report).toMatchObject({
    ...{ name: "daily", from, to: from + day, missed: 0, isEngineBehind: false },
    // All of it is stored at once, hours after it was received.
    total: { gateways: 2, devices: 3, readings: 162, lost: 10, alerts: 2, open: 0, late: 162 },
  });
  const [site] = report?.sites ?? [];
  const epoch = { epoch: "1-00000001", log: "telemetry" };
  expect(site?.losses).toEqual([
    { reason: "corrupt", count: 10, ranges: [{ gateway: "gw-2", ...epoch, from: 41, to: 50 }] },
  ]);
  // The second one is about the loss.
  expect(site?.severities).toEqual({ critical: 0, warning: 2, info: 0 });
  expect(site?.rules).toEqual([
    { name: "hot", gateway: null, count: 1, firingMs: 30 * minute },
    { name: "system-loss", gateway: null, count: 1, firingMs: expect.any(Number) },
  ]);
  const gapOf = (gateway: string) =>
    site?.longestGaps
      .filter((gap) => gap.gateway === gateway)
      .map((gap) => [gap.device, (gap.from - from) / minute, (gap.to - from) / minute]);
  expect(gapOf("gw-2")).toEqual([
    [null, 59, 1_440],
    [null, 19, 40],
  ]);
  const made = await printed("daily", {});
  expect(made).toEqual([report]);
  const [counted] = await printed(undefined, { from: `${from}`, to: `${from + day}` });
  expect([counted?.total, counted?.sites]).toEqual([report?.total, report?.sites]);
  const manager = await jetstreamManager(connection);
  const query = { last_by_subj: "derived.0._cloud.system-report-daily" };
  const timer = (await manager.streams.getMessage(engineStream, query))?.json() as never;
  expect(timer).toMatchObject({
    events: [{ kind: "timer", id: report?.id, causes: [`clk/${ticks}`] }],
  });
});

/** By the command line. */
async function printed(name: string | undefined, flags: ReportFlags): Promise<Report[]> {
  const lines: string[] = [];
  const parts = {
    ...{ settings: { servers: [server.url] }, clock: systemClock() },
    ...{ random: systemRandom, signal: new AbortController().signal, warn: () => {} },
    write: (line: string) => void lines.push(line),
  };
  const run = {
    ...{ reports: reportsSchema.parse(JSON.parse(reports)), fleet: emptyFleet },
    silentMs: 3 * minute,
  };
  expect(await reportCommand(parts, name, run, { ...flags, json: true })).toBe(0);
  return lines.map((line) => JSON.parse(line) as Report);
}

test("killed in the middle of anything, a process leaves each report to come once", async () => {
  await layRules();
  await tick(from + 12 * hour);
  const kills = 10;
  let killed = 0;
  for (let days = 1; days <= kills; days++) {
    await killAll();
    const mortal = start(2 * days);
    await send("gw-1", [reading("d1", 20)], minute);
    await tick(from + days * day);
    const isDone = () => told().size === days;
    await until("it is killed or done", () => isDone() || mortal.signalCode !== null);
    if (mortal.signalCode !== null) killed++;
    if (!isDone()) start();
    await until(`the report of day ${days} comes`, isDone);
  }
  expect([...told().values()].map((report) => (report.from - from) / day)).toEqual(
    Array.from({ length: kills }, (_, at) => at),
  );
  expect(killed).toBeGreaterThan(5);
}, 240_000);

test("two processes make it once, and the other goes on when one is killed", async () => {
  await layRules();
  await tick(from + 12 * hour);
  await send("gw-1", [reading("d1", 20)], minute);
  const [first, second] = [start(), start()];
  await tick(from + day);
  await until("the first report comes", () => told().size === 1);
  first.kill("SIGKILL");
  await tick(from + 2 * day);
  await until("the second report comes", () => told().size === 2);
  second.kill("SIGSTOP");
  const third = start();
  await tick(from + 3 * day);
  await until("the third report comes", () => told().size === 3);
  second.kill("SIGCONT"); // it finds that it makes reports no more
  third.kill("SIGKILL");
  await tick(from + 4 * day);
  await until("the fourth report comes", () => told().size === 4);
  expect([...told().values()].map((report) => (report.from - from) / day)).toEqual([0, 1, 2, 3]);
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(engineStream, { subjects_filter: subjects.reports });
  expect(state.subjects).toEqual({ [subjects.report("daily")]: 4 });
}, 60_000);
