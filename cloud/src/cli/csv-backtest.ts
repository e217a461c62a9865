/**
 * `backtest --input`: rules over the rows of a CSV file, as though one gateway had sent its rows one by one, at
 * the times they tell. Time is its rows' alone: ticks come every 5 s of it, and every minute a
 * heartbeat, so that a device without rows is silent and its gateway is not.
 */

import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import type { Reading } from "@causeway/shared/event.ts";
import { eventId } from "@causeway/shared/event.ts";
import type { MetricName } from "@causeway/shared/names.ts";
import { deviceId, gatewayId } from "@causeway/shared/names.ts";
import { Backtest } from "../backtest/backtest.ts";
import { backtestChart } from "../backtest/backtest-chart.ts";
import type { Found } from "../backtest/comparison.ts";
import { compare } from "../backtest/comparison.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { Gathered } from "../plot/thin.ts";
import type { CsvColumns, CsvRow } from "./csv.ts";
import { createCsvReader } from "./csv.ts";

export interface CsvRun extends CsvColumns {
  /** For people. */
  readonly title: string;
  readonly device: string;
  /** Names of the rules. */
  readonly rules: readonly string[];
}

const gateway = gatewayId("input");
const epoch = "1-00000001";
const tickMs = 5_000;
const heartbeatMs = 60_000;

/** Throws CLI_USAGE, NAME_INVALID or INPUT_UNREADABLE. */
export async function backtestCsv(
  alerting: Alerting,
  rows: AsyncIterable<string>,
  run: CsvRun,
): Promise<Found> {
  const backtest = new Backtest(alerting);
  const reader = createCsvReader(run);
  const gathered = run.values.map((label) => ({ label, points: new Gathered() }));
  const range: { from: number; to: number } = { from: Infinity, to: -Infinity };
  const clock = new CsvClock(backtest);
  const device = deviceId(run.device);
  let [position, isHead] = [0, true];
  for await (const line of rows) {
    if (isHead) reader.head(line);
    else {
      const row = reader.row(line);
      range.from = Math.min(range.from, row.timeMs);
      range.to = Math.max(range.to, row.timeMs);
      clock.advanceTo(row.timeMs);
      position += 1;
      const event = rowEvent(run, device, row);
      if (event !== undefined) backtest.take(takenAt(position, row.timeMs, event));
      for (const [index, { points }] of gathered.entries()) {
        const value = row.values[index];
        if (value !== undefined) points.add([row.timeMs, value]);
      }
    }
    isHead = false;
  }
  const compared = compare(backtest.transitions, [], range);
  const series = gathered.map(({ label, points }) => ({ label, points: points.points }));
  const shown = { title: run.title, series, range, rules: run.rules, hasBefore: false };
  const { hasJudged } = backtest;
  return { compared, hasJudged, chart: async () => backtestChart(compared, shown) };
}

/** Ticks and heartbeats up to a time; time that steps back makes none. */
class CsvClock {
  readonly #backtest: Backtest;
  #ticks = 0;
  #at: number | undefined;

  constructor(backtest: Backtest) {
    this.#backtest = backtest;
  }

  advanceTo(timeMs: number): void {
    this.#at ??= Math.floor(timeMs / tickMs) * tickMs;
    for (let at = this.#at + tickMs; at <= timeMs; at += tickMs) {
      this.#ticks += 1;
      if (at % heartbeatMs === 0) this.#backtest.take(heartbeatAt(at));
      this.#backtest.tick({ n: this.#ticks, at });
      this.#at = at;
    }
  }
}

function rowEvent(
  { values: metrics }: CsvRun,
  device: TakenEvent["event"]["device"],
  { timeMs, values }: CsvRow,
): TakenEvent["event"] | undefined {
  const readings = values.flatMap((value, index): Reading[] => {
    const metric = metrics[index] as MetricName;
    return value === undefined ? [] : [{ metric, value, quality: "good" }];
  });
  if (readings.length === 0) return undefined;
  const common = { device, topic: null, bootMs: 0, observedAt: timeMs };
  return { ...common, kind: "reading", readings };
}

function takenAt(position: number, timeMs: number, event: TakenEvent["event"]): TakenEvent {
  const log = event.kind === "reading" ? "telemetry" : "priority";
  return {
    id: eventId(gateway, epoch, log, position),
    ...{ gateway, lane: "live", epoch, log, position, event },
    ...{ receivedAt: timeMs, timeQuality: "synchronised", late: false, effect: true },
  };
}

function heartbeatAt(at: number): TakenEvent {
  const common = { device: null, topic: null, bootMs: 0, observedAt: null };
  const fields = { untakenEvents: 0 };
  const event = { ...common, kind: "system", name: "heartbeat", detail: "", fields } as const;
  return takenAt(Math.floor(at / heartbeatMs), at, event);
}
