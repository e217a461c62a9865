/**
 * Goal: whichever write, sync, open or rename below LevelDB fails, once or for long, what was
 * acknowledged is there for the next process, at its place and once. CAUSEWAY_LONG=1 runs many more.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { afterAll, expect, test, vi } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import type { Plan } from "../testing/system-faulty-disk.ts";
import { runOnFaultyDisk } from "../testing/system-faulty-disk.ts";
import { appended, contentsOf, fastFolder, openOutbox } from "../testing/system-outbox-image.ts";
import { openLevelStore } from "./level-store.ts";
import { Outbox } from "./outbox.ts";

const strace = wantedTool("strace") ?? "";
const straced = test.skipIf(strace === "");
const isLong = process.env["CAUSEWAY_LONG"] === "1";
const seed = process.env["CAUSEWAY_SEED"] ?? "fault 1";
const runs = isLong ? 300 : 4;
const base = mkdtempSync(join(fastFolder, "causeway-fault-"));
const mounted: string[] = [];
afterAll(() => {
  for (const place of mounted) execFileSync("/bin/umount", ["-l", place]);
  rmSync(base, { recursive: true, force: true });
});

const targets: readonly Pick<Plan, "calls" | "files">[] = [
  { calls: "write", files: ["log"] },
  { calls: "fdatasync", files: ["log"] },
  { calls: "write", files: ["ldb", "MANIFEST", "dbtmp"] },
  { calls: "fdatasync", files: ["ldb", "MANIFEST", "dbtmp"] },
  { calls: "openat", files: ["log", "ldb", "MANIFEST", "dbtmp", "CURRENT"] },
  { calls: "rename,fsync", files: ["dbtmp", "folder", "CURRENT"] },
];

/** With so many appends to a group at most, 3,000 lines are 1,000 groups or more. */
const smallGroup = 3;

/** Calls to count before the error: a log is written far more often than a manifest. */
function planOf(random: { next(): number }): Plan {
  const below = (most: number) => Math.floor(random.next() * most);
  const target = targets[below(targets.length)] ?? { calls: "write", files: ["log"] };
  const isOften = target.calls !== "openat" && target.files.includes("log");
  const first = 1 + below(isOften ? 100 : 4);
  const error = ["EIO", "ENOSPC", "EROFS"][below(3)];
  const isLasting = random.next() < 0.3;
  // Many small groups, or large ones that soon fill tables.
  const waitingMax = random.next() < 0.5 ? smallGroup : 200;
  const when = isLasting ? `${first}+` : `${first}..${first + below(3)}`;
  const inject = `inject=${target.calls}:error=${error}:when=${when}`;
  return {
    ...target,
    inject,
    waitingMax,
    until: isLasting ? { ms: 1_000 } : { lines: 1_000 * smallGroup },
    linesMax: 15_000,
  };
}

/** Holds everything that was acknowledged against what the next process reads. */
async function check(folder: string, acked: readonly string[]): Promise<void> {
  const told: string[] = [];
  const error = (fields: unknown, message: string) =>
    void told.push(`${message} ${JSON.stringify(fields)}`);
  const outbox = await openOutbox(folder, { ...silentLogger, error });
  const found = await contentsOf(outbox);
  const places = new Set<string>();
  for (const line of acked) {
    const [epoch, log, position, tag] = line.split(" ");
    const place = `${epoch} ${log} ${position}`;
    expect(places.has(place), `${place} is given twice`).toBe(false);
    places.add(place);
    expect(found.get(place), `${line}; told: ${told.join("; ")}`).toBe(Number(tag));
  }
  const tags = [...found.values()];
  expect(tags.includes(undefined), "nothing is told as lost").toBe(false);
  expect(new Set(tags).size, "nothing twice").toBe(tags.length);
  await outbox.close();
}

