// The goal: the house rules that a machine can check hold in every source file; each finding says
// where it is and what to do instead.
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, join, posix } from "node:path";
import { describe, expect, test } from "vitest";
import { errorCodes } from "./errors.ts";
import type { SourceText } from "./testing/source-text.ts";
import { importsOf, lineOf, sourceText } from "./testing/source-text.ts";

const root = join(import.meta.dirname, "../..");
const folders = ["shared", "edge", "cloud", "simulators", "deploy", "bench"] as const;
const columnsMax = 120;
const linesMax = 600;

interface Source extends SourceText {
  /** From the root of the repository. */
  readonly path: string;
}

type Check = (source: Source) => readonly string[];

function source(path: string, text: string): Source {
  return { path, ...sourceText(text) };
}

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    const skipped = entry.name === "node_modules" || entry.name.startsWith(".");
    if (entry.isDirectory()) return skipped ? [] : walk(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

const sources = folders
  .flatMap(walk)
  .map((path) => source(path, readFileSync(join(root, path), "utf8")));

const isTest = (path: string) => /\.(?:test|contract)\.ts$/.test(path);
const isTesting = (path: string) => isTest(path) || path.includes("/testing/");
const isDeploy = (path: string) => path.startsWith("deploy/");

// Rule 2 ------------------------------------------------------------------------------------------

const technologies = /^(?:aedes|level|nats|http|mqtt|smtp|tcp|file|system|duckdb|postgres)-/;
const isPure = ({ path }: Source) =>
  !technologies.test(basename(path)) && !isEntry(path) && !isTesting(path) && !isDeploy(path);

const pureModules = new Set(["node:crypto", "node:zlib", "node:buffer", "node:string_decoder"]);
const drivers =
  /^(?:aedes|level|mqtt|nodemailer|fastify|pino|prom-client|pg|@nats-io|@fastify|@duckdb)(?:[-/]|$)/;

const checkPurity: Check = (file) => {
  if (!isPure(file)) return [];
  const cure = "move the I/O to a file with the technology in its name, behind a port";
  return importsOf(file)
    .filter(({ specifier }) =>
      isBuiltin(specifier) ? !pureModules.has(specifier) : drivers.test(specifier),
    )
    .map(({ specifier, line }) => `${file.path}:${line} imports ${specifier}: ${cure}`);
};

// Import directions -------------------------------------------------------------------------------

const mayImport: Readonly<Record<string, readonly string[]>> = {
  shared: ["shared"],
  edge: ["edge", "shared"],
  cloud: ["cloud", "shared"],
  simulators: ["simulators", "edge", "cloud", "shared"],
  deploy: ["deploy"],
  bench: ["bench", "simulators", "edge", "cloud", "shared"],
};

/** Brings what some tests need on the machine, Chromium for one. */
const toolsForTests = "deploy/local/tools.mjs";

/** The repository's file that an import names; undefined where it is a package from elsewhere. */
function target({ path }: Source, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(path), specifier);
  const ours = /^@causeway\/([a-z]+)(?:\/(.*))?$/.exec(specifier);
  return ours === null ? undefined : `${ours[1]}/src/${ours[2] ?? ""}`;
}

const checkDirection: Check = (file) => {
  const [from = ""] = file.path.split("/");
  return importsOf(file).flatMap(({ specifier, line }) => {
    const path = target(file, specifier);
    if (path === undefined) return [];
    const place = `${file.path}:${line} imports ${specifier}`;
    const [to = ""] = path.split("/");
    if (isTest(file.path) && path === toolsForTests) return [];
    const root = folders.some((folder) => folder === to);
    if (root && !mayImport[from]?.includes(to))
      return [`${place}: ${from} may import ${mayImport[from]} only`];
    const byName = /\.(?:[cm]?[jt]sx?|json|css)$/.test(path) && !/\/index\.[jt]s$/.test(path);
    return byName ? [] : [`${place}: import the file by its name, with .ts, not a package index`];
  });
};

// Words that may not stand in code ----------------------------------------------------------------

interface Ban {
  readonly name: string;
  readonly pattern: RegExp;
  readonly cure: string;
  /** What the pattern must find, and what looks like it and is right. */
  readonly wrong: string;
  readonly right: string;
}

