/** Where an axis has its ticks, and what stands beside them. Times are UTC. */
import type { Extent } from "./chart.ts";

export interface Tick {
  readonly at: number;
  readonly label: string;
}

const indexMax = 1e12;

/** About `wanted` ticks at 1, 2 or 5 times a power of ten. */
export function valueTicks({ from, to }: Extent, wanted: number): readonly Tick[] {
  const rough = (to - from) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((times) => times * power >= rough * 0.999) ?? 10) * power;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  // Doubles near `from` may lie further apart than the ticks would.
  if (!(Math.abs(first) < indexMax && last - first < 100)) return [];
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const at = (first + index) * step;
    return { at, label: valueLabel(at, step) };
  });
}

const suffixes = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** As many digits as `step` needs; thousands from 10 000 on by their letter. */
export function valueLabel(value: number, step: number): string {
  const size = Math.abs(value);
  if (size > 0 && (size < 1e-4 || size >= 1e15)) return value.toExponential(1);
  const [unit, letter] = (size >= 1e4 && suffixes.find(([unit]) => size >= unit)) || [1, ""];
  const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  const text = (value / unit).toFixed(Math.min(10, decimals));
  return `${Number(text) === 0 ? text.replace("-", "") : text}${letter}`;
}

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];
const steps: readonly number[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 7, 14].map((count) => count * day),
];
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
/** So that weeks begin on Mondays: 1970 began on a Thursday. */
const mondayMs = 4 * day;
const monthMs = 30.4375 * day;

/** At most `most` ticks. */
export function timeTicks({ from, to }: Extent, most: number): readonly Tick[] {
  const step = steps.find((each) => (to - from) / each < most);
  if (step === undefined) return monthTicks({ from, to }, most);
  const base = step >= 7 * day ? mondayMs : 0;
  const ticks: Tick[] = [];
  for (let at = base + Math.ceil((from - base) / step) * step; at <= to; at += step) {
    if (ticks.length >= most) break;
    ticks.push({ at, label: timeLabel(at, step) });
  }
  return ticks;
}

/** Years are counted, so that a tick stands at a January. */
function monthTicks({ from, to }: Extent, most: number): readonly Tick[] {
  const span = (to - from) / (most * monthMs);
  const step = [1, 2, 3, 6, 12, 24, 60].find((each) => span < each) ?? 120 * Math.ceil(span / 120);
  const ticks: Tick[] = [];
  const first = Math.ceil(from / monthMs / step) * step;
  for (let month = first - step; ticks.length < most; month += step) {
    const at = Date.UTC(1970, month);
    if (!(at <= to)) break;
    const year = new Date(at).getUTCFullYear();
    const label = step < 12 ? `${months[new Date(at).getUTCMonth()]} ${year}` : `${year}`;
    if (at >= from) ticks.push({ at, label });
  }
  return ticks;
}

/** A tick at midnight tells the day; others as much of the time as `step` needs. */
export function timeLabel(timeMs: number, step: number): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return "";
  const text = date.toISOString();
  const dayLabel = `${date.getUTCDate()} ${months[date.getUTCMonth()]}`;
  if (step >= day || timeMs % day === 0) return dayLabel;
  const time = text.slice(text.indexOf("T") + 1, -1);
  if (step >= minute) return time.slice(0, 5);
  return step >= second ? time.slice(0, 8) : time;
}

/** `2026-01-31 12:00`, for the ends of an axis. */
export function dateLabel(timeMs: number): string {
  const date = new Date(timeMs);
  if (Number.isNaN(date.getTime())) return "";
  return date.toISOString().slice(0, 16).replace("T", " ");
}
