// `npm start` brings the whole path up on one machine, on whatever ports are free, can be stopped and
// started again on its data, and leaves no process behind, not even when it is killed.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../..");
const folders: string[] = [];
const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  readonly page: string;
  readonly mqtt: string;
  readonly exited: Promise<number | null>;
}

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "causeway-start-"));
  folders.push(folder);
  return folder;
}

/** Starts as npm does and waits for the addresses. */
async function start(data: string): Promise<Running> {
  const child = spawn(join(checkout, "node_modules/.bin/node"), ["deploy/local/start.ts"], {
    cwd: checkout,
    env: { ...process.env, CAUSEWAY_DATA: data },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  const exited = new Promise<number | null>((resolve) =>
    child.once("exit", (code) => resolve(code)),
  );
  let output = "";
  const urls = new Promise<{ page: string; mqtt: string }>((resolve, reject) => {
    const gather = (chunk: Buffer) => {
      output += chunk.toString();
      const page = /page\s+(http:\S+)/.exec(output)?.[1];
      const mqtt = /MQTT\s+(mqtt:\S+)/.exec(output)?.[1];
      if (page !== undefined && mqtt !== undefined) resolve({ page, mqtt });
    };
    child.stdout?.on("data", gather);
    child.stderr?.on("data", gather);
    void exited.then((code) => reject(new Error(`npm start ended (${code}):\n${output}`)));
  });
  return { child, exited, ...(await urls) };
}

async function readingsTaken(page: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", page))).text();
  return Number(/^causeway_engine_readings_total ([0-9]+)/m.exec(text)?.[1] ?? 0);
}

async function until(
  isSo: () => Promise<boolean> | boolean,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Processes that name the data folder, as all of the four children and their guard do, or may. */
function processesOf(data: string, mqtt: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^[0-9]+$/.test(entry) && Number(entry) !== process.pid)
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(data) || line.includes(mqtt));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

test("readings flow, the page is served, and Ctrl-C stops everything within ten seconds", async () => {
  const data = dataFolder();
  const first = await start(data);
  await until(async () => (await readingsTaken(first.page)) > 50, 30_000, "readings");
  const page = await fetch(first.page);
  expect(page.status).toBe(200);
  expect(await page.text()).toContain("<html");
  expect(processesOf(data, first.mqtt).length).toBeGreaterThanOrEqual(4);

  const askedAt = Date.now();
  first.child.kill("SIGINT");
  expect(await first.exited).toBe(0);
  expect(Date.now() - askedAt).toBeLessThan(10_000);
  expect(processesOf(data, first.mqtt)).toEqual([]);

  const second = await start(data);
  await until(
    async () => (await readingsTaken(second.page)) > 50,
    30_000,
    "readings after a restart",
  );
  second.child.kill("SIGKILL");
  await second.exited;
  await until(() => processesOf(data, second.mqtt).length === 0, 15_000, "no process left behind");
});

test("two at once use other ports and other data", async () => {
  const [one, two] = [await start(dataFolder()), await start(dataFolder())];
  expect(one.page).not.toBe(two.page);
  for (const { page } of [one, two]) {
    await until(async () => (await readingsTaken(page)) > 10, 30_000, "readings");
  }
  one.child.kill("SIGTERM");
  two.child.kill("SIGTERM");
  expect(await Promise.all([one.exited, two.exited])).toEqual([0, 0]);
});

test("a second start on the same data is refused with the first one's process named", async () => {
  const data = dataFolder();
  const { child, exited } = await start(data);
  await expect(start(data)).rejects.toThrow(/START_RUNNING.*in use by process [0-9]+/);
  child.kill("SIGTERM");
  await exited;
});
