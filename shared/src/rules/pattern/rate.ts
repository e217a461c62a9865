/**
 * How fast the values of a series change.
 *
 *     value    ·       ·
 *                 ·         ·  ·          (newest - oldest) / time between them, `per` so long
 *             ├──── over ─────┤
 *     level    ________________┌──────────┐      to `over` after the newest, or the next
 *
 * The window ends with the newest fitting number of the series and begins with the newest that is
 * `over` older, else with the oldest there is; two moments are needed. Time between them counts as
 * `over` at least: the noise of two readings a moment apart is no rate. Sticky by series, `of` as of
 * a leaf; a series that has been silent for more than `over` says nothing any more and begins anew.
 * Kept: so many samples of a series that the window is right to 1/126 of its length, 256 at most.
 */
import type { Of } from "../condition.ts";
import { differences } from "./count.ts";
import type { Causes } from "./evidence.ts";
import { Evidence } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { fits, isTime, never } from "./operator.ts";
import { Stickies } from "./stickies.ts";
import { duration, sayValue } from "./words.ts";

/** Of two that follow each other within so much of the window the newer stands for both. */
const resolution = 126;
export const samplesMax = 2 * resolution + 4;

export interface RateSettings {
  readonly input: number;
  readonly of: Of;
  readonly overMs: number;
  readonly perMs: number;
  readonly above: number;
  readonly below: number;
  readonly withDevice: boolean;
}

interface Samples {
  times: number[];
  values: number[];
}

export class RateOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = false;
  /** Not later than the next moment at which a series is too old. */
  deadline = never;
  readonly #settings: RateSettings;
  readonly #stickies: Stickies;
  readonly #bySeries: (Samples | undefined)[] = [];
  readonly #newest = new Evidence();
  #rate = 0;

  constructor(settings: RateSettings) {
    this.#settings = settings;
    this.#stickies = new Stickies(settings.of);
  }

  step(at: number, item: Item | undefined): void {
    const before = this.level;
    const { input, overMs } = this.#settings;
    if (item !== undefined && item.fits[input] === fits && typeof item.value === "number") {
      this.#take(at, item.series, item.value, item);
      this.deadline = Math.min(this.deadline, at + overMs + 1);
    }
    if (at >= this.deadline) this.#forget(at);
    this.level = this.#stickies.holds;
    this.occurred = this.level && !before;
  }

  #take(at: number, series: number, value: number, item: Item): void {
    const { overMs, perMs, above, below } = this.#settings;
    const before = this.#bySeries[series];
    const isUnbroken = before !== undefined && (before.times.at(-1) ?? at) >= at - overMs;
    const samples = isUnbroken ? before : { times: [], values: [] };
    this.#bySeries[series] = samples;
    const { times, values } = samples;
    const isClose = at - (times.at(-2) ?? Number.NEGATIVE_INFINITY) < overMs / resolution;
    const place = isClose ? times.length - 1 : times.length;
    times[place] = at;
    values[place] = value;
    let old = 0;
    while ((times[old + 1] ?? at) <= at - overMs) old += 1;
    if (old > 0) {
      times.splice(0, old);
      values.splice(0, old);
    }
    const span = at - (samples.times[0] ?? at);
    const change = value - (samples.values[0] ?? value);
    const rate = span > 0 ? finite((change / Math.max(span, overMs)) * perMs) : 0;
    const isFit = span > 0 && (rate > above || rate < below);
    if (isFit) {
      this.#newest.take(item);
      this.#rate = rate;
    }
    this.#stickies.set(series, isFit);
  }

  #forget(at: number): void {
    this.deadline = never;
    for (const [series, samples] of this.#bySeries.entries()) {
      const newest = samples?.times.at(-1);
      if (newest === undefined) continue;
      const end = newest + this.#settings.overMs + 1;
      if (at < end) {
        this.deadline = Math.min(this.deadline, end);
      } else {
        this.#stickies.set(series, false);
        this.#bySeries[series] = undefined;
      }
    }
  }

  forget(series: number): void {
    this.#stickies.forget(series);
    this.#bySeries[series] = undefined;
  }

  say(_at: number): string {
    const { above, below, perMs, overMs, withDevice } = this.#settings;
    const { device, metric, unit } = this.#newest;
    const subject = withDevice ? `${device} ${metric}` : metric;
    const limit = this.#rate > above ? `above ${above}` : `below ${below}`;
    const rate = sayValue({ value: this.#rate, unit });
    return `${subject} changes by ${rate} per ${duration(perMs)} over ${duration(overMs)}, ${limit}`;
  }

  tell(causes: Causes): void {
    this.#newest.tell(causes);
  }

  encode(): unknown {
    // Not `map`, which leaves out series without samples.
    const samples = Array.from(this.#bySeries, (own) =>
      own === undefined ? 0 : [...differences(own.times), ...own.values],
    );
    const deadline = this.deadline === never ? null : this.deadline;
    const { level } = this;
    const newest = this.#newest.encode();
    return [this.#stickies.encode(), level ? 1 : 0, deadline, newest, this.#rate, samples];
  }

  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [stickies, level, deadline, newest, rate, rows] = json as unknown[];
    if (!this.#stickies.decode(stickies) || !this.#newest.decode(newest)) return false;
    if ((deadline !== null && !isTime(deadline)) || !isTime(rate) || !Array.isArray(rows)) {
      return false;
    }
    for (const own of rows as unknown[]) {
      const samples = own === 0 ? undefined : samplesOf(own);
      if (own !== 0 && samples === undefined) return false;
      this.#bySeries.push(samples);
    }
    this.level = level === 1;
    this.deadline = deadline ?? never;
    this.#rate = rate;
    return true;
  }
}

/** JSON knows no other numbers, and what is told must be restored. */
function finite(rate: number): number {
  return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, rate));
}

function samplesOf(json: unknown): Samples | undefined {
  if (!Array.isArray(json) || !json.every(isTime)) return undefined;
  const count = json.length / 2;
  if (!Number.isInteger(count) || count > samplesMax) return undefined;
  let at = 0;
  const times = json.slice(0, count).map((step) => {
    at += step;
    return at;
  });
  return { times, values: json.slice(count) };
}
