/** Starts a real nats-server for a test: free port, own store, killed with the test process. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, listening } from "./system-ports.ts";

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly pid: () => number | undefined;
  /** Starts again on the same port and store. */
  start(): Promise<void>;
  /** Ends in order. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: it is there and answers nothing, until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends and deletes the store. */
  remove(): Promise<void>;
}

/** nats-server does not watch its stdin, so a shell ends it with this process, SIGKILL included. */
const guard = `exec 3<&0
"$@" </dev/null >/dev/null 2>&1 &
server=$!
echo $server
( cat <&3 >/dev/null; kill -KILL $server ) >/dev/null 2>&1 &
guard=$!
wait $server
kill $guard`;

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

function executable(): string {
  const cached = join(checkout, ".cache/nats-server");
  return process.env["NATS_SERVER"] ?? (existsSync(cached) ? cached : "nats-server");
}

export interface NatsServerOptions {
  /** A configuration of its own; address and store are still this test's. */
  readonly configFile?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** More lines of the configuration; for a port that was chosen before, its own. */
  readonly settings?: string;
  readonly port?: number;
  /** Made here, with the store in it; else a temporary one. */
  readonly folder?: string;
}

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "causeway-nats-"));
  mkdirSync(folder, { recursive: true });
  const port = options.port ?? (await freePort());
  const store = `store_dir: ${JSON.stringify(join(folder, "store"))}`;
  const plain = 'jetstream { store_dir: "", max_file_store: 16GB, sync_interval: always }\n';
  const { configFile, settings = "" } = options;
  const text = configFile === undefined ? plain + settings : readFileSync(configFile, "utf8");
  const file = join(folder, "nats.conf");
  writeFileSync(file, text.replace(/store_dir: "[^"]*"/, store));
  const place = ["--addr", "127.0.0.1", "--port", `${port}`];
  let child: ChildProcess | undefined;
  let pid: number | undefined;
  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    if (running === undefined || pid === undefined || running.exitCode !== null) return;
    const exited = new Promise((resolve) => running.once("exit", resolve));
    process.kill(pid, signal);
    await exited;
    children.delete(running);
  };
  const signalTo = (signal: NodeJS.Signals) => {
    if (child !== undefined && pid !== undefined) process.kill(pid, signal);
  };
  const server: NatsServer = {
    url: `nats://127.0.0.1:${port}`,
    port,
    folder,
    pid: () => pid,
    async start() {
      const args = ["-c", guard, "guard", executable(), "-c", file, ...place];
      const env = { ...process.env, ...options.environment };
      const started = spawn("sh", args, { stdio: ["pipe", "pipe", "ignore"], env });
      child = started;
      children.add(started);
      pid = await new Promise<number>((resolve, reject) => {
        started.stdout.once("data", (line: Buffer) => resolve(Number(line.toString())));
        started.once("error", reject);
      });
      await listening(port, started);
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    pause() {
      signalTo("SIGSTOP");
      // The signal takes its time, and until then requests are answered.
      while (child !== undefined && pid !== undefined && !isStopped(pid)) {}
    },
    resume: () => signalTo("SIGCONT"),
    async remove() {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

function isStopped(pid: number): boolean {
  const states = readdirSync(`/proc/${pid}/task`).map((task) =>
    /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8"))?.at(1),
  );
  return states.every((state) => state === "T" || state === "t");
}
