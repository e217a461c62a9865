/**
 * Goal: what rules over several series tell and emit is told once, with the same ids, wherever
 * engines crash; what is in shadow stays there; and a gateway that falls silent is one alert.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { describe, expect, test } from "vitest";
import { placeOfSite } from "../site/site-message.ts";
import type { WrittenBatch } from "../testing/journal-writer.ts";
import { bootOffset, journalMessage } from "../testing/journal-writer.ts";
import { ruleSetName } from "../ticks/rule-sets.ts";
import type { CommitMessage } from "./engine-store.ts";
import { derivedCharactersMax } from "./gateway-output.ts";
import { Partition } from "./partition.ts";
import { noCounts } from "./partition-counters.ts";
import type { PartitionSettings } from "./partition-settings.ts";
import { EngineWorld } from "./testing/engine-world.ts";

const door = {
  name: "door-open-while-warming",
  when: {
    all: [
      { metric: "door", is: "on", for: "1m" },
      { metric: "t", is: "value > -15" },
    ],
  },
  for: "2m",
  emit: "door-ajar",
};
const others = [
  { name: "ajar", by: "gateway", when: { derived: "door-ajar" }, emit: "told" },
  { name: "silent", detector: "absence", after: "2m", metrics: ["t"], flap: "off" },
  { name: "tried", mode: "shadow", when: { metric: "t", is: "value < -15" }, emit: "cold" },
];
const firstRules = rulesSchema.parse([door, ...others]);
const secondRules = rulesSchema.parse([{ ...door, mode: "shadow" }, ...others]);

function eventAt(second: number, body: object): Event {
  const place = { device: null, topic: null, bootMs: second * 1_000, observedAt: null };
  return eventSchema.parse({ ...place, ...body });
}

const reading = (second: number, metric: string, value: number | boolean) =>
  eventAt(second, {
    ...{ kind: "reading", device: "freezer-1" },
    readings: [{ metric, value, quality: "good" }],
  });

const heartbeat = (second: number) =>
  eventAt(second, {
    ...{ kind: "system", name: "heartbeat", detail: "" },
    fields: { untakenEvents: 0 },
  });

const story: readonly (readonly Rule[] | Event)[] = [
  firstRules,
  ...[reading(0, "door", true), reading(10, "t", -10), firstRules],
  ...[heartbeat(70), firstRules, heartbeat(200), firstRules], // the door has been open for 3 min
  ...[reading(210, "t", -20), firstRules],
  ...[heartbeat(400), firstRules, reading(410, "t", -10), firstRules], // it was silent
  ...[secondRules, heartbeat(560), secondRules], // the same again, in shadow
  ...[reading(570, "t", -20), secondRules],
];

class Story {
  readonly world = new EngineWorld();
  readonly #positions = { telemetry: 0, priority: 0 };

  async keep(rules: readonly Rule[]): Promise<void> {
    const data = JSON.stringify({ v: 1, rules });
    const subject = `rules.${ruleSetName(rules)}`;
    await this.world.store.commit([{ subject, data, rollup: false }]);
  }

  append(event: Event): void {
    const { journal } = this.world;
    const log = event.kind === "system" ? "priority" : "telemetry";
    const sequence = (journal.messages.at(-1)?.sequence ?? 0) + 1;
    this.#positions[log] += 1;
    const lane = log === "priority" ? "priority" : "live";
    const batch: WrittenBatch = { lane, head: { log, nonce: `1.${sequence}` } };
    journal.append(journalMessage(sequence, this.#positions[log], [event], batch));
  }

  /** What stands under these subjects, item by item, in order. */
  items(...heads: readonly string[]): string[] {
    return this.world.store.messages
      .filter(({ subject }) => heads.includes(subject.split(".")[0] ?? ""))
      .flatMap(({ subject, text }) => {
        const { transitions = [], events = [], derived = [] } = JSON.parse(text);
        const all = [...transitions, ...events, ...derived] as (AlertTransition & object)[];
        return all.map(({ id, state }) => `${subject} ${state ?? "event"} ${id}`);
      });
  }
}

const outputs = ["alert", "derived", "shadow"];

/** All that is told when the engine is replaced, unannounced, after so many steps. */
async function play(replacedAfter: number): Promise<readonly string[]> {
  const own = new Story();
  const { world } = own;
  for (const rules of [firstRules, secondRules]) await own.keep(rules);
  let engine = world.engine(firstRules);
  await world.clock.advance(10);
  for (const [index, step] of story.entries()) {
    if ("kind" in step) own.append(step);
    else world.tick(step);
    await world.clock.advance(index % 3 === 0 ? 15_000 : 700);
    if (index !== replacedAfter) continue;
    engine = world.engine(secondRules);
    await world.clock.advance(15_000);
  }
  await engine.stop();
  return own.items(...outputs);
}

