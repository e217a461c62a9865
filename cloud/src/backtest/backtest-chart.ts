/** What a backtest shows: the series that alerts are about, what these rules find, what was told. */
import type { AlertLine } from "../cli/alert-list.ts";
import type { Chart, Extent, Row, Series } from "../plot/chart.ts";
import type { Compared } from "./comparison.ts";
import { isDifference } from "./comparison.ts";

/** Series of one plot; those with the most differences. */
export const plottedMax = 6;
const rowsMax = 12;

/** Without a metric: all of the device. */
export interface PlottedSeries {
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
}

/** Of an alert about a whole device all series, so no metric; of one about more than that none. */
export function seriesToPlot(compared: readonly Compared[]): readonly PlottedSeries[] {
  const counts = new Map<string, { readonly place: PlottedSeries; weight: number }>();
  for (const each of compared) {
    const { gateway, device, metric } = each.alert;
    if (device === "") continue;
    const place = { gateway, device, metric };
    const key = JSON.stringify(place);
    const found = counts.get(key) ?? { place, weight: 0 };
    // What is the same only counts where there is no difference to show.
    found.weight += isDifference(each) ? 1_000 : 1;
    counts.set(key, found);
  }
  const ranked = [...counts.values()].sort((left, right) => right.weight - left.weight);
  return ranked.slice(0, plottedMax).map(({ place }) => place);
}

export interface Shown {
  readonly title: string;
  readonly series: readonly Series[];
  readonly range: Extent;
  /** Names of the rules that judged. */
  readonly rules: readonly string[];
  /** Whether there is anything that was told before. */
  readonly hasBefore: boolean;
}

/** A row for each rule that found something, for all where they are few; pale what was told. */
export function backtestChart(compared: readonly Compared[], shown: Shown): Chart {
  const { title, series, range, rules, hasBefore } = shown;
  const few = rules.length <= rowsMax ? rules : [];
  const names = [...new Set([...few, ...compared.map(({ alert }) => alert.rule)])];
  const rows = names.slice(0, rowsMax).flatMap((rule): Row[] => {
    const own = compared.filter(({ alert }) => alert.rule === rule);
    const spans = (sides: readonly Compared["in"][]) =>
      own.filter((each) => sides.includes(each.in)).map(({ alert }) => spanOf(alert, range));
    const ours = { label: hasBefore ? `${rule}: found` : rule, spans: spans(["new", "both"]) };
    if (!hasBefore) return [ours];
    return [ours, { label: `${rule}: told`, spans: spans(["old", "both"]), isPale: true }];
  });
  return { title, series, marks: [], rows };
}

function spanOf({ firingAt, resolvedAt }: AlertLine, { to }: Extent) {
  return { from: firingAt, to: Math.max(firingAt, Math.min(resolvedAt ?? to, to)) };
}
