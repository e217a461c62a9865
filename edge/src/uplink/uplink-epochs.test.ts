/**
 * Goal: a mark that names a few epochs is enough (U12): it releases what it covers, a rollback is seen,
 * nothing that another store's mark covers is believed, and a step costs the same after 10,000 epochs.
 * That a gateway's conclusions are true whatever becomes of its store is held by named-epochs.test.ts.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { EpochLedger, Mark } from "@causeway/shared/mark.ts";
import { emptyLogLedger } from "@causeway/shared/mark.ts";
import { describe, expect, test } from "vitest";
import { Bench, epochOf } from "../testing/uplink-bench.ts";
import type { EpochFacts } from "./uplink.ts";

const idOf = (ordinal: number): EpochId => `${ordinal}-${ordinal.toString(16).padStart(8, "0")}`;

/** Epochs of ten events each, released as told, the last one open. */
function life(epochs: number, released: number, over: Partial<EpochFacts> = {}): EpochFacts[] {
  return Array.from({ length: epochs }, (_, at) => ({
    ...epochOf(idOf(at + 1), 10, { closed: at + 1 < epochs }),
    released: { telemetry: at + 1 < epochs ? released : 0, priority: 0 },
    ...(at + 1 < epochs ? over : {}),
  }));
}

type Row = Pick<EpochLedger, "coversBefore" | "hasPagedNext"> & { readonly through: number };

function row(ordinal: number, { through, ...flags }: Row): EpochLedger {
  const logs = { telemetry: { ...emptyLogLedger, through }, priority: emptyLogLedger };
  return { epoch: idOf(ordinal), logs, before: null, ...flags };
}

function marked(epochs: readonly EpochLedger[], commit: number, ordinal = 0): Mark {
  const paged = ordinal === 0 ? undefined : { pages: 1, rows: 1, ordinal, forgotten: 0 };
  return { commit, gateway: "gw", run: undefined, epochs, doubts: [], cap: undefined, paged };
}

function up(bench: Bench, mark: Mark): void {
  bench.step({ kind: "link-up" });
  bench.step({ kind: "mark", mark });
}

const covering = { through: 3, coversBefore: true };

describe("U12 an epoch that the mark does not name", () => {
  test("is released to its end where a later one of this store covers what came before", () => {
    const bench = new Bench(life(5, 0));
    up(bench, marked([row(5, covering)], 7, 4));
    expect(bench.of("release").map(({ epoch, through }) => [epoch, through])).toEqual([
      [idOf(1), 10],
      [idOf(2), 10],
      [idOf(3), 10],
      [idOf(4), 10],
      [idOf(5), 3],
    ]);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(5), from: 4 });
  });

  test("is not released by what an epoch of another store covers", () => {
    const bench = new Bench(life(5, 0));
    const foreign = { ...row(9, covering), epoch: "9-ffffffff" };
    up(bench, marked([foreign], 7, 8));
    expect(bench.count("release")).toBe(0);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(1), from: 1 });
  });

  test("counts as 0 where it comes after all that the cloud knows: a rollback at once", () => {
    const bench = new Bench(life(5, 10), {}, { markCommit: 7 });
    up(bench, marked([row(2, { ...covering, through: 10 })], 8, 1));
    const back = bench.of("release").map(({ epoch, through }) => [epoch, through]);
    expect(back).toEqual([
      [idOf(3), 0],
      [idOf(4), 0],
    ]);
    expect(bench.status().rollbacks).toBe(1);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(3), from: 1 });
  });

  test("stays as it was where it may stand in a page, until what is sent makes the mark name it", () => {
    const bench = new Bench(life(5, 10), {}, { markCommit: 7 });
    const foreign = { ...row(90, covering), epoch: "90-ffffffff" };
    up(bench, marked([foreign], 8, 89));
    expect(bench.count("release"), "an image from long ago takes nothing back").toBe(0);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(5), from: 1 });
    bench.found(10);
    const named = [row(4, { through: 6 }), row(5, { through: 10 })];
    bench.step({ kind: "mark", mark: marked([...named, foreign], 9, 89) });
    expect(bench.status().rollbacks, "and now it is known what was lost").toBe(1);
    bench.pass(1_000);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(4), from: 7 });
  });

  test("that comes after a named one counts as 0, unless an epoch after that one stands in a page", () => {
    const other = { ...row(90, covering), epoch: "90-ffffffff" };
    const lost = new Bench(life(5, 10), {}, { markCommit: 7 });
    up(lost, marked([row(2, { through: 10 }), other], 8, 89));
    expect(lost.of("release").map(({ epoch }) => epoch)).toEqual([idOf(3), idOf(4)]);
    const kept = new Bench(life(5, 10), {}, { markCommit: 7 });
    up(kept, marked([row(2, { through: 10, hasPagedNext: true }), other], 8, 89));
    expect(kept.count("release")).toBe(0);
  });

  test("whose true id is lost is released by its own row only", () => {
    const bench = new Bench(life(3, 0, { isMade: true }));
    up(bench, marked([row(3, covering)], 7, 2));
    expect(bench.of("release").map(({ epoch }) => epoch)).toEqual([idOf(3)]);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(1), from: 1 });
    bench.found(10);
    bench.step({ kind: "mark", mark: marked([row(1, { through: 10 }), row(3, covering)], 8, 2) });
    expect(bench.last("release")).toMatchObject({ epoch: idOf(1), through: 10 });
  });

  test("and is open is never covered: the cloud may know an end that is not its own", () => {
    const bench = new Bench(life(2, 10));
    up(bench, marked([row(1, { through: 10 })], 7, 9));
    expect(bench.of("release").map(({ epoch }) => epoch)).not.toContain(idOf(2));
  });
});

