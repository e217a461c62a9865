// The goal: a fresh clone becomes ready by one command, or says what to do; and never twice at once.
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { debianMirrors } from "./debian.mjs";
import { withLock } from "./lock.mjs";
import { findNatsServer, isAtLeast, isInstalled, parseVersion, stampOf } from "./setup.mjs";
import { bringTool, toolPath, wantedTool } from "./tools.mjs";

const here = import.meta.dirname;
let temporary = "";

beforeAll(() => {
  // A space, as a home folder may have one.
  temporary = mkdtempSync(join(tmpdir(), "causeway set-up "));
});

afterAll(() => rmSync(temporary, { recursive: true, force: true }));

function folder(name: string): string {
  const path = join(temporary, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** A program that answers with `text` and ends with `code`. */
function program(path: string, text: string, code = 0): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\ncat <<'END'\n${text}\nEND\nexit ${code}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe("choosing", () => {
  test("a version is read from each program's answer and from a package", () => {
    expect(parseVersion("nats-server: v2.15.1\n")).toEqual({ major: 2, minor: 15, patch: 1 });
    expect(parseVersion("v24.21.0")).toEqual({ major: 24, minor: 21, patch: 0 });
    expect(parseVersion("1:2.15~rc1-3+b2")).toEqual({ major: 2, minor: 15, patch: 0 });
    expect(parseVersion("no such file")).toBeUndefined();
  });

  test("a version from the wanted one on is enough, none is not", () => {
    const wanted = { major: 2, minor: 15 };
    const enough = ["2.15.0", "2.16.3", "3.0.0"].map(parseVersion);
    const tooOld = ["2.14.9", "1.99.0", ""].map(parseVersion);
    expect(enough.map((version) => isAtLeast(version, wanted))).toEqual([true, true, true]);
    expect(tooOld.map((version) => isAtLeast(version, wanted))).toEqual([false, false, false]);
  });

  test("the system's own mirror is asked before Debian's", () => {
    const oneLine = "# a comment\ndeb [arch=amd64] http://mirror.example/debian/ trixie main\n";
    const stanza = "Types: deb\nURIs: http://other.example/debian\nSuites: sid\nComponents: main\n";
    expect(debianMirrors([oneLine, stanza])).toEqual([
      "http://mirror.example/debian",
      "http://other.example/debian",
      "http://deb.debian.org/debian",
    ]);
    expect(debianMirrors([])).toEqual(["http://deb.debian.org/debian"]);
  });

  test("security, snapshots, sources that are off and other people's are no mirrors", () => {
    const stanzas = [
      "Types: deb\nURIs: http://a.example/security\nSuites: trixie-security\nComponents: main",
      "Types: deb\nURIs: http://b.example\nSuites: sid\nComponents: main\nEnabled: no",
      "# Suites: sid\nTypes: deb\nURIs: http://c.example\nSuites: cloud-sdk\nComponents: main",
      "Types: deb-src\nURIs: http://d.example/debian\nSuites: sid\nComponents: main",
    ].join("\n\n");
    const lines = [
      "deb http://snapshot.debian.org/archive/debian/20250520T000000Z trixie main",
      "deb https://e.example/linux/debian trixie stable",
    ].join("\n");
    expect(debianMirrors([stanzas, lines])).toEqual(["http://deb.debian.org/debian"]);
  });

  test("the stamp changes with the lock file, the machine and the wanted Node", () => {
    const parts = { lockfile: "{}", platform: "linux", arch: "x64", nodeMajor: 24 };
    const others = [
      { lockfile: "{ }" },
      { platform: "darwin" },
      { arch: "arm64" },
      { nodeMajor: 26 },
    ];
    const stamps = [{}, ...others].map((other) => stampOf({ ...parts, ...other }));
    expect(new Set(stamps).size).toBe(5);
    expect(stampOf(parts)).toBe(stamps[0]);
  });
});

describe("packages installed by hand", () => {
  const kept = { version: "1.0.0", integrity: "sha512-a" };
  const foreign = { version: "1.0.0", optional: true, os: ["win32"], cpu: ["x64"] };
  const ours = { version: "1.0.0", optional: true, os: ["!win32"], cpu: ["x64"] };
  const ask = (wanted: object, present: object): boolean =>
    isInstalled({
      lockfile: JSON.stringify({ packages: { "": { name: "causeway" }, ...wanted } }),
      installed: JSON.stringify({ packages: present }),
      platform: "linux",
      arch: "x64",
    });

  test("are known by npm's own record", () => {
    expect(ask({ a: kept, b: foreign }, { a: kept })).toBe(true);
    expect(ask({ a: kept, b: ours }, { a: kept, b: ours })).toBe(true);
  });

  test("are not taken where one is missing or another version", () => {
    expect(ask({ a: kept }, {})).toBe(false);
    expect(ask({ a: kept }, { a: { ...kept, version: "1.0.1" } })).toBe(false);
    expect(ask({ a: kept }, { a: { ...kept, integrity: "sha512-b" } })).toBe(false);
  });

  test("are not taken where an optional one made for this machine is missing", () => {
    expect(ask({ a: kept, b: ours }, { a: kept })).toBe(false);
  });
});

describe("the lock", () => {
  const lockModule = join(here, "lock.mjs");
  const start = (root: string, steps: string) => {
    const code = `
      import { appendFileSync } from "node:fs";
      import { setTimeout as delay } from "node:timers/promises";
      const { withLock } = await import(${JSON.stringify(lockModule)});
      const root = ${JSON.stringify(root)};
      const note = (text) => appendFileSync(root + "/log", text + " " + process.pid + "\\n");
      ${steps}`;
    return spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "pipe" });
  };
  const ended = (child: ReturnType<typeof start>) =>
    new Promise((resolve) => child.once("exit", resolve));
  const entries = (root: string) => readdirSync(join(root, ".cache", "setup.lock"));

  test("is held by one of several processes that ask for it in the same moment", async () => {
    const root = folder("contended");
    const firstAt = Date.now() + 300;
    const work = 'note("in"); await delay(5); note("out");';
    const rounds = [0, 1, 2, 3].map(
      (round) => `while (Date.now() < ${firstAt + round * 250});
        await withLock(root, async () => { ${work} });`,
    );
    const codes = await Promise.all([1, 2, 3].map(() => ended(start(root, rounds.join("\n")))));
    const lines = readFileSync(join(root, "log"), "utf8").trim().split("\n");
    expect(codes).toEqual([0, 0, 0]);
    expect(lines.map((line) => line.split(" ")[0])).toEqual(Array(12).fill(["in", "out"]).flat());
    for (let i = 0; i < lines.length; i += 2) {
      expect(lines[i + 1]?.split(" ")[1]).toBe(lines[i]?.split(" ")[1]);
    }
    expect(entries(root)).toEqual([]);
  });

  test("of a killed process is taken over", async () => {
    const root = folder("killed");
    const work = 'process.stdout.write("held"); await delay(60_000);';
    const holder = start(root, `await withLock(root, async () => { ${work} });`);
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    expect(entries(root)).toHaveLength(1);
    holder.kill("SIGKILL");
    await ended(holder);
    await expect(withLock(root, async () => entries(root).length)).resolves.toBe(1);
    expect(entries(root)).toEqual([]);
  });

  test("of an ended process whose pid was given to another is taken over", async () => {
    const root = folder("reused");
    mkdirSync(join(root, ".cache", "setup.lock"), { recursive: true });
    writeFileSync(join(root, ".cache", "setup.lock", `${process.pid}-1-earlier`), "");
    await expect(withLock(root, async () => entries(root).length)).resolves.toBe(1);
  });

  test("names its holder to one that has waited for too long", async () => {
    const root = folder("waited");
    await withLock(root, async () => {
      await expect(withLock(root, async () => "never", { waitMsMax: 100 })).rejects.toMatchObject({
        code: "SETUP_LOCKED",
        message: expect.stringContaining(`kill ${process.pid}`),
      });
    });
    await expect(withLock(root, async () => "next")).resolves.toBe("next");
  });

  test("is free again after work that failed", async () => {
    const root = folder("failed");
    const work = withLock(root, () => Promise.reject(new Error("no disk")));
    await expect(work).rejects.toThrow("no disk");
    expect(entries(root)).toEqual([]);
  });
});

