/**
 * A detector looks at the readings of one series, one after the other, and says after each whether
 * it belongs there. It looks only back, never at later readings or a file's range.
 *
 * D1 The same readings in the same order give the same verdicts, on every machine and in every
 *    replay: plain IEEE 754 arithmetic and square roots only (`Math.exp` and its like differ
 *    between builds), no clock, no randomness.
 * D2 A state is of fixed size, and decode(encode(state)) goes on exactly as the state itself.
 * D3 Only finite numbers come in: text, booleans, null and bad quality never reach a detector.
 */

export type Verdict = Normal | Anomalous | Unknown;

interface Normal {
  readonly kind: "normal";
}

interface Anomalous {
  readonly kind: "anomalous";
  /** In [0, 1], comparable between readings of one detector. */
  readonly score: number;
  /** A clause that a technician understands, with the numbers that count. */
  readonly reason: string;
  /** Where readings were expected, by a detector that knows. */
  readonly expected?: Expected | undefined;
}

/** In the unit of the metric; without an end where only one side is watched. */
export interface Expected {
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

interface Unknown {
  readonly kind: "unknown";
  /** Why there is no answer: warming up, … */
  readonly reason: string;
}

/** Shared, so that a normal reading allocates nothing. */
export const normal: Verdict = { kind: "normal" };

export interface Detector<State> {
  /** The state before the first reading. */
  initial(): State;
  /** Only where all series of a device share one state: it begins anew, in place. */
  restart?(state: State): void;
  /** Judges `value`, observed at `timeMs` since 1970, and updates `state` in place. */
  observe(state: State, value: number, timeMs: number, metric?: string): Verdict;
  /** How odd the last reading was, in [0, 1], also where it was normal; for charts and benchmarks. */
  score?(state: State): number;
  /** Where the next reading is expected, by a detector that knows; for charts. */
  expected?(state: State): Expected;
  /** Judges a silence that has lasted `silentMs`; for detectors that miss readings. */
  tick?(silentMs: number): Verdict;
  /** What `decode` understands, for JSON. */
  encode(state: State): unknown;
  /** The state that was encoded; undefined where `json` is none of this detector. */
  decode(json: unknown): State | undefined;
}

export function about(middle: number, width: number): Expected {
  return { low: middle - width, high: middle + width };
}

/** Four significant digits, for reasons. */
export function inWords(value: number): string {
  return String(Number(value.toPrecision(4)));
}