describe("rules over several series", () => {
  test("tell and emit, and their ids are the same wherever an engine is replaced", async () => {
    const undisturbed = await play(-1);
    expect(undisturbed.map((item) => item.split(" ").slice(0, 2).join(" "))).toEqual([
      "alert.3.g1.silent firing",
      "alert.3.g1.door-open-while-warming firing",
      "alert.3.g1.ajar firing",
      "derived.3.g1.door-ajar event",
      "derived.3.g1.told event",
      "alert.3.g1.silent resolved",
      "alert.3.g1.door-open-while-warming resolved",
      "shadow.3.g1.tried firing",
      "alert.3.g1.ajar resolved",
      "shadow.3.g1.tried event",
      "alert.3.g1.silent firing",
      "alert.3.g1.silent resolved",
      "shadow.3.g1.tried resolved",
      "alert.3.g1.silent firing",
      "shadow.3.g1.door-open-while-warming firing",
      "shadow.3.g1.door-open-while-warming event",
      "alert.3.g1.silent resolved",
      "shadow.3.g1.door-open-while-warming resolved",
      "shadow.3.g1.tried firing",
      "shadow.3.g1.tried event",
    ]);
    for (let after = 0; after < story.length; after++) {
      expect((await play(after)).toSorted(), `after ${after}`).toEqual(undisturbed.toSorted());
    }
  });

  test("in shadow leave no trace on alert.> or derived.>", async () => {
    const own = new Story();
    const shadowed = firstRules.map((rule): Rule => ({ ...rule, mode: "shadow" }));
    await own.keep(shadowed);
    const engine = own.world.engine(shadowed);
    await own.world.clock.advance(10);
    for (const step of story) {
      if ("kind" in step) own.append(step);
      else own.world.tick(shadowed);
      await own.world.clock.advance(700);
    }
    await engine.stop();
    expect(own.items("shadow").length).toBeGreaterThan(10);
    expect(own.items("alert", "derived")).toEqual([]);
    expect(engine.status()).toMatchObject({ transitions: 0, derived: 0 });
  });
});

const alertingOf = (rules: readonly Rule[]) => createAlerting(compileRules(rules));

/** A partition that replays up to message `until`. */
function partitionOf(rules: readonly Rule[], settings: PartitionSettings = {}, until = 0) {
  const counts = noCounts();
  const named = { name: "", alerting: alertingOf(rules) };
  return { partition: new Partition(3, named, until, counts, settings), counts };
}

const messageOf = (sequence: number, event: Event, gateway = "g1", position = sequence) =>
  journalMessage(sequence, position, [event], { gateway, head: { nonce: `1.${sequence}` } });

const tickAt = (n: number, second: number) => ({ n, at: second * 1_000, rules: "", revision: 0 });

const subjectsOf = (messages: readonly { subject: string }[]) =>
  messages.map(({ subject }) => subject);

test("a tick that a gateway's commit has seen tells nothing again, though others had no room (P2)", async () => {
  const rules = rulesSchema
    .parse([{ name: "dawn", when: { schedule: { cron: "0 6 * * *", zone: "UTC" } }, emit: "dawn" }])
    .map((rule): Rule => ({ ...rule, by: "gateway" }) as Rule);
  const night = Date.UTC(2026, 0, 2, 5, 59, 55) / 1_000;
  const journal = [
    messageOf(1, reading(0, "t", 1), "g1", 1),
    messageOf(2, reading(0, "t", 1), "g2", 1),
  ];
  const ticks = [night, night + 10, night + 20].map((second, index) => tickAt(index + 1, second));
  const play = (partition: Partition) => {
    for (const message of journal) partition.take(message);
    for (const [index, tick] of ticks.entries()) partition.tick(3 + index, tick, undefined);
  };
  const { partition } = partitionOf(rules);
  play(partition);
  const { messages, complete } = partition.collect(1, 3);
  expect(complete).toBe(false);
  expect(subjectsOf(messages)).toContain("derived.3.g1.dawn");
  expect(subjectsOf(messages)).not.toContain("derived.3.g2.dawn");
  const { partition: next } = partitionOf(rules);
  for (const { subject, data } of messages) {
    if (subject.startsWith("mark.")) next.restoreMark(decodeMark(data));
    if (subject.startsWith("open.")) next.restoreAlerts("g1", data);
  }
  play(next);
  const told = subjectsOf(next.collect(2, 500).messages);
  expect(told).toContain("derived.3.g2.dawn");
  expect(told).not.toContain("derived.3.g1.dawn");
  expect(told).not.toContain("alert.3.g1.dawn");
});

