// Full streams on a real nats-server push back; nothing is lost, and everything is taken once.

import type { Finding } from "@causeway/shared/alert/deployment-alert.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { JetStreamApiError, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { retire, streams } from "../cli/nats-streams.ts";
import { tail } from "../cli/nats-tail.ts";
import type { Engine } from "../engine/engine.ts";
import { startEngine } from "../engine/testing/nats-engine.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { hastyClock } from "../testing/hasty-clock.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import {
  connectTest,
  fill,
  mebibyte,
  prepareStreams,
  publishMessage,
} from "../testing/nats-journal-writer.ts";
import { openJournalSession } from "./nats-journal-session.ts";
import { NatsReaderStore } from "./nats-reader-store.ts";
import { RegisteredReader } from "./registered-reader.ts";
import { Retention } from "./retention.ts";

const bounds = { telemetryBytesMax: mebibyte, engineBytesMax: mebibyte };
const eventsPerBatch = 1_000;
const patience = { timeout: 20_000, interval: 50 };
const hasty = hastyClock(systemClock(), 8);

let server: NatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
const findings: Finding[] = [];
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  manager = await jetstreamManager(connection);
  await prepareStreams(manager, bounds);
  findings.length = 0;
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await connection.close();
  await server.remove();
});

async function ownEngine(): Promise<Engine> {
  const { engine, stop } = await startEngine(server.url, [], hasty, bounds);
  stops.push(stop);
  return engine;
}

function startRetention(engine: Engine): Retention {
  const retention = new Retention({
    open: () => openJournalSession({ servers: [server.url] }, systemRandom),
    engine,
    tell: async (finding) => findings.push(finding),
    clock: hasty,
    log: silentLogger,
    replayMs: 24 * 3_600_000,
    slowDownBytesPerSecond: 32_768,
  });
  retention.start();
  stops.push(() => retention.stop());
  return retention;
}

/** Values that do not compress. */
function batch(number: number): JournalMessage {
  const random = seededRandom(`batch ${number}`);
  const events = Array.from({ length: eventsPerBatch }, (_, index) =>
    readingEvent("d1", "temperature", random.next(), number * eventsPerBatch + index),
  );
  return journalMessage(number, (number - 1) * eventsPerBatch + 1, events);
}

/** As a gateway: in order, waiting while the stream is full. */
async function send(from: number, to: number, onFull: () => void): Promise<void> {
  for (let number = from; number <= to; number++) {
    await vi.waitFor(async () => {
      try {
        await publishMessage(connection, batch(number));
      } catch (failure) {
        if (failure instanceof JetStreamApiError && failure.code === 10_077) onFull();
        throw failure;
      }
    }, patience);
  }
}

async function mark() {
  const found = await manager.streams.getMessage(engineStream, { last_by_subj: "mark.*.g1" });
  return found === null ? undefined : decodeMark(found.string());
}

async function through(): Promise<number> {
  return (await mark())?.epochs[0]?.logs.telemetry.through ?? 0;
}

async function tailed() {
  const [lines, warnings]: [string[], string[]] = [[], []];
  const parts = {
    settings: { servers: [server.url] },
    clock: systemClock(),
    random: systemRandom,
    write: (line: string) => lines.push(line),
    warn: (line: string) => warnings.push(line),
    signal: new AbortController().signal,
  };
  const options = { from: "start", kind: "reading", format: "json", untilIdleMs: 700 } as const;
  await tail(parts, options);
  return { ids: lines.map((line) => (JSON.parse(line) as { id: string }).id), warnings };
}

