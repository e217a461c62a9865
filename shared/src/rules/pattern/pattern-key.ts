/**
 * One key of a rule: a series, a device or a whole gateway. Its present, and its past for what is
 * late: a second timeline that the present knows nothing of. What the present knows is from after
 * the late readings, so the past begins empty; where they step back once more it begins anew.
 */
import { normal } from "../../detect/detector.ts";
import type { CompiledPattern } from "./compile.ts";
import type { Waiting } from "./deadlines.ts";
import type { PatternVerdict } from "./pattern.ts";
import { Timeline } from "./timeline.ts";

/** Where one was forgotten. */
export const noSeries = ["", ""] as const;

export class PatternKey implements Waiting {
  readonly pattern: CompiledPattern;
  readonly device: string;
  readonly metric: string;
  /** Its table of series, [device, metric]; items bear numbers of it. */
  readonly series: (readonly [device: string, metric: string])[] = [];
  present: Timeline;
  past: Timeline | undefined;
  wakeAt = 0;
  wakeIndex = -1;
  /** What it says while nothing changes, made when it is asked. */
  presentVerdict: PatternVerdict | undefined;
  pastVerdict: PatternVerdict | undefined;

  constructor(pattern: CompiledPattern, device: string, metric: string) {
    this.pattern = pattern;
    this.device = device;
    this.metric = metric;
    this.present = new Timeline(pattern.program);
  }

  /** The timeline for an item of this time. */
  timelineOf(at: number, isLate: boolean): Timeline {
    if (!isLate) return this.present;
    if (this.past === undefined || this.past.isLate(at)) {
      this.past = new Timeline(this.pattern.program);
      this.pastVerdict = undefined;
    }
    return this.past;
  }

  verdict(isLate: boolean): PatternVerdict {
    if (isLate) {
      this.pastVerdict ??= verdictOf(this, this.past ?? this.present, true);
      return this.pastVerdict;
    }
    this.presentVerdict ??= verdictOf(this, this.present, false);
    return this.presentVerdict;
  }

  forgetVerdict(isLate: boolean): void {
    if (isLate) this.pastVerdict = undefined;
    else this.presentVerdict = undefined;
  }

  beginAnew(): void {
    this.present = new Timeline(this.pattern.program);
    this.past = undefined;
    this.presentVerdict = undefined;
    this.pastVerdict = undefined;
  }

  /** Its place in the table is free for another. */
  forget(series: number): void {
    this.series[series] = noSeries;
    this.present.forget(series);
    this.past = undefined;
  }

  encode(): unknown {
    const past = this.past === undefined ? [] : [this.past.encode()];
    return [this.device, this.metric, this.series.flat(), this.present.encode(), ...past];
  }

  /** Undefined where `json` is no key of the pattern. */
  static decode(
    pattern: CompiledPattern,
    json: unknown,
    seriesMax: number,
  ): PatternKey | undefined {
    if (!Array.isArray(json)) return undefined;
    const [device, metric, series, present, past] = json as unknown[];
    if (typeof device !== "string" || typeof metric !== "string") return undefined;
    if (!Array.isArray(series) || series.length > 2 * seriesMax) return undefined;
    if (!series.every((name) => typeof name === "string")) return undefined;
    const key = new PatternKey(pattern, device, metric);
    for (let at = 0; at < series.length; at += 2) {
      key.series.push([series[at] ?? "", series[at + 1] ?? ""]);
    }
    if (!key.present.decode(present)) return undefined;
    if (past === undefined) return key;
    key.past = new Timeline(pattern.program);
    return key.past.decode(past) ? key : undefined;
  }
}

const certain = 1;

/** What a rule says of a key, as it was told last. */
function verdictOf(key: PatternKey, { said }: Timeline, late: boolean): PatternVerdict {
  const { pattern: rule, device, metric } = key;
  const [value, unit] = [said?.value ?? null, said?.unit];
  const shown = { rule, place: { device, metric }, at: said?.at, late, value, unit };
  if (said === undefined || !said.holds) return { ...shown, verdict: normal };
  return { ...shown, verdict: { kind: "anomalous", score: certain, reason: said.reason } };
}
