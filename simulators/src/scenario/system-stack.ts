/** Starts real programs for a scenario: nats-server, cloud and gateway, each killable on its own. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort, startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const readyTimeoutMs = 20_000;

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

/** Starts one of the three programs; it ends with this process, and its output goes to a file. */
export function startProgram(
  name: "causeway-edge" | "causeway-cloud" | "causeway-sim",
  args: readonly string[],
  logFile: string,
): Program {
  const child = spawn(join(checkout, "node_modules/.bin", name), args, {
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
  name: "causeway-edge" | "causeway-cloud" | "causeway-sim",
  args: readonly string[],
  input = "",
): Promise<Finished> {
  const child = spawn(join(checkout, "node_modules/.bin", name), args, {
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

export interface StackOptions {
  /** More lines of cloud.yaml. */
  readonly cloud?: string;
  readonly edge?: string;
}

/** One nats-server, one cloud and one gateway, on free ports, with data in a folder of their own. */
export class Stack {
  readonly folder: string;
  readonly nats: NatsServer;
  readonly mqttPort: number;
  readonly cloudUrl: string;
  readonly edgeUrl: string;
  cloud: Program | undefined;
  edge: Program | undefined;

  private constructor(
    folder: string,
    nats: NatsServer,
    ports: { mqtt: number; cloud: number; edge: number },
  ) {
    this.folder = folder;
    this.nats = nats;
    this.mqttPort = ports.mqtt;
    this.cloudUrl = `http://127.0.0.1:${ports.cloud}`;
    this.edgeUrl = `http://127.0.0.1:${ports.edge}`;
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const folder = mkdtempSync(join(tmpdir(), "causeway-stack-"));
    const nats = await startNatsServer();
    const ports = { mqtt: await freePort(), cloud: await freePort(), edge: await freePort() };
    const stack = new Stack(folder, nats, ports);
    writeFileSync(
      stack.cloudConfig,
      `nats: { servers: ["${nats.url}"] }
dataDir: ${JSON.stringify(join(folder, "cloud"))}
http: { host: 127.0.0.1, port: ${ports.cloud} }
${options.cloud ?? ""}
`,
    );
    writeFileSync(
      stack.edgeConfig,
      `gateway: g1
dataDir: ${JSON.stringify(join(folder, "edge"))}
mqtt:
  listeners: [{ host: 127.0.0.1, port: ${ports.mqtt} }]
  auth: { anonymous: true }
uplink: { servers: ["${nats.url}"] }
http: { host: 127.0.0.1, port: ${ports.edge} }
${options.edge ?? ""}
`,
    );
    try {
      await Promise.all([stack.startCloud(), stack.startEdge()]);
    } catch (failure) {
      await stack.remove();
      throw failure;
    }
    return stack;
  }

  get cloudConfig(): string {
    return join(this.folder, "cloud.yaml");
  }

  get edgeConfig(): string {
    return join(this.folder, "edge.yaml");
  }

  get mqttUrl(): string {
    return `mqtt://127.0.0.1:${this.mqttPort}`;
  }

  async startCloud(): Promise<void> {
    const log = join(this.folder, "cloud.log");
    this.cloud = startProgram("causeway-cloud", ["run", "--config", this.cloudConfig], log);
    await ready(`${this.cloudUrl}/readyz`, this.cloud);
  }

  async startEdge(): Promise<void> {
    const log = join(this.folder, "edge.log");
    this.edge = startProgram("causeway-edge", ["run", "--config", this.edgeConfig], log);
    await ready(`${this.edgeUrl}/readyz`, this.edge);
  }

  command(...args: readonly string[]): Promise<Finished> {
    return runProgram("causeway-cloud", [...args, "--config", this.cloudConfig]);
  }

  async edgeStatus(): Promise<{ uplink: { untakenEvents: number; link: string } }> {
    return (await fetch(`${this.edgeUrl}/api/status`)).json() as never;
  }

  /** Waits until the cloud has taken all that the gateway has. */
  async allTaken(timeoutMs = 60_000): Promise<void> {
    await until(
      async () => (await this.edgeStatus()).uplink.untakenEvents === 0,
      timeoutMs,
      "all taken",
    );
  }

  async remove(): Promise<void> {
    for (const program of [this.edge, this.cloud]) {
      program?.kill("SIGKILL");
      await program?.exited;
    }
    await this.nats.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
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

async function ready(url: string, program: Program): Promise<void> {
  let ended: number | string | undefined;
  void program.exited.then((code) => {
    ended = code;
  });
  const isReady = async () => {
    if (ended !== undefined) return true;
    return (await fetch(url)).ok;
  };
  await until(isReady, readyTimeoutMs, `${program.name} ready`);
  if (ended !== undefined) {
    throw new Error(`${program.name} ended (${ended}):\n${readFileSync(program.logFile, "utf8")}`);
  }
}
