/** What a process has of the machine, as Linux counts it. */
import { readFileSync } from "node:fs";

export interface Resident {
  readonly bytesMax: number;
  /** Without mapped files: those are given back when others need the memory. */
  readonly ownBytesMax: number;
  /** Flat means that the second half of the time needs no more than the first. */
  readonly firstHalfMax: number;
  readonly secondHalfMax: number;
}

const sampleEveryMs = 100;
const clockTicksPerSecond = 100;

/** CPU time that a process took so far, of proc(5) `stat` fields 14 and 15. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / clockTicksPerSecond;
}

/** While `act` lasts. */
export async function residentDuring(pid: number, act: () => Promise<void>): Promise<Resident> {
  const all: number[] = [];
  const own: number[] = [];
  const sample = () => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const bytesOf = (name: string) =>
      Number(new RegExp(`^${name}:\\s+([0-9]+) kB$`, "m").exec(status)?.[1]) * 1_024;
    all.push(bytesOf("VmRSS"));
    own.push(bytesOf("RssAnon"));
  };
  sample();
  const sampling = setInterval(sample, sampleEveryMs);
  try {
    await act();
    sample();
  } finally {
    clearInterval(sampling);
  }
  const half = all.length >> 1;
  return {
    bytesMax: Math.max(...all),
    ownBytesMax: Math.max(...own),
    firstHalfMax: Math.max(...all.slice(0, half)),
    secondHalfMax: Math.max(...all.slice(half)),
  };
}
