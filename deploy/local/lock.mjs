// One set-up at a time in a checkout, however many are started at once.
//
// Each contender announces itself by a file in .cache/setup.lock/, named by its pid, its start time
// and a random part, then looks for others:
// L1 it announces before it looks, so of two contenders the later always sees the earlier, and
//    two never hold at once;
// L2 a name is never used twice, so taking over from a dead process removes its file and no other;
// L3 one that sees a living other withdraws and tries again after a random delay.
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SetupError, say } from "./command.mjs";

const lockWaitMsMax = 20 * 60_000;
const retryMsMin = 50;
const retryMsMax = 250;

export async function withLock(root, work, { waitMsMax = lockWaitMsMax } = {}) {
  const folder = join(root, ".cache", "setup.lock");
  mkdirSync(folder, { recursive: true });
  const mine = `${process.pid}-${startOf(process.pid)}-${randomUUID()}`;
  await acquire(folder, mine, waitMsMax);
  // Also when a signal ends the process before the work has settled.
  const release = () => rmSync(join(folder, mine), { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    release();
    process.off("exit", release);
  }
}

async function acquire(folder, mine, waitMsMax) {
  const deadline = performance.now() + waitMsMax;
  for (let tries = 0; ; tries += 1) {
    const holder = announce(folder, mine);
    if (holder === undefined) return;
    if (performance.now() >= deadline) throw lockedError(folder, holder, waitMsMax);
    if (tries === 20) say(`waiting for the set-up of process ${pidOf(holder)}`);
    await delay(retryMsMin + Math.random() * (retryMsMax - retryMsMin));
  }
}

/** Returns a living other, or undefined when the lock is ours. */
function announce(folder, mine) {
  const seen = livingOther(folder, mine);
  if (seen !== undefined) return seen;
  writeFileSync(join(folder, mine), "", { flag: "wx" });
  const rival = livingOther(folder, mine); // L1
  if (rival !== undefined) rmSync(join(folder, mine), { force: true }); // L3
  return rival;
}

function livingOther(folder, mine) {
  let living;
  for (const name of readdirSync(folder)) {
    if (name === mine) continue;
    if (isAlive(name)) living = name;
    else rmSync(join(folder, name), { force: true }); // L2
  }
  return living;
}

function pidOf(name) {
  return Number(name.split("-")[0]);
}

/** The start time tells a process from a later one that was given the same pid. */
function isAlive(name) {
  const [pid, start] = name.split("-");
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code !== "EPERM") return false;
  }
  return startOf(pid) === start;
}

/** Field 22 of proc_pid_stat(5); "0" where there is no /proc, "ended" for a zombie. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : fields[19];
  } catch {
    return "0";
  }
}

function lockedError(folder, holder, waitMsMax) {
  const pid = pidOf(holder);
  return new SetupError(
    "SETUP_LOCKED",
    `process ${pid} has held ${join(folder, holder)} for more than ${waitMsMax / 1000} s. ` +
      `Wait for it or end it (kill ${pid}), then run this again.`,
  );
}
