/**
 * Goal: what rules by site tell is told once, with the same ids, wherever an engine or a stage of
 * sites is replaced without a word; and by the rules that are in force.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { describe, expect, test } from "vitest";
import { EngineWorld, hotRules } from "../engine/testing/engine-world.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import type { RuleSetToKeep } from "../ticks/rule-sets.ts";
import { KeptRuleSets, ruleSetToKeep } from "../ticks/rule-sets.ts";
import { SiteStage } from "./site-stage.ts";

const hall = { match: ["g-*"], site: "Hall A" };
const fleet = fleetSchema.parse({ gateways: [hall] });
const doors = {
  ...{ name: "doors", by: "site", emit: "draught" },
  when: { metric: "door", is: "on", of: 2 },
};
const rules = [
  doors,
  { name: "draughts", by: "site", when: { derived: "draught" }, keepFiringFor: "20s" },
  // There are six, each told once.
  { name: "often", by: "site", when: { count: { metric: "t" }, within: "1h", atLeast: 7 } },
  { name: "still", by: "site", mode: "shadow", when: { absence: { metric: "door" }, after: "1m" } },
];
const setOf = (of: readonly object[], where = fleet) => ruleSetToKeep(rulesSchema.parse(of), where);
const first = setOf(rules);
const without = setOf([]);

/** Two gateways of one site, in two partitions, with an engine and a stage that can be replaced. */
class Halls {
  readonly world = new EngineWorld();
  /** Sequences before which messages were to be deleted; they stay, for other tests to be read. */
  readonly purges: number[] = [];
  readonly #positions = new Map<string, number>();
  #n = 0;

  /** An engine and a stage that run; `sets` are there, and nothing was told yet. */
  async begin(...sets: readonly RuleSetToKeep[]) {
    await this.keep(...sets);
    const running = { engine: this.world.engine(), stage: this.stage() };
    await this.world.clock.advance(100);
    return running;
  }

  async keep(...sets: readonly RuleSetToKeep[]): Promise<void> {
    for (const { name, text } of sets) {
      await this.world.store.commit([{ subject: `rules.${name}`, data: text, rollup: false }]);
    }
  }

  stage(): SiteStage {
    const stage = new SiteStage({
      store: this.world.store,
      journal: (from, signal) => this.#read(from, signal),
      purge: async (before) => void this.purges.push(before),
      ruleSets: new KeptRuleSets(this.world.store, hotRules),
      clock: this.world.clock,
      random: seededRandom("stage"),
      log: silentLogger,
    });
    stage.start();
    return stage;
  }