describe("set-up", () => {
  let natsServer = "";

  beforeAll(() => {
    natsServer = program(join(temporary, "nats", "nats-server"), "nats-server: v2.15.1");
  });

  /** A checkout whose only package is a folder that stands for Node. */
  function checkoutOf(name: string): string {
    const root = folder(name);
    const packages = {
      "": { name, dependencies: { node: "file:stand-in" } },
      "node_modules/node": { resolved: "stand-in", link: true },
      "stand-in": { name: "node", version: "24.0.0" },
    };
    const write = (path: string, value: object) =>
      writeFileSync(join(root, path), JSON.stringify(value));
    program(join(root, "stand-in", "bin", "node"), "v24.0.0");
    write("stand-in/package.json", packages["stand-in"]);
    write("package.json", packages[""]);
    write("package-lock.json", { name, lockfileVersion: 3, requires: true, packages });
    cpSync(here, join(root, "deploy", "local"), { recursive: true });
    return root;
  }

  /** As a bare CI has it: no terminal, no home folder, none of the outer npm's variables. */
  function runIn(root: string, env: NodeJS.ProcessEnv) {
    const script = join(root, "deploy", "local", "setup.mjs");
    const { status, stderr } = spawnSync(process.execPath, [script], {
      env: { CI: "true", ...env },
      cwd: temporary,
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
    });
    return { status, stderr };
  }

  /** Only node and the given npm: a machine without Debian's programs. */
  function barePath(name: string, npmAnswer: string, npmCode: number): string {
    const bin = folder(name);
    for (const command of ["sh", "cat"]) symlinkSync(`/bin/${command}`, join(bin, command));
    symlinkSync(process.execPath, join(bin, "node"));
    program(join(bin, "npm"), npmAnswer, npmCode);
    return bin;
  }

  test("installs a fresh checkout once, then is silent, then follows the lock file", () => {
    const root = checkoutOf("a fresh checkout");
    const env = { PATH: process.env["PATH"], NATS_SERVER: natsServer };
    expect(runIn(root, env)).toEqual({
      status: 0,
      stderr: "set-up: installing packages (npm ci) …\n",
    });
    expect(runIn(root, env)).toEqual({ status: 0, stderr: "" });

    const lockfile = join(root, "package-lock.json");
    const changed = JSON.parse(readFileSync(lockfile, "utf8"));
    changed.packages["stand-in"].version = "24.0.1";
    writeFileSync(lockfile, JSON.stringify(changed));
    expect(runIn(root, env).stderr).toContain("npm ci");
  });

  test("leaves packages alone that were installed by hand", () => {
    const root = checkoutOf("installed by hand");
    const env = { PATH: process.env["PATH"], NATS_SERVER: natsServer };
    const npm = spawnSync("npm", ["ci", "--no-audit"], { cwd: root, env });
    expect(npm.status).toBe(0);
    const PATH = barePath("npm that must not run", "must not run", 1);
    expect(runIn(root, { ...env, PATH })).toEqual({ status: 0, stderr: "" });
  });

  test("tells what npm said when it fails, and the cure", () => {
    const root = checkoutOf("npm fails");
    const PATH = barePath("failing npm", "npm error code EUSAGE", 1);
    const { status, stderr } = runIn(root, { PATH, NATS_SERVER: natsServer });
    expect(status).toBe(1);
    expect(stderr).toMatch(/SETUP_NPM_CI: .* ended with 1:\nnpm error code EUSAGE\n.*npm install/s);
  });

  test("asks npm to rebuild a Node whose install script did not run, and tells the cure", () => {
    const root = checkoutOf("no Node");
    const PATH = barePath("npm without scripts", "scripts are off", 0);
    const { status, stderr } = runIn(root, { PATH, NATS_SERVER: natsServer });
    expect(status).toBe(1);
    expect(stderr).toContain("npm rebuild node");
    expect(stderr).toMatch(/SETUP_NODE_MISSING: .*scripts are off.*install script/s);
  });

  test("tells on a machine without Debian packages how to get nats-server", () => {
    const root = checkoutOf("no Debian");
    const PATH = barePath("no apt", "added 1 package", 0);
    const old = program(join(PATH, "nats-server"), "nats-server: v2.10.7");
    const { status, stderr } = runIn(root, { PATH });
    expect(status).toBe(1);
    expect(stderr).toContain("SETUP_NATS_MISSING: no nats-server >= 2.15");
    for (const told of [`${old} is 2.10.7`, "has no apt-get", "NATS_SERVER=/path"]) {
      expect(stderr).toContain(told);
    }
  });

  test("refuses a nats-server that was named by hand and does not fit", async () => {
    const root = folder("named");
    const old = program(join(root, "old"), "nats-server: v2.14.0");
    const named = (path: string) => findNatsServer({ root, env: { NATS_SERVER: path } });
    await expect(named(old)).rejects.toThrow(
      /^SETUP_NATS_NAMED: .*old is 2\.14\.0; name one >= 2\.15/,
    );
    await expect(named(join(root, "none"))).rejects.toThrow("is no nats-server");
    await expect(named(natsServer)).resolves.toEqual({ path: natsServer, refused: [] });
  });

  test("takes the nats-server in .cache before one on PATH", async () => {
    const root = folder("cached");
    const cached = program(join(root, ".cache", "nats-server"), "nats-server: v2.15.0");
    const env = { PATH: join(temporary, "nats") };
    expect(await findNatsServer({ root, env })).toEqual({ path: cached, refused: [] });
    program(cached, "nats-server: v2.9.0");
    const onPath = await findNatsServer({ root, env });
    expect(onPath).toEqual({ path: natsServer, refused: [`${cached} is 2.9.0`] });
  });
});

