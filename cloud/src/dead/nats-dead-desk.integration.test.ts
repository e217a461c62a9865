// Dead letters on a real nats-server: listed, tried anew by a corrected mapping, discarded; once,
// whoever else does so at the same time, and whatever is put back.
import type { Event } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hotRules } from "../engine/testing/engine-world.ts";
import type { RunningEngine } from "../engine/testing/nats-engine.ts";
import { startEngine, until } from "../engine/testing/nats-engine.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { JournalReader, nothingCommitted } from "../ingest/journal-reader.ts";
import { readJournal } from "../ingest/nats-journal.ts";
import { journalMessage, quarantinedEvent } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { NatsDeadDesk } from "./nats-dead-desk.ts";
import { routesIn } from "./remap.ts";

const gateway = gatewayId("g1");
const routes = routesIn(
  "- topic: plant/{device}/up\n  mapping: { temperature: 'payload.t[0]' }\n",
  "routes.yaml",
);
const by = { by: "ana", mapping: "routes.yaml" };

let server: NatsServer;
let connection: NatsConnection;
let running: RunningEngine;
let desk: NatsDeadDesk;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  running = await startEngine(server.url, hotRules);
  const clock = systemClock();
  desk = new NatsDeadDesk({
    jetstream: jetstream(connection),
    manager,
    clock,
    random: systemRandom,
  });
});
afterEach(async () => {
  await running.stop();
  await connection.close();
  await server.remove();
});

async function publish(from: number, events: readonly Event[]): Promise<void> {
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  await publishMessage(connection, journalMessage(0, from, events, { head }));
}

async function lettersAre(count: number): Promise<void> {
  await until(`${count} letters`, async () => {
    const groups = await desk.groups();
    return groups.reduce((sum, group) => sum + group.count, 0) === count;
  });
}

/** What a reader that begins anew takes of the whole journal. */
async function journalTaken(): Promise<TakenEvent[]> {
  const manager = await jetstreamManager(connection);
  const { last_seq: last } = (await manager.streams.info("TLM")).state;
  const reader = new JournalReader(nothingCommitted);
  const taken: TakenEvent[] = [];
  const { signal } = new AbortController();
  const request = { stream: "TLM", subjects: ["tlm.>"], from: 1, signal };
  for await (const message of readJournal(connection, jetstream(connection), request)) {
    taken.push(...reader.fold(message).flatMap((folded) => folded.taken));
    if (message.sequence === last) return taken;
  }
  return taken;
}

const readingsOf = (taken: readonly TakenEvent[]) =>
  taken.flatMap(({ id, event, late, receivedAt }) =>
    event.kind === "reading"
      ? event.readings.map(({ metric, value }) => ({
          ...{ id, device: event.device, metric, value, late, receivedAt },
        }))
      : [],
  );

test("a group is redriven by a corrected mapping, with the time and the place of the original", async () => {
  const texts = ['{"t":[20]}', '{"t":[70]}', "nothing"];
  await publish(
    1,
    texts.map((text, index) => quarantinedEvent(`s${index}`, text, 1_000 * (index + 1))),
  );
  await lettersAre(3);
  const [group] = await desk.groups(gateway);
  expect(group).toMatchObject({ kind: "quarantined", topic: "plant/+/up", count: 3 });
  const chosen = { gateway, group: group?.id, limit: 100 };

  const trials = await desk.trial({ ...chosen, routes });
  expect(trials.map(({ becomes }) => becomes.kind)).toEqual(["refused", "redrive", "redrive"]);
  expect(readingsOf(await journalTaken())).toEqual([]);

  const outcome = await desk.redrive({ ...chosen, ...by, routes });
  expect(outcome).toMatchObject({ redriven: 2, readings: 2, tried: 3 });
  expect(Object.values(outcome.refused)).toEqual([1]);
  const at = Date.UTC(2026, 0, 1);
  const id = (position: number) => `g1/1-00000001/telemetry/${position}/r`;
  expect(readingsOf(await journalTaken())).toEqual([
    {
      id: id(1),
      device: "s0",
      metric: "temperature",
      value: 20,
      late: true,
      receivedAt: at + 1_000,
    },
    {
      id: id(2),
      device: "s1",
      metric: "temperature",
      value: 70,
      late: true,
      receivedAt: at + 2_000,
    },
  ]);
  expect(await desk.letters(chosen, 10)).toMatchObject([{ id: "g1/1-00000001/telemetry/3" }]);
  expect(await desk.settled(gateway)).toMatchObject([
    {
      by: "ana",
      with: "routes.yaml",
      letters: [[id(1).slice(0, -2), group?.id, "redrive", ""], {}],
    },
  ]);

  expect(await desk.redrive({ ...chosen, ...by, routes })).toMatchObject({ redriven: 0 });
  expect(readingsOf(await journalTaken())).toHaveLength(2);
});

