/**
 * Goal: a backlog as large as an outage of weeks is built and drained, and the gateway stays as it
 * is: memory flat, disk given back, ready at once. CAUSEWAY_LONG=1 makes it 1 GB, twice.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const isLong = process.env["CAUSEWAY_LONG"] === "1";
const mebibyte = 1_024 * 1_024;
/** Characters of readings; on the disk it is some three quarters of it. */
const backlogBytes = (isLong ? 1_500 : 60) * mebibyte;
const tailBytesMax = (isLong ? 64 : 8) * mebibyte;
const rounds = isLong ? 2 : 1;
const readyMsMax = isLong ? 500 : 5_000;
/** Of which LevelDB maps 64 MiB, and the program itself is as much again. */
const rssMax = 300 * mebibyte;

const folder = mkdtempSync(join(tmpdir(), "causeway-soak-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const soakChild = fileURLToPath(new URL("../testing/system-soak-child.ts", import.meta.url));

interface Cost {
  readonly openMs: number;
  readonly stored: number;
  readonly disk: number;
  readonly rssMax: number;
  readonly rssFirst: number;
  readonly rssSecond: number;
}

async function child(act: "build" | "drain", bytes: number): Promise<Cost> {
  const run = spawn(process.execPath, [soakChild, folder, act, `${bytes}`, `${tailBytesMax}`]);
  const [stdout, stderr] = await Promise.all([text(run.stdout), text(run.stderr)]);
  if (stdout === "") throw new Error(stderr);
  // The figures are what a soak is for.
  if (isLong) process.stdout.write(stdout);
  return JSON.parse(stdout);
}

test("a large backlog is built and drained: memory flat, disk given back, ready at once", async () => {
  for (let round = 1; round <= rounds; round++) {
    const built = await child("build", backlogBytes);
    expect(built.disk).toBeGreaterThan(backlogBytes * 0.5);
    const started = await child("build", 1);
    expect(started.openMs, "after a kill, with all of it stored").toBeLessThan(readyMsMax);
    const drained = await child("drain", 0);
    expect(drained.disk, "the tail and a tenth").toBeLessThan(tailBytesMax * 1.1 + 4 * mebibyte);
    for (const { rssFirst, rssSecond, ...cost } of [built, drained]) {
      expect(cost.rssMax).toBeLessThan(rssMax);
      expect(rssSecond, "flat").toBeLessThan(rssFirst * 1.25 + 32 * mebibyte);
    }
  }
}, 3_600_000);
