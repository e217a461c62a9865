/** The real `causeway-edge` as a child process of a test; killed with it. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");
export const edgeLauncher = join(checkout, "node_modules/.bin/causeway-edge");
/** For a child's environment: most of a short life goes into compiling. */
export const compiled = { NODE_COMPILE_CACHE: join(checkout, "node_modules/.cache/causeway-edge") };

const children = new Set<ChildProcessWithoutNullStreams>();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

export interface Ready {
  readonly mqttPort: number;
  readonly httpUrl: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export class EdgeProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";
  #onOutput: () => void = () => {};

  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const beganMs = Date.now();
    const [program = edgeLauncher, ...args] = command;
    // Only what the launcher needs: a setting in the test's own environment must not leak in.
    this.child = spawn(program, args, {
      env: { PATH: process.env["PATH"] ?? "", ...compiled, ...env },
    });
    children.add(this.child);
    this.child.stdout.on("data", (chunk) => {
      this.#stdout += chunk;
      this.#onOutput();
    });
    this.child.stderr.on("data", (chunk) => {
      this.#stderr += chunk;
    });
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        children.delete(this.child);
        const tookMs = Date.now() - beganMs;
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr, tookMs });
        this.#onOutput();
      });
    });
  }

  /** The addresses of the `ready` line; fails when the process ends before. */
  async ready(): Promise<Ready> {
    for (;;) {
      const line = this.#stdout.split("\n").find((text) => text.includes('"msg":"ready"'));
      if (line !== undefined) {
        const { addresses } = JSON.parse(line) as { addresses: { mqtt: string[]; http: string } };
        const mqttPort = Number(addresses.mqtt[0]?.split(":").at(-1));
        return { mqttPort, httpUrl: addresses.http };
      }
      const { exitCode } = this.child;
      if (exitCode !== null) throw new Error(`ended with ${exitCode}: ${this.#stderr}`);
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
      });
    }
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

/** A folder with an `edge.yaml`; ports are free ones and the cloud is not there unless told. */
export function edgeFolder(settings: Readonly<Record<string, unknown>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "causeway-edge-"));
  const config = join(folder, "edge.yaml");
  const usual = {
    gateway: "gw",
    dataDir: join(folder, "data"),
    mqtt: { listeners: [{ host: "127.0.0.1", port: 0 }], auth: { anonymous: true } },
    uplink: { servers: ["nats://127.0.0.1:1"] },
    http: { host: "127.0.0.1", port: 0 },
  };
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ ...usual, ...settings }, undefined, 2));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { folder, config, dataDir: usual.dataDir, remove };
}