test("what a site is told goes in one commit with the gateway's mark, and ticks behind it (P6)", () => {
  const rules = rulesSchema.parse([{ name: "cold", by: "site", when: "value < -15.0" }]);
  const fleet = fleetSchema.parse({ gateways: [{ match: ["g1"], site: "hall" }] });
  const named = { name: "r", alerting: createAlerting(compileRules(rules, fleet)) };
  const play = (number: number, commits: number) => {
    const partition = new Partition(number, named, 0, noCounts());
    const told: string[][] = [];
    const messages = [reading(0, "t", 1), reading(1, "t", 2), reading(2, "t", -20)];
    for (const [index, event] of messages.entries()) {
      partition.take(messageOf(index + 1, event, "g1", index + 1));
      if (index < commits) told.push(subjectsOf(partition.collect(index, 500).messages));
    }
    partition.tick(4, tickAt(1, 5), undefined);
    told.push(subjectsOf(partition.collect(9, 500).messages));
    return told;
  };
  const site = subjects.site(placeOfSite("hall").partition, "@hall");
  // The second reading says nothing new.
  expect(play(3, 3)).toEqual([
    [site, "mark.3.g1"],
    ["mark.3.g1"],
    [site, "mark.3.g1"],
    [site, "mark.3.g1"],
  ]);
  expect(play(63, 0)).toEqual([["site.clk", site, site, "mark.63.g1"]]);
});

test("derived events that one message has no room for are counted; the commit stays whole and small", async () => {
  const names = ["a", "b", "c", "d"];
  const rules = rulesSchema.parse(names.map((name) => ({ name, when: "on", emit: "loud" })));
  const { partition, counts } = partitionOf(rules);
  const flips = Array.from({ length: 4_096 }, (_, index) => {
    const value = index % 2 === 0;
    return { metric: "t", quality: "good", value, observedAt: bootOffset + index };
  });
  const emitted = names.length * 2_048;
  partition.take(messageOf(1, eventAt(9, { kind: "reading", device: "d", readings: flips })));
  const { messages, complete } = partition.collect(1, 500);
  const derived = messages.filter(({ subject }) => subject === "derived.3.g1.loud");
  const bytes = derived.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0);
  expect(complete).toBe(true);
  expect(counts.derivedRefused).toBe(emitted - counts.derived);
  expect(counts.derived).toBeGreaterThan(emitted / 4);
  expect(bytes).toBeLessThanOrEqual(derivedCharactersMax + 10_000);
  for (const { data } of derived) expect(data.length).toBeLessThan(512 * 1_024);
});

test("a commit takes whole gateways up to its size; while much waits, reading waits too", () => {
  const rules = rulesSchema.parse([{ name: "flips", when: "on", emit: "flip", flap: "off" }]);
  const { partition } = partitionOf(rules);
  const flips = Array.from({ length: 600 }, (_, index) => {
    return { metric: "t", quality: "good", value: index % 2 === 0, observedAt: bootOffset + index };
  });
  for (const [index, gateway] of ["g1", "g2", "g3", "g4"].entries()) {
    expect(partition.isFull).toBe(false);
    const event = eventAt(9, { kind: "reading", device: "d", readings: flips });
    partition.take(messageOf(index + 1, event, gateway, 1));
  }
  expect(partition.isFull).toBe(true);
  const marks: string[][] = [];
  for (let complete = false; !complete; ) {
    const collected = partition.collect(2, 500, 500_000);
    expect(collected.characters).toBeLessThan(600_000);
    complete = collected.complete;
    marks.push(subjectsOf(collected.messages).filter((subject) => subject.startsWith("mark.")));
  }
  expect(marks.flat()).toEqual(["mark.3.g1", "mark.3.g2", "mark.3.g3", "mark.3.g4"]);
  expect(marks.length).toBeGreaterThan(1);
  expect(partition.isFull).toBe(false);
});

