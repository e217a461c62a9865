/** This process as a worker, and which others of its machine have ended. */
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Clock } from "@causeway/shared/clock.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { Worker } from "./lease-store.ts";

export function systemWorker(groups: readonly string[], clock: Clock, random: Random): Worker {
  const { pid } = process;
  const space = processSpace();
  const machine = space === undefined ? "" : `${clock.bootId}-${space}`;
  return { worker: random.hex(12), name: `${hostname()}:${pid}`, machine, pid, groups };
}

/** Process ids count in their own space: containers of one machine have one each. */
function processSpace(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    return undefined; // not Linux: others are found gone by their beats alone
  }
}

/** For sure; after a crash the next process on this machine then need not wait. */
export function isGoneBy(self: Worker): (other: Worker) => boolean {
  return ({ worker, machine, pid }) => {
    if (machine === "" || machine !== self.machine || worker === self.worker) return false;
    return pid === self.pid || !isRunning(pid);
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (failure) {
    return (failure as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
