// Rules and time change at ticks, so that a replay decides the same; and ticks cost nothing else.
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { describe, expect, test } from "vitest";
import { ruleSetName } from "../ticks/rule-sets.ts";
import { EngineWorld, hotRules } from "./testing/engine-world.ts";

const coldRules = rulesSchema.parse([
  { name: "cold", detector: "limits", lo: 0, metrics: ["temperature"] },
]);
const otherRules = rulesSchema.parse([
  { name: "other", detector: "limits", hi: 500, metrics: ["temperature"] },
]);

async function keep(world: EngineWorld, rules: typeof hotRules): Promise<void> {
  const data = JSON.stringify({ v: 1, rules });
  await world.store.commit([{ subject: `rules.${ruleSetName(rules)}`, data, rollup: false }]);
}

function toldRules(world: EngineWorld): string[] {
  return world.store.messages
    .filter(({ subject }) => subject.startsWith("alert."))
    .map(({ subject }) => subject.split(".")[3] ?? "");
}

describe("rules", () => {
  test("change at the tick that names them, and not before", async () => {
    const world = new EngineWorld();
    await keep(world, coldRules);
    const engine = world.engine();
    await world.clock.advance(10);
    world.tick(hotRules);
    world.reading(1, -5);
    world.tick(coldRules);
    world.reading(2, -5);
    await world.clock.advance(500);
    expect(toldRules(world)).toEqual(["cold"]);
    expect(world.through()).toBe(2);
    expect(engine.status().rules).toBe(ruleSetName(coldRules));
  });

  test("that judge an alert no more withdraw it at once, though its device is silent", async () => {
    const world = new EngineWorld();
    await keep(world, coldRules);
    world.engine();
    await world.clock.advance(10);
    world.tick(hotRules);
    world.reading(1, 60);
    await world.clock.advance(500);
    expect(world.alerts().map((told) => told.split(" ")[1])).toEqual(["firing"]);
    world.tick(coldRules);
    await world.clock.advance(500);
    expect(world.alerts().map((told) => told.split(" ")[1])).toEqual(["firing", "resolved"]);
  });

  test("that drop what is pending drop it for good, though they are followed by the old ones", async () => {
    const world = new EngineWorld();
    const hot = { name: "hot", detector: "limits", hi: 50, for: "1ms", metrics: ["temperature"] };
    const patient = rulesSchema.parse([hot]);
    await keep(world, coldRules);
    await keep(world, patient);
    const first = world.engine();
    await world.clock.advance(10);
    world.tick(patient);
    world.reading(1, 60);
    await world.clock.advance(500);
    world.tick(coldRules);
    await world.clock.advance(500);
    await first.stop();
    world.tick(patient);
    world.engine();
    await world.clock.advance(500);
    world.reading(2, 60);
    await world.clock.advance(500);
    expect(world.alerts()).toEqual([]);
    world.reading(3, 60);
    await world.clock.advance(500);
    expect(world.alerts()).toHaveLength(1);
  });

  test("keep the state of detectors that both sets have", async () => {
    const world = new EngineWorld();
    const slow = { name: "slow", detector: "limits", hi: 50, hysteresis: 20, metrics: ["*"] };
    const [before, after] = [
      rulesSchema.parse([slow]),
      rulesSchema.parse([slow, { ...slow, name: "second", hi: 900 }]),
    ];
    await keep(world, before);
    await keep(world, after);
    world.engine();
    await world.clock.advance(10);
    world.tick(before);
    world.reading(1, 60);
    world.tick(after);
    world.reading(2, 40); // within the hysteresis: only what remembers 60 still finds it too high
    await world.clock.advance(500);
    expect(world.alerts().map((told) => told.split(" ")[1])).toEqual(["firing"]);
  });

  test("that are missing leave those of before in force, and it is told", async () => {
    const world = new EngineWorld();
    const engine = world.engine();
    await world.clock.advance(10);
    world.tick(hotRules);
    world.tick("nowhere");
    world.reading(1, 60);
    await world.clock.advance(500);
    expect(toldRules(world)).toEqual(["hot"]);
    expect(engine.status()).toMatchObject({ phase: "running", missingRules: "nowhere" });
    world.tick(hotRules);
    await world.clock.advance(500);
    expect(engine.status().missingRules).toBeUndefined();
  });

  test("that cannot be asked for just now are waited for", async () => {
    const world = new EngineWorld();
    await keep(world, coldRules);
    const load = world.store.loadLast.bind(world.store);
    const engine = world.engine();
    await world.clock.advance(10);
    world.store.loadLast = async () => {
      throw new Error("no leader");
    };
    world.tick(coldRules);
    world.reading(1, -5);
    await world.clock.advance(3_000);
    expect(engine.status()).toMatchObject({ events: 0, missingRules: undefined });
    world.store.loadLast = load;
    await world.clock.advance(10_000);
    expect(toldRules(world)).toEqual(["cold"]);
  });
});