describe("tools", () => {
  test("a tool on PATH is taken before one in .cache", () => {
    const root = folder("tools");
    const unpacked = program(join(root, ".cache", "tools", "promtool", "bin", "promtool"), "2.0.0");
    expect(toolPath("promtool", { root, env: { PATH: "" } })).toBe(unpacked);
    const own = program(join(root, "bin", "promtool"), "3.0.0");
    expect(toolPath("promtool", { root, env: { PATH: join(root, "bin") } })).toBe(own);
  });

  test("a tool that cannot be brought is told with its cure", async () => {
    const root = folder("no tools");
    expect(toolPath("promtool", { root, env: {} })).toBeUndefined();
    await expect(bringTool("promtool", { root, env: {} })).rejects.toThrow(
      /^SETUP_TOOL_MISSING: promtool .*\n.*no apt-get.*\n.*promtool is on PATH/,
    );
  });

  test("tests do without a tool only where nobody requires it", () => {
    const root = folder("no required tools");
    expect(wantedTool("promtool", { root, env: { CAUSEWAY_REQUIRE: "strace" } })).toBeUndefined();
    const env = { CAUSEWAY_REQUIRE: "strace, promtool" };
    expect(() => wantedTool("promtool", { root, env })).toThrow(/^SETUP_TOOL_MISSING: promtool/);
  });

  test("an unknown tool is told with the known ones", () => {
    const name = "toString" as "strace";
    expect(() => toolPath(name)).toThrow(/^SETUP_TOOL_UNKNOWN: .*"toString".*mosquitto, chromium/);
  });
});
