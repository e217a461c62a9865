// The goal: what was started is stopped, once, in reverse, whatever fails on the way.
import { expect, test } from "vitest";
import type { Part } from "./lifecycle.ts";
import { startAll } from "./lifecycle.ts";

/** Parts that note what happens to them. */
function parts(names: readonly string[], failing: readonly string[] = []) {
  const notes: string[] = [];
  const note = (what: string) => {
    notes.push(what);
    if (failing.includes(what)) throw new Error(what);
  };
  const all: Part[] = names.map((name) => ({
    name,
    start: async () => note(`start ${name}`),
    stop: () => note(`stop ${name}`),
  }));
  return { all, notes };
}

test("parts start in order and stop in reverse", async () => {
  const { all, notes } = parts(["a", "b", "c"]);
  const lifecycle = await startAll(all);
  await lifecycle.stop();
  expect(notes).toEqual(["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
});

test("a part is waited for before the next one starts", async () => {
  const notes: string[] = [];
  const slow: Part = {
    name: "slow",
    async start() {
      await Promise.resolve();
      notes.push("slow is up");
    },
    stop() {},
  };
  await startAll([slow, { name: "next", start: () => void notes.push("next"), stop() {} }]);
  expect(notes).toEqual(["slow is up", "next"]);
});

test("a failed start stops what was started, and is what is told", async () => {
  const { all, notes } = parts(["a", "b", "c"], ["start c", "stop b"]);
  await expect(startAll(all)).rejects.toThrow("start c");
  expect(notes).toEqual(["start a", "start b", "start c", "stop b", "stop a"]);
});

test("a failed stop keeps no other part from stopping, and the first failure is told", async () => {
  const { all, notes } = parts(["a", "b", "c"], ["stop c", "stop a"]);
  const lifecycle = await startAll(all);
  await expect(lifecycle.stop()).rejects.toThrow("stop c");
  expect(notes.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
});

test("stopping twice stops once", async () => {
  const { all, notes } = parts(["a"]);
  const lifecycle = await startAll(all);
  await Promise.all([lifecycle.stop(), lifecycle.stop()]);
  await lifecycle.stop();
  expect(notes).toEqual(["start a", "stop a"]);
});

test("nothing to start is nothing to stop", async () => {
  const lifecycle = await startAll([]);
  await expect(lifecycle.stop()).resolves.toBeUndefined();
});
