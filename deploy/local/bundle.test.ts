// The goal: the launcher runs the bundle where it is that of the source as it stands, and no other.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isBundled, withoutFacades } from "./bundle.mjs";

const launcher = join(import.meta.dirname, "../../edge/bin/causeway-edge");

/** A checkout with the launcher, where the source and the bundle say which of them runs. */
function checkout() {
  // A space, as a home folder may have one.
  const root = mkdtempSync(join(tmpdir(), "causeway bundle "));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const path = (name: string) => join(root, name);
  for (const folder of ["edge/bin", "edge/src", "edge/dist", "shared/src", "node_modules/node/bin"])
    mkdirSync(path(folder), { recursive: true });
  copyFileSync(launcher, path("edge/bin/causeway-edge"));
  chmodSync(path("edge/bin/causeway-edge"), 0o755);
  symlinkSync(process.execPath, path("node_modules/node/bin/node"));
  writeFileSync(path("edge/package.json"), '{ "type": "module" }');
  writeFileSync(path("edge/src/main.ts"), 'process.stdout.write("source" as string);');
  writeFileSync(path("shared/src/part.ts"), "");
  writeFileSync(path("edge/dist/inputs"), "edge/src/main.ts\nshared/src/part.ts\n");
  writeFileSync(path("edge/dist/causeway-edge.js"), 'process.stdout.write("bundle");');
  const ran = () => {
    const { stdout, stderr } = spawnSync(path("edge/bin/causeway-edge"), { encoding: "utf8" });
    return stderr === "" ? stdout : stderr;
  };
  return { root, path, ran, both: () => [ran(), isBundled(root)] };
}

/** A step of the clock with which the file system marks changes, some milliseconds. */
async function laterThan(path: string): Promise<void> {
  const probe = `${path}.probe`;
  do {
    await new Promise((resolve) => setTimeout(resolve, 2));
    writeFileSync(probe, "");
  } while (statSync(probe).ctimeMs <= statSync(path).ctimeMs);
  rmSync(probe);
}

test("the bundle runs while nothing that it is made of has changed", () => {
  const { both } = checkout();
  expect(both()).toEqual(["bundle", true]);
});

const changes: Readonly<Record<string, (path: (name: string) => string) => void>> = {
  "an edit": (path) => writeFileSync(path("shared/src/part.ts"), "// more"),
  "an edit that is dated back": (path) => {
    writeFileSync(path("shared/src/part.ts"), "// more");
    utimesSync(path("shared/src/part.ts"), 1, 1);
  },
  "a removal": (path) => rmSync(path("shared/src/part.ts")),
  "an older file in its place": (path) => {
    renameSync(path("shared/src/old.ts"), path("shared/src/part.ts"));
  },
  "a list of nothing": (path) => writeFileSync(path("edge/dist/inputs"), ""),
  "no list": (path) => rmSync(path("edge/dist/inputs")),
  "no bundle": (path) => rmSync(path("edge/dist/causeway-edge.js")),
};

test.each(Object.entries(changes))("after %s the source runs", async (_, change) => {
  const { path, both } = checkout();
  writeFileSync(path("shared/src/old.ts"), "// older");
  await laterThan(path("edge/dist/causeway-edge.js"));
  change(path);
  expect(both()).toEqual(["source", false]);
});

test("where there is no source the bundle runs, whatever its time", () => {
  const { path, ran } = checkout();
  for (const folder of ["edge/src", "shared"]) rmSync(path(folder), { recursive: true });
  rmSync(path("edge/dist/inputs"));
  expect(ran()).toBe("bundle");
});

test("what Node brings is bound by name, and nothing else of it is read", () => {
  const code =
    'import{createRequire}from"node:module";import fs,{watch,stat as stat$1}from"node:fs";' +
    'import childProcess from"node:child_process";let text="import x from\\"node:fs\\";";';
  expect(withoutFacades(code)).toBe(
    'import{createRequire}from"node:module";const fs=process.getBuiltinModule("node:fs");' +
      'const {watch,stat:stat$1}=process.getBuiltinModule("node:fs");' +
      'const childProcess=process.getBuiltinModule("node:child_process");' +
      'let text="import x from\\"node:fs\\";";',
  );
  expect(() => withoutFacades('import*as fs from"node:fs";fs.stat();')).toThrow("rewritten");
});
