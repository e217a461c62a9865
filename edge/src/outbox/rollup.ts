/** Sums readings up for each series and window, from readings or from roll-ups of finer windows. */
import type {
  Reading,
  ReadingEvent,
  RollupEvent,
  RollupSeries,
  RollupWindow,
} from "@causeway/shared/event.ts";
import { rollupSeriesMax, rollupWindowsMax } from "@causeway/shared/event.ts";

/** Characters that a series and a window take beside their names and values. */
const seriesCharacters = 80;
const windowCharacters = 48;
/** A mean says no more than what it was made of. */
const meanDigits = 10;

interface Window {
  count: number;
  bad: number;
  last: Reading["value"];
  min: number;
  max: number;
  mean: number;
  /** Readings that the mean is of. */
  numbers: number;
}

type Series = Omit<RollupSeries, "windows"> & { readonly windows: Map<number, Window> };

export class Rollup {
  readonly windowMs: number;
  readonly #series = new Map<string, Series>();
  #size = 0;
  #isFull = false;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** Characters so far, roughly. */
  get size(): number {
    return this.#size;
  }

  /** It holds as many series or windows as an event may. */
  get isFull(): boolean {
    return this.#isFull;
  }

  add(event: ReadingEvent): void {
    const { device, bootMs } = event;
    for (const { metric, unit, value, quality, observedAt = event.observedAt } of event.readings) {
      const time = observedAt === null ? "boot" : "observed";
      const series = this.#seriesOf({ device, metric, time, ...(unit && { unit }) });
      const window = this.#windowOf(series, Math.floor((observedAt ?? bootMs) / this.windowMs));
      window.count++;
      this.#size += textSize(value) - textSize(window.last);
      window.last = value;
      const number = typeof value === "boolean" ? Number(value) : value;
      if (quality === "bad") window.bad++;
      else if (typeof number === "number") fold(window, 1, number, number, number);
    }
  }

  /** Its windows must be whole parts of these. */
  merge({ windowMs, series }: RollupEvent): void {
    for (const { windows, ...named } of series) {
      const into = this.#seriesOf(named);
      for (const [number, count, bad, last, min, max, mean] of windows) {
        const window = this.#windowOf(into, Math.floor((number * windowMs) / this.windowMs));
        window.count += count;
        window.bad += bad;
        this.#size += textSize(last) - textSize(window.last);
        window.last = last;
        if (min !== null && max !== null && mean !== null && count > bad) {
          fold(window, count - bad, min, max, mean);
        }
      }
    }
  }

  finish(to: number, bootMs: number): RollupEvent {
    const series = [...this.#series.values()].map((one) => ({
      ...one,
      windows: [...one.windows].map(([number, window]) => rowOf(number, window)),
    }));
    const place = { device: null, topic: null, bootMs, observedAt: null };
    return { kind: "rollup", ...place, to, windowMs: this.windowMs, series };
  }

  #seriesOf(named: Omit<RollupSeries, "windows">): Series {
    const { device, metric, unit = null, time } = named;
    const key = JSON.stringify([device, metric, unit, time]);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const fresh = { ...named, windows: new Map<number, Window>() };
    this.#series.set(key, fresh);
    this.#size += seriesCharacters + key.length;
    this.#isFull ||= this.#series.size >= rollupSeriesMax / 2;
    return fresh;
  }

  #windowOf({ windows }: Series, number: number): Window {
    const known = windows.get(number);
    if (known !== undefined) return known;
    const [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const fresh = { count: 0, bad: 0, last: null, min, max, mean: 0, numbers: 0 };
    windows.set(number, fresh);
    this.#size += windowCharacters;
    this.#isFull ||= windows.size >= rollupWindowsMax / 2;
    return fresh;
  }
}

function fold(window: Window, count: number, min: number, max: number, mean: number): void {
  window.min = Math.min(window.min, min);
  window.max = Math.max(window.max, max);
  window.numbers += count;
  const moved = window.mean + (mean - window.mean) * (count / window.numbers);
  window.mean = Math.min(window.max, Math.max(window.min, moved));
}

function rowOf(
  number: number,
  { count, bad, last, min, max, mean, numbers }: Window,
): RollupWindow {
  if (numbers === 0) return [number, count, bad, last, null, null, null];
  const rounded = Number(mean.toPrecision(meanDigits));
  return [number, count, bad, last, min, max, Math.min(max, Math.max(min, rounded))];
}

function textSize(value: Reading["value"]): number {
  return typeof value === "string" ? value.length : 0;
}
