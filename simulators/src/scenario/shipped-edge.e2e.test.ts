// The gateway as it is shipped, one file without packages and source, does what the source does.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compiled, edgeFolder } from "@causeway/edge/testing/system-edge-process.ts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { publishBacklog } from "../testing/mqtt-backlog.ts";
import type { ShippedEdge } from "../testing/system-shipped-edge.ts";
import { shippedEdge } from "../testing/system-shipped-edge.ts";
import type { Finished } from "./system-program.ts";
import { runProgram } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");
let shipped: ShippedEdge;
/** Runs main.ts, whatever was bundled. */
let source: `/${string}`;
let scratch: string;

beforeAll(() => {
  shipped = shippedEdge();
  scratch = mkdtempSync(join(tmpdir(), "causeway-shipped-"));
  source = join(scratch, "source") as `/${string}`;
  const cache = `export NODE_COMPILE_CACHE="${compiled.NODE_COMPILE_CACHE}"`;
  const line = `exec "${process.execPath}" "${checkout}/edge/src/main.ts" "$@"`;
  writeFileSync(source, `#!/bin/sh\n${cache}\n${line}\n`, { mode: 0o755 });
});

afterAll(() => {
  shipped.remove();
  rmSync(scratch, { recursive: true, force: true });
});

test("it is a launcher, one JavaScript file and one addon", () => {
  const found = readdirSync(join(shipped.folder, "edge"), { recursive: true }).sort();
  const names = ["causeway-edge.js", "classic-level.node", "inputs", "licenses.txt"];
  const files = ["bin/causeway-edge", ...names.map((name) => `dist/${name}`)];
  expect(found).toEqual([...files, "bin", "dist"].sort());
  const text = readFileSync(join(shipped.folder, "edge/dist/causeway-edge.js"), "latin1");
  expect([...new Set(text)].filter((character) => character > "\x7f")).toEqual([]);
  const licenses = readFileSync(join(shipped.folder, "edge/dist/licenses.txt"), "utf8");
  for (const name of ["aedes", "classic-level", "zod"]) expect(licenses).toContain(`${name}\n\n`);
});

test("it takes what devices publish, and the cloud takes that from it", async () => {
  const stack = await Stack.start({ edgeProgram: shipped.launcher });
  onTestFinished(() => stack.remove());
  const command = readFileSync(`/proc/${stack.gateway.program?.pid}/cmdline`, "utf8");
  expect(command).toContain(join(shipped.folder, "edge/dist/causeway-edge.js"));
  await publishBacklog(stack.mqttUrl, 100_000);
  await stack.allTaken();
  const appended = (await stack.gateway.status()).outbox.appended;
  expect(appended).toBeGreaterThan(90);
  expect(await stack.engineMetric("readings")).toBeGreaterThan(90);
  const { code, output } = await edge("status", "--json", "--url", stack.gateway.url);
  expect([code, JSON.parse(output).outbox.appended]).toEqual([0, expect.any(Number)]);
  await stack.gateway.end("SIGTERM");
  for (const what of ["status", "verify"]) {
    const looked = ["outbox", what, "--json", "--config", stack.gateway.config];
    const found = await edge(...looked);
    expect([found.code, found.errors]).toEqual([0, ""]);
    expect(found.output).toBe((await runProgram(source, looked)).output);
  }
});

describe("says and refuses what the source does", () => {
  const commands = ["run", "check", "status", "outbox", "passwd"];
  const helps = [["--help"], ["--version"], ...commands.map((name) => [name, "--help"])];
  const refused = [["nothing"], ["run", "--config", "/nowhere"], ["outbox", "x"], ["status"]];
  const cases = [...helps, ...refused].map((args) => ({ words: args.join(" "), args }));
  test.for(cases)("$words", async ({ args }) => {
    // Nobody listens there.
    const given = args[0] === "status" && args.length === 1 ? [...args, "--url", nobody] : args;
    const [found, expected] = await Promise.all([edge(...given), runProgram(source, given)]);
    expect(found).toEqual(expected);
    expect(found.output + found.errors).toMatch(args.at(-1)?.startsWith("--") ? /./ : /^[A-Z]+_/);
  });

  test("check, and a file that is not there", async () => {
    const { config, remove } = edgeFolder();
    onTestFinished(remove);
    const good = ["check", "--config", config];
    const bad = [...good, "--set", "mqtt.auth={passwordFile: /nowhere}"];
    for (const [args, code, text] of [
      [good, 0, /^the configuration of gateway gw is good\n$/],
      [bad, 2, /^CONFIG_UNREADABLE: \/nowhere/],
    ] as const) {
      const [found, expected] = await Promise.all([edge(...args), runProgram(source, args)]);
      expect(found).toEqual(expected);
      expect([found.code, found.output + found.errors]).toEqual([
        code,
        expect.stringMatching(text),
      ]);
    }
  });
});

test("passwd makes a line that lets its user in", async () => {
  const { output, code } = await runProgram(shipped.launcher, ["passwd", "device"], "secret\n");
  expect(code).toBe(0);
  const line = /^device:(\$scrypt\$.*|scrypt.*)\n$/;
  expect(output).toMatch(line);
  expect((await runProgram(source, ["passwd", "device"], "secret\n")).output).toMatch(line);
});

test("a stack trace names functions, though all stand in one file", async () => {
  const failing = 'process.stdout.write = () => { throw new RangeError("no more") };';
  const { config, remove } = edgeFolder();
  onTestFinished(remove);
  const flag = `--import=data:text/javascript,${encodeURIComponent(failing)}`;
  const { errors } = await edgeWith({ NODE_OPTIONS: flag }, "check", "--config", config);
  expect(errors).toMatch(/^RangeError: no more\n/);
  expect(errors).toMatch(
    / at async Command\.parseAsync \(.*\/edge\/dist\/causeway-edge\.js:\d+:\d+\)\n/,
  );
});

test("without a checkout it runs on the Node 24 of the PATH, and says so where there is none", () => {
  const folder = join(scratch, "image");
  cpSync(join(shipped.folder, "edge"), join(folder, "edge"), { recursive: true });
  const launcher = join(folder, "edge/bin/causeway-edge");
  const run = (node: string) =>
    execFileSync("env", ["-i", `PATH=${node}:/usr/bin:/bin`, launcher, "--version"], {
      encoding: "utf8",
      stdio: "pipe",
    });
  expect(run(dirname(process.execPath))).toMatch(/^[0-9.]+\n$/);
  const old = join(scratch, "old");
  cpSync(source, join(old, "node"));
  writeFileSync(join(old, "node"), "#!/bin/sh\necho v20.20.2\n", { mode: 0o755 });
  expect(() => run(old)).toThrow(/SETUP_NODE_MISSING: /);
});

const nobody = "http://127.0.0.1:1";

function edge(...args: readonly string[]): Promise<Finished> {
  return runProgram(shipped.launcher, args);
}

/** With more in its environment. */
function edgeWith(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return runProgram("/usr/bin/env", [...words, shipped.launcher, ...args]);
}
