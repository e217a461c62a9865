// The goal: a command changes what it was told to change in a text that people write, and no more.

import { expect, test } from "vitest";
import { parse } from "yaml";
import { rulesIn, textOfRule, textOfRules, withMode } from "./rules-text.ts";

const text = `# all our rules

rules:
  # freezers of the shop
  - name: warm # the first one
    detector: limits
    hi: -15 # by the law
    message: >-
      a long message that nobody wants to be folded again, since it is written so and is to stay so for ever

  - { name: door, when: on, mode: shadow } # on trial
fleet:
  gateways: [] # none yet
`;

test("a mode is set where there is none and where there is one; comments stay", () => {
  const changed = withMode(withMode(text, "warm", "off"), "door", "live");
  for (const comment of text.match(/#.*$/gm) ?? []) expect(changed).toContain(comment);
  const [warm, door] = parse(text).rules;
  expect(parse(changed)).toEqual({
    ...parse(text),
    rules: [
      { ...warm, mode: "off" },
      { ...door, mode: "live" },
    ],
  });
  const before = text.split("\n");
  const added = changed.split("\n").filter((line) => !before.includes(line));
  expect(added).toEqual(["    mode: off", "  - { name: door, when: on, mode: live } # on trial"]);
});

test("a name that is not there is refused", () => {
  expect(() => withMode(text, "window", "off")).toThrow("RULES_UNKNOWN: there is no rule window");
});

test("a change that would reach other rules is refused", () => {
  const shared = `rules:
  - &base { name: a, detector: auto }
  - { <<: *base, name: b }
`;
  const merged = `%YAML 1.1\n---\n${shared}`;
  expect(() => withMode(merged, "a", "off")).toThrow(/^CONFIG_INVALID: the text of a is shared/);
  expect(withMode(merged, "b", "off")).toMatch(/name: b, mode: "?off"? }/);
});

test("one rule is shown as it was written", () => {
  expect(textOfRule(text, "warm")).toBe(`- name: warm # the first one
  detector: limits
  hi: -15 # by the law
  message: >-
    a long message that nobody wants to be folded again, since it is written so and is to stay so for ever
`);
  expect(textOfRule(text, "door")).toBe("- { name: door, when: on, mode: shadow }\n");
  expect(textOfRule(text, "window")).toBeUndefined();
});

test("rules that have no text of their own are shown as YAML", () => {
  const written = { rules: [{ name: "a", devices: ["*"] }], fleet: { gateways: [], devices: [] } };
  expect(parse(textOfRules(written))).toEqual(written);
});

test("the rules of a configuration are shown as they were written there, and nothing else of it", () => {
  const configuration = `# Of the cloud.
dataDir: /var/lib/causeway
rules:
  # Ovens.
  - { name: hot, detector: limits, hi: 32, for: 2m } # as agreed
  - name: odd
http: { port: 8080 }
fleet:
  gateways: [{ match: ["a-*"], site: a }]
`;
  expect(rulesIn(configuration)).toBe(`rules:
  # Ovens.
  - { name: hot, detector: limits, hi: 32, for: 2m } # as agreed
  - name: odd
fleet:
  gateways: [ { match: [ "a-*" ], site: a } ]
`);
  expect(rulesIn("dataDir: x")).toBeUndefined();
  expect(rulesIn("limit: &limit 5\nrules: [{ name: a, hi: *limit }]")).toBeUndefined();
});
