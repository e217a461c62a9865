/** Starts the three programs, each killable on its own and ended with this process. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const readyTimeoutMs = 90_000;

export interface Program {
  readonly name: string;
  readonly logFile: string;
  readonly pid: number | undefined;
  /** Resolves with the exit code, or with the signal's name. */
  readonly exited: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** One of the three of this checkout, or the path of another one. */
export type ProgramName = "causeway-edge" | "causeway-cloud" | "causeway-sim" | `/${string}`;

const pathOf = (name: ProgramName) =>
  name.startsWith("/") ? name : join(checkout, "node_modules/.bin", name);

/** Starts one of the three programs; it ends with this process, and its output goes to a file. */
export function startProgram(name: ProgramName, args: readonly string[], logFile: string): Program {
  const child = spawn(pathOf(name), args, {
    stdio: ["pipe", "pipe", "pipe"],
  });
  running.add(child);
  const log = createWriteStream(logFile, { flags: "a" });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const exited = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => {
      running.delete(child);
      log.end(() => resolve(code ?? signal ?? "unknown"));
    });
  });
  return { name, logFile, pid: child.pid, exited, kill: (signal) => void child.kill(signal) };
}

export interface Finished {
  readonly code: number | string;
  readonly output: string;
  readonly errors: string;
}

/** Runs a command to its end, with `input` on its stdin. */
export async function runProgram(
  name: ProgramName,
  args: readonly string[],
  input = "",
): Promise<Finished> {
  const child = spawn(pathOf(name), args, {
    stdio: ["pipe", "pipe", "pipe"],
  });
  running.add(child);
  child.stdin.end(input);
  const chunks: Buffer[] = [];
  const faults: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => faults.push(chunk));
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      running.delete(child);
      const [output, errors] = [Buffer.concat(chunks).toString(), Buffer.concat(faults).toString()];
      resolve({ code: code ?? signal ?? "unknown", output, errors });
    });
  });
}

/** Asks until it is so; there is no event to wait on in another process. */
export async function until(
  isSo: () => Promise<boolean>,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await isSo().catch(() => false)) return;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Throws with the log where the program ends instead. */
export async function ready(url: string, program: Program): Promise<void> {
  let ended: number | string | undefined;
  void program.exited.then((code) => {
    ended = code;
  });
  const isReady = async () => {
    if (ended !== undefined) return true;
    return (await fetch(url)).ok;
  };
  await until(isReady, readyTimeoutMs, `${program.name} ready, see ${program.logFile}`);
  if (ended !== undefined) {
    throw new Error(`${program.name} ended (${ended}):\n${readFileSync(program.logFile, "utf8")}`);
  }
}
