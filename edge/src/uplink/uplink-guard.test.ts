/** Goal: faults are waited out by their kind, a dead connection is given up (U9), a cap is kept (U10). */
import { describe, expect, test } from "vitest";
import { Bench, epochOf, eventBytes, first } from "../testing/uplink-bench.ts";
import type { PublishFault } from "./fault.ts";

const minuteMs = 60_000;

describe("faults", () => {
  /** When each try came, in ms since the start, over `forMs`. */
  function triesOf(fault: PublishFault, forMs: number, seed: string): number {
    const bench = new Bench([epochOf(first, 1_000)], {}, { seed });
    bench.up();
    const untilMs = bench.nowMs + forMs;
    let tries = 0;
    while (bench.nowMs < untilMs) {
      bench.found(1);
      tries++;
      bench.fail(fault);
      const reads = bench.count("read");
      while (bench.count("read") === reads && bench.nowMs < untilMs) {
        bench.pass(1_000);
        bench.mark({});
      }
    }
    return tries;
  }

  test.each([
    ["retry", 25, 90],
    ["wait-full", 25, 90],
    ["denied", 3, 16],
  ] as const)("while %s lasts there are %i to %i tries in ten minutes", (fault, least, most) => {
    for (const seed of ["a", "b", "c"]) {
      const tries = triesOf(fault, 10 * minuteMs, seed);
      expect(tries).toBeGreaterThanOrEqual(least);
      expect(tries).toBeLessThanOrEqual(most);
    }
  });

  test("a lane that is denied leaves the other alone", () => {
    const facts = { ...epochOf(first, 10), last: { telemetry: 10, priority: 3 } };
    const bench = new Bench([facts]);
    bench.up();
    const [priority, live] = bench.of("read").map(({ readId, from, log }) => {
      const to = log === "priority" ? 3 : 10;
      bench.step({ kind: "read", readId, found: { from, to, bytes: 100, ageMs: 0 } });
      return bench.last("publish").batch.id;
    });
    bench.fail("denied", live);
    bench.stored(priority);
    bench.pass(300);
    bench.mark({ [first]: { priority: 3 } }, 2);
    bench.step({ kind: "appended", epoch: first, log: "priority", last: 4, bytes: 100 });
    bench.pass(100);
    expect(bench.last("read")).toMatchObject({ log: "priority", from: 4 });
    expect(bench.status().troubles).toEqual(["live denied: test"]);
  });

  test("a fault is told when it begins, then every ten minutes with how often", () => {
    const bench = new Bench([epochOf(first, 1_000)]);
    bench.up();
    for (let tries = 0; tries < 50; tries++) {
      bench.found(1);
      bench.fail("wait-full");
      const reads = bench.count("read");
      while (bench.count("read") === reads) {
        bench.pass(1_000);
        bench.mark({});
      }
    }
    const told = bench.of("report");
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThanOrEqual(1 + Math.ceil((bench.nowMs - 1_000) / (10 * minuteMs)));
    expect(told[0]).toMatchObject({ what: "fault", lane: "live", times: 1 });
    expect(told[0]?.reason).toContain("wait-full");
    if (told.length > 1) expect(told[1]?.times).toBeGreaterThan(1);
  });

  test("a mark that is denied is asked for seldom, and told as trouble until it is read", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.step({ kind: "link-up" });
    for (let failures = 0; failures < 6; failures++) {
      bench.markFails("denied");
      const asked = bench.count("ask-mark");
      while (bench.count("ask-mark") === asked) bench.pass(1_000);
    }
    expect(bench.nowMs).toBeGreaterThan(3 * minuteMs);
    expect(bench.status().troubles).toEqual(["mark denied: test"]);
    bench.mark({});
    expect(bench.status().troubles).toEqual([]);
  });

  test("status says why the link is down, and for how long nothing was taken", () => {
    const bench = new Bench([epochOf(first, 10)]);
    expect(bench.status().troubles).toEqual(["link down: not dialled yet"]);
    bench.step({ kind: "link-down", reason: "NATS_AUTH_FAILED: no" });
    expect(bench.status().troubles).toEqual(["link down: NATS_AUTH_FAILED: no"]);
    bench.up();
    bench.found(10);
    bench.stored();
    expect(bench.status().troubles).toEqual([]);
    bench.nowMs += 90_000;
    expect(bench.status().troubles).toEqual(["live: nothing taken for 90 s"]);
  });
});