straced(
  `over ${runs} runs with failing system calls nothing acknowledged is missing or doubled`,
  async () => {
    let [poisonings, lines] = [0, 0];
    for (let run = 1; run <= runs; run++) {
      const random = seededRandom(`${seed} ${run}`);
      const folder = join(base, `run${run}`);
      const acked: string[] = [];
      const plans = [planOf(random), planOf(random)];
      try {
        for (const plan of plans) {
          const result = await runOnFaultyDisk(strace, folder, acked.length * 10 + 1, plan);
          acked.push(...result.acked);
          poisonings += result.poisonings;
          await check(folder, acked);
        }
      } catch (failure) {
        const what = plans.map(({ inject, files }) => `${inject} on ${files}`).join(", then ");
        throw new Error(`seed "${seed}" run ${run}, ${what}: ${String(failure)}`, {
          cause: failure,
        });
      }
      lines += acked.length;
      rmSync(folder, { recursive: true, force: true });
    }
    process.stderr.write(`${runs} runs, ${poisonings} poisonings, ${lines} acknowledged\n`);
    expect(poisonings).toBeGreaterThan(runs / 3);
  },
  3_600_000,
);

straced(
  "1,000 groups acknowledged behind a failed write, or sync, are there after SIGKILL",
  async () => {
    for (const calls of ["write", "fdatasync"]) {
      const folder = join(base, `groups-${calls}`);
      const inject = `inject=${calls}:error=EIO:when=20`;
      const groups = { waitingMax: smallGroup, until: { lines: 1_000 * smallGroup } };
      const plan: Plan = { calls, inject, files: ["log"], ...groups, linesMax: 15_000 };
      const { acked, poisonings } = await runOnFaultyDisk(strace, folder, 1, plan);
      expect(poisonings, calls).toBe(1);
      expect(acked.length).toBeGreaterThan(1_000 * smallGroup);
      await check(folder, acked);
    }
  },
);

straced("a log that LevelDB cannot open for a moment is not passed over", async () => {
  const folder = join(base, "passed-over");
  const nothing: Plan = {
    calls: "openat",
    inject: "inject=openat:error=EIO:when=60000",
    files: ["log"],
    waitingMax: 200,
    until: { lines: 1 },
    linesMax: 1_000,
  };
  const first = await runOnFaultyDisk(strace, folder, 1, nothing);
  // Our own look at the log is the first opening of it, LevelDB's the second, on another thread.
  for (const when of ["1", "2", "1..2"]) {
    const inject = `inject=openat:error=EMFILE:when=${when}`;
    const { acked } = await runOnFaultyDisk(strace, folder, 1_000_001, { ...nothing, inject });
    await check(folder, first.acked);
    expect(acked.every((line) => !first.acked.includes(line))).toBe(true);
  }
});

test("on a full disk nothing is acknowledged, and with space it goes on", async ({ skip }) => {
  const disk = join(base, "disk");
  mkdirSync(disk);
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=3m", "none", disk], { stdio: "ignore" });
  } catch {
    process.stderr.write("SKIPPED, this user may not mount a small disk\n");
    return skip("this user may not mount");
  }
  mounted.push(disk);
  const folder = join(disk, "outbox");
  const outbox = await Outbox.open({
    gateway: "gw",
    openStore: () => openLevelStore(folder),
    clock: systemClock(),
    random: systemRandom,
    bounds: { bytesMax: 2 ** 32, tailBytesMax: 2 ** 32, pendingBytesMax: 2 ** 24 },
    log: silentLogger,
  });
  const acked: string[] = [];
  let tag = 0;
  let failure: unknown;
  const position = new Map<string, number>();
  const append = async () => {
    const mine = ++tag;
    await appended(outbox, mine, "telemetry", 900);
    const at = (position.get(outbox.run) ?? 0) + 1;
    position.set(outbox.run, at);
    acked.push(`${outbox.run} telemetry ${at} ${mine}`);
  };
  while (failure === undefined && tag < 20_000) {
    await append().catch((why) => {
      failure = why;
    });
  }
  expect(failure).toMatchObject({ code: "OUTBOX_POISONED" });
  execFileSync("/bin/mount", ["-o", "remount,size=200m", disk]);
  await vi.waitFor(append, { timeout: 40_000, interval: 100 });
  for (let more = 0; more < 200; more++) await append();
  await outbox.close();
  await check(folder, acked);
}, 60_000);
