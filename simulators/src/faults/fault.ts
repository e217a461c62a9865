/** A labelled fault: what is added to one metric of one device, and when. */
export const faultKinds = ["spike", "shift"] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Position in the fleet, from 0. */
  readonly device: number;
  readonly metric: string;
  /** Start, in ms of the run. */
  readonly atMs: number;
  readonly forMs: number;
  /** From one start to the next; absent: it happens once. */
  readonly everyMs?: number | undefined;
  /** What it adds at most, in the unit of the metric; may be negative. */
  readonly size: number;
}

/** One stretch of time in which a fault is there. */
export interface Occurrence {
  /** Counts from 0. */
  readonly number: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The occurrence at `elapsedMs`, or undefined between and before them. */
export function occurrenceAt(fault: Fault, elapsedMs: number): Occurrence | undefined {
  const sinceMs = elapsedMs - fault.atMs;
  if (sinceMs < 0) return undefined;
  const number = fault.everyMs === undefined ? 0 : Math.floor(sinceMs / fault.everyMs);
  const fromMs = fault.atMs + number * (fault.everyMs ?? 0);
  const toMs = fromMs + fault.forMs;
  return elapsedMs < toMs ? { number, fromMs, toMs } : undefined;
}

/** A spike has fallen to this share of its size when its time is over. */
const spikeRest = 0.01;

/** What the fault adds at `elapsedMs` of an occurrence: a shift stays, a spike falls off. */
export function additionAt(fault: Fault, occurrence: Occurrence, elapsedMs: number): number {
  if (fault.kind === "shift") return fault.size;
  const passed = (elapsedMs - occurrence.fromMs) / fault.forMs;
  return fault.size * spikeRest ** passed;
}

/** The truth about one occurrence, for whoever scores detectors; times in ms since 1970. */
export interface FaultLabel {
  readonly device: string;
  readonly metric: string;
  readonly kind: FaultKind;
  readonly size: number;
  readonly from: number;
  /** Planned; the run may end before. */
  readonly to: number;
}
