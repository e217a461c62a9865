// The goal: docs/detectors.md names every detector and every parameter with its default.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { detectorRuleSchema } from "./rule.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/detectors.md"), "utf8");
const ofEveryRule = [
  ...["name", "devices", "metrics", "gateways", "site", "labels", "tags", "family"],
  ...["severity", "for", "keepFiringFor", "flap", "mode", "message", "examples"],
];

interface Option {
  readonly properties: Readonly<
    Record<string, { readonly const?: string; readonly default?: unknown }>
  >;
  readonly required: readonly string[];
}

function parameters(): string[] {
  const schema = z.toJSONSchema(detectorRuleSchema, { io: "input", unrepresentable: "any" });
  return ((schema as unknown as { oneOf: Option[] }).oneOf ?? []).flatMap((option) => {
    const { detector, ...others } = option.properties;
    return Object.entries(others)
      .filter(([name]) => !ofEveryRule.includes(name))
      .map(([name, own]) => {
        const told = option.required.includes(name) ? "needed" : `${own.default ?? "none"}`;
        return `| ${detector?.const} | ${name} | ${told} |`;
      });
  });
}

test("docs/detectors.md has a row for every parameter of every detector, with its default", () => {
  const rows = [...page.matchAll(/^(\| [a-z-]+ \| [A-Za-z]+ \| [^|]+ \|) [^|]+\|$/gm)];
  const [, ...told] = rows.map(([, row]) => row);
  expect(told).toEqual(parameters());
});
