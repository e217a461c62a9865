// The goal: docs/protocol.md stays true. Every numbered rule of the files it names stands there, with
// the fault that it answers and a test that is really there; and no rule stands there that is not kept.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/protocol.md"), "utf8");

interface Rule {
  readonly name: string;
  readonly fault: string;
  readonly tests: readonly string[];
}

interface Section {
  readonly file: string;
  readonly rules: readonly Rule[];
}

/** The files that must be on the page; it may tell of others. */
const promised = [
  "edge/src/outbox/outbox.ts",
  "edge/src/uplink/uplink.ts",
  "cloud/src/ledger/ledger.ts",
  "cloud/src/engine/engine.ts",
  "cloud/src/engine/take-over.ts",
  "cloud/src/engine/partition.ts",
  "cloud/src/ingest/journal-reader.ts",
  "cloud/src/retention/floor.ts",
  "simulators/src/world/checkers.ts",
];

/** `## What: path/to/file.ts`, then rows of `| **O1** rule | fault | "test" "test" |`. */
function sectionsOf(text: string): readonly Section[] {
  return text.split(/^## /m).flatMap((part) => {
    const file = /^[^\n]*`([a-z]+\/src\/[^`]+\.ts)`/.exec(part)?.[1];
    if (file === undefined) return [];
    const rows = [...part.matchAll(/^\| \*\*([A-Z]\d+)\*\* [^|]+\| ([^|]*) \| ([^|]*) \|$/gm)];
    const rules = rows.map(([, name = "", fault = "", tests = ""]) => {
      return { name, fault, tests: [...tests.matchAll(/"([^"]+)"/g)].map(([, test = ""]) => test) };
    });
    return [{ file, rules }];
  });
}

function rulesKept(file: string): readonly string[] {
  const head = /^\/\*\*[\s\S]*?\*\//.exec(readFileSync(join(root, file), "utf8"))?.[0] ?? "";
  return [...head.matchAll(/^ \* {1,3}([A-Z]\d+) /gm)].map(([, name = ""]) => name);
}

const testSources = ["shared", "edge", "cloud", "simulators"].flatMap((workspace) =>
  readdirSync(join(root, workspace, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => /(?:\.test|\.contract|-plants)\.ts$/.test(path))
    .map((path) => readFileSync(join(root, workspace, "src", path), "utf8")),
);

const sections = sectionsOf(page);

/** A test's name stands between quotes, or ends a template. */
function isNamedBy(source: string, name: string): boolean {
  return source.includes(`"${name}"`) || source.includes(`${name}\``);
}

test("the page tells of the outbox, the uplink, the ledger, the engine and the world", () => {
  expect(sections.map(({ file }) => file)).toEqual(expect.arrayContaining(promised));
});

describe.each(sections)("$file", ({ file, rules }) => {
  test("every rule that the file keeps stands on the page, and no other", () => {
    expect(rules.map(({ name }) => name)).toEqual(rulesKept(file));
  });

  test.each(rules)("$name names its fault and tests that are there", ({ fault, tests }) => {
    expect(fault).not.toBe("");
    expect(tests).not.toEqual([]);
    for (const name of tests) {
      expect(
        testSources.some((source) => isNamedBy(source, name)),
        name,
      ).toBe(true);
    }
  });
});