describe("U9 a connection that only seems to be one", () => {
  test("publishes without an answer, again and again, break it", () => {
    const bench = new Bench([epochOf(first, 1_000)]);
    bench.up();
    const from = bench.nowMs;
    while (bench.count("redial") === 0) {
      bench.found(1);
      bench.nowMs += 5_000;
      bench.fail("no-answer");
      const reads = bench.count("read");
      while (bench.count("read") === reads && bench.count("redial") === 0) {
        bench.pass(1_000);
        bench.mark({});
      }
    }
    expect(bench.nowMs - from).toBeGreaterThan(30_000);
    expect(bench.nowMs - from).toBeLessThan(2 * minuteMs);
    expect(bench.of("report").map(({ what }) => what)).toContain("redial");
  });

  test("a mark that never comes breaks it, though nothing is to be sent", () => {
    const bench = new Bench([epochOf(first, 0)]);
    bench.step({ kind: "link-up" });
    const from = bench.nowMs;
    while (bench.count("redial") === 0) {
      bench.nowMs += 3_000;
      const asked = bench.count("ask-mark");
      bench.markFails("no-answer");
      while (bench.count("ask-mark") === asked && bench.count("redial") === 0) bench.pass(1_000);
    }
    expect(bench.nowMs - from).toBeLessThan(3 * minuteMs);
  });

  test("an error is an answer: refusals break nothing", () => {
    const bench = new Bench([epochOf(first, 1_000)]);
    bench.up();
    for (let tries = 0; tries < 60; tries++) {
      bench.found(1);
      bench.nowMs += 5_000;
      bench.fail(tries % 3 === 0 ? "retry" : "no-answer");
      const reads = bench.count("read");
      while (bench.count("read") === reads) {
        bench.pass(1_000);
        bench.mark({});
      }
    }
    expect(bench.of("report").filter(({ what }) => what === "redial")).toEqual([]);
  });

  /** Everything is stored and nothing taken for so long; the minutes at which it was dialled anew. */
  function neverTaken(forMinutes: number) {
    const bench = new Bench([epochOf(first, 10)]);
    const from = bench.nowMs;
    const redials: number[] = [];
    bench.up();
    while (bench.nowMs - from < forMinutes * minuteMs) {
      const [reads, redialled] = [bench.count("read"), bench.count("redial")];
      if (bench.last("read").from <= 10) bench.found(10);
      bench.stored();
      while (bench.count("read") === reads && bench.nowMs - from < forMinutes * minuteMs) {
        bench.pass(1_000);
        bench.mark({}, 1);
        if (bench.count("redial") === redialled) continue;
        redials.push(Math.round((bench.nowMs - from) / minuteMs));
        bench.step({ kind: "link-down" });
        bench.up({}, 1);
        break;
      }
      while (bench.count("read") === reads && bench.nowMs - from < forMinutes * minuteMs) {
        bench.pass(1_000);
        bench.mark({}, 1);
      }
    }
    return { redials, publishes: bench.count("publish") };
  }

  test("nothing taken after three go-backs breaks it, then ever more seldom", () => {
    const { redials, publishes } = neverTaken(120);
    expect(redials.slice(0, 2)).toEqual([7, 47]);
    expect(redials.length).toBeLessThanOrEqual(4);
    expect(publishes, "times the window in two hours").toBeLessThan(15);
  });

  test("what is taken makes it patient again", () => {
    const bench = new Bench([epochOf(first, 1_000)]);
    bench.up();
    bench.found(1_000);
    bench.stored();
    for (let minute = 1; minute <= 60; minute++) {
      bench.pass(50_000);
      bench.mark({ [first]: { telemetry: minute } }, minute);
    }
    expect(bench.status()).toMatchObject({ redials: 0, goBacks: 0 });
  });
});

