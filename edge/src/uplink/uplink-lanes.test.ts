/**
 * Goal: what is fresh goes ahead of a backlog (U13), history follows without live ever waiting for it
 * (U14), and nothing of that changes what is released, remembered or sent again.
 */
import { describe, expect, test } from "vitest";
import { Bench, doubtAbout, epochOf, first, second } from "../testing/uplink-bench.ts";
import type { EpochFacts, UplinkAction } from "./uplink.ts";
import { defaultUplinkBounds } from "./uplink.ts";

const old = defaultUplinkBounds.freshAfterMs;
const young = old - 1;
const third = "3-00000003";
type Read = Extract<UplinkAction, { kind: "read" }>;

/** As it is opened once the first one is left at `end`. */
function opened(id: string, before: string, end: number, telemetry: number): EpochFacts {
  const ends = { telemetry: end, priority: 0 };
  return { ...epochOf(id, telemetry), before: { epoch: before, ends } };
}

/** A link that returns to a backlog of 100, of which a read finds ten. */
function returned(bounds = {}): Bench {
  const bench = new Bench([epochOf(first, 100)], bounds);
  bench.up();
  bench.finds(10, old);
  return bench;
}

/** The same, with 20 fresh events in the epoch that it began. */
function jumped(bounds = {}): Bench {
  const bench = returned(bounds);
  bench.step({ kind: "epoch-opened", epoch: opened(second, first, 100, 0) });
  bench.step({ kind: "appended", epoch: second, log: "telemetry", last: 20, bytes: 2_000 });
  return bench;
}

const lanes = (bench: Bench) =>
  bench.of("publish").map(({ batch: { lane, epoch, from, to } }) => [lane, epoch, from, to]);
const readOf = (bench: Bench, epoch: string): Read | undefined =>
  bench.of("read").findLast((read) => read.epoch === epoch);

/** Answers the newest read of an epoch. */
function serve(bench: Bench, epoch: string, events: number, ageMs = 0): void {
  const read = readOf(bench, epoch);
  if (read === undefined) throw new Error(`nobody reads ${epoch}`);
  bench.finds(events, ageMs, events * 100, read);
}

