/** Runs the appending process with errors injected into its system calls on the outbox's files. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const node = join(here, "../../../node_modules/.bin/node");
const childFile = join(here, "system-append-child.ts");
/** LevelDB numbers its files; a run does not come further than this. */
const filesMax = 80;

export interface Plan {
  /** Such as `inject=fdatasync:error=EIO:when=7`. */
  readonly inject: string;
  readonly calls: string;
  /** Only on names with one of these endings or beginnings. */
  readonly files: readonly ("log" | "ldb" | "MANIFEST" | "CURRENT" | "dbtmp" | "folder")[];
  /** Appends that wait for one group at most. */
  readonly waitingMax: number;
  /** Lines to wait for behind the first failed write, or milliseconds where it will not mend. */
  readonly until: { readonly lines: number } | { readonly ms: number };
  /** Where no write fails, as many lines are enough. */
  readonly linesMax: number;
}

export interface Run {
  /** Whole lines that the process printed: what it acknowledged. */
  readonly acked: readonly string[];
  readonly poisonings: number;
  readonly errors: string;
}

/** The process is killed once the plan is through, or once it came far without any failed write. */
export async function runOnFaultyDisk(
  strace: string,
  folder: string,
  firstTag: number,
  plan: Plan,
): Promise<Run> {
  const paths = plan.files.flatMap((kind) => pathsOf(folder, kind)).flatMap((path) => ["-P", path]);
  const trace = ["-e", `trace=${plan.calls}`, "-e", plan.inject, "-o", "/dev/null"];
  const run = [node, childFile, folder, `${firstTag}`, "go-on", `${plan.waitingMax}`];
  const child = spawn(strace, ["-f", "-qq", "--seccomp-bpf", ...trace, ...paths, ...run], {
    stdio: ["ignore", "pipe", "pipe"],
    // One thread writes, so that calls are counted by one.
    env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
  });
  let [out, errors, poisonedAt] = ["", "", -1];
  let timer: NodeJS.Timeout | undefined;
  const kill = () => {
    for (const pid of childrenOf(child.pid ?? 0)) process.kill(pid, "SIGKILL");
  };
  await new Promise<void>((resolve) => {
    let lines = 0;
    child.stderr.on("data", (chunk) => {
      errors += chunk;
      if (poisonedAt >= 0 || !errors.includes("poisoned:")) return;
      poisonedAt = lines;
      timer = setTimeout(kill, "ms" in plan.until ? plan.until.ms : 20_000);
    });
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk;
      for (const byte of chunk) lines += byte === 10 ? 1 : 0;
      const behind = poisonedAt < 0 ? 0 : lines - poisonedAt;
      if (lines > plan.linesMax || ("lines" in plan.until && behind > plan.until.lines)) kill();
    });
    child.once("close", () => resolve());
  });
  clearTimeout(timer);
  const poisonings = errors.split("poisoned:").length - 1;
  return { acked: out.split("\n").slice(0, -1), poisonings, errors };
}

function pathsOf(folder: string, kind: Plan["files"][number]): string[] {
  if (kind === "folder") return [folder];
  if (kind === "CURRENT") return [join(folder, "CURRENT")];
  return Array.from({ length: filesMax }, (_, at) => {
    const number = `${at + 1}`.padStart(6, "0");
    return join(folder, kind === "MANIFEST" ? `MANIFEST-${number}` : `${number}.${kind}`);
  });
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((task) =>
        readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").map(Number),
      )
      .filter((child) => child > 0);
  } catch {
    return []; // it has ended
  }
}
