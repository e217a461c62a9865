/**
 * How fast the values of a series change.
 *
 *     value    ·       ·
 *                 ·         ·  ·          (newest - oldest) / time between them, `per` so long
 *              ├──── over ─────┤
 *     level    ________________┌──────────┐      to `over` after the newest, or the next
 *
 * The window ends with the newest fitting number of the series and holds both its ends; two moments
 * are needed. Sticky by series, `of` as of a leaf; a series that has been silent for more than `over`
 * says nothing any more. Kept: 256 samples of a series; where there are more, every second one goes, but
 * for the oldest and the newest, so that the window is right to 1/128 of its length.
 */
import type { Of } from "../condition.ts";
import { differences } from "./count.ts";
import { Evidence } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { fits, isTime, never } from "./operator.ts";
import { Stickies } from "./stickies.ts";
import { duration, sayValue } from "./words.ts";

export const samplesMax = 256;

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
    const samples = this.#bySeries[series] ?? { times: [], values: [] };
    this.#bySeries[series] = samples;
    const { times, values } = samples;
    times.push(at);
    values.push(value);
    let old = 0;
    while ((times[old] ?? at) < at - overMs) old += 1;
    if (old > 0) {
      times.splice(0, old);
      values.splice(0, old);
    }
    if (times.length > samplesMax) thin(samples);
    const span = at - (samples.times[0] ?? at);
    const rate = span > 0 ? ((value - (samples.values[0] ?? value)) / span) * perMs : 0;
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

  tell(causes: Set<string>): void {
    if (this.#newest.id !== "") causes.add(this.#newest.id);
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

/** Every second one goes, but for the oldest and the newest. */
function thin(samples: Samples): void {
  const last = samples.times.length - 1;
  const stays = (_: number, index: number) => index % 2 === 0 || index === last;
  samples.times = samples.times.filter(stays);
  samples.values = samples.values.filter(stays);
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
