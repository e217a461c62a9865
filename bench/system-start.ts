/**
 * Measures how soon a gateway as it is shipped is ready, with nothing stored and with a backlog that a
 * killed process left, against an empty program on the same Node and against other brokers that have
 * nothing to open.
 * In turn within a round, so that what else the machine does falls on all alike.
 */
import { spawn } from "node:child_process";
import { EdgeProcess, edgeFolder } from "../edge/src/testing/system-edge-process.ts";
import { publishBacklog } from "../simulators/src/testing/mqtt-backlog.ts";
import { shippedEdge } from "../simulators/src/testing/system-shipped-edge.ts";
import { median } from "./intake.ts";
import { peersOf } from "./system-peers.ts";

export interface StartBench {
  readonly rounds: number;
  /** Payloads in the backlog. */
  readonly storedMebibytes: number;
  /** What goes on. */
  readonly tell: (line: string) => void;
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

interface Starter {
  readonly name: string;
  /** Resolves once it serves; what it returns ends it. */
  start(): Promise<() => Promise<void>>;
}

const mebibyte = 1_048_576;
const base = "node -e 0";

export async function benchStart(options: StartBench): Promise<void> {
  const { rounds, storedMebibytes, tell, print, asJson } = options;
  const { found, missing } = peersOf(["mosquitto", "nats", "aedes"]);
  for (const { name, why } of missing) tell(`SKIPPED: ${name} is not measured: ${why}`);
  const [empty, full] = [edgeFolder(), edgeFolder()];
  const { launcher, remove } = shippedEdge();
  try {
    tell(`storing ${storedMebibytes} MiB of readings`);
    await fill(launcher, full.config, storedMebibytes * mebibyte);
    const starters: Starter[] = [
      { name: base, start: startNothing },
      { name: "edge", start: () => startEdge(launcher, empty.config) },
      {
        name: `edge, ${storedMebibytes} MiB stored`,
        start: () => startEdge(launcher, full.config),
      },
      ...found.map(({ name, start }) => ({ name, start: async () => (await start()).stop })),
    ];
    const measured = new Map<string, number[]>(starters.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const { name, start } of starters) {
        const beganMs = performance.now();
        const stop = await start();
        measured.get(name)?.push(performance.now() - beganMs);
        await stop();
      }
      tell(`round ${round} of ${rounds}`);
    }
    const baseMs = median(measured.get(base) ?? []) ?? Number.NaN;
    if (!asJson) print(`| | median ms | worst ms | ${base} |\n| --- | --- | --- | --- |`);
    for (const [name, times] of measured) {
      const result = { name, medianMs: median(times) ?? Number.NaN, worstMs: Math.max(...times) };
      print(asJson ? JSON.stringify({ ...result, times }) : row(result, baseMs));
    }
  } finally {
    empty.remove();
    full.remove();
    remove();
  }
}

function row(
  { name, medianMs, worstMs }: { name: string; medianMs: number; worstMs: number },
  baseMs: number,
): string {
  const ratio = `${(medianMs / baseMs).toFixed(1)}x`;
  return `| ${[name, Math.round(medianMs), Math.round(worstMs), ratio].join(" | ")} |`;
}

async function startNothing(): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  await new Promise((resolve) => child.once("close", resolve));
  return async () => {};
}

async function startEdge(launcher: string, config: string): Promise<() => Promise<void>> {
  const edge = await readyEdge(launcher, config);
  return async () => {
    // After three kills in a row all tables are read, which is another matter.
    edge.child.kill("SIGTERM");
    await edge.ended;
    await (await readyEdge(launcher, config)).kill();
  };
}

async function readyEdge(launcher: string, config: string): Promise<EdgeProcess> {
  const edge = new EdgeProcess([launcher, "run", "--config", config]);
  await edge.ready();
  return edge;
}

async function fill(launcher: string, config: string, bytes: number): Promise<void> {
  const edge = new EdgeProcess([launcher, "run", "--config", config]);
  const { mqttPort } = await edge.ready();
  await publishBacklog(`mqtt://127.0.0.1:${mqttPort}`, bytes);
  await edge.kill();
}
