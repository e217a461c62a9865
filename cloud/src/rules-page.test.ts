// The goal: every rule that docs/rules.md shows can be written so, and does what its examples say.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expressionCharactersMax } from "@causeway/shared/rules/cel-environment.ts";
import {
  conditionDepthMax,
  conditionsMax,
  countMax,
  sequenceStepsMax,
} from "@causeway/shared/rules/condition-document.ts";
import { exampleReadingsMax, examplesMax } from "@causeway/shared/rules/examples.ts";
import { fleetEntriesMax } from "@causeway/shared/rules/fleet.ts";
import { messageFields } from "@causeway/shared/rules/message.ts";
import { rulesMax } from "@causeway/shared/rules/rule.ts";
import { chainMax } from "@causeway/shared/rules/rule-chain.ts";
import { loadSettings } from "@causeway/shared/settings.ts";
import { describe, expect, test } from "vitest";
import { faultsOfExamples } from "./alert/example-replay.ts";
import { cloudSchema } from "./config.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/rules.md"), "utf8");
const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = ""]) => text);

function load(text: string) {
  return loadSettings(cloudSchema, { fileName: "rules.md", text, environment: {}, sets: [] });
}

test("there are the first rule, the fleet, one by site and six more", () => {
  expect(blocks).toHaveLength(9);
  const examples = blocks
    .flatMap((text) => load(text).rules)
    .flatMap((rule) => rule.examples ?? []);
  expect(examples.length).toBeGreaterThanOrEqual(8);
});

describe.each(
  blocks.map((text) => [/name: ([a-z-]+)/.exec(text)?.[1] ?? "the fleet", text] as const),
)("%s", (_name, text) => {
  test("can be written so, and does what its examples say", () => {
    const { rules, fleet } = load(text);
    expect(faultsOfExamples(rules, fleet)).toEqual([]);
  });

  test("is found out where an example says something else", () => {
    const { rules, fleet } = load(text);
    const others = rules.map((rule) => ({
      ...rule,
      ...(rule.examples && {
        examples: rule.examples.map((example) => ({
          ...example,
          expect: [...example.expect, { at: 0, state: "resolved" as const }],
        })),
      }),
    }));
    const examples = rules.flatMap((rule) => rule.examples ?? []);
    expect(faultsOfExamples(others, fleet)).toHaveLength(examples.length);
  });
});

test("the page tells the bounds and placeholders as they are", () => {
  const numbers = [
    rulesMax,
    fleetEntriesMax,
    countMax,
    expressionCharactersMax,
    exampleReadingsMax,
  ];
  for (const number of numbers) expect(page).toContain(number.toLocaleString("en-US"));
  expect(page).toContain(`| ${conditionsMax}, ${conditionDepthMax} deep |`);
  expect(page).toContain(`| ${sequenceStepsMax}; ${countMax.toLocaleString("en-US")} |`);
  expect(page).toContain(`| ${chainMax} in a row, and never in a circle |`);
  expect(page).toContain(`| ${examplesMax}; `);
  for (const field of messageFields) expect(page).toContain(`\`{${field}}\``);
});
