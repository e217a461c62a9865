// Rules over several devices on a real nats-server, over an engine that dies in between: what is told
// and emitted is there once, is read by the commands, and what is in shadow is read by nobody else.
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { alerts } from "../cli/nats-commands.ts";
import { tail } from "../cli/nats-tail.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { NatsTickJournal } from "../ticks/nats-tick-journal.ts";
import { ruleSetName } from "../ticks/rule-sets.ts";
import { startEngine, storedTransitions, until } from "./testing/nats-engine.ts";

/** What was received long before it is stored would be late. */
const bootOffset = Date.now();
const boots = { boot1: bootOffset };

const dry = [
  { metric: "running", device: "pump", is: "on" },
  { metric: "flow", device: "meter", is: "value < 1.0" },
];
const rules = rulesSchema.parse([
  // What waits for events stands before what emits them: the order in the file does not matter.
  {
    ...{ name: "dry-often", by: "gateway", severity: "critical" },
    when: { sequence: [{ derived: "dry-run" }, { derived: "dry-run" }], within: "10m" },
    keepFiringFor: "1h",
  },
  { name: "dry", by: "gateway", when: { all: dry }, for: "10s", emit: "dry-run" },
  { name: "tried", mode: "shadow", when: { metric: "flow", is: "value < 1.0" }, emit: "tried" },
]);

let server: NatsServer;
let connection: NatsConnection;
const positions = { telemetry: 0, priority: 0 };

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  Object.assign(positions, { telemetry: 0, priority: 0 });
});
afterEach(async () => {
  await connection.close();
  await server.remove();
});

async function publish(second: number, body: object): Promise<void> {
  const place = { device: null, topic: null, bootMs: second * 1_000, observedAt: null };
  const event: Event = eventSchema.parse({ ...place, ...body });
  const log = event.kind === "system" ? "priority" : "telemetry";
  positions[log] += 1;
  const head = { log, nonce: `1.${systemRandom.hex(8)}` } as const;
  await publishMessage(connection, journalMessage(0, positions[log], [event], { head, boots }));
}

const reading = (second: number, device: string, metric: string, value: number | boolean) =>
  publish(second, { kind: "reading", device, readings: [{ metric, value, quality: "good" }] });

const heartbeat = (second: number) =>
  publish(second, {
    ...{ kind: "system", name: "heartbeat", detail: "" },
    fields: { untakenEvents: 0 },
  });

async function tick(n: number): Promise<void> {
  const journal = new NatsTickJournal(jetstream(connection), await jetstreamManager(connection));
  const last = (await journal.last())?.sequence ?? 0;
  const at = bootOffset + n * 5_000;
  const written = await journal.append(
    { n, at, rules: ruleSetName(rules), revision: 1 },
    systemRandom.hex(8),
    last,
  );
  expect(written).toBeDefined();
}

const told = async () =>
  (await storedTransitions(connection)).map(({ rule, state }) => `${rule} ${state}`);

async function printed(
  command: (parts: Parameters<typeof alerts>[0]) => Promise<number>,
): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  const parts = {
    ...{ settings: { servers: [server.url] }, clock: systemClock(), random: systemRandom },
    ...{ write: (line: string) => void lines.push(line), warn: () => {} },
    signal: new AbortController().signal,
  };
  expect(await command(parts)).toBe(0);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("two devices make one alert; what it emits moves another rule, and all of it once", async () => {
  const first = await startEngine(server.url, rules);
  await first.ruleSets.keepOwn();
  await reading(0, "pump", "running", true);
  await reading(1, "meter", "flow", 0);
  await heartbeat(20);
  await tick(4);
  await until("the alert", async () => (await told()).includes("dry firing"));
  await first.connection.close(); // it neither commits nor releases what it has
  await reading(30, "meter", "flow", 5);
  await reading(40, "meter", "flow", 0);
  await heartbeat(60);
  await tick(12);
  const second = await startEngine(server.url, rules);
  await until("the second rule", async () => (await told()).includes("dry-often firing"));
  await second.stop();
  await first.engine.stop();

  expect(await told()).toEqual(["dry firing", "dry resolved", "dry firing", "dry-often firing"]);
  const options = { from: "start", kind: "derived", format: "json", untilIdleMs: 500 } as const;
  const derived = await printed((parts) => tail(parts, options));
  expect(derived).toMatchObject([
    { name: "dry-run", rule: "dry", kind: "timer", gateway: "g1", device: null, shadow: false },
    { name: "dry-run", rule: "dry", at: bootOffset + 50_000 },
  ]);
  expect(new Set(derived.map(({ id }) => id)).size).toBe(2);
  const all = await printed((parts) => tail(parts, { ...options, kind: "all" }));
  expect(all).toHaveLength(positions.telemetry + positions.priority + 2);

  const list = { json: true, openOnly: false, transitions: false };
  const live = await printed((parts) => alerts(parts, { ...list, shadow: false }));
  expect(live.map(({ rule }) => rule).toSorted()).toEqual(["dry", "dry", "dry-often"]);
  const shadow = await printed((parts) => alerts(parts, { ...list, shadow: true }));
  expect(shadow.map(({ rule, state }) => `${rule} ${state}`)).toEqual([
    "tried resolved",
    "tried firing",
  ]);
});
