// A script is checked as a whole before the first step, so that no run ends in its middle.
import { expect, test } from "vitest";
import { stepsOf } from "./steps.ts";

test("a line is a step: conditions, an act, or both, so long after the one before", () => {
  const text = `# a bad hour
{"delayMs": 80}

{"afterMs": 2000, "do": "cut"}
{"afterMs": 5, "do": "reset", "bytesPerSecond": null}`;
  expect(stepsOf(text)).toEqual([
    { afterMs: 0, change: { delayMs: 80 }, act: undefined },
    { afterMs: 2_000, change: {}, act: "cut" },
    { afterMs: 5, change: { bytesPerSecond: null }, act: "reset" },
  ]);
});

test.each([
  ["", /no steps/],
  ["{", /line 1/],
  ['{}\n{"afterMs": -1}', /line 2: afterMs/],
  ['{"do": "dance"}', /line 1: do: write cut or reset/],
  ['{"delay": 5}', /line 1: .*known are delayMs/],
  ["[]", /write a JSON object/],
])("%j is refused with its line", (text, why) => {
  expect(() => stepsOf(text)).toThrow(why);
});