describe("U10 the pushed cap", () => {
  const batchBytes = 10_000;
  const bounds = { batchBytes, windowBytes: 1e9, gatherMs: 10 };
  /** Blocks are compressed to a fifth. */
  const wireShare = 0.2;

  /** A link and a cloud that takes everything at once and names a cap. */
  class Capped {
    readonly bench = new Bench([epochOf(first, 1_000_000)], bounds);
    wireBytes = 0;
    #through = 0;
    #served = 0;
    #marks = 0;
    cap: number | undefined;

    constructor(cap: number) {
      this.cap = cap;
      this.bench.step({ kind: "link-up" });
    }

    /** The bytes that went over the wire in so long. */
    carry(forMs: number, isTaken = true): number {
      const { bench } = this;
      const [untilMs, before] = [bench.nowMs + forMs, this.wireBytes];
      while (bench.nowMs < untilMs) {
        if (bench.count("ask-mark") > this.#marks) this.#mark(isTaken);
        else if (bench.count("read") > this.#served) this.#serve();
        else bench.pass(10);
      }
      if (bench.count("read") > this.#served) this.#serve();
      return this.wireBytes - before;
    }

    #mark(isTaken: boolean): void {
      this.#marks++;
      const through = isTaken ? this.#through : 0;
      this.bench.mark({ [first]: { telemetry: through } }, this.#marks, [], this.cap);
    }

    #serve(): void {
      this.#served++;
      const { readId, from, bytesMax, log } = this.bench.last("read");
      const to = from + bytesMax / eventBytes - 1;
      this.bench.step({ kind: "read", readId, found: { from, to, bytes: bytesMax, ageMs: 0 } });
      const { batch } = this.bench.last("publish");
      this.wireBytes += bytesMax * wireShare;
      this.bench.step({ kind: "sent", batchId: batch.id, bytes: bytesMax * wireShare });
      this.bench.stored(batch.id);
      if (log === "telemetry") this.#through = to;
    }
  }

  test("live sends as many bytes per second as it says, and one batch more at most", () => {
    const capped = new Capped(1_000);
    const wire = capped.carry(5 * minuteMs);
    expect(wire).toBeGreaterThanOrEqual(300_000);
    expect(wire).toBeLessThanOrEqual(300_000 + batchBytes + batchBytes * wireShare);
    expect(capped.bench.status().budget.capBytesPerSecond).toBe(1_000);
  });

  test("it holds over marks that repeat it, changes with another, and ends with a mark without", () => {
    const capped = new Capped(1_000);
    capped.carry(minuteMs);
    expect(capped.carry(minuteMs)).toBeLessThanOrEqual(62_000);
    capped.cap = 5_000;
    capped.carry(2_000);
    const faster = capped.carry(minuteMs);
    expect(faster).toBeGreaterThanOrEqual(298_000);
    expect(faster).toBeLessThanOrEqual(302_000);
    expect(freedBy(capped)).toBe(true);
  });

  /** Whether live goes on at once after a mark without a cap. */
  function freedBy({ bench }: Capped): boolean {
    const reads = bench.count("read");
    bench.mark({ [first]: { telemetry: bench.last("publish").batch.to } }, 1_000_000);
    expect(bench.status().budget.capBytesPerSecond).toBeUndefined();
    return bench.count("read") === reads + 1;
  }

  test("while it holds live back the mark is asked for, to learn of its end", () => {
    const capped = new Capped(1);
    capped.carry(30_000);
    const asked = capped.bench.count("ask-mark");
    expect(capped.carry(10 * minuteMs), "one byte a second").toBe(0);
    expect(capped.bench.count("ask-mark") - asked).toBeGreaterThanOrEqual(19);
    expect(freedBy(capped)).toBe(true);
  });

  test("priority does not wait for it, and live pays for what priority sends", () => {
    const capped = new Capped(1_000);
    const { bench } = capped;
    capped.carry(minuteMs);
    const before = capped.wireBytes;
    const reads = bench.count("read");
    bench.step({ kind: "appended", epoch: first, log: "priority", last: 100, bytes: 10_000 });
    capped.carry(20);
    expect(
      bench
        .of("read")
        .slice(reads)
        .map(({ log }) => log),
    ).toEqual(["priority"]);
    capped.carry(minuteMs);
    expect(capped.wireBytes - before).toBeLessThanOrEqual(62_000);
  });
});