describe("U13 fresh first", () => {
  test("an old backlog of the open epoch begins a new one, which goes by live at once", () => {
    const bench = returned();
    expect(bench.count("leave-epoch")).toBe(1);
    expect(bench.status()).toMatchObject({ jumps: 1 });
    expect(bench.count("publish"), "it steps aside before it is sent").toBe(0);
    bench.step({ kind: "epoch-opened", epoch: opened(second, first, 100, 0) });
    bench.step({ kind: "appended", epoch: second, log: "telemetry", last: 5, bytes: 500 });
    bench.pass(100);
    serve(bench, second, 5);
    serve(bench, first, 10, old);
    expect(lanes(bench)).toEqual([
      ["live", second, 1, 5],
      ["history", first, 1, 10],
    ]);
  });

  test("a younger one goes by live in its order, older epochs first", () => {
    const bench = new Bench([epochOf(first, 10, { closed: true }), opened(second, first, 10, 5)]);
    bench.up();
    bench.finds(10, young);
    bench.pass(100);
    bench.finds(5, 0);
    expect(lanes(bench)).toEqual([
      ["live", first, 1, 10],
      ["live", second, 1, 5],
    ]);
    expect(bench.count("leave-epoch")).toBe(0);
  });

  test("one that fits a batch delays nothing: it goes by live, however old", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    bench.finds(10, Number.POSITIVE_INFINITY);
    expect(lanes(bench)).toEqual([["live", first, 1, 10]]);
  });

  test("one of an age that no clock tells counts as old", () => {
    const bench = new Bench([epochOf(first, 100, { closed: true }), opened(second, first, 100, 5)]);
    bench.up();
    bench.finds(10, Number.POSITIVE_INFINITY);
    serve(bench, second, 5);
    expect(lanes(bench)).toEqual([["live", second, 1, 5]]);
  });

  test("after a restart old epochs go by history, and a young one goes first on live", () => {
    const epochs = [
      epochOf(first, 100, { closed: true }),
      { ...opened(second, first, 100, 50), ends: { telemetry: 50, priority: 0 } },
      opened(third, second, 50, 5),
    ];
    const bench = new Bench(epochs);
    bench.up();
    bench.finds(10, 3_600_000);
    serve(bench, second, 50, young);
    bench.pass(100);
    serve(bench, third, 5);
    serve(bench, first, 10, 3_600_000);
    expect(lanes(bench)).toEqual([
      ["live", second, 1, 50],
      ["live", third, 1, 5],
      ["history", first, 1, 10],
    ]);
    expect(bench.count("leave-epoch"), "the open epoch is fresh").toBe(0);
  });

  test("links that flap bring about one jump a minute, and between them all goes in order", () => {
    const bench = jumped();
    bench.step({ kind: "link-down" });
    bench.pass(40_000);
    bench.step({ kind: "appended", epoch: second, log: "telemetry", last: 100, bytes: 8_000 });
    bench.up({}, 1);
    serve(bench, second, 10, 40_000);
    expect(bench.count("leave-epoch"), "not yet").toBe(1);
    expect(lanes(bench)).toEqual([["live", second, 1, 10]]);
    bench.step({ kind: "link-down" });
    bench.pass(20_000);
    bench.up({}, 1);
    serve(bench, second, 10, 60_000);
    expect(bench.count("leave-epoch"), "a minute after the first").toBe(2);
  });

  test("what was sent of an epoch is answered, doubted and remembered where it goes on", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up();
    const { batch } = bench.found(10);
    bench.pass(100);
    bench.finds(10, old);
    bench.stored(batch.id);
    expect(bench.last("remember")).toMatchObject({ epoch: first, position: 10 });
    expect(readOf(bench, first)?.from, "history goes on where live was").toBe(11);
    bench.mark({ [first]: { telemetry: 4 } }, 2, [doubtAbout(batch.nonce, 5)]);
    bench.pass(2_000);
    expect(readOf(bench, first)?.from, "back behind the mark").toBe(5);
  });

  test("after a rollback what comes back is older than live: it goes by history", () => {
    const epochs = [epochOf(first, 100, { closed: true }), opened(second, first, 100, 30)];
    const bench = new Bench(epochs);
    bench.up({ [first]: { telemetry: 100 }, [second]: { telemetry: 20 } }, 7);
    bench.mark({ [first]: { telemetry: 40 }, [second]: { telemetry: 20 } }, 8);
    expect(bench.status()).toMatchObject({ rollbacks: 1 });
    bench.pass(100);
    serve(bench, first, 10, old);
    serve(bench, second, 10);
    serve(bench, first, 10, old);
    expect(lanes(bench)).toEqual([
      ["live", second, 21, 30],
      ["history", first, 41, 50],
    ]);
  });

  test("priority keeps one order over all epochs", () => {
    const bench = new Bench([{ ...epochOf(first, 100), last: { telemetry: 100, priority: 3 } }]);
    bench.up();
    const [priority, live] = bench.of("read");
    bench.finds(10, old, 1_000, live);
    const after = { ...opened(second, first, 100, 5), last: { telemetry: 5, priority: 2 } };
    bench.step({
      kind: "epoch-opened",
      epoch: { ...after, before: { epoch: first, ends: { telemetry: 100, priority: 3 } } },
    });
    bench.finds(3, 0, 100, priority);
    bench.pass(100);
    const next = bench.of("read").findLast(({ log }) => log === "priority");
    expect(next).toMatchObject({ epoch: second, from: 1 });
    expect(bench.of("publish")[0]?.batch).toMatchObject({ lane: "priority", end: 3 });
  });

  test("while history waits nobody says that nothing older is unsent", () => {
    const bench = jumped();
    bench.pass(100);
    serve(bench, second, 20);
    expect(bench.last("publish").batch.olderWaits).toBe(true);
    bench.mark({ [first]: { telemetry: 100 }, [second]: { telemetry: 20 } }, 3);
    bench.step({ kind: "appended", epoch: second, log: "telemetry", last: 25, bytes: 500 });
    bench.pass(1_000);
    serve(bench, second, 5);
    expect(bench.last("publish").batch).toMatchObject({ lane: "live", olderWaits: false });
  });
});

