/** Charts: the code that draws them is fetched when the first one is shown. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Evidence, ShownReading } from "./api-types.ts";
import type { Chart, Drawn } from "./chart.ts";
import type { ChartColumns, Limit, Point } from "./chart-data.ts";
import { columnsOf, flagWords } from "./chart-data.ts";
import { preciseText, timeText, utcText } from "./format.ts";
import { serverNow } from "./live.tsx";

const drawer = () => import("./chart.ts");

export function ChartFrame(props: {
  drawn: Drawn;
  label: string;
  unit: string;
  height?: number;
  onSelect?: (from: number, to: number) => void;
}) {
  const { drawn, label, unit, height = 280, onSelect } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | undefined>(undefined);
  const newest = useRef(drawn);
  const select = useRef(onSelect);
  const [pointed, setPointed] = useState<number>();
  newest.current = drawn;
  select.current = onSelect;
  const hasSelect = onSelect !== undefined;
  const { isStepped } = drawn;
  useEffect(() => {
    let isGone = false;
    void drawer().then(({ openChart }) => {
      if (isGone || place.current === null) return;
      chart.current = openChart(place.current, newest.current, {
        ...{ height, unit, onPoint: setPointed },
        onSelect: hasSelect ? (from, to) => select.current?.(from, to) : undefined,
      });
    });
    return () => {
      isGone = true;
      chart.current?.destroy();
      chart.current = undefined;
    };
  }, [unit, height, hasSelect, isStepped]);
  useEffect(() => chart.current?.update(drawn), [drawn]);
  return (
    <figure class="chart">
      <div ref={place} role="img" aria-label={label} style={{ minHeight: `${height}px` }} />
      <figcaption class="pointed">
        {pointed === undefined ? label : pointText(drawn.columns, pointed, unit)}
      </figcaption>
    </figure>
  );
}

function pointText(columns: ChartColumns, index: number, unit: string): string {
  const at = columns.times[index];
  if (at === undefined) return "";
  const value = columns.last[index] ?? columns.late[index];
  const [low, high] = [columns.low[index], columns.high[index]];
  const parts = [
    `${timeText(at, serverNow())} (${utcText(at)})`,
    typeof value === "number" ? `${preciseText(value)} ${unit}` : "nothing",
    ...(typeof low === "number" && typeof high === "number"
      ? [`expected ${preciseText(low)} to ${preciseText(high)}`]
      : []),
    ...flagWords(columns.flags[index]),
  ];
  return parts.join(" · ");
}

/** The readings that came with an alert, and where they were expected. */
export function EvidenceChart(props: {
  readings: readonly ShownReading[];
  expected: Evidence["expected"];
  unit: string;
  worst: ShownReading | undefined;
}) {
  const { readings, expected, unit } = props;
  const points = readings.map(({ at, value }): Point => [at, value, 0]);
  const { low, high } = expected ?? {};
  const isBand = low !== undefined && high !== undefined;
  const bands = isBand ? [[points[0]?.[0] ?? 0, low, high] as const] : [];
  const limits = [
    { value: low, text: "expected from" },
    { value: high, text: "expected up to" },
  ];
  const drawn: Drawn = {
    columns: columnsOf(points, bands),
    ...{ spans: [], isStepped: false, range: undefined },
    limits: isBand ? [] : limits.filter((limit): limit is Limit => limit.value !== undefined),
  };
  return (
    <ChartFrame
      drawn={drawn}
      label={
        isBand ? "The readings before it, and where they were expected" : "The readings before it"
      }
      unit={unit}
      height={200}
    />
  );
}
