/** Goal: what the uplink knows outlives failures, connections and restarts (U6, U8), and is given up when wrong. */
import { describe, expect, test } from "vitest";
import { Bench, doubtAbout, epochOf, first, second } from "../testing/uplink-bench.ts";
import type { UplinkAction } from "./uplink.ts";

/** As the outbox hands it over after a restart: closed, released and remembered so far. */
function found(last: number, released: number, stored: number, bytes = 1_000) {
  const facts = epochOf(first, last, { closed: true });
  return {
    ...facts,
    released: { telemetry: released, priority: 0 },
    stored: { ...facts.stored, telemetry: { position: stored, bytes } },
  };
}

/** Sends ten events three times, and has the given ones stored. */
function threeBatches(stored: readonly number[]) {
  const bench = new Bench([epochOf(first, 100)]);
  bench.up();
  const ids = [0, 1, 2].map(() => {
    const { batch } = bench.found(10);
    bench.pass(60);
    return batch.id;
  });
  for (const index of stored) bench.stored(ids[index]);
  return { bench, ids };
}

const held = (actions: readonly UplinkAction[]) =>
  actions.flatMap((action) => (action.kind === "hold-tail" ? [action.isHeld] : []));

describe("U8 what is stored is not sent again", () => {
  test("after a reconnect sending goes on behind the last that was stored without a gap", () => {
    const { bench } = threeBatches([0, 2]);
    bench.step({ kind: "link-down" });
    bench.up();
    bench.pass(1_000);
    expect(bench.last("read").from, "1 to 10 are stored, 21 to 30 are behind a gap").toBe(11);
  });

  test("a failed publish leaves what was stored before it alone", () => {
    const { bench, ids } = threeBatches([0]);
    bench.fail("wait-full", ids[1]);
    bench.pass(31_000);
    bench.mark({});
    bench.pass(31_000);
    expect(bench.last("read").from).toBe(11);
  });

  test("the outbox is told of it, and of nothing that lies behind a gap", () => {
    const { bench, ids } = threeBatches([0, 2]);
    const told = () => bench.of("remember").map(({ position }) => position);
    expect(told()).toEqual([10]);
    bench.stored(ids[1]);
    expect(told()).toEqual([10, 30]);
    expect(bench.last("remember")).toMatchObject({ epoch: first, log: "telemetry", bytes: 3_000 });
  });

  test("after a restart nothing stored is sent again, and the window counts it", () => {
    const bounds = { windowBytes: 4_000, batchBytes: 2_000 };
    const bench = new Bench([found(100, 20, 60, 3_000)], bounds, { markCommit: 5 });
    bench.up({ [first]: { telemetry: 20 } }, 5);
    expect(bench.last("read")).toMatchObject({ from: 61, bytesMax: 1_000 });
    bench.found(10);
    bench.pass(1_000);
    expect(bench.count("read"), "the window is full").toBe(1);
    bench.mark({ [first]: { telemetry: 40 } }, 6);
    expect(bench.last("read"), "half of it was taken").toMatchObject({ from: 71, bytesMax: 1_500 });
  });

  test("a mark that is further than what was remembered is followed", () => {
    const bench = new Bench([found(100, 20, 60)], {}, { markCommit: 5 });
    bench.up({ [first]: { telemetry: 80 } }, 9);
    expect(bench.last("read").from).toBe(81);
  });

  test("what is remembered of a newer epoch counts only once the older one is sent", () => {
    const newer = { ...found(10, 0, 10), id: second, ordinal: 2 };
    const bench = new Bench([found(100, 20, 60), newer], {}, { markCommit: 5 });
    bench.up({ [first]: { telemetry: 20 } }, 5);
    bench.found(40);
    bench.pass(1_000);
    expect(bench.last("read")).toMatchObject({ epoch: second, from: 1 });
  });

  test("a rollback clears it", () => {
    const { bench } = threeBatches([0, 1, 2]);
    bench.mark({ [first]: { telemetry: 20 } }, 4);
    bench.mark({ [first]: { telemetry: 5 } }, 5);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(6);
    expect(bench.last("remember")).toMatchObject({ position: 5, bytes: 0 });
  });

  test("where JetStream lost it after all, the wait for nothing taken finds out, over reconnects too", () => {
    const bench = new Bench([found(60, 20, 60)], {}, { markCommit: 5 });
    for (let flap = 0; flap < 3; flap++) {
      bench.up({ [first]: { telemetry: 20 } }, 5);
      for (let second = 0; second < 25; second++) {
        bench.pass(1_000);
        bench.mark({ [first]: { telemetry: 20 } }, 5);
      }
      bench.step({ kind: "link-down" });
      bench.nowMs += 3_600_000;
    }
    expect(bench.last("read"), "after a minute of connections").toMatchObject({ from: 21 });
    expect(bench.status().goBacks).toBe(1);
  });

  test("a doubt about what an earlier process left as stored goes back once", () => {
    const bench = new Bench([found(60, 20, 60)], {}, { markCommit: 5 });
    bench.step({ kind: "link-up" });
    const doubts = [doubtAbout("3.0badcafe", 21)];
    bench.mark({ [first]: { telemetry: 20 } }, 6, doubts);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(21);
    bench.found(40);
    bench.mark({ [first]: { telemetry: 20 } }, 7, doubts);
    expect(bench.status().goBacks).toBe(1);
  });
});