describe("U14 history", () => {
  test("waits while live reads, and goes on behind it", () => {
    const bench = jumped();
    bench.pass(100);
    const before = bench.of("read").filter(({ epoch }) => epoch === first).length;
    serve(bench, first, 10, old);
    bench.pass(100);
    const reads = bench.of("read").filter(({ epoch }) => epoch === first);
    expect(reads, "live reads").toHaveLength(before);
    serve(bench, second, 20);
    expect(bench.of("read").filter(({ epoch }) => epoch === first)).toHaveLength(before + 1);
  });

  test("takes an epoch to its end before the next one", () => {
    const epochs = [
      epochOf(first, 10, { closed: true }),
      { ...opened(second, first, 10, 10), ends: { telemetry: 10, priority: 0 } },
      opened(third, second, 10, 5),
    ];
    const bench = new Bench(epochs);
    bench.up();
    serve(bench, first, 10, old);
    serve(bench, second, 10, old);
    serve(bench, third, 5);
    serve(bench, first, 10, old);
    const readsOfSecond = () => bench.of("read").filter(({ epoch }) => epoch === second).length;
    bench.stored();
    bench.pass(200);
    expect(readsOfSecond(), "nothing of the first is taken yet").toBe(1);
    bench.mark({ [first]: { telemetry: 10 } }, 2);
    expect(readsOfSecond()).toBe(2);
  });

  test("has half of the window, and live the rest", () => {
    const bench = jumped({ windowBytes: 4_000, batchBytes: 4_000 });
    bench.pass(100);
    serve(bench, second, 1);
    serve(bench, first, 20, old);
    bench.pass(1_000);
    expect(readOf(bench, first)?.from, "2,000 bytes are not taken").toBe(1);
    serve(bench, second, 10);
    expect(lanes(bench).at(-1)).toEqual(["live", second, 2, 11]);
  });

  test("under a cap takes what live leaves, and never runs it into debt", () => {
    const cap = 1_000;
    const bench = new Bench([epochOf(first, 10_000)]);
    bench.step({ kind: "link-up" });
    bench.mark({}, 1, [], cap);
    bench.finds(10, old);
    bench.step({ kind: "epoch-opened", epoch: opened(second, first, 10_000, 0) });
    const sent = { [first]: 0, [second]: 0 };
    let [fresh, waitedMs, answered] = [0, 0, 1];
    const next = () => {
      const read = bench.of("read")[answered];
      if (read !== undefined) answered++;
      return read;
    };
    const answer = (read: Read) => {
      const [isFresh, wanted] = [read.epoch === second, Math.floor(read.bytesMax / 100)];
      const events = Math.max(1, Math.min(wanted, isFresh ? fresh - sent[second] : 10_000));
      sent[isFresh ? second : first] += events;
      bench.finds(events, isFresh ? 0 : old, events * 100, read);
      bench.stored();
    };
    for (let at = 0; at < 1_200; at++) {
      if (at % 5 === 0) {
        bench.step({
          kind: "appended",
          epoch: second,
          log: "telemetry",
          last: ++fresh,
          bytes: 100,
        });
      }
      bench.pass(100);
      for (let read = next(); read !== undefined; read = next()) answer(read);
      waitedMs = fresh === sent[second] ? 0 : waitedMs + 100;
      expect(waitedMs, "live").toBeLessThan(1_500);
      const through = (epoch: typeof first | typeof second) => ({ telemetry: sent[epoch] });
      bench.mark({ [first]: through(first), [second]: through(second) }, at + 2, [], cap);
    }
    expect(sent[second]).toBe(fresh);
    const bytes = 100 * (sent[first] + fresh);
    expect(bytes, "all that the cap allows").toBeGreaterThan(0.8 * cap * 120);
    expect(bytes).toBeLessThan(cap * 120 + defaultUplinkBounds.batchBytes);
  });

  test("makes its batches as large as the link carries in a second", () => {
    const tookMs = [100, 100, 100, 5_000, 5_000, 5_000, 500];
    expect(sizes(tookMs)).toEqual([64, 64, 128, 256, 512, 128, 64]);
  });

  test("which a long way alone does not make small, nor a small one that was quick large", () => {
    expect(sizes([700, 700, 700, 750])).toEqual([64, 64, 128, 256]);
    expect(sizes([100, 100, 100, 100], () => 100)).toEqual([64, 64, 64, 64]);
  });

  /** In KiB, of batches that were answered after so long. */
  function sizes(answers: readonly number[], bytesOf = (asked: number) => asked): number[] {
    const bench = jumped();
    bench.pass(100);
    serve(bench, second, 20);
    return answers.map((tookMs) => {
      const read = readOf(bench, first);
      if (read === undefined) throw new Error("nobody reads");
      bench.finds(1, old, bytesOf(read.bytesMax), read);
      const { batch } = bench.last("publish");
      bench.nowMs += tookMs;
      bench.stored(batch.id);
      return read.bytesMax / 1_024;
    });
  }
});
