/** What a bench of the drain found: how soon fresh data is there again after an outage, and how soon all is. */
import { median } from "./intake.ts";

/** One peer in one round, counted from when its link came up again. */
export interface Drained {
  /** How long the peer took to dial once the link was there again. */
  readonly redialMs: number;
  /** Until the cloud had something that was published after the return. */
  readonly firstLiveMs: number | undefined;
  /** Until the cloud had all that was acknowledged during the outage. */
  readonly drainedMs: number;
  readonly lost: number;
  /** Over the link in both ways, from its return until all was there. */
  readonly bytes: number;
  /** Of the programs, in the same time. */
  readonly edgeCpuSeconds: number;
  readonly cloudCpuSeconds: number;
}

export interface DrainResult extends Drained {
  readonly peer: string;
  readonly events: number;
  readonly rounds: number;
  readonly failure: string | undefined;
}

export function drainResultOf(
  peer: string,
  events: number,
  rounds: readonly Drained[],
  failure: string | undefined,
): DrainResult {
  const of = (pick: (round: Drained) => number | undefined) => median(rounds.map(pick));
  return {
    ...{ peer, events, rounds: rounds.length, failure },
    redialMs: of(({ redialMs }) => redialMs) ?? Number.NaN,
    firstLiveMs: of(({ firstLiveMs }) => firstLiveMs),
    drainedMs: of(({ drainedMs }) => drainedMs) ?? Number.NaN,
    // The worst: a loss in one of three rounds is a loss.
    lost: Math.max(0, ...rounds.map(({ lost }) => lost)),
    bytes: of(({ bytes }) => bytes) ?? Number.NaN,
    edgeCpuSeconds: of(({ edgeCpuSeconds }) => edgeCpuSeconds) ?? Number.NaN,
    cloudCpuSeconds: of(({ cloudCpuSeconds }) => cloudCpuSeconds) ?? Number.NaN,
  };
}

export function drainTable(results: readonly DrainResult[]): string {
  const head = [
    ...["", "redial s", "first live s", "drained s", "events/s", "lost", "B/event"],
    ...["edge CPU s", "cloud CPU s"],
  ];
  const rows = results.map((result) => {
    const { peer, events, failure, drainedMs, firstLiveMs } = result;
    if (result.rounds === 0) return [`${peer} (${failure})`, ...head.slice(1).map(() => "-")];
    return [
      failure === undefined ? peer : `${peer} (${failure})`,
      seconds(result.redialMs),
      firstLiveMs === undefined ? "-" : seconds(firstLiveMs),
      seconds(drainedMs),
      `${Math.round(events / drainedMs)}k`,
      `${result.lost}`,
      (result.bytes / events).toFixed(1),
      result.edgeCpuSeconds.toFixed(2),
      result.cloudCpuSeconds.toFixed(2),
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}