describe("U6 over restarts", () => {
  const restarted = () => new Bench([found(100, 80, 80)], {}, { markCommit: 5 });

  test("a first mark that is older than one an earlier process followed is doubted", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 30 } }, 3);
    expect(bench.status()).toMatchObject({ link: "asking", rollbacks: 0 });
    expect(bench.count("release"), "or the tail would be kept for nothing").toBe(0);
    bench.pass(300);
    bench.mark({ [first]: { telemetry: 80 } }, 5);
    expect(bench.last("read").from).toBe(81);
    expect(bench.status().rollbacks).toBe(0);
  });

  test("after five seconds of it, it is a rollback", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 30 } }, 3);
    bench.pass(5_001);
    bench.mark({ [first]: { telemetry: 30 } }, 3);
    expect(bench.status().rollbacks).toBe(1);
    expect(bench.last("read").from).toBe(31);
    expect(bench.last("marked").commit).toBe(3);
  });

  test("a first mark with a higher number and a lower position is a rollback at once", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 30 } }, 6);
    expect(bench.status().rollbacks).toBe(1);
  });

  test("the same number with a lower position is doubted", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.mark({ [first]: { telemetry: 30 } }, 5);
    expect(bench.status().rollbacks).toBe(0);
    bench.pass(5_001);
    bench.mark({ [first]: { telemetry: 30 } }, 5);
    expect(bench.status().rollbacks).toBe(1);
  });

  test("the number goes to the outbox with the releases that follow it", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 90 } }, 7);
    expect(bench.of("marked").map(({ commit }) => commit)).toEqual([7]);
    bench.mark({ [first]: { telemetry: 90 } }, 7);
    expect(bench.count("marked"), "told when it changes").toBe(1);
  });

  test("the tail is held from the first doubt until a mark is followed, over a lost link too", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 30 } }, 3);
    expect(held(bench.done)).toEqual([true]);
    bench.pass(300);
    bench.mark({ [first]: { telemetry: 30 } }, 3);
    bench.step({ kind: "link-down" });
    expect(held(bench.done)).toEqual([true]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    expect(held(bench.done)).toEqual([true, false]);
  });

  test("a doubt of before an outage is not counted on after it", () => {
    const bench = restarted();
    bench.up({ [first]: { telemetry: 30 } }, 3);
    bench.step({ kind: "link-down" });
    bench.nowMs += 3_600_000;
    bench.up({ [first]: { telemetry: 30 } }, 3);
    expect(bench.status().rollbacks).toBe(0);
  });
});

describe("U11 fork", () => {
  test("a mark beyond the open epoch's last position leaves the epoch, once", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up({ [first]: { telemetry: 15 } }, 2);
    bench.mark({ [first]: { telemetry: 16 } }, 3);
    expect(bench.of("leave-epoch")).toEqual([
      { kind: "leave-epoch", reason: `${first} telemetry is taken through 15, 10 is its last` },
    ]);
    expect(bench.of("report").map(({ what }) => what)).toEqual(["fork"]);
  });

  test("a closed epoch that went further elsewhere is none: the disk was put back, and that is known", () => {
    const bench = new Bench([epochOf(first, 10, { closed: true })]);
    bench.up({ [first]: { telemetry: 15 } }, 2);
    expect(bench.count("leave-epoch")).toBe(0);
  });
});
