// An event that ends the engine's process, whatever does so, ends it a few times and no more: it is found,
// becomes a dead letter, and all others are taken once.
import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import { decodeBody, expandBody } from "@causeway/shared/batch-codec.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { lettersOf } from "../dead/letter-pages.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { KeptRuleSets } from "../ticks/rule-sets.ts";
import type { Engine } from "./engine.ts";
import type { EngineStore } from "./engine-store.ts";
import { EngineWorld, hotRules } from "./testing/engine-world.ts";

/** A process that ends within `observe` never commits again, nor does anything in order. */
class MortalWorld extends EngineWorld {
  deaths = 0;
  #generation = 0;
  #isAlive = false;
  #engine: Engine | undefined;

  process(isDeadly: (value: number) => boolean): void {
    const generation = ++this.#generation;
    const { store } = this;
    const isAlive = () => this.#generation === generation;
    const die = () => this.endProcess();
    this.#isAlive = true;
    const rules = new (class extends KeptRuleSets {
      override async alertingOf(name: string): Promise<Alerting | undefined> {
        const found = await super.alertingOf(name);
        if (found === undefined) return undefined;
        return {
          ...found,
          observe(detection, observation) {
            if (isAlive() && isDeadly(Number(observation.value))) die();
            return found.observe(detection, observation);
          },
        };
      }
    })(store, hotRules);
    const never = () => new Promise<never>(() => {});
    const own: EngineStore = {
      session: () => store.session(),
      loadCheckpoints: (partitions) => store.loadCheckpoints(partitions),
      loadLast: (filter) => store.loadLast(filter),
      loadShards: (filter) => store.loadShards(filter),
      saveShards: (shards) => (isAlive() ? store.saveShards(shards) : never()),
      purgeShards: (partition, kept) => store.purgeShards(partition, kept),
      commit: (messages) => (isAlive() ? store.commit(messages) : never()),
    };
    this.#engine = this.engine(hotRules, { ruleSets: rules, store: own });
  }

  get isRunning(): boolean {
    return this.#engine?.status().phase === "running" && this.#isAlive;
  }

  endProcess(): never {
    this.deaths++;
    this.#generation++;
    this.#isAlive = false;
    throw new Error("the process has ended");
  }

  /** Starts processes, each once the one before has ended, until one lives on. */
  async supervise(isDeadly: (value: number) => boolean, startsMax = 20): Promise<number> {
    for (let starts = 1; starts <= startsMax; starts++) {
      const before = this.deaths;
      this.process(isDeadly);
      await this.clock.advance(20_000);
      if (this.deaths === before) return starts;
    }
    throw new Error("it crashes for ever");
  }

  letters() {
    const pages = this.store.messages.filter(({ subject }) => /^dlq\.3\.g1\.[0-9]+$/.test(subject));
    return pages.flatMap(({ text }) => lettersOf(text));
  }
}

test("an event that ends the process is a dead letter after three tries alone, and all goes on", async () => {
  const world = new MortalWorld();
  const values = [20, 21, 666, 60, 20, 61];
  const events = values.map((value, at) => readingEvent("d1", "temperature", value, at + 1));
  world.journal.append(journalMessage(1, 1, events));
  world.reading(7, 22);
  const starts = await world.supervise((value) => value === 666);
  expect(world.deaths).toBe(starts - 1);
  expect(starts).toBeLessThanOrEqual(6);
  expect(world.letters()).toMatchObject([
    { id: "g1/1-00000001/telemetry/3", kind: "failed", reason: "crash-loop", tries: 3 },
  ]);
  expect(world.through()).toBe(7);
  const told = world.alerts().map((line) => line.split(" ")[1]);
  expect(told).toEqual(["firing", "resolved", "firing", "resolved"]);
  expect(new Set(world.alerts()).size).toBe(4);
  for (let position = 8; position < 120; position++) world.reading(position, 20);
  await world.clock.advance(60_000);
  expect(world.through()).toBe(119);
});

test("a process that starts anew before a snapshot is behind it passes it over at once", async () => {
  const world = new MortalWorld();
  world.reading(1, 666);
  world.reading(2, 20);
  await world.supervise((value) => value === 666);
  const { deaths } = world;
  world.reading(3, 20);
  world.process((value) => value === 666);
  await world.clock.advance(5_000);
  expect([world.deaths, world.through(), world.letters().length]).toEqual([deaths, 3, 1]);
});

test("a batch that cannot be opened without ending the process is refused, so that it comes in halves", async () => {
  const world = new MortalWorld();
  const whole = journalMessage(1, 1, [readingEvent("d1", "temperature", 20)]);
  let isDeadly = true;
  const body = () => {
    if (isDeadly && world.isRunning) world.endProcess();
    return decodeBody(expandBody(whole.data));
  };
  world.journal.append({ ...whole, body });
  const starts = await world.supervise(() => false, 30);
  isDeadly = false;
  expect(starts).toBeGreaterThan(5);
  expect(starts).toBeLessThan(12);
  const found = world.store.messages.find(({ subject }) => subject === "mark.3.g1");
  expect(decodeMark(found?.text ?? "").doubts).toMatchObject([{ kind: "refused", expected: 1 }]);
});

test("starts that were ended in order, or that came to something, are no sign of anything", async () => {
  const world = new EngineWorld();
  for (let round = 1; round <= 5; round++) {
    const engine = world.engine();
    world.reading(round, 20);
    await world.clock.advance(1_000);
    await engine.stop();
  }
  const { checkpoint } = (await world.store.loadCheckpoints([3])).get(3) ?? {};
  expect(checkpoint?.trial?.starts ?? 0).toBe(0);
  const idle = (await world.store.loadCheckpoints([4])).get(4);
  expect(idle?.checkpoint.trial?.starts ?? 0).toBe(0);
});