describe("a lower position", () => {
  test("under the same commit is doubted also where the epoch was finished long ago", () => {
    const bench = new Bench(life(50, 10), {}, { markCommit: 7 });
    up(bench, marked([row(50, { ...covering, through: 0 })], 7, 49));
    expect(bench.of("hold-tail")).toEqual([]);
    bench.step({ kind: "mark", mark: marked([row(40, covering)], 7, 39) });
    expect(bench.of("hold-tail").map(({ isHeld }) => isHeld)).toEqual([true]);
    expect(bench.count("release")).toBe(0);
    bench.pass(4_000);
    bench.step({ kind: "mark", mark: marked([row(50, { ...covering, through: 0 })], 8, 49) });
    expect(bench.status().rollbacks).toBe(0);
    expect(bench.of("hold-tail").map(({ isHeld }) => isHeld)).toEqual([true, false]);
  });

  test("of finished epochs sends them again, oldest first, and then they are finished again", () => {
    const bench = new Bench(life(50, 10), {}, { markCommit: 7 });
    up(bench, marked([row(40, { ...covering, through: 4 })], 8, 39));
    expect(bench.status().untakenEvents).toBe(6 + 9 * 10 + 10);
    expect(bench.last("read")).toMatchObject({ epoch: idOf(40), from: 5 });
    bench.found(6);
    bench.step({ kind: "mark", mark: marked([row(50, { ...covering, through: 10 })], 9, 49) });
    expect(bench.status()).toMatchObject({ untakenEvents: 0, unsentEvents: 0, rollbacks: 1 });
  });
});

test("a step costs the same with 20,000 epochs as with 10", () => {
  const msOf = (epochs: number) => {
    const bench = new Bench(life(epochs, 10));
    up(bench, marked([row(epochs, covering)], 1, epochs - 1));
    const begun = performance.now();
    for (let commit = 2; commit < 2_000; commit++) {
      bench.nowMs += 10;
      const last = 10 + commit;
      bench.step({ kind: "appended", epoch: idOf(epochs), log: "telemetry", last, bytes: 10 });
      const through = Math.min(10, commit);
      const mark = marked([row(epochs, { coversBefore: true, through })], commit, epochs - 1);
      bench.step({ kind: "mark", mark });
      bench.done = [];
    }
    return performance.now() - begun;
  };
  msOf(10);
  const [few, many] = [msOf(10), msOf(20_000)];
  expect(many, `${few} ms with 10 epochs`).toBeLessThan(20 * few + 100);
});
