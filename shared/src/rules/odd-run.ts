/**
 * A stretch in which a detector has found nothing but odd readings, with the worst of them: the one
 * farthest beyond what was expected, or with the highest score where nothing is. A reading without
 * a verdict is no end.
 *
 *     verdicts    normal  odd  odd  normal  normal  odd
 *     run           -      1    1   1, over    -     2
 */
import type { Expected, Verdict } from "../detect/detector.ts";

export interface Worst {
  /** In ms. */
  readonly at: number;
  readonly value: number;
  /** How far beyond; sizes of one detector can be compared. */
  readonly size: number;
}

export interface OddRun extends Worst {
  readonly isOver: boolean;
}

export function worseOf(one: Worst | undefined, other: Worst | undefined): Worst | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.size > one.size ? other : one;
}

/** The run after a reading; undefined while there is none. */
export function runAfter(
  run: OddRun | undefined,
  verdict: Verdict,
  value: number,
  timeMs: number,
): OddRun | undefined {
  if (verdict.kind === "unknown") return run;
  if (verdict.kind === "normal")
    return run?.isOver === false ? { ...run, isOver: true } : undefined;
  const size = sizeOf(value, verdict.expected, verdict.score);
  if (run !== undefined && !run.isOver && run.size >= size) return run;
  return { at: timeMs, value: value + 0, size, isOver: false }; // JSON knows no -0
}

const sizeMax = 1e300;

/** Four digits are enough to compare, and short in JSON. */
function sizeOf(value: number, expected: Expected | undefined, score: number): number {
  const { low = value, high = value } = expected ?? {};
  const size = expected === undefined ? score : Math.max(value - high, low - value, 0);
  return Number(Math.min(sizeMax, size).toPrecision(4));
}

export function encodeRun({ at, value, size, isOver }: OddRun): unknown {
  return [at, value, size, isOver ? 1 : 0];
}

/** Undefined where `json` is none. */
export function decodeRun(json: unknown): OddRun | undefined {
  if (!Array.isArray(json) || json.length < 4 || !json.every(Number.isFinite)) return undefined;
  const [at, value, size, isOver] = json as [number, number, number, number];
  return { at, value, size, isOver: isOver === 1 };
}