test("a full journal makes gateways wait, is purged, and everything is taken once", async () => {
  const total = 300; // some three times what the stream holds
  let refusals = 0;
  let tellFull = () => {};
  const full = new Promise<void>((resolve) => {
    tellFull = resolve;
  });
  const sent = send(1, total, () => {
    refusals++;
    tellFull();
  });
  await full;
  const engine = await ownEngine();
  const retention = startRetention(engine);
  await sent;
  await vi.waitFor(async () => expect(await through()).toBe(total * eventsPerBatch), patience);
  expect(refusals).toBeGreaterThan(0);
  expect(engine.status()).toMatchObject({ events: total * eventsPerBatch, repeats: 0, passed: 0 });
  expect(retention.status().purges).toBeGreaterThan(0);
  expect(findings.some(({ isWrong }) => isWrong)).toBe(true);
  await vi.waitFor(() => expect(findings.at(-1)?.isWrong).toBe(false), patience);
  await vi.waitFor(async () => expect((await mark())?.cap).toBeUndefined(), patience);

  // What is purged while it is counted would be missed.
  for (const stop of stops.splice(0).reverse()) await stop();
  const { first_seq: first } = (await manager.streams.info(telemetryStream)).state;
  expect(first).toBeGreaterThan(1);
  const { ids, warnings } = await tailed();
  expect(warnings).toEqual([]);
  expect(new Set(ids).size).toBe((total - first + 1) * eventsPerBatch);
  expect(ids).toHaveLength((total - first + 1) * eventsPerBatch);

  const next = await ownEngine();
  await send(total + 1, total + 1, () => {});
  const all = (total + 1) * eventsPerBatch;
  await vi.waitFor(async () => expect(await through()).toBe(all), patience);
  expect(next.status()).toMatchObject({ events: eventsPerBatch, passed: 0, missing: 0 });
});

test("a reader that stands still holds the journal; gateways are slowed, until it is retired", async () => {
  const readers = new NatsReaderStore(jetstream(connection), manager);
  const clock = systemClock();
  const parts = { store: readers, messageAt: async () => undefined, clock, random: systemRandom };
  await RegisteredReader.open(parts, { name: "history", kind: "historian" });
  const engine = await ownEngine();
  const retention = startRetention(engine);
  await send(1, 1, () => {});
  await vi.waitFor(async () => expect((await mark())?.cap).toBeUndefined());
  let number = 1;
  await vi.waitFor(async () => {
    await publishMessage(connection, batch(++number)).catch(() => number--);
    expect((await mark())?.cap).toBe(32_768);
  }, patience);
  const held = { purges: 0, floor: { heldBy: "reader history" } };
  await vi.waitFor(() => expect(retention.status()).toMatchObject(held), patience);

  const lines: string[] = [];
  const settings = { servers: [server.url] };
  const shown = {
    settings,
    clock,
    random: systemRandom,
    write: (line: string) => lines.push(line),
  };
  await streams(shown, true);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { name: "TLM", bytesMax: mebibyte, first: 1, percent: expect.any(Number) },
    { name: "ENGINE" },
    { name: "KV_READERS" },
    { name: "KV_RULES" },
    { name: "KV_NOTIFY" },
    { name: "CMD" },
    { name: "KV_DEVICES" },
    { name: "KV_REGISTRY" },
    { name: "KV_SILENCES" },
    { name: "KV_ACKS" },
    { name: "KV_SESSIONS" },
    { name: "OPERATE" },
    { reader: "history", kind: "historian", sequence: 0, lagMessages: expect.any(Number) },
    { floor: 0, heldBy: "reader history" },
  ]);
  await expect(retire(shown, "histori", false)).rejects.toThrow("READER_NAME_UNKNOWN");
  await expect(retire(shown, "history", false)).rejects.toThrow("READER_RUNNING");
  await retire(shown, "history", true);
  await vi.waitFor(async () => expect((await mark())?.cap).toBeUndefined(), patience);
  expect(retention.status().purges).toBeGreaterThan(0);
});

test("a full stream ENGINE stops commits and says so; with room again everything is taken once", async () => {
  const engine = await ownEngine();
  await send(1, 1, () => {});
  await vi.waitFor(async () => expect(await through()).toBe(eventsPerBatch), patience);
  for (let size = 65_536; size >= 16; size = Math.floor(size / 2))
    await expect(fill(connection, "derived.filling", size)).rejects.toThrow(/maximum bytes/);
  await send(2, 3, () => {});
  await vi.waitFor(() => expect(engine.status().lastFault).toMatch(/^STREAM_FULL: /), patience);
  expect(await through()).toBe(eventsPerBatch);
  await manager.streams.purge(engineStream, { filter: "derived.filling" });
  await vi.waitFor(async () => expect(await through()).toBe(3 * eventsPerBatch), patience);
});