test("however much rules tell, a commit holds at most 500 messages and 4 MB", async () => {
  const rules = rulesSchema.parse([{ name: "flips", when: "on", emit: "flip", flap: "off" }]);
  const own = new Story();
  const { store, clock } = own.world;
  const commit = store.commit.bind(store);
  const sizes: (readonly [messages: number, bytes: number])[] = [];
  store.commit = (messages) => {
    sizes.push([messages.length, messages.reduce((sum, { data }) => sum + data.length, 0)]);
    return commit(messages);
  };
  const engine = own.world.engine(rules);
  await clock.advance(10);
  for (let message = 0; message < 30; message++) {
    const flips = Array.from({ length: 1_000 }, (_, index) => {
      const observedAt = bootOffset + message * 1_000 + index;
      return { metric: "t", quality: "good", value: index % 2 === 0, observedAt };
    });
    own.append(eventAt(60 + message, { kind: "reading", device: "d", readings: flips }));
  }
  await clock.advance(2_000);
  expect(engine.status()).toMatchObject({ events: 30, derived: 15_000, derivedRefused: 0 });
  await engine.stop();
  expect(Math.max(...sizes.map(([messages]) => messages))).toBeLessThanOrEqual(500);
  expect(Math.max(...sizes.map(([, bytes]) => bytes))).toBeLessThanOrEqual(4_000_000);
  expect(own.items("derived")).toHaveLength(15_000);
});

test("a tick that changes what patterns know is part of the next snapshot, an idle one of none", () => {
  const { partition } = partitionOf(firstRules);
  partition.take(messageOf(1, reading(0, "door", true), "g1", 1));
  const beat = journalMessage(2, 1, [heartbeat(70)], {
    lane: "priority",
    head: { log: "priority" },
  });
  partition.take(beat);
  partition.tick(3, tickAt(1, 100), undefined); // the door has been open for a minute
  expect(partition.changedAt).toBe(3);
  partition.tick(4, tickAt(2, 105), undefined);
  expect([partition.changedAt, partition.sequence]).toEqual([3, 4]);
});

describe("a gateway of which nothing live comes", () => {
  const silentAfterMs = 180_000;
  const silentIn = (messages: readonly CommitMessage[]) =>
    messages
      .filter(({ subject }) => subject === "alert.3.g1.system-gateway-silent")
      .flatMap(({ data }) => (JSON.parse(data) as { transitions: AlertTransition[] }).transitions);
  const told = (partition: Partition, commit: number) =>
    silentIn(partition.collect(commit, 500).messages);
  const tickAll = (partition: Partition, from: number, to: number) => {
    for (let second = from; second <= to; second += 5) {
      partition.tick(1_000 + second, tickAt(second / 5, second), undefined);
    }
  };

  test("is one alert, ended by the next live event and told once over all engines (G4)", async () => {
    const { partition } = partitionOf(firstRules, { silentAfterMs });
    tickAll(partition, 5, 5);
    partition.take(messageOf(1_006, reading(1, "t", 1), "g1", 1));
    tickAll(partition, 10, 180);
    expect(told(partition, 1)).toEqual([]);
    tickAll(partition, 185, 200);
    const { messages } = partition.collect(2, 500);
    const [firing, ...more] = silentIn(messages);
    expect([firing?.state, firing?.device, more]).toEqual(["firing", "", []]);
    const mark = messages.find(({ subject }) => subject.startsWith("mark."))?.data ?? "";
    const { partition: next } = partitionOf(firstRules, { silentAfterMs }, 1_200);
    next.restoreSnapshot(partition.snapshot(), partition.sequence);
    next.restoreMark(decodeMark(mark));
    next.restoreCommitted({ name: "", alerting: alertingOf(firstRules) }, partition.seenTick);
    tickAll(next, 205, 3_000);
    expect(told(next, 3)).toEqual([]);
    next.take(messageOf(4_001, reading(2, "t", 1), "g1", 2));
    expect(told(next, 4)).toMatchObject([{ state: "resolved", id: firing?.id }]);
  });

  test("is not silent while ticks stay away, nor for the time that they were", async () => {
    const { partition } = partitionOf(firstRules, { silentAfterMs });
    tickAll(partition, 5, 5);
    partition.take(messageOf(1_006, reading(1, "t", 1), "g1", 1));
    tickAll(partition, 10, 15);
    tickAll(partition, 3_600, 3_775);
    expect(told(partition, 1)).toEqual([]);
    tickAll(partition, 3_780, 3_780);
    expect(told(partition, 2)).toHaveLength(1);
  });

  test("is never told where nothing was asked for", async () => {
    const { partition } = partitionOf(firstRules);
    tickAll(partition, 5, 5);
    partition.take(messageOf(1_006, reading(1, "t", 1), "g1", 1));
    tickAll(partition, 10, 3_600);
    expect(told(partition, 1)).toEqual([]);
  });
});
