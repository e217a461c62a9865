// The goal: within a major version the contract only grows. What an older gateway writes is what a newer
// cloud reads, and no field changes what it means; else it is another major.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { schemaFiles } from "./schemas.ts";
import { schemaBreaks } from "./testing/schema-breaks.ts";

const checkout = join(import.meta.dirname, "../..");

function git(...args: readonly string[]): string | undefined {
  try {
    const stdio: ("ignore" | "pipe")[] = ["ignore", "pipe", "ignore"];
    return execFileSync("git", args, { cwd: checkout, encoding: "utf8", stdio });
  } catch {
    return undefined; // a checkout without its history
  }
}

const hasHistory = git("rev-parse", "HEAD") !== undefined;
const files = [...schemaFiles()];

test.skipIf(!hasHistory).each(files)(
  "%s takes all that each of its committed versions took (SKIPPED without git)",
  (name, text) => {
    const path = `shared/schema/${name}`;
    const commits = git("log", "--format=%H", "--", path)?.split("\n").filter(Boolean) ?? [];
    for (const commit of commits) {
      const committed = git("show", `${commit}:${path}`);
      if (committed === undefined) continue; // the commit that took the file away
      const breaks = schemaBreaks(JSON.parse(committed), JSON.parse(text));
      expect(breaks, `${name} against ${commit.slice(0, 9)}`).toEqual([]);
    }
  },
);

test.each<[string, object, object, string]>([
  ["a property goes", { properties: { a: {} } }, { properties: {} }, "/a is gone"],
  [
    "one is required",
    { properties: {} },
    { properties: { a: {} }, required: ["a"] },
    "/a is required now",
  ],
  ["a type changes", { type: "string" }, { type: "number" }, " was of type string, is number"],
  ["a word goes", { enum: ["x", "y"] }, { enum: ["x"] }, " may not be y now"],
  ["a bound narrows", { maxLength: 9 }, { maxLength: 8 }, " has maxLength 8, had 9"],
  ["a bound begins", {}, { minimum: 0 }, " has minimum 0, had -Infinity"],
  ["an alternative goes", { anyOf: [{ type: "null" }] }, { anyOf: [] }, "/anyOf/null is gone"],
  [
    "it happens deep within",
    { properties: { a: { items: { maxItems: 3 } } } },
    { properties: { a: { items: { maxItems: 2 } } } },
    "/a/items has maxItems 2, had 3",
  ],
])("where %s that is told", (_what, earlier, later, told) => {
  expect(schemaBreaks(earlier, later)).toEqual([told]);
});

test("what is added is no break", () => {
  const earlier = { properties: { a: { enum: ["x"], maxLength: 3 } }, required: ["a"] };
  const later = { properties: { a: { enum: ["x", "y"], maxLength: 4 }, b: {} }, required: [] };
  expect(schemaBreaks(earlier, later)).toEqual([]);
});
