// The goal: whoever reads of a failure can see it again, by the command that stands there.
import { Command } from "commander";
import { expect, test } from "vitest";
import { faultNames } from "./faults.ts";
import { storyOf } from "./story.ts";
import { commitOf } from "./system-commit.ts";
import { drain } from "./system-drain.ts";
import type { WorldOptions } from "./system-world.ts";
import { declareWorld } from "./system-world.ts";
import { edgePlants } from "./testing/edge-plants.ts";
import { runWorld } from "./world.ts";

const faults = ["link-cut", "engine-killed"] as const;

function optionsIn(story: string): WorldOptions {
  const words = / npm run world -- (.*)$/m.exec(story)?.[1]?.split(" ") ?? [];
  const command = declareWorld(new Command("world")).exitOverride();
  return command.parse(words, { from: "user" }).opts<WorldOptions>();
}

test("a failure tells seed, commit, what broke, and the command that replays it", async () => {
  const plant = edgePlants.find(({ name }) => name === "release on PubAck")?.plant?.() ?? {};
  const plan = { minutes: 2, faults, plant, traceLinesMax: 40 };
  let result = await runWorld({ ...plan, seed: "0" }, drain);
  for (let next = 1; next <= 40 && result.violations.length === 0; next++) {
    result = await runWorld({ ...plan, seed: `${next}` }, drain);
  }
  expect(result.violations).not.toEqual([]);
  const story = storyOf(result, { minutes: 2, faults, commit: "0123456789ab" });
  expect(story).toContain(`seed ${result.seed}, commit 0123456789ab`);
  expect(story).toContain(result.violations[0]);
  expect(story).toContain(result.trace.at(-1));
  const { seed = "", minutes, faults: named, trace } = optionsIn(story);
  expect([minutes, named, trace]).toEqual([2, faults, true]);
  const again = await runWorld({ ...plan, seed, minutes, faults: named }, drain);
  expect(again.traceHash).toBe(result.traceHash);
});

test("the usual faults go by their short name", async () => {
  const plan = { seed: "1", minutes: 0.1, faults: faultNames, traceLinesMax: 1 };
  const result = await runWorld(plan, drain);
  const story = storyOf(result, { minutes: 1, faults: faultNames, commit: "unknown" });
  expect(story).toContain("--faults default --trace");
  expect(optionsIn(story).faults).toEqual(faultNames);
});

test("the commit is that of the working tree, and says where that was changed", () => {
  expect(commitOf(import.meta.dirname)).toMatch(/^([0-9a-f]{12}( with changes)?|unknown)$/);
  expect(commitOf("/")).toBe("unknown");
});
