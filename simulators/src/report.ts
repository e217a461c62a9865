/** What a run tells: a live line while it goes on, a summary at its end. */
import type { Counts } from "./tally.ts";

export interface Progress {
  readonly command: string;
  readonly counts: Counts;
  readonly connections: number;
  readonly online: number;
  /** Why a connection is down; empty where none is. */
  readonly offlineReason: string;
}

export interface Summary {
  readonly command: string;
  readonly counts: Counts;
  /** Published and never acknowledged, or never sent at all. */
  readonly failed: number;
  /** False where the run was ended before its end. */
  readonly complete: boolean;
  /** Whether a broker ever let a connection in. */
  readonly everOnline: boolean;
  readonly elapsedMs: number;
}

export function isGood({ failed, everOnline }: Summary): boolean {
  return failed === 0 && everOnline;
}

/** One JSON object. */
export function summaryJson(summary: Summary): string {
  const { command, counts, failed, complete, elapsedMs } = summary;
  const { sent, acknowledged: acked, inFlight, resent, skipped, badRows } = counts;
  const perSecond = rate(acked, elapsedMs);
  return JSON.stringify({
    command,
    good: isGood(summary),
    complete,
    ...{ sent, acked, failed, inFlight, resent, skipped, badRows, elapsedMs, perSecond },
  });
}

export function summaryText(summary: Summary): string {
  const { command, counts, failed, complete, everOnline, elapsedMs } = summary;
  const seconds = (elapsedMs / 1_000).toFixed(1);
  const perSecond = grouped(rate(counts.acknowledged, elapsedMs));
  const parts = [
    `${grouped(counts.sent)} sent`,
    `${grouped(counts.acknowledged)} acknowledged (${perSecond}/s)`,
    `${grouped(failed)} failed`,
    ...some(counts.resent, "re-sent"),
    ...some(counts.skipped, "skipped"),
    ...some(counts.badRows, "bad rows left out"),
  ];
  const end = complete ? "ended" : "was ended early";
  const never = everOnline ? "" : "; no broker ever answered";
  return `${command} ${end} after ${seconds} s: ${parts.join(", ")}${never}`;
}

/** One line for a terminal of `columns`. */
export function liveText(progress: Progress, perSecond: number, columns: number): string {
  const { command, counts, connections, online, offlineReason } = progress;
  const parts = [
    `${command}  ${online}/${connections} connected`,
    `${grouped(counts.sent)} sent`,
    `${grouped(counts.acknowledged)} acknowledged`,
    `${grouped(counts.inFlight)} in flight`,
    `${grouped(perSecond)}/s`,
    ...some(counts.resent, "re-sent"),
    ...some(counts.skipped, "skipped"),
    ...some(counts.badRows, "bad rows"),
    ...(offlineReason === "" ? [] : [offlineReason]),
  ];
  return parts
    .join("  ")
    .replaceAll(/\p{Cc}/gu, " ")
    .slice(0, Math.max(0, columns - 1));
}

/** Events a second over the last second or so. */
export class Rate {
  readonly #points: { readonly atMs: number; readonly total: number }[] = [];

  perSecond(total: number, atMs: number): number {
    this.#points.push({ atMs, total });
    while (this.#points.length > 2 && atMs - (this.#points[1]?.atMs ?? atMs) >= 1_000) {
      this.#points.shift();
    }
    const first = this.#points[0];
    return first === undefined ? 0 : rate(total - first.total, atMs - first.atMs);
  }
}

function rate(total: number, elapsedMs: number): number {
  return elapsedMs <= 0 ? 0 : Math.round((total * 1_000) / elapsedMs);
}

function some(count: number, what: string): string[] {
  return count === 0 ? [] : [`${grouped(count)} ${what}`];
}

/** 22,695 */
function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(?:[0-9]{3})+$)/g, ",");
}