  async *#read(from: number, signal: AbortSignal): AsyncGenerator<JournalMessage> {
    const { clock, store } = this.world;
    for (let next = from; !signal.aborted; ) {
      const found = store.messages.find(({ sequence, subject }) => {
        return sequence >= next && /^site\.(clk|\d+\.@.*)$/.test(subject);
      });
      if (found === undefined) {
        await sleep(clock, 50, signal);
        continue;
      }
      const { sequence, subject, text } = found;
      next = sequence + 1;
      yield { sequence, subject, storedAt: 0, data: Buffer.from(text), header: () => undefined };
    }
  }

  reading(gateway: string, second: number, metric: string, value: number | boolean): void {
    this.readings(gateway, second, [metric], value);
  }

  readings(
    gateway: string,
    second: number,
    metrics: readonly string[],
    value: number | boolean,
  ): void {
    const { journal } = this.world;
    const position = (this.#positions.get(gateway) ?? 0) + 1;
    this.#positions.set(gateway, position);
    const place = { device: "d", topic: null, bootMs: second * 1_000, observedAt: null };
    const readings = metrics.map((metric) => ({ metric, value, quality: "good" }));
    const event: Event = eventSchema.parse({ kind: "reading", ...place, readings });
    const sequence = (journal.messages.at(-1)?.sequence ?? 0) + 1;
    const partition = gateway === "g-1" ? 3 : 5;
    const written = { gateway, partition, head: { nonce: `1.${sequence}` } };
    journal.append(journalMessage(sequence, position, [event], written));
  }

  tick({ name }: RuleSetToKeep, second: number): void {
    this.#n += 1;
    this.world.tick(name, { n: this.#n, at: Date.UTC(2026, 0, 1) + second * 1_000 });
  }

  /** All that stands under these heads, with ids. */
  items(...heads: readonly string[]): string[] {
    return this.world.store.messages
      .filter(({ subject }) => heads.includes(subject.split(".")[0] ?? ""))
      .flatMap(({ subject, text }) => {
        const { transitions = [], events = [], derived = [] } = JSON.parse(text);
        const all = [...transitions, ...events, ...derived] as (AlertTransition & object)[];
        const [head = "", , ...rest] = subject.split(".");
        return all.map(({ id, state }) => `${head} ${rest.join(".")} ${state ?? "event"} ${id}`);
      });
  }
}

type Step = (halls: Halls) => void;

const story: readonly Step[] = [
  (halls) => halls.tick(first, 0),
  (halls) => halls.reading("g-1", 1, "door", true),
  (halls) => halls.reading("g-2", 2, "door", true),
  (halls) => halls.tick(first, 5),
  (halls) => halls.reading("g-1", 6, "t", 1),
  (halls) => halls.reading("g-2", 7, "t", 1),
  (halls) => halls.tick(first, 10),
  (halls) => halls.reading("g-2", 11, "door", false),
  (halls) => halls.reading("g-2", 40, "t", 2),
  (halls) => halls.reading("g-1", 40, "t", 2),
  (halls) => halls.tick(first, 40),
  (halls) => halls.reading("g-2", 90, "t", 3),
  (halls) => halls.reading("g-1", 90, "t", 3),
  (halls) => halls.tick(first, 90),
  (halls) => halls.reading("g-2", 95, "door", true),
  (halls) => halls.tick(first, 100),
  (halls) => halls.tick(without, 105),
  (halls) => halls.tick(without, 110),
];
const outputs = ["alert", "derived", "shadow"];

interface Replaced {
  readonly engineAfter?: number;
  readonly stageAfter?: number;
}

async function play({ engineAfter, stageAfter }: Replaced, fault?: "lost" | "unknown") {
  const halls = new Halls();
  const { world } = halls;
  await halls.keep(first, without);
  let engine = world.engine();
  let stage = halls.stage();
  await world.clock.advance(100);
  for (const [index, step] of story.entries()) {
    if (index === stageAfter && fault !== undefined) world.store.faults.push(fault);
    step(halls);
    await world.clock.advance(index % 3 === 0 ? 15_000 : 400);
    if (index === engineAfter) engine = world.engine();
    if (index === stageAfter && fault === undefined) stage = halls.stage();
    if (index === engineAfter || index === stageAfter) await world.clock.advance(40_000);
  }
  await world.clock.advance(60_000);
  await Promise.all([engine.stop(), stage.stop(), world.clock.advance(60_000)]);
  return halls;
}

/** As the items are, without what is different in each run. */
const namesOf = (items: readonly string[]) =>
  items.map((item) => item.split(" ").slice(0, 3).join(" "));

describe("rules by site", () => {
  test("tell the same, with the same ids, wherever an engine or a stage is replaced", async () => {
    const undisturbed = (await play({})).items(...outputs);
    expect(namesOf(undisturbed)).toEqual([
      "alert @Hall=20A.doors firing",
      "alert @Hall=20A.draughts firing",
      "derived @Hall=20A.draught event",
      "alert @Hall=20A.doors resolved",
      "alert @Hall=20A.draughts resolved",
      "shadow @Hall=20A.still firing",
      "alert @Hall=20A.doors firing",
      "shadow @Hall=20A.still resolved",
      "alert @Hall=20A.draughts firing",
      "derived @Hall=20A.draught event",
      "alert @Hall=20A.doors resolved",
      "alert @Hall=20A.draughts resolved",
    ]);
    for (let after = 0; after < story.length; after++) {
      const [engine, stage] = [
        await play({ engineAfter: after }),
        await play({ stageAfter: after }),
      ];
      expect(engine.items(...outputs).toSorted(), `engine ${after}`).toEqual(
        undisturbed.toSorted(),
      );
      expect(stage.items(...outputs).toSorted(), `stage ${after}`).toEqual(undisturbed.toSorted());
    }
  });

  test.each(["lost", "unknown"] as const)(
    "tell the same where a commit is %s (H2)",
    async (fault) => {
      const undisturbed = (await play({})).items(...outputs);
      for (let after = 0; after < story.length; after++) {
        const halls = await play({ stageAfter: after }, fault);
        expect(halls.items(...outputs).toSorted(), `after ${after}`).toEqual(
          undisturbed.toSorted(),
        );
      }
    },
  );
});

test("a rule that changes at a tick begins anew by what gateways tell again; others go on", async () => {
  const halls = new Halls();
  const { world } = halls;
  const gates = { name: "gates", by: "site", when: { metric: "door", is: "!on", of: 2 } };
  const next = setOf([gates, ...rules]);
  const { engine, stage } = await halls.begin(first, next);
  const play = async (...steps: readonly Step[]) => {
    for (const step of steps) {
      step(halls);
      await world.clock.advance(1_000);
    }
  };
  await play(
    (each) => each.tick(first, 0),
    (each) => each.reading("g-1", 1, "door", true),
    (each) => each.reading("g-2", 2, "door", false),
    (each) => each.tick(next, 5),
    (each) => each.reading("g-1", 6, "door", false),
    (each) => each.reading("g-2", 7, "door", false), // said before, but not to the new rule
    (each) => each.tick(next, 10),
    (each) => each.reading("g-1", 11, "door", true),
    (each) => each.reading("g-2", 12, "door", true),
  );
  await Promise.all([engine.stop(), stage.stop(), world.clock.advance(20_000)]);
  expect(namesOf(halls.items("alert"))).toEqual([
    "alert @Hall=20A.gates firing",
    "alert @Hall=20A.gates resolved",
    "alert @Hall=20A.doors firing",
    "alert @Hall=20A.draughts firing",
  ]);
});

test("a gateway whose site changes with the fleet counts where it belongs from then on", async () => {
  const halls = new Halls();
  const { world } = halls;
  const moved = fleetSchema.parse({ gateways: [{ match: ["g-2"], site: "Hall B" }, hall] });
  const next = setOf(rules, moved);
  const { engine, stage } = await halls.begin(first, next);
  const steps: readonly Step[] = [
    (each) => each.tick(first, 0),
    (each) => each.reading("g-1", 1, "door", true),
    (each) => each.reading("g-2", 2, "door", true),
    (each) => each.tick(next, 5),
    (each) => each.reading("g-2", 6, "door", true),
    (each) => each.reading("g-1", 7, "t", 1),
    (each) => each.tick(next, 10),
    (each) => each.tick(first, 15), // and back
    (each) => each.reading("g-2", 16, "door", true),
  ];
  for (const step of steps) {
    step(halls);
    await world.clock.advance(1_000);
  }
  await Promise.all([engine.stop(), stage.stop(), world.clock.advance(20_000)]);
  const doorsOnly = namesOf(halls.items("alert")).filter((item) => item.includes(".doors"));
  expect(doorsOnly).toEqual([
    "alert @Hall=20A.doors firing",
    "alert @Hall=20A.doors resolved",
    "alert @Hall=20A.doors firing",
  ]);
  const states = world.store.messages.filter(({ subject }) => subject.startsWith("site.state."));
  expect(states.map(({ subject }) => subject.split(".")[3]).toSorted()).toEqual([
    "@Hall=20A",
    "@Hall=20B",
  ]);
});

test("a stage that was fenced commits nothing more (H1), and a state larger than a message is whole", async () => {
  const halls = new Halls();
  const { world } = halls;
  const { engine, stage: one } = await halls.begin(first);
  halls.tick(first, 0);
  for (let index = 0; index < 900; index++) {
    const metric = `${index}-${"m".repeat(200)}`;
    halls.reading("g-1", 1, metric, 1);
  }
  await world.clock.advance(15_000);
  const pieces = world.store.messages.filter(({ subject }) => subject.startsWith("site.state."));
  expect(pieces.length).toBeGreaterThan(1);
  for (const { text } of pieces) expect(text.length).toBeLessThan(256 * 1_024);
  const { commits } = one.status();
  const two = halls.stage();
  await world.clock.advance(100);
  expect(two.status()).toMatchObject({ phase: "running", sites: 1 });
  halls.reading("g-1", 2, "door", true);
  halls.reading("g-2", 2, "door", true);
  await world.clock.advance(1_000);
  expect(one.status().commits).toBe(commits);
  expect(one.status().lastFault).toContain("10071");
  expect(namesOf(halls.items("alert"))).toContain("alert @Hall=20A.doors firing");
  await Promise.all([engine.stop(), one.stop(), two.stop(), world.clock.advance(30_000)]);
});

test("is read from behind what all states hold; what nobody waits for is gathered (H4)", async () => {
  const halls = new Halls();
  const { world } = halls;
  const { engine, stage: one } = await halls.begin(first);
  halls.tick(first, 0);
  for (let second = 1; second <= 30; second++) {
    halls.reading("g-1", second, "door", second % 2 === 0);
    await world.clock.advance(1_000);
  }
  const { commits, messages } = one.status();
  expect(messages).toBeGreaterThan(30);
  expect(commits).toBeLessThan(6);
  await Promise.all([one.stop(), world.clock.advance(10_000)]);
  const two = halls.stage();
  await world.clock.advance(10_000);
  expect(two.status()).toMatchObject({ phase: "running", sites: 1, messages: 0 });
  await Promise.all([engine.stop(), two.stop(), world.clock.advance(10_000)]);
});

test("what all states hold is deleted each minute, and nothing that one still needs (H5)", async () => {
  const halls = new Halls();
  const { world } = halls;
  const { engine, stage } = await halls.begin(first);
  halls.tick(first, 0);
  for (let second = 1; second <= 150; second++) {
    const before = halls.purges.length;
    halls.reading("g-1", second, "door", second % 2 === 0);
    await world.clock.advance(1_000);
    if (halls.purges.length === before) continue;
    const { text } = world.store.messages.findLast(({ subject }) => subject === "ckpt.64") ?? {};
    expect(halls.purges.at(-1)).toBe((JSON.parse(text ?? "") as { seq: number }).seq + 1);
  }
  expect(halls.purges).toHaveLength(2);
  await Promise.all([engine.stop(), stage.stop(), world.clock.advance(10_000)]);
});

test("sites that have no room in one commit go in several, each with how far it is (H3, H4)", async () => {
  const halls = new Halls();
  const { world } = halls;
  const often = { name: "often", by: "site" };
  const names = ["one", "two", "three", "four", "five"];
  const wide = names.map((name) => ({ name, by: "site", when: "value > 99.0" }));
  const seven = { count: { metric: "t" }, within: "1h", atLeast: 7 };
  const both = fleetSchema.parse({ gateways: [hall, { match: ["h-*"], site: "Hall B" }] });
  const large = setOf([{ ...often, metrics: ["t"], when: seven }, ...wide], both);
  const { engine, stage: one } = await halls.begin(large);
  halls.tick(large, 0);
  const gateways = ["g-1", "h-1"];
  const metrics = Array.from({ length: 900 }, (_, index) => `${index}-${"m".repeat(240)}`);
  for (const gateway of gateways) halls.readings(gateway, 1, metrics, 1);
  await world.clock.advance(70_000);
  const times = async (count: number) => {
    for (let time = 0; time < count; time++) {
      for (const gateway of gateways) halls.reading(gateway, 60 + time, "t", 1);
      await world.clock.advance(200);
    }
  };
  await times(3);
  const { commits } = one.status();
  while (one.status().commits === commits) await world.clock.advance(100);
  await world.clock.advance(1_000);
  expect(one.status().commits).toBe(commits + 1); // one of both is stored now
  const { text } = world.store.messages.findLast(({ subject }) => subject === "ckpt.64") ?? {};
  const { seq } = JSON.parse(text ?? "") as { seq: number };
  expect(seq).toBeLessThan(one.status().sequence);
  expect(halls.purges.at(-1)).toBe(seq + 1);
  const two = halls.stage();
  await world.clock.advance(1_000);
  await times(3);
  await world.clock.advance(30_000);
  expect(namesOf(halls.items("alert"))).toEqual([]);
  await times(1);
  await world.clock.advance(1_000);
  expect(namesOf(halls.items("alert")).toSorted()).toEqual([
    "alert @Hall=20A.often firing",
    "alert @Hall=20B.often firing",
  ]);
  await Promise.all([engine.stop(), one.stop(), two.stop(), world.clock.advance(30_000)]);
});
