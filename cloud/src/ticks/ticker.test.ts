// One clock however many processes run, and an alert where it stands still.

import { MemoryAlertSubjects } from "@causeway/shared/alert/testing/memory-alert-subjects.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { describe, expect, test } from "vitest";
import { MemoryTickJournal } from "./testing/memory-tick-journal.ts";
import { Ticker } from "./ticker.ts";

class World {
  readonly clock = new VirtualClock();
  readonly journal = new MemoryTickJournal();
  readonly alerts = new MemoryAlertSubjects();
  readonly kept: string[] = [];
  readonly #random = seededRandom("ticker");
  isConnected = true;

  start(rules: string, keepRules = async () => void this.kept.push(rules)): Ticker {
    const ticker = new Ticker({
      journal: this.journal,
      alerts: this.alerts,
      rules,
      keepRules,
      checkConnection: async () => {
        if (!this.isConnected) throw new Error("disconnected");
      },
      clock: this.clock,
      random: this.#random,
      log: silentLogger,
    });
    ticker.start();
    return ticker;
  }

  rules(): string[] {
    return this.journal.ticks.map(({ tick }) => tick.rules);
  }

  told(): string[] {
    return this.alerts.told.map(({ rule, state }) => `${rule} ${state}`);
  }
}

describe("the ticker", () => {
  test("writes a tick every five seconds, numbered without a hole", async () => {
    const world = new World();
    world.start("a");
    await world.clock.advance(59_000);
    const ticks = world.journal.ticks.map(({ tick }) => tick);
    expect(ticks.map(({ n }) => n)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    expect(ticks.at(-1)?.at).toBe((ticks[0]?.at ?? 0) + 55_000);
  });

  test("looks on while another one writes, and takes over when that one ends", async () => {
    const world = new World();
    const first = world.start("a");
    await world.clock.advance(2_000);
    const second = world.start("a");
    await world.clock.advance(120_000);
    expect(second.status().written).toBe(0);
    await first.stop();
    const before = world.journal.ticks.length;
    await world.clock.advance(60_000);
    expect(world.journal.ticks.length - before).toBeGreaterThanOrEqual(9);
    expect(world.told()).toEqual([]);
  });

  test("keeps rules before it names them", async () => {
    const world = new World();
    world.start("a");
    await world.clock.advance(0);
    expect(world.kept).toContain("a");
    expect(world.rules()).toEqual(["a"]);
  });

  test("announces its rules once: the one that started last has its way (K3)", async () => {
    const world = new World();
    world.start("a");
    await world.clock.advance(12_000);
    const second = world.start("b");
    await world.clock.advance(12_000);
    const third = world.start("c");
    await world.clock.advance(300_000);
    await third.stop();
    await second.stop();
    await world.clock.advance(300_000);
    const changes = world.rules().filter((rules, index, all) => rules !== all[index - 1]);
    expect(changes).toEqual(["a", "b", "c"]);
  });

  test("announces rules that change once each time, and never what is announced already (K3)", async () => {
    const world = new World();
    const [first, second] = [world.start("a"), world.start("a")];
    await world.clock.advance(12_000);
    for (const rules of ["b", "c", "b"]) {
      first.change(rules);
      second.change(rules);
      await world.clock.advance(60_000);
    }
    second.change("d"); // and then back, before a tick
    second.change("b");
    await world.clock.advance(300_000);
    const changes = world.rules().filter((rules, index, all) => rules !== all[index - 1]);
    expect(changes).toEqual(["a", "b", "c", "b"]);
    expect(world.journal.ticks.at(-1)?.tick.revision).toBe(4);
    world.start("e");
    await world.clock.advance(60_000);
    first.change("b"); // no change: what another one announced since stays
    await world.clock.advance(60_000);
    expect(world.rules().at(-1)).toBe("e");
  });

  test("names no rules but those that were kept, though they change meanwhile (K3)", async () => {
    const world = new World();
    let own = "a";
    const ticker = world.start("a", async () => {
      const kept = own;
      if (own === "b") change("c"); // while b is being kept
      world.kept.push(kept);
    });
    const change = (rules: string) => {
      own = rules;
      ticker.change(rules);
    };
    await world.clock.advance(12_000);
    change("b");
    await world.clock.advance(12_000);
    const append = world.journal.append.bind(world.journal);
    world.journal.append = async (...tick) => {
      const written = await append(...tick);
      if (tick[0].rules === "d") change("e"); // while the tick is being written
      return written;
    };
    change("d");
    await world.clock.advance(12_000);
    const changes = world.rules().filter((rules, index, all) => rules !== all[index - 1]);
    expect(changes).toEqual(["a", "c", "d", "e"]);
    expect(world.kept).toEqual(expect.arrayContaining(changes));
  });

  test.each([
    ["all", 0],
    ["the last announcement", 5],
  ])("announces again what a rollback of %s took away (K4)", async (_what, kept) => {
    const world = new World();
    world.start("a");
    await world.clock.advance(30_000);
    world.start("b");
    await world.clock.advance(60_000);
    world.journal.ticks.length = kept;
    await world.clock.advance(60_000);
    expect(world.rules().at(-1)).toBe("b");
    const changes = world.rules().filter((rules, index, all) => rules !== all[index - 1]);
    expect(changes.length).toBeLessThanOrEqual(3);
  });

  test("lets time stand still while the machine's clock is behind, and tells by how much", async () => {
    const world = new World();
    const ticker = world.start("a");
    await world.clock.advance(20_000);
    world.clock.jump(-3_600_000);
    await world.clock.advance(20_000);
    const ats = world.journal.ticks.map(({ tick }) => tick.at);
    expect(ats).toEqual([...ats].sort((left, right) => left - right));
    expect(ticker.status().aheadMs).toBeGreaterThan(3_500_000);
  });
});

describe("no tick for 30 s", () => {
  test("is told once, by however many processes, and its end too", async () => {
    const world = new World();
    world.start("a");
    world.start("a");
    await world.clock.advance(20_000);
    world.journal.failure = "10077 maximum bytes exceeded";
    await world.clock.advance(25_000);
    expect(world.told()).toEqual([]);
    await world.clock.advance(15_000);
    expect(world.told()).toEqual(["system-no-tick firing"]);
    expect(world.alerts.told[0]).toMatchObject({
      severity: "critical",
      gateway: "_cloud",
      device: "",
      reason: expect.stringContaining("10077"),
    });
    await world.clock.advance(600_000);
    expect(world.told()).toHaveLength(1);
    world.journal.failure = undefined;
    await world.clock.advance(20_000);
    expect(world.told()).toEqual(["system-no-tick firing", "system-no-tick resolved"]);
    const [firing, resolved] = world.alerts.told;
    expect(resolved?.id).toBe(firing?.id);
  });

  test("is resolved by another process where the one that told it is gone", async () => {
    const world = new World();
    const first = world.start("a");
    world.journal.failure = "no leader";
    await world.clock.advance(60_000);
    await first.stop();
    world.journal.failure = undefined;
    world.start("a");
    await world.clock.advance(10_000);
    expect(world.told()).toEqual(["system-no-tick firing", "system-no-tick resolved"]);
  });

  test("is not told by a process that has no connection: it cannot know", async () => {
    const world = new World();
    const ticker = world.start("a");
    await world.clock.advance(20_000);
    world.isConnected = false;
    await world.clock.advance(600_000);
    world.isConnected = true;
    await world.clock.advance(20_000);
    expect(world.told()).toEqual([]);
    expect(ticker.status().isOverdue).toBe(false);
  });
});
