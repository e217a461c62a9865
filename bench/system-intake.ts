/**
 * Measures the intake of each peer in turn: within a round all of them, so that what else the machine
 * does falls on all alike. Each time is a fresh process on a fresh store.
 */
import { reasonOf } from "@causeway/shared/errors.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { cpuPerMillion, isGoodLoad, messagesPerSecond } from "../simulators/src/load/report.ts";
import { runLoad } from "../simulators/src/load/system-load.ts";
import type { Cell, Measured } from "./intake.ts";
import { resultOf, table } from "./intake.ts";
import type { Peer } from "./system-peers.ts";
import { peersOf } from "./system-peers.ts";

export interface IntakeOptions {
  readonly cells: readonly Cell[];
  readonly rounds: number;
  readonly measuredMs: number;
  readonly warmUpMs: number;
  readonly peers: readonly string[];
  /** What goes on. */
  readonly tell: (line: string) => void;
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

const payloadBytes = 120;
const drainMs = 30_000;

export async function benchIntake(options: IntakeOptions): Promise<void> {
  const { cells, rounds, tell, print, asJson } = options;
  const { found, missing } = peersOf(options.peers);
  for (const { name, why } of missing) tell(`SKIPPED: ${name} is not measured: ${why}`);
  for (const cell of cells) {
    const measured = new Map<string, Measured[]>(found.map(({ name }) => [name, []]));
    const failures = new Map(missing.map(({ name, why }) => [name, why]));
    for (let round = 1; round <= rounds; round++) {
      for (const peer of found) {
        const what = `${cell.connections}x${cell.window} round ${round} ${peer.name}`;
        try {
          const one = await measure(peer, cell, options);
          measured.get(peer.name)?.push(one);
          tell(`${what}: ${one.perSecond} msg/s, ${one.cpuPerMillion ?? "-"} CPU s/M`);
        } catch (failure) {
          failures.set(peer.name, reasonOf(failure));
          tell(`${what}: FAILED: ${reasonOf(failure)}`);
        }
      }
    }
    const results = [...new Set([...measured.keys(), ...failures.keys()])].map((name) =>
      resultOf(cell, name, measured.get(name) ?? [], failures.get(name)),
    );
    if (asJson) for (const result of results) print(JSON.stringify(result));
    else print(`\n${cell.connections}x${cell.window}\n${table(results, "edge")}`);
  }
}

async function measure(
  peer: Peer,
  { connections, window }: Cell,
  { warmUpMs, measuredMs }: IntakeOptions,
): Promise<Measured> {
  const { port, pid, stop } = await peer.start();
  try {
    const load = {
      ...{ host: "127.0.0.1", port, username: undefined, password: undefined, qos: 1 as const },
      ...{ connections, window, rate: undefined, messages: Number.POSITIVE_INFINITY },
      ...{ warmUpMs, durationMs: measuredMs, drainMs, payloadBytes, pid },
      ...{ topic: "devices/%d/telemetry", prefix: "bench-", reconnects: false },
    };
    const report = await runLoad(load, systemClock(), undefined, new AbortController().signal);
    if (!isGoodLoad(report)) {
      const what = report.failures[0] ?? `${report.unacknowledged} were never acknowledged`;
      throw new Error(report.messages === 0 ? "nothing was acknowledged" : what);
    }
    return {
      perSecond: messagesPerSecond(report),
      cpuPerMillion: cpuPerMillion(report),
      p50Ms: report.latencyMs?.p50,
      p99Ms: report.latencyMs?.p99,
      residentBytes: report.process?.residentBytesMax,
    };
  } finally {
    await stop();
  }
}
