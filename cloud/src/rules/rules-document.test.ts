// The goal: nothing that is cut off, empty, too large or wrong is ever taken for rules.
import { join } from "node:path";
import { rulesTextBytesMax } from "@causeway/shared/streams.ts";
import { expect, test } from "vitest";
import { checkRules } from "./nats-rules-commands.ts";
import { exampleFaults, parseRules } from "./rules-document.ts";
import { foundIn, textAbove } from "./testing/rules-texts.ts";

test("rules and a fleet stand in a text of their own, and nothing else", () => {
  const text = `${textAbove("hot", 50)}fleet: { gateways: [{ match: ["g-*"], site: a }] }\n`;
  expect(parseRules(text, "rules.yaml").fleet.gateways).toEqual([{ match: ["g-*"], site: "a" }]);
  expect(() => parseRules(`${text}http: {}\n`, "rules.yaml")).toThrow(
    "rules.yaml:4:1 http: unknown",
  );
  expect(parseRules("rules: []", "rules.yaml").rules).toEqual([]);
});

test.each([
  ["", "CONFIG_INVALID: rules.yaml:1:1 rules: write rules:, and [] for none"],
  ["# nothing\n", "CONFIG_INVALID: rules.yaml:1:1 rules: write rules:, and [] for none"],
  ["rules:\n", "CONFIG_INVALID: rules.yaml:1:1 rules: "],
  ["rules: [{", "CONFIG_UNREADABLE: rules.yaml:1:10 "],
  ["rules:\n  - { name: a, when: value >> 1 }\n", "CONFIG_INVALID: rules.yaml:2:29 rules.0.when: "],
  [
    `#${" ".repeat(rulesTextBytesMax)}`,
    `CONFIG_INVALID: rules.yaml: ${rulesTextBytesMax + 1} bytes of `,
  ],
])("%.20j is refused, with its place", (text, reason) => {
  const found = foundIn(text);
  expect(found.kind === "refused" && found.reason).toContain(reason);
});

test("rules whose defaults make them too large to be kept are refused", () => {
  const lines = Array.from({ length: 1_000 }, (_, at) => {
    return `  - { name: r${at}, detector: auto, devices: [${'"a-longer-name-of-a-device-*", '.repeat(26)}] }`;
  });
  const text = `rules:\n${lines.join("\n")}\n`;
  expect(Buffer.byteLength(text)).toBeLessThan(rulesTextBytesMax);
  const found = foundIn(text);
  expect(found.kind === "refused" && found.reason).toMatch(/^CONFIG_INVALID: rules: \d+ bytes of/);
});

test("the rules that are shipped as a sample are good, and do what their examples say", () => {
  const file = join(import.meta.dirname, "../../../deploy/examples/rules.yaml");
  const lines: string[] = [];
  const code = checkRules(file, { json: true, write: (line) => void lines.push(line) });
  expect(lines).toEqual(['{"good":true,"rules":4,"examples":3,"failures":0}']);
  expect(code).toBe(0);
});

test("an example that fails is told with line and column", () => {
  const text = `rules:
  - name: hot
    when: value > 80
    examples:
      - given: [{ at: 1s, device: boiler, metric: t, value: 90 }]
        expect:
          - { at: 1m, state: firing }
`;
  expect(foundIn(text).kind).toBe("good");
  expect(exampleFaults(text, "rules.yaml")).toEqual([
    {
      place: "rules.yaml:7:13",
      path: "rules.0.examples.0.expect.0",
      message: expect.stringContaining("expected firing at 1m"),
    },
  ]);
  expect(exampleFaults(text.replace("1m", "1s"), "rules.yaml")).toEqual([]);
});