const clockCure = "take the Clock that is handed in";
const clockBans: readonly Ban[] = [
  {
    name: "Date.now",
    pattern: /\bDate\s*\.\s*now\b/,
    cure: `${clockCure}: clock.wallMs()`,
    wrong: "const at = Date.now();",
    right: "const at = clock.wallMs();",
  },
  {
    name: "new Date()",
    pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?!\s*[(\w]))/,
    cure: `${clockCure}: new Date(clock.wallMs())`,
    wrong: "f(new Date())",
    right: "f(new Date(wallMs))",
  },
  {
    name: "Math.random",
    pattern: /\bMath\s*\.\s*random\b/,
    cure: "take the Random that is handed in",
    wrong: "Math.random()",
    right: "random.next()",
  },
  {
    name: "crypto's randomness",
    pattern: /\b(?:randomBytes|randomUUID|randomInt|randomFill(?:Sync)?|getRandomValues)\b/,
    cure: "take the Random that is handed in",
    wrong: "crypto.randomUUID()",
    right: "random.hex(32)",
  },
  {
    name: "setTimeout",
    pattern: /\bsetTimeout\b/,
    cure: `${clockCure}: clock.after(delayMs, act) or sleep()`,
    wrong: "setTimeout(act, 5)",
    right: "clock.after(5, act)",
  },
  {
    name: "setInterval",
    pattern: /\bsetInterval\b/,
    cure: `${clockCure}: clock.after, set again by its act`,
    wrong: "setInterval(act, 5)",
    right: "clock.after(5, act)",
  },
  {
    name: "setImmediate",
    pattern: /\bsetImmediate\b/,
    cure: `${clockCure}: clock.soon(act)`,
    wrong: "setImmediate(act)",
    right: "clock.soon(act)",
  },
  {
    name: "process.hrtime",
    pattern: /\bhrtime\b/,
    cure: `${clockCure}: clock.bootMs()`,
    wrong: "process.hrtime.bigint()",
    right: "clock.bootMs()",
  },
  {
    name: "performance.now",
    pattern: /\bperformance\s*\.\s*now\b/,
    cure: `${clockCure}: clock.bootMs()`,
    wrong: "performance.now()",
    right: "clock.bootMs()",
  },
  {
    name: "AbortSignal.timeout",
    pattern: /\bAbortSignal\s*\.\s*timeout\b/,
    cure: `${clockCure}: clock.after(delayMs, () => controller.abort())`,
    wrong: "AbortSignal.timeout(5)",
    right: "AbortSignal.any([a, b])",
  },
];

