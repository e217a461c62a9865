// The goal: real gateways and real engines keep their promise in any world of faults, and a seed replays
// exactly, so that what goes wrong once can be looked at again.
import { expect, test } from "vitest";
import { drain } from "./system-drain.ts";
import { keepPromise, plan } from "./testing/keeps-promise.ts";
import { runWorld, World } from "./world.ts";

test("a world without faults takes everything, each event once", { timeout: 60_000 }, async () => {
  const result = await runWorld({ ...plan, seed: "calm", faults: [] }, drain);
  expect(result.violations).toEqual([]);
  expect(result.attempts).toBeGreaterThan(20);
  expect(result.sent).toBe(result.appended);
});

test("a world is not over while a gateway has not heard that the cloud went back", async () => {
  for (const seed of ["1", "2", "3", "4", "5"]) {
    const world = new World({ ...plan, seed, faults: [] }, drain);
    const { timeline, stream, history } = world;
    timeline.after(60_000, () => {
      const [engine, branch] = [stream.contents(), history.remember()];
      timeline.after(plan.minutes * 60_000 - 60_001, () => {
        world.isServerUp = false;
        stream.restore(engine);
        history.wentBack(branch, () => true);
      });
    });
    const { violations, quietMs } = await world.run();
    expect(violations).toEqual([]);
    expect(quietMs).toBeGreaterThan(0);
  }
});

test("250 worlds keep what is promised", { timeout: 300_000 }, () => keepPromise(1, 250));

test("the same seed gives the same history", { timeout: 60_000 }, async () => {
  for (const seed of ["7", "8", "9"]) {
    const [first, second] = [
      await runWorld({ ...plan, seed }, drain),
      await runWorld({ ...plan, seed }, drain),
    ];
    expect(second.traceHash).toBe(first.traceHash);
    expect(second).toEqual(first);
  }
  const other = await runWorld({ ...plan, seed: "10" }, drain);
  const again = await runWorld({ ...plan, seed: "11" }, drain);
  expect(again.traceHash).not.toBe(other.traceHash);
});
