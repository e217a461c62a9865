/** Shares seeds among processes of this same command; what they print is a JSON object a world. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Garbage of a world dies young. */
const nodeFlags = ["--max-semi-space-size=32"];

export interface Share {
  readonly from: number;
  readonly seeds: number;
}

export function shares(from: number, seeds: number, jobs: number): readonly Share[] {
  const size = Math.ceil(seeds / jobs);
  const firsts = Array.from({ length: Math.ceil(seeds / size) }, (_, job) => from + job * size);
  return firsts.map((first) => ({ from: first, seeds: Math.min(size, from + seeds - first) }));
}

/** Resolves when all have ended; rejects when one could not run. */
export async function runJobs(
  all: readonly Share[],
  flags: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  await Promise.all(all.map((share) => runJob(share, flags, onLine)));
}

function runJob(
  { from, seeds }: Share,
  flags: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  const words = ["world", "--from", `${from}`, "--seeds", `${seeds}`, "--json", ...flags];
  const child = spawn(process.execPath, [...nodeFlags, process.argv[1] ?? "", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let lines = 0;
  const reading = createInterface({ input: child.stdout });
  reading.on("line", (line) => {
    lines++;
    onLine(line);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    reading.on("close", () => {
      if (lines === seeds) resolve();
      else reject(new Error(`a process ended after ${lines} of ${seeds} worlds`));
    });
  });
}