const bans: readonly Ban[] = [
  {
    name: "console",
    pattern: /\bconsole\s*\./,
    cure: "take the Logger that is handed in; a command prints by process.stdout",
    wrong: "console.log(1)",
    right: 'log.info({}, "console.log")',
  },
  {
    name: ".only",
    pattern: /\.only\s*\(/,
    cure: "let every test run",
    wrong: "test.only(name, act)",
    right: "test(name, act)",
  },
  {
    name: "any",
    pattern: /(?:[:<|&(,=]|=>|\b(?:as|extends|satisfies))\s*any\b(?!\s*[:(=.])/,
    cure: "use unknown and check it",
    wrong: "(x as any)",
    right: 'const any = "any"; AbortSignal.any([])',
  },
];

/** Code that may read the real clocks: the shells of the machine, tests, and deployment. */
const mayReadClocks = ({ path }: Source) =>
  basename(path).startsWith("system-") || isTesting(path) || isDeploy(path);

function banned(file: Source, list: readonly Ban[]): string[] {
  return list.flatMap(({ name, pattern, cure }) => {
    const found = file.code.matchAll(new RegExp(pattern, "g"));
    return [...found].map(
      ({ index }) => `${file.path}:${lineOf(file.code, index)} uses ${name}: ${cure}`,
    );
  });
}

const checkClocks: Check = (file) => {
  if (mayReadClocks(file)) return [];
  const timers = importsOf(file).filter(({ specifier }) => /^(?:node:)?timers\b/.test(specifier));
  return [
    ...banned(file, clockBans),
    ...timers.map(({ line }) => `${file.path}:${line} imports timers: ${clockCure}`),
  ];
};
const checkBans: Check = (file) => banned(file, bans);

// Comments, names, sizes --------------------------------------------------------------------------

const checkLeftovers: Check = ({ path, comments }) =>
  [...comments.matchAll(/\b(?:FIXME|TODO|XXX|HACK)\b/g)].map(
    ({ 0: word, index }) =>
      `${path}:${lineOf(comments, index)} has a ${word}: do it, or write an issue`,
  );

const drawers = new Set(["util", "utils", "helper", "helpers", "common", "misc"]);
const checkNames: Check = ({ path }) => {
  const words = path.split("/").flatMap((part) => part.replace(/\..*/, "").split("-"));
  const drawer = words.find((word) => drawers.has(word.toLowerCase()));
  return drawer === undefined
    ? []
    : [`${path} is a drawer (${drawer}): name the noun that it serves`];
};

const checkWidth: Check = ({ path, text, code }) => {
  const [lines, codeLines] = [text.split("\n"), code.split("\n")];
  return lines.flatMap((line, index) => {
    const isLiteral = /^[\s"'`,;()+[\]]*$/.test(codeLines[index] ?? "") && line.length > columnsMax;
    const isComment = /^\s*(?:\/\/|\*|\/\*)/.test(line);
    if (line.length <= columnsMax || (isComment ? /https?:\/\//.test(line) : isLiteral)) return [];
    return [`${path}:${index + 1} is ${line.length} columns wide: break it at ${columnsMax}`];
  });
};

const checkLength: Check = ({ path, text }) => {
  const lines = text.trimEnd().split("\n").length;
  return lines < linesMax
    ? []
    : [`${path} has ${lines} lines: split it where its second noun begins`];
};

// Dead files --------------------------------------------------------------------------------------

/** Run by hand or by `npm run`; nothing imports them. */
const entries = new Set([
  "shared/src/system-write-schemas.ts",
  "deploy/local/start.ts",
  "cloud/page/vite.config.ts",
]);
const isEntry = (path: string) => entries.has(path) || /^main\.tsx?$/.test(basename(path));

/** Test parts, and the reference implementations that tests and simulated worlds run on. */
const isForTests = (path: string) => isTesting(path) || basename(path).startsWith("memory-");

/** Files that only tests import are dead, unless they are there for tests. */
function deadFiles(files: readonly Source[]): string[] {
  const [used, usedByTests] = [new Set<string>(), new Set<string>()];
  for (const file of files) {
    const urls = [...file.code.matchAll(/\bnew\s+URL\(\s*"( *)"/g)].map(
      ({ 0: whole, 1: gap = "", index }) => {
        const end = index + whole.length - 1;
        return file.text.slice(end - gap.length, end);
      },
    );
    for (const specifier of [...importsOf(file).map((each) => each.specifier), ...urls]) {
      const path = target(file, specifier);
      if (path !== undefined && path !== file.path)
        (isTesting(file.path) ? usedByTests : used).add(path);
    }
  }
  return files
    .map(({ path }) => path)
    .filter((path) => !/\.test\.ts$/.test(path) && !isEntry(path) && !used.has(path))
    .filter((path) => !(isForTests(path) && usedByTests.has(path)))
    .map((path) => `${path} is imported by no program: wire it in, or delete it`);
}

// The tests ---------------------------------------------------------------------------------------

function findings(check: Check): string[] {
  return sources.flatMap(check);
}

describe("every source file", () => {
  test("is found at all", () => {
    for (const folder of folders) {
      expect(
        sources.filter(({ path }) => path.startsWith(`${folder}/`)).length,
        folder,
      ).toBeGreaterThan(0);
    }
  });

  test("does I/O only where a technology in its name says so", () => {
    expect(findings(checkPurity)).toEqual([]);
  });

  test("imports along simulators -> edge, cloud -> shared, and by file name", () => {
    expect(findings(checkDirection)).toEqual([]);
  });

  test("leaves clocks, timers and randomness to the system files", () => {
    expect(findings(checkClocks)).toEqual([]);
  });

  test("has no console, no lone test, no any", () => {
    expect(findings(checkBans)).toEqual([]);
  });

  test("has nothing left to be done in its comments", () => {
    expect(findings(checkLeftovers)).toEqual([]);
  });

  test("is named by its noun", () => {
    expect(findings(checkNames)).toEqual([]);
  });

  test(`is at most ${columnsMax} columns wide and under ${linesMax} lines long`, () => {
    expect([...findings(checkWidth), ...findings(checkLength)]).toEqual([]);
  });

  test("is used by a program", () => {
    expect(deadFiles(sources)).toEqual([]);
  });
});

test("docs/errors.md explains every error code, each with what to do, and no other", () => {
  const rows = readFileSync(join(root, "docs/errors.md"), "utf8").matchAll(
    /^\| `([A-Z_]+)` \|(.*)\|(.*)\|$/gm,
  );
  const explained = [...rows].map(([, code, when = "", cure = ""]) => {
    expect(when.trim().length, `${code}: when`).toBeGreaterThan(10);
    expect(cure.trim().length, `${code}: what to do`).toBeGreaterThan(10);
    return code;
  });
  expect(explained).toEqual(Object.keys(errorCodes).toSorted());
});

describe("the rules themselves", () => {
  test.each([...clockBans, ...bans])("find $name, and not what is right instead", (ban) => {
    const file = (text: string) => source("edge/src/uplink/uplink.ts", text);
    expect(banned(file(ban.wrong), [ban])).toHaveLength(1);
    expect(banned(file(ban.right), [ban])).toEqual([]);
    expect(
      banned(file(`// ${ban.wrong}\nconst text = ${JSON.stringify(ban.wrong)};`), [ban]),
    ).toEqual([]);
  });

  const cases: readonly (readonly [check: Check, path: string, text: string, found: number])[] = [
    [checkPurity, "edge/src/intake.ts", 'import { readFileSync } from "node:fs";', 1],
    [checkPurity, "edge/src/intake.ts", 'import type { Msg } from "@nats-io/nats-core";', 1],
    [checkPurity, "edge/src/intake.ts", 'const level = await import("level");', 1],
    [checkPurity, "edge/src/intake.ts", 'export * from "os";', 1],
    [checkPurity, "edge/src/intake.ts", 'import { createHash } from "node:crypto";', 0],
    [checkPurity, "edge/src/intake.ts", '// import fs from "node:fs";', 0],
    [checkPurity, "edge/src/outbox/level-store.ts", 'import { Level } from "level";', 0],
    [checkPurity, "edge/src/main.ts", 'import { stat } from "node:fs";', 0],
    [checkPurity, "edge/src/intake.test.ts", 'import { stat } from "node:fs";', 0],
    [checkDirection, "edge/src/intake.ts", 'import "@causeway/cloud/config.ts";', 1],
    [checkDirection, "edge/src/intake.ts", 'import "../../cloud/src/config.ts";', 1],
    [checkDirection, "shared/src/mark.ts", 'import type { X } from "../../edge/src/config.ts";', 1],
    [checkDirection, "deploy/local/start.ts", 'import "../../shared/src/mark.ts";', 1],
    [checkDirection, "edge/src/intake.ts", 'import "@causeway/shared";', 1],
    [checkDirection, "edge/src/intake.ts", 'import "./broker/index.ts";', 1],
    [checkDirection, "edge/src/intake.ts", 'import "./broker";', 1],
    [checkDirection, "simulators/src/world.ts", 'import "@causeway/edge/config.ts";', 0],
    [
      checkDirection,
      "shared/src/version.ts",
      'import p from "../package.json" with { type: "json" };',
      0,
    ],
    [
      checkClocks,
      "cloud/src/http-x.ts",
      'import { setTimeout as wait } from "node:timers/promises";',
      2,
    ],
    [checkClocks, "cloud/src/system-x.ts", "const at = Date.now();", 0],
    [checkLeftovers, "edge/src/intake.ts", `/* ${"TO"}DO later */`, 1],
    [checkLeftovers, "edge/src/intake.ts", 'const text = "TODO";', 0],
    [checkNames, "edge/src/string-utils.ts", "", 1],
    [checkNames, "edge/src/common/topic.ts", "", 1],
    [checkNames, "edge/src/commons.ts", "", 0],
    [checkWidth, "edge/src/intake.ts", `const x = f(${"a, ".repeat(50)});`, 1],
    [checkWidth, "edge/src/intake.ts", `// ${"a ".repeat(80)}`, 1],
    [checkWidth, "edge/src/intake.ts", `// https://example.com/${"a".repeat(120)}`, 0],
    [checkWidth, "edge/src/intake.ts", `  "${"a ".repeat(80)}",`, 0],
    [checkLength, "edge/src/intake.ts", "x\n".repeat(600), 1],
    [checkLength, "edge/src/intake.ts", "x\n".repeat(599), 0],
  ];
  test("find what breaks them, and only that", () => {
    for (const [check, path, text, found] of cases) {
      expect(check(source(path, text)), `${path}: ${text.slice(0, 80)}`).toHaveLength(found);
    }
  });

  test("find a file that only its test imports", () => {
    const files = [
      source("edge/src/main.ts", 'import "./used.ts";'),
      source("edge/src/used.ts", ""),
      source("edge/src/dead.ts", ""),
      source("edge/src/dead.test.ts", 'import "./dead.ts"; import "./testing/fake.ts";'),
      source("edge/src/testing/fake.ts", ""),
    ];
    expect(deadFiles(files)).toEqual([expect.stringMatching(/^edge\/src\/dead\.ts /)]);
  });

  test("see through templates, regular expressions and nested braces", () => {
    const template = ["`a $", "{ g({ b: `c $", "{ Date.now() } // `", " }) } console.x`"].join("");
    const text = `f(${template}, /["'\`]/g, 4 / 2 / 1); Date.now(); // Date.now()`;
    expect(banned(source("edge/src/intake.ts", text), [...clockBans, ...bans])).toHaveLength(2);
    const { code, comments } = sourceText(text);
    expect([code.length, comments.trim()]).toEqual([text.length, "// Date.now()"]);
  });
});
