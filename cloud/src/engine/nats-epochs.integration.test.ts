// A gateway that began 30,000 epochs, on a real nats-server: commits go on, for it and for all others.
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { encodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Mark, Predecessor } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { parseGatewaySubject, subjects } from "@causeway/shared/subjects.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadCommitted } from "../ingest/journal-reader.ts";
import { GatewayLedger } from "../ledger/ledger.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { NatsEngineStore } from "./nats-engine-store.ts";
import { startEngine, until } from "./testing/nats-engine.ts";

const epochs = 30_000;
const idOf = (ordinal: number): EpochId => `${ordinal}-${ordinal.toString(16).padStart(8, "0")}`;

function after(ordinal: number): Predecessor | undefined {
  if (ordinal === 0) return undefined;
  return { epoch: idOf(ordinal), ends: { telemetry: 1, priority: 0 } };
}

let server: NatsServer;
let connection: NatsConnection;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
});
afterEach(async () => {
  await connection.close();
  await server.remove();
});

async function publish(gateway: string, ordinal: number): Promise<void> {
  const before = after(ordinal - 1);
  const nonce = `1.${systemRandom.hex(8)}`;
  const options = { gateway, head: { epoch: idOf(ordinal), before, nonce } };
  const message = journalMessage(0, 1, [readingEvent("d1", "temperature", 20)], options);
  await publishMessage(connection, message, gateway);
}

async function markOf(gateway: string): Promise<{ mark: Mark; partition: number; bytes: number }> {
  const manager = await jetstreamManager(connection);
  const info = await manager.streams.info("ENGINE", { subjects_filter: `mark.*.${gateway}` });
  const [subject = ""] = Object.keys(info.state.subjects ?? {});
  const found = await manager.streams.getMessage("ENGINE", { last_by_subj: subject });
  const text = found?.string() ?? "";
  const partition = parseGatewaySubject(subject)?.partition ?? 0;
  return { mark: decodeMark(text), partition, bytes: text.length };
}

async function isTaken(gateway: string, ordinal: number): Promise<boolean> {
  const found = await markOf(gateway).catch(() => undefined);
  return found?.mark.epochs.some(({ epoch }) => epoch === idOf(ordinal)) ?? false;
}

/** As if its engine had taken an event of each. */
async function live(store: NatsEngineStore, from: number, to: number): Promise<void> {
  const { mark, partition } = await markOf("g1");
  const ledger = GatewayLedger.fromMark(mark);
  ledger.layFloor(mark);
  for (let ordinal = from; ordinal <= to; ordinal++) {
    ledger.noteBefore(idOf(ordinal), after(ordinal - 1) ?? null);
    ledger.take(idOf(ordinal), "telemetry", 1);
    if (ordinal % 1_000 > 0) continue;
    ledger.settle();
    const pages = ledger.takePages().map((page) => {
      const subject = subjects.epochPage(partition, "g1", page.number);
      return { subject, data: encodeEpochPage(page), rollup: true };
    });
    const data = encodeMark(ledger.mark(mark.commit + ordinal, []));
    const whole = [...pages, { subject: subjects.mark(partition, "g1"), data, rollup: true }];
    expect(await store.commit(whole)).toMatchObject({ kind: "committed" });
  }
}

test("its mark stays small, its engine is taken over, and what comes of its first epoch is a repeat", async () => {
  const first = await startEngine(server.url, []);
  await publish("g1", 1);
  await until("the first epoch", () => isTaken("g1", 1));
  await first.stop();
  const manager = await jetstreamManager(connection);
  const store = new NatsEngineStore(connection, jetstream(connection), manager, systemRandom);
  await live(store, 2, epochs);

  const { engine, stop } = await startEngine(server.url, []);
  await until("the take-over", () => engine.status().phase === "running");
  await publish("g1", epochs + 1);
  await until("another epoch", () => isTaken("g1", epochs + 1));
  const { mark, bytes } = await markOf("g1");
  expect(bytes).toBeLessThan(16 * 1_024);
  expect(mark.paged?.pages).toBeGreaterThan(50);
  expect(mark.epochs.at(-1)).toMatchObject({ epoch: idOf(epochs + 1), coversBefore: true });

  await publish("g1", 1);
  await until("the repeat is named", () => isTaken("g1", 1));
  await publish("g2", 1);
  await until("another gateway", () => isTaken("g2", 1));
  expect(engine.status()).toMatchObject({ takeOvers: 1, events: 2, lastFault: undefined });
  await stop();

  const { marks, pagesOf } = await loadCommitted(store, async () => ({ first: 1, last: 1 }));
  const reader = new GatewayLedger("g1");
  const [committed] = marks.filter((each) => each.mark.gateway === "g1");
  if (committed === undefined) throw new Error("no mark");
  reader.layFloor(committed.mark, pagesOf("g1"));
  expect(reader.epochs()).toHaveLength(epochs + 1);
});
