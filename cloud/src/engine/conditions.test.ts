/**
 * Goal: what Causeway tells of a gateway itself is told once, whatever engine tells it, and in the
 * same commit as the mark that covers it.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { quietMs } from "../alert/gateway-conditions.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { KeptRuleSets } from "../ticks/rule-sets.ts";
import type { CommitMessage } from "./engine-store.ts";
import { MemoryEngineStore } from "./memory-engine-store.ts";
import { Partition } from "./partition.ts";
import { noCounts } from "./partition-counters.ts";
import { hotRules } from "./testing/engine-world.ts";

const first = "1-00000001";
const again = "2-0000000b";
const next = "2-0000000a";
const after = (telemetry: number) => ({ epoch: first, ends: { telemetry, priority: 0 } });

const ruleSets = new KeptRuleSets(new MemoryEngineStore(), hotRules);

/** Engines of one partition, each following the last one's commits. */
class Partitions {
  readonly told: AlertTransition[] = [];
  #marks = "";
  #committedUntil = 0;
  current: Promise<Partition> = this.#next();

  /** What is not committed is forgotten, as when an engine is killed. */
  takeOver(snapshot?: Partition): void {
    this.current = this.#next(snapshot);
  }

  async #next(snapshot?: Partition): Promise<Partition> {
    const alerting = await ruleSets.alertingOf(ruleSets.own);
    if (alerting === undefined) throw new Error("no rules");
    const rules = { name: ruleSets.own, alerting };
    const partition = new Partition(3, rules, this.#committedUntil, noCounts());
    if (snapshot !== undefined) partition.restoreSnapshot(snapshot.snapshot(), snapshot.sequence);
    if (this.#marks !== "") partition.restoreMark(decodeMark(this.#marks));
    return partition;
  }

  async commit(): Promise<readonly string[]> {
    const partition = await this.current;
    const { messages } = partition.collect(1, 500);
    this.#committedUntil = partition.sequence;
    const of = (head: string) => messages.filter(({ subject }) => subject.startsWith(head));
    this.#marks = of("mark.")[0]?.data ?? this.#marks;
    const transitions = of("alert.").flatMap(transitionsOf);
    this.told.push(...transitions);
    return transitions.map(({ rule, state }) => `${rule} ${state}`);
  }
}

function transitionsOf({ data }: CommitMessage): AlertTransition[] {
  return (JSON.parse(data) as { transitions: AlertTransition[] }).transitions;
}

const readings = (count: number) =>
  Array.from({ length: count }, () => readingEvent("d1", "temperature", 20));

function batch(sequence: number, from: number, count: number, head = {}, atMs = 0) {
  const message = journalMessage(sequence, from, readings(count), { head });
  return { ...message, storedAt: message.storedAt + atMs };
}

const restoredTwice = ["system-restored firing", "system-restored resolved"];

test("a store that was put back is told once, also by an engine that reads it all again", async () => {
  const engines = new Partitions();
  const journal = [
    batch(1, 1, 9),
    batch(2, 1, 2, { epoch: next, before: after(9) }),
    batch(3, 1, 2, { epoch: again, before: after(5) }),
  ];
  for (const message of journal) (await engines.current).take(message);
  expect(await engines.commit()).toEqual(restoredTwice);
  engines.takeOver();
  for (const message of journal) (await engines.current).take(message);
  (await engines.current).take(batch(4, 3, 1, { epoch: again, before: after(5) }));
  expect(await engines.commit()).toEqual([]);
});

test("what was not committed is told by the next engine, with the same id", async () => {
  const engines = new Partitions();
  const journal = [batch(1, 1, 9), batch(2, 1, 2, { epoch: again, before: after(5) })];
  (await engines.current).take(journal[0] as never);
  await engines.commit();
  const killed = await engines.current;
  killed.take(journal[1] as never);
  const lost = killed
    .collect(2, 500)
    .messages.filter(({ subject }) => subject.startsWith("alert."));
  engines.takeOver();
  for (const message of journal) (await engines.current).take(message);
  expect(await engines.commit()).toEqual(restoredTwice);
  expect(engines.told).toEqual(lost.flatMap(transitionsOf));
});

test("a cloned card is one open alert over all engines, and ends when one machine is silent", async () => {
  const engines = new Partitions();
  const clone = { epoch: again, before: after(9) };
  const journal = [batch(1, 1, 9), batch(2, 1, 2, clone), batch(3, 10, 1), batch(4, 3, 1, clone)];
  for (const message of journal) (await engines.current).take(message);
  expect(await engines.commit()).toEqual(["system-identity-conflict firing"]);
  engines.takeOver();
  const more = [...journal, batch(5, 11, 1), batch(6, 4, 1, clone, 60_000)];
  for (const message of more) (await engines.current).take(message);
  expect(await engines.commit()).toEqual([]);
  (await engines.current).take(batch(7, 5, 1, clone, 60_000 + quietMs - 1));
  expect(await engines.commit()).toEqual([]);
  (await engines.current).take(batch(8, 6, 1, clone, 60_000 + quietMs));
  expect(await engines.commit()).toEqual(["system-identity-conflict resolved"]);
  const [firing, resolved] = engines.told;
  expect([resolved?.id, resolved?.severity]).toEqual([firing?.id, "critical"]);
  (await engines.current).take(batch(9, 12, 1, {}, 60_000 + quietMs));
  expect(await engines.commit()).toEqual(["system-identity-conflict firing"]);
  expect(engines.told.at(-1)?.id).not.toBe(firing?.id);
});

function loss(sequence: number, from: number, to: number, reason: string) {
  const place = { device: null, topic: null, bootMs: 1_000, observedAt: null };
  const count = to - from + 1;
  return journalMessage(sequence, from, [{ kind: "loss", ...place, to, reason, count }]);
}

test("losses of one reason are one open alert; what a rollback took has its own", async () => {
  const engines = new Partitions();
  const partition = await engines.current;
  partition.take(loss(1, 1, 10, "not-kept"));
  partition.take(loss(2, 11, 20, "not-kept"));
  partition.take(loss(3, 21, 22, "unreadable"));
  partition.take(loss(4, 23, 25, "refused"));
  expect((await engines.commit()).toSorted()).toEqual([
    "system-loss firing",
    "system-loss firing",
    "system-rollback-loss firing",
  ]);
  expect(engines.told.map(({ reason }) => reason).join()).toContain("no longer keeps 10 events");
  partition.take(batch(5, 26, 1, {}, quietMs));
  expect(await engines.commit()).toHaveLength(3);
  const ended = engines.told.filter(({ state }) => state === "resolved");
  expect(ended.map(({ reason }) => reason).join()).toContain("20 events in all");
});

test("a hole in what the engine had taken is told once, until a snapshot is behind it", async () => {
  const engines = new Partitions();
  const whole = await engines.current;
  for (const message of [batch(1, 1, 3), batch(2, 4, 3), batch(3, 7, 3)]) whole.take(message);
  await engines.commit();
  const journal = [batch(1, 1, 3), batch(3, 7, 3), batch(4, 10, 1)];
  engines.takeOver();
  for (const message of journal) (await engines.current).take(message);
  expect(await engines.commit()).toEqual([
    "system-state-incomplete firing",
    "system-state-incomplete resolved",
  ]);
  expect(engines.told[0]?.reason).toContain("6 events");
  engines.takeOver();
  for (const message of [...journal, batch(5, 11, 1)]) (await engines.current).take(message);
  expect(await engines.commit()).toEqual([]);
  engines.takeOver(await engines.current);
  (await engines.current).take(batch(6, 12, 1));
  expect(await engines.commit()).toEqual([]);
});

test("more series than rules can know are one open alert over all engines, until all are judged", async () => {
  const engines = new Partitions();
  const many = (sequence: number, from: number, count: number, atMs = 0) => {
    const events = Array.from({ length: count }, (_, n) => {
      return readingEvent(`d${from + n}`, "temperature", 20);
    });
    const message = journalMessage(sequence, from, events);
    return { ...message, storedAt: message.storedAt + atMs };
  };
  const journal = [many(1, 1, 4_000), many(2, 4_001, 4_000), many(3, 8_001, 2_000)];
  for (const message of journal) (await engines.current).take(message);
  expect(await engines.commit()).toEqual([]);
  (await engines.current).take(many(4, 10_001, 5));
  expect(await engines.commit()).toEqual(["system-series-full firing"]);
  expect(engines.told[0]?.reason).toMatch(/^rules know 10000 series of the gateway/);
  const last = await engines.current;
  engines.takeOver(last);
  (await engines.current).take(many(5, 10_006, 5, 60_000));
  expect(await engines.commit()).toEqual([]);
  (await engines.current).take(batch(6, 10_011, 1, {}, 60_000 + quietMs));
  expect(await engines.commit()).toEqual(["system-series-full resolved"]);
  expect(engines.told[1]?.reason).toContain("10 were not");
});

test("a batch that was refused stays named, and first, whatever waits behind it", async () => {
  const engines = new Partitions();
  const partition = await engines.current;
  const refused = journalMessage(1, 1, readings(2), { body: Buffer.from("garbage") });
  partition.take(refused);
  partition.take(batch(2, 3, 2));
  const doubts = (messages: readonly CommitMessage[]) => {
    const mark = messages.find(({ subject }) => subject.startsWith("mark."));
    return decodeMark(mark?.data ?? "").doubts.map(({ kind, nonce }) => `${kind} ${nonce}`);
  };
  expect(doubts(partition.collect(1, 500).messages)).toEqual(["refused 1.1", "expected 1.2"]);
  partition.take(batch(3, 1, 2));
  expect(doubts(partition.collect(2, 500).messages)).toEqual([]);
});