test("of two who redrive the same group at once, each letter is taken once", async () => {
  await publish(
    1,
    Array.from({ length: 40 }, (_, at) => quarantinedEvent(`s${at}`, `{"t":[${at}]}`, at + 1)),
  );
  await lettersAre(40);
  const order = { gateway, ...by, routes, limit: 1_000 };
  const outcomes = await Promise.all([desk.redrive(order), desk.redrive(order)]);
  expect(outcomes.reduce((sum, { redriven }) => sum + redriven, 0)).toBe(40);
  const found = readingsOf(await journalTaken());
  expect([found.length, new Set(found.map(({ id }) => id)).size]).toEqual([40, 40]);
});

test("thousands are redriven in bounded messages, in order, with progress; a limit is kept", async () => {
  for (let from = 1; from <= 3_000; from += 500) {
    const own = Array.from({ length: 500 }, (_, at) =>
      quarantinedEvent("s1", `{"t":[${from + at}]}`, from + at),
    );
    await publish(from, own);
  }
  await lettersAre(3_000);
  const seen: number[] = [];
  const order = { gateway, ...by, routes };
  expect(await desk.redrive({ ...order, limit: 700 })).toMatchObject({ redriven: 700 });
  const onProgress = ({ redriven }: { redriven: number }) => void seen.push(redriven);
  await desk.redrive({ ...order, limit: 10_000, onProgress });
  expect(seen.length).toBeGreaterThan(3);
  expect(seen.at(-1)).toBe(2_300);
  const values = readingsOf(await journalTaken()).map(({ value }) => value);
  expect(values).toEqual(Array.from({ length: 3_000 }, (_, at) => at + 1));
  await lettersAre(0);
});

test("what is discarded is open no more, and says why", async () => {
  await publish(1, [quarantinedEvent("s1", "noise", 1_000)]);
  await lettersAre(1);
  const [group] = await desk.groups();
  expect(
    await desk.discard({ gateway, group: group?.id, reason: "noise", by: "ana", limit: 9 }),
  ).toBe(1);
  expect(await desk.groups()).toEqual([]);
  const [settled] = await desk.settled(gateway);
  expect(settled?.letters[0]?.slice(2)).toEqual(["discard", "noise"]);
});

test("open letters survive the engine, and one that begins anew closes them", async () => {
  await publish(1, [quarantinedEvent("s1", '{"t":[70]}', 1_000)]);
  await lettersAre(1);
  await running.stop();
  running = await startEngine(server.url, hotRules);
  expect(await desk.redrive({ gateway, ...by, routes, limit: 9 })).toMatchObject({ redriven: 1 });
  expect(await desk.groups()).toEqual([]);
});

test("a number is greater than any before, though the store has forgotten them (R2)", async () => {
  await publish(1, [
    quarantinedEvent("s1", '{"t":[1]}', 1),
    quarantinedEvent("s2", '{"t":[2]}', 2),
  ]);
  await lettersAre(2);
  const manager = await jetstreamManager(connection);
  const numberOf = async () => {
    const filter = await partitionOf(manager);
    const subject = `tlm.${filter}.g1.redrive`;
    const last = await manager.streams.getMessage("TLM", { last_by_subj: subject });
    return { number: Number(last?.header.get("Cw-Redrive")), sequence: last?.seq ?? 0 };
  };
  const order = { gateway, ...by, routes, limit: 1 };
  await desk.redrive(order);
  const first = await numberOf();
  await manager.streams.deleteMessage("TLM", first.sequence);
  await desk.redrive(order);
  expect((await numberOf()).number).toBeGreaterThan(first.number);
});

test("without an engine that takes the last redrive, the next one is refused", async () => {
  await publish(1, [
    quarantinedEvent("s1", '{"t":[70]}', 1_000),
    quarantinedEvent("s2", '{"t":[71]}', 1_000),
  ]);
  await lettersAre(2);
  await running.engine.stop();
  const jumping = { ...systemClock(), bootMs: () => systemClock().bootMs() * 1_000 };
  const manager = await jetstreamManager(connection);
  const hasty = new NatsDeadDesk({
    ...{ jetstream: jetstream(connection), manager, clock: jumping, random: systemRandom },
  });
  const order = { gateway, ...by, routes, limit: 1 };
  await expect(hasty.redrive(order)).rejects.toMatchObject({ code: "DEAD_LETTERS_BUSY" });
  await expect(hasty.redrive(order)).rejects.toMatchObject({ code: "DEAD_LETTERS_BUSY" });
  expect(
    await manager.streams.info("TLM", { subjects_filter: subjects.storedRedrive(gateway) }),
  ).toMatchObject({ state: { subjects: { [`tlm.${await partitionOf(manager)}.g1.redrive`]: 1 } } });
});

async function partitionOf(manager: Awaited<ReturnType<typeof jetstreamManager>>): Promise<string> {
  const info = await manager.streams.info("TLM", { subjects_filter: "tlm.*.g1.live" });
  return Object.keys(info.state.subjects ?? {})[0]?.split(".")[1] ?? "";
}
