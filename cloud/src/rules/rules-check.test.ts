// The goal: a script learns by exit code and lines what is wrong with rules, and where.
import { expect, test } from "vitest";
import { tellCheck } from "./rules-check.ts";
import { exampleFaults, parseRules } from "./rules-document.ts";
import { brokenText, textAbove } from "./testing/rules-texts.ts";

const failing = `rules:
  - name: hot
    when: value > 80
    examples: [{ given: [{ at: 1s, device: a, metric: t, value: 90 }], expect: [] }]
`;

function told(text: string, json: boolean) {
  const lines: string[] = [];
  const check = () => ({
    counts: { rules: parseRules(text, "rules.yaml").rules.length },
    failures: exampleFaults(text, "rules.yaml"),
  });
  const run = () => tellCheck("rules.yaml", check, { json, write: (line) => lines.push(line) });
  try {
    return { code: run(), lines };
  } catch (failure) {
    return { code: failure, lines };
  }
}

test("good rules end with 0", () => {
  expect(told(textAbove("hot", 50), false)).toEqual({
    code: 0,
    lines: ["rules.yaml is good: 1 rules"],
  });
});

test("an example that fails ends with 1, and is told with its place", () => {
  const place = "rules.yaml:4:72";
  const path = "rules.0.examples.0.expect";
  expect(told(failing, false)).toEqual({
    code: 1,
    lines: [
      expect.stringContaining(`${place} ${path}: `),
      "rules.yaml is not good: 1 rules, 1 failed",
    ],
  });
  const [line = "", last] = told(failing, true).lines;
  expect(JSON.parse(line)).toMatchObject({ fault: "example", place, path });
  expect(last).toBe('{"good":false,"rules":1,"failures":1}');
});

test("a fault is thrown, for exit code 2, and told as JSON where that is asked for", () => {
  expect(told(brokenText, false)).toMatchObject({ code: { code: "CONFIG_INVALID" }, lines: [] });
  const { code, lines } = told(brokenText, true);
  expect(code).toMatchObject({ code: "CONFIG_INVALID" });
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { fault: "configuration", place: "rules.yaml:2:5", path: "rules.0.hi" },
  ]);
  const unreadable = told("rules: [", true).lines.map((line) => JSON.parse(line) as unknown);
  expect(unreadable).toMatchObject([{ message: expect.stringContaining("rules.yaml:1:") }]);
});
