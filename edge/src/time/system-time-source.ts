/** Linux: systemd-timesyncd leaves a file once it has set the clock; clocks with a battery are in /sys. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { TimeSource } from "./time-source.ts";

const synchronisedFile = "/run/systemd/timesync/synchronized";
const hardwareClocks = "/sys/class/rtc";

export const systemTimeSource: TimeSource = {
  isNtpSynchronised: () => existsSync(synchronisedFile),
  hardwareMs: () => readHardwareMs(hardwareClocks),
};

/** The latest of several: one without a battery begins in 1970. */
export function readHardwareMs(folder: string): number | undefined {
  let latest: number | undefined;
  for (const name of list(folder)) {
    const ms = readSeconds(`${folder}/${name}/since_epoch`) * 1_000;
    if (Number.isFinite(ms) && ms > (latest ?? 0)) latest = ms;
  }
  return latest;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readSeconds(file: string): number {
  try {
    return Number(readFileSync(file, "utf8").trim());
  } catch {
    return Number.NaN;
  }
}
