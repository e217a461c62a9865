/** The brokers that the gateway is measured against, and the gateway: each as a process of its own. */
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort, listening } from "@causeway/shared/testing/system-ports.ts";
import { EdgeProcess, edgeFolder, edgeLauncher } from "../edge/src/testing/system-edge-process.ts";

export interface Running {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  start(): Promise<Running>;
}

const checkout = fileURLToPath(new URL("..", import.meta.url));
const bareAedes = fileURLToPath(new URL("./system-bare-aedes.ts", import.meta.url));

export const mosquittoPath = () =>
  found("mosquitto", [
    join(checkout, ".cache/tools/mosquitto/bin"),
    "/usr/sbin",
    "/usr/local/sbin",
  ]);
export const natsPath = () =>
  process.env["NATS_SERVER"] ?? found("nats-server", [join(checkout, ".cache")]);

/** All is held: the most that filters cost. */
const filters = [{ deadband: { absolute: Number.MAX_SAFE_INTEGER }, heartbeat: "1h" }];

/** `program` is what the machine must have; undefined is nothing more than this checkout. */
const peers: Readonly<
  Record<string, { program?: () => string | undefined; cure?: string; start(): Promise<Running> }>
> = {
  edge: { start: () => startEdge({}) },
  "edge-filter": { start: () => startEdge({ filters }) },
  mosquitto: {
    program: mosquittoPath,
    cure: "node deploy/local/tools.mjs mosquitto",
    start: startMosquitto,
  },
  nats: { program: natsPath, cure: "node deploy/local/setup.mjs", start: () => startNats("2m") },
  "nats-always": {
    program: natsPath,
    cure: "node deploy/local/setup.mjs",
    start: () => startNats("always"),
  },
  aedes: { start: () => startProgram(process.execPath, (port) => [bareAedes, `${port}`]) },
};

export function peersOf(names: readonly string[]): {
  readonly found: readonly Peer[];
  readonly missing: readonly { readonly name: string; readonly why: string }[];
} {
  const [there, missing] = [[] as Peer[], [] as { name: string; why: string }[]];
  for (const name of names) {
    const peer = peers[name];
    if (peer === undefined) throw new Error(`${name}: a peer is one of ${Object.keys(peers)}`);
    const isThere = peer.program === undefined || peer.program() !== undefined;
    if (isThere) there.push({ name, start: peer.start });
    else missing.push({ name, why: `not installed, run: ${peer.cure}` });
  }
  return { found: there, missing };
}

function found(name: string, places: readonly string[]): string | undefined {
  const folders = [...places, ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Without a cloud: it keeps what it takes. */
async function startEdge(settings: Readonly<Record<string, unknown>>): Promise<Running> {
  const { config, remove } = edgeFolder(settings);
  const edge = new EdgeProcess([edgeLauncher, "run", "--config", config]);
  const { mqttPort } = await edge.ready();
  const stop = async () => {
    await edge.kill();
    remove();
  };
  return { port: mqttPort, pid: edge.child.pid ?? 0, stop };
}

async function startMosquitto(): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-"));
  const config = join(folder, "mosquitto.conf");
  const settings = (port: number) =>
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n`;
  return startProgram(
    mosquittoPath() ?? "mosquitto",
    (port) => {
      writeFileSync(config, settings(port));
      return ["-c", config];
    },
    () => rmSync(folder, { recursive: true, force: true }),
  );
}

async function startNats(syncInterval: string): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-"));
  const port = await freePort();
  const configFile = join(folder, "bench.conf");
  const jetStream = `jetstream { store_dir: "", max_file_store: 16GB, sync_interval: ${syncInterval} }`;
  const mqtt = `mqtt { host: "127.0.0.1", port: ${port} }`;
  writeFileSync(configFile, `server_name: bench\n${jetStream}\n${mqtt}\n`);
  const server = await startNatsServer({ folder, configFile });
  await listening(port);
  return { port, pid: server.pid() ?? 0, stop: () => server.remove() };
}

export async function startProgram(
  program: string,
  argumentsFor: (port: number) => readonly string[],
  remove: () => void = () => {},
): Promise<Running> {
  const port = await freePort();
  const child = spawn(program, argumentsFor(port), { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    remove();
  };
  try {
    await listening(port, child);
  } catch (failure) {
    await stop();
    throw failure;
  }
  return { port, pid: child.pid ?? 0, stop };
}