describe("a replay", () => {
  /** What is told when the engine is replaced, unannounced, after so many messages. */
  async function run(replacedAfter: number): Promise<string[]> {
    const world = new EngineWorld();
    for (const rules of [hotRules, coldRules, otherRules]) await keep(world, rules);
    let position = 0;
    const steps = [hotRules, 60, 20, 60, coldRules, -5, 60, otherRules, -5, hotRules, 60, 20];
    let engine = world.engine(otherRules);
    await world.clock.advance(10);
    for (const [index, step] of steps.entries()) {
      if (typeof step === "number") world.reading(++position, step);
      else world.tick(step);
      await world.clock.advance(index % 3 === 0 ? 15_000 : 700);
      if (index !== replacedAfter) continue;
      engine = world.engine(coldRules);
      await world.clock.advance(15_000);
    }
    await engine.stop();
    return world.alerts();
  }

  test("decides the same, whenever it comes and whatever the process is configured with", async () => {
    const undisturbed = await run(-1);
    expect(undisturbed.length).toBeGreaterThanOrEqual(6);
    for (let after = 0; after < 12; after++) expect(await run(after)).toEqual(undisturbed);
  });

  test("judges by the snapshot's rules what came under them, though others follow (T5)", async () => {
    const world = new EngineWorld();
    const plain = { name: "plain", detector: "limits", hi: 900, metrics: ["*"] };
    const slow = { ...plain, name: "slow", hi: 50, hysteresis: 20 };
    const [before, after] = [rulesSchema.parse([plain]), rulesSchema.parse([plain, slow])];
    for (const rules of [before, after]) await keep(world, rules);
    world.engine();
    await world.clock.advance(10);
    world.tick(before);
    world.reading(1, 20);
    await world.clock.advance(12_000); // with a snapshot
    world.reading(2, 60);
    world.tick(after);
    world.reading(3, 40); // normal to a rule that has not seen 60
    await world.clock.advance(500);
    const second = world.engine();
    await world.clock.advance(500);
    world.reading(4, 40);
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ replayed: 2, events: 1 });
    expect(world.alerts()).toEqual([]);
  });

  test("without a snapshot judges by what came before the first tick was judged by (T5)", async () => {
    const world = new EngineWorld();
    const plain = { name: "plain", detector: "limits", hi: 900, metrics: ["*"] };
    const slow = { ...plain, name: "slow", hi: 50, hysteresis: 20 };
    const [before, after] = [rulesSchema.parse([plain]), rulesSchema.parse([plain, slow])];
    for (const rules of [before, after]) await keep(world, rules);
    world.engine(before);
    await world.clock.advance(10);
    world.reading(1, 60);
    world.tick(after);
    world.reading(2, 40); // normal to a rule that has not seen 60
    await world.clock.advance(500);
    const second = world.engine(after);
    await world.clock.advance(500);
    world.reading(3, 40);
    await world.clock.advance(500);
    expect(second.status()).toMatchObject({ replayed: 2, events: 1 });
    expect(world.alerts()).toEqual([]);
  });

  test("of ticks that the snapshot has seen changes nothing, though the journal went back (T2)", async () => {
    const world = new EngineWorld();
    const slow = { name: "slow", detector: "limits", hi: 50, hysteresis: 20, metrics: ["*"] };
    const rules = rulesSchema.parse([slow]);
    for (const each of [rules, coldRules]) await keep(world, each);
    const first = world.engine();
    await world.clock.advance(10);
    for (const each of [rules, coldRules, rules]) {
      world.tick(each);
      await world.clock.advance(500);
    }
    world.reading(1, 60);
    await world.clock.advance(500);
    await first.stop();
    world.journal.rollBack(3);
    world.reading(2, 40); // normal to a rule that has not seen 60
    world.engine();
    await world.clock.advance(500);
    expect(world.through()).toBe(2);
    expect(world.alerts().map((told) => told.split(" ")[1])).toEqual(["firing"]);
  });

  test("keeps alerts open by the rules of their commit, whatever its process would have (T5)", async () => {
    const world = new EngineWorld();
    await keep(world, hotRules);
    world.engine(otherRules);
    await world.clock.advance(10);
    world.tick(hotRules);
    world.reading(1, 60);
    await world.clock.advance(500);
    world.engine(coldRules);
    await world.clock.advance(500);
    world.reading(2, 61);
    await world.clock.advance(500);
    expect(world.alerts().map((told) => told.split(" ")[1])).toEqual(["firing"]);
    expect(world.through()).toBe(2);
  });

  test("of a tick that a commit has seen withdraws nothing (P2)", async () => {
    const world = new EngineWorld();
    await keep(world, coldRules);
    world.engine();
    await world.clock.advance(10);
    world.tick(coldRules);
    world.tick(hotRules);
    world.reading(1, 60);
    await world.clock.advance(500);
    const told = world.alerts();
    world.store.damage("snap."); // nothing to begin from: all is read again
    world.engine();
    await world.clock.advance(30_000);
    expect(world.alerts()).toEqual(told);
  });
});

describe("ticks", () => {
  test("of an idle system are not committed", async () => {
    const world = new EngineWorld();
    const engine = world.engine();
    await world.clock.advance(10);
    world.reading(1, 20);
    await world.clock.advance(70_000);
    const { commits, snapshots } = engine.status();
    for (let count = 0; count < 10; count++) {
      world.tick(hotRules);
      await world.clock.advance(5_000);
    }
    const { commits: after, snapshots: taken, tick } = engine.status();
    expect(tick).toBe(10);
    expect(after - commits).toBeLessThanOrEqual(1);
    expect(taken).toBe(snapshots);
  });

  test("that cannot be read are passed over", async () => {
    const world = new EngineWorld();
    const engine = world.engine();
    await world.clock.advance(10);
    world.tick(hotRules, { n: -1 });
    world.reading(1, 60);
    await world.clock.advance(500);
    expect(engine.status()).toMatchObject({ phase: "running", takeOvers: 1 });
    expect(toldRules(world)).toEqual(["hot"]);
  });
});
