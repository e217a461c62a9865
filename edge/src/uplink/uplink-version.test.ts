// Goal: a gateway that is newer than its cloud loses nothing by it: it waits, says why, and goes on.
import type { Doubt } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { Bench, epochOf, eventBytes, first } from "../testing/uplink-bench.ts";

function tooNew(nonce: string, expected = 1): Doubt {
  const reason = "a batch of version 2; this cloud reads 1: upgrade the cloud";
  return { epoch: first, log: "telemetry", expected, nonce, kind: "version", reason };
}

function connected(): Bench {
  const bench = new Bench([epochOf(first, 100)]);
  bench.up();
  bench.pass(100);
  return bench;
}

test("what the cloud is too old to read is kept whole, and asked about ever more seldom", () => {
  const bench = connected();
  let published = bench.found(100);
  const waited: number[] = [];
  for (let round = 1; round <= 4; round++) {
    bench.step({ kind: "stored", batchId: published.batch.id });
    bench.pass(300);
    bench.mark({}, 1, [tooNew(published.batch.nonce)]);
    const from = bench.nowMs;
    const reads = bench.count("read");
    for (let waits = 0; bench.count("read") === reads && waits < 300; waits++) bench.pass(1_000);
    waited.push(bench.nowMs - from);
    expect(bench.last("read")).toMatchObject({ from: 1, cut: undefined });
    published = bench.found(100);
    expect(published.batch).toMatchObject({ from: 1, to: 100 });
  }
  expect(Math.max(...waited)).toBeLessThanOrEqual(121_000);
  expect(bench.count("release")).toBe(0);
});

test("the gateway's state says that the cloud is older, until something is taken", () => {
  const bench = connected();
  const { batch } = bench.found(50);
  bench.step({ kind: "stored", batchId: batch.id });
  bench.mark({}, 1, [tooNew(batch.nonce)]);
  expect(bench.status().troubles.join()).toContain("the cloud is older than this gateway");
  bench.pass(130_000);
  const again = bench.found(50);
  bench.step({ kind: "stored", batchId: again.batch.id });
  expect(bench.status().troubles.join(), "stored is not taken").toContain("upgrade the cloud");
  const reads = bench.count("read");
  bench.pass(200);
  expect(bench.count("read"), "nothing more goes until it is known").toBe(reads);
  bench.mark({ [first]: { telemetry: 50 } }, 2);
  expect(bench.status().troubles).toEqual([]);
  bench.pass(300);
  expect(bench.last("read")).toMatchObject({ from: 51 });
  expect(bench.found(50, 50 * eventBytes).batch).toMatchObject({ from: 51, to: 100 });
});
