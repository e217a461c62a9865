/**
 * Goal: two gateways of one site make one alert on a real nats-server, told once, though engine and
 * stage are cut off in the middle; it is listed as the site's.
 */
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { alerts } from "../cli/nats-commands.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import type { RunningEngine } from "../engine/testing/nats-engine.ts";
import { startEngine, storedTransitions, until } from "../engine/testing/nats-engine.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { NatsTickJournal } from "../ticks/nats-tick-journal.ts";
import { KeptRuleSets, ruleSetToKeep } from "../ticks/rule-sets.ts";
import { siteJournal } from "./nats-site-journal.ts";
import { SiteStage } from "./site-stage.ts";

/** What was received long before it is stored would be late. */
const bootOffset = Date.now();
const boots = { boot1: bootOffset };

const rules = rulesSchema.parse([
  { name: "doors", by: "site", when: { metric: "door", is: "on", of: 2 } },
  { name: "still", by: "site", when: { absence: { metric: "door" }, after: "1m" } },
]);
const fleet = fleetSchema.parse({ gateways: [{ match: ["g*"], site: "Hall A" }] });
const kept = ruleSetToKeep(rules, fleet);

let server: NatsServer;
let connection: NatsConnection;
const positions = new Map<string, number>();

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  positions.clear();
});
afterEach(async () => {
  await connection.close();
  await server.remove();
});

async function reading(gateway: string, second: number, metric: string, value: unknown) {
  const position = (positions.get(gateway) ?? 0) + 1;
  positions.set(gateway, position);
  const place = { device: "d", topic: null, bootMs: second * 1_000, observedAt: null };
  const readings = [{ metric, value, quality: "good" }];
  const event: Event = eventSchema.parse({ kind: "reading", ...place, readings });
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  const message = journalMessage(0, position, [event], { gateway, head, boots });
  await publishMessage(connection, message, gateway);
}

async function tick(n: number): Promise<void> {
  const journal = new NatsTickJournal(jetstream(connection), await jetstreamManager(connection));
  const last = (await journal.last())?.sequence ?? 0;
  const one = { n, at: bootOffset + n * 5_000, rules: kept.name, revision: 1 };
  expect(await journal.append(one, systemRandom.hex(8), last)).toBeDefined();
}

interface Running {
  readonly engine: RunningEngine;
  readonly stage: SiteStage;
  readonly connection: NatsConnection;
}

async function start(): Promise<Running> {
  const engine = await startEngine(server.url, rules);
  const own = await connectTest(server.url);
  const client = jetstream(own);
  const store = new NatsEngineStore(own, client, await jetstreamManager(own), systemRandom);
  const stage = new SiteStage({
    ...{ store, ...siteJournal(own, client, await jetstreamManager(own)) },
    ruleSets: new KeptRuleSets(store, rules, fleet),
    ...{ clock: systemClock(), random: systemRandom, log: silentLogger },
  });
  stage.start();
  return { engine, stage, connection: own };
}

const told = async () =>
  (await storedTransitions(connection)).map(
    ({ rule, state, gateway }) => `${rule} ${state} ${gateway}`,
  );

test("two gateways make one alert of their site, told once", async () => {
  const client = jetstream(connection);
  const store = new NatsEngineStore(
    connection,
    client,
    await jetstreamManager(connection),
    systemRandom,
  );
  const text = { subject: `rules.${kept.name}`, data: kept.text, rollup: false };
  expect(await store.commit([text])).toMatchObject({ kind: "committed" });
  const first = await start();
  await tick(1);
  await reading("g1", 6, "door", true);
  await reading("g2", 7, "door", true);
  await until("the alert", async () => (await told()).includes("doors firing @Hall A"));
  await reading("g1", 8, "door", false);
  // Neither commits nor releases what it has.
  await Promise.all([first.engine.connection.close(), first.connection.close()]);
  await reading("g2", 75, "t", 1);
  await reading("g1", 76, "t", 1);
  await tick(16);
  const second = await start();
  await until("the absence", async () => (await told()).includes("still firing @Hall A"));
  expect(second.stage.status()).toMatchObject({ phase: "running", sites: 1 });
  await second.stage.stop();
  await second.engine.stop();
  await second.connection.close();
  await Promise.all([first.stage.stop(), first.engine.engine.stop()]);
  expect(await told()).toEqual([
    "doors firing @Hall A",
    "doors resolved @Hall A",
    "still firing @Hall A",
  ]);
  const lines: string[] = [];
  const parts = {
    ...{ settings: { servers: [server.url] }, clock: systemClock(), random: systemRandom },
    ...{ write: (line: string) => void lines.push(line), warn: () => {} },
    signal: new AbortController().signal,
  };
  const options = { json: false, openOnly: true, transitions: false, shadow: false };
  expect(await alerts(parts, options)).toBe(0);
  const manager = await jetstreamManager(connection);
  const left = () => manager.streams.info("ENGINE", { subjects_filter: "site.*.*" });
  expect(Object.keys((await left()).state.subjects ?? {})).toHaveLength(1);
  const { purge } = siteJournal(connection, client, manager);
  const { state } = await manager.streams.info("ENGINE");
  await purge(state.last_seq + 1);
  expect((await left()).state.subjects ?? {}).toEqual({});
  expect(
    (await manager.streams.info("ENGINE", { subjects_filter: ">" })).state.messages,
  ).toBeGreaterThan(5);
  expect(lines.join("\n")).toContain(
    "still  site Hall A: no door for 68 s; at most 1 min are usual",
  );
});
