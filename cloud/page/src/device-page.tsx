/** One device: its values as they come, with what was, what was odd, and what came late. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { AlertList } from "./alert-list.tsx";
import type { Alert, DeviceDetails, ReadingsAnswer, SeriesUpdate } from "./api-types.ts";
import type { Band, Limit, Point } from "./chart-data.ts";
import { columnsOf, flags, numberOf, pointsOf, spansOf } from "./chart-data.ts";
import { ChartFrame } from "./chart-panel.tsx";
import { ValueText } from "./device-cards.tsx";
import { StateBadge } from "./devices-page.tsx";
import { deviceKey } from "./fleet.ts";
import {
  byName,
  bytesText,
  countText,
  durationText,
  roughText,
  unitText,
  valueText,
  wholeText,
} from "./format.ts";
import { fleet, listen, serverNow, useFleet } from "./live.tsx";
import type { RowColumn } from "./parts.tsx";
import {
  Ago,
  AlertSign,
  Choice,
  Curve,
  Empty,
  FactList,
  Panel,
  Pending,
  Rows,
  Time,
} from "./parts.tsx";
import type { Route } from "./router.tsx";
import { link, replaceQuery } from "./router.tsx";
import { SayOf, saidText } from "./said.tsx";
import { useData } from "./use-data.ts";

interface Place {
  readonly gateway: string;
  readonly device: string;
}

export function DevicePage({ gateway, device, route }: Place & { route: Route }) {
  const version = useFleet("alerts").alertVersion;
  const path = `/api/devices/${encodeURIComponent(gateway)}/${encodeURIComponent(device)}`;
  const { answer, fault, reload } = useData<DeviceDetails>(path, 5_000, version);
  return (
    <>
      <header class="head">
        <h1>{answer === undefined || answer.name === "" ? device : answer.name}</h1>
        {answer === undefined || answer.name === "" ? null : <code>{device}</code>}
        {answer === undefined ? null : <StateBadge state={answer.state} />}
        <a class="soft" href={link("gateways", gateway)}>
          at {gateway}
        </a>
      </header>
      {answer === undefined ? (
        <Pending fault={fault} retry={reload} />
      ) : (
        <Shown details={answer} route={route} onSaid={reload} />
      )}
    </>
  );
}

function Shown(props: { details: DeviceDetails; route: Route; onSaid: () => void }) {
  const { details, route, onSaid } = props;
  const { gateway, device } = details;
  const series = useSeries({ gateway, device }, details.latest);
  const asked = route.query.get("metric");
  const metric =
    series.find((one) => one.metric === asked)?.metric ?? preferred(series)?.metric ?? "";
  const alerts = useAlerts(gateway, details.series);
  return (
    <>
      {series.length === 0 ? (
        <Empty icon="device">It has sent no value yet.</Empty>
      ) : (
        <>
          <SeriesChart
            key={metric}
            place={{ gateway, device }}
            metric={metric}
            newest={series.find((one) => one.metric === metric)}
            alerts={alerts}
            firstSeen={details.firstSeen}
          />
          <Panel title="Values">
            <SeriesTable place={{ gateway, device }} series={series} chosen={metric} />
          </Panel>
        </>
      )}
      {alerts.length === 0 ? null : (
        <Panel title="Alerts">
          <AlertList alerts={alerts.slice(0, alertsShown)} />
        </Panel>
      )}
      <Facts details={details} onSaid={onSaid} />
    </>
  );
}

const alertsShown = 6;
const noAlerts: readonly Alert[] = [];

/** Those that fire, and the last that did: a chart shows what was. */
function useAlerts(gateway: string, device: string): readonly Alert[] {
  const version = useFleet("alerts").alertVersion;
  const query = new URLSearchParams({ gateway, device, limit: "200" });
  const { answer } = useData<{ alerts: readonly Alert[] }>(`/api/alerts?${query}`, 0, version);
  return answer?.alerts ?? noAlerts;
}

/** What the stream has, or, of a device that is not in it, what the API knew. */
function useSeries(place: Place, latest: readonly SeriesUpdate[] = []): readonly SeriesUpdate[] {
  const own = useFleet("values", "series").devices.get(deviceKey(place));
  const found = new Map(latest.map((update) => [update.metric, update]));
  for (const [metric, { update }] of own?.series ?? []) found.set(metric, update);
  return [...found.values()].sort((a, b) => byName(a.metric, b.metric));
}

/** The first number that is not a counter of messages. */
function preferred(series: readonly SeriesUpdate[]): SeriesUpdate | undefined {
  const numbers = series.filter(({ value }) => typeof value === "number");
  return numbers.find(({ metric }) => metric !== "seq") ?? series[0];
}

function SeriesTable(props: { place: Place; series: readonly SeriesUpdate[]; chosen: string }) {
  const { place, series, chosen } = props;
  const own = fleet.devices.get(deviceKey(place));
  const columns: readonly RowColumn<SeriesUpdate>[] = [
    {
      name: "Metric",
      cell: ({ metric }) => (
        <>
          <button
            type="button"
            class="link"
            aria-pressed={metric === chosen}
            onClick={() => replaceQuery({ metric })}
          >
            {metric}
          </button>{" "}
          <AlertSign severity={fleet.severityAt(place.gateway, place.device, metric)} />
        </>
      ),
    },
    {
      name: "Value",
      isNumber: true,
      class: "value",
      cell: (update) => <ValueText update={update} />,
    },
    {
      name: "Lately",
      class: "curve-cell",
      cell: ({ metric, recent = [] }) => (
        <Curve values={own?.series.get(metric)?.recent ?? recent} height={20} />
      ),
    },
    {
      name: "When",
      cell: ({ observedAt, receivedAt, late }) => (
        <>
          <Time at={observedAt ?? receivedAt} />
          {late ? <small class="late"> late</small> : null}
        </>
      ),
    },
  ];
  return (
    <Rows
      columns={columns}
      rows={series}
      idOf={({ metric }) => metric}
      rowClass={({ metric }) => (metric === chosen ? "chosen" : "")}
    />
  );
}

const minute = 60_000;
const ranges = {
  "5m": 5 * minute,
  "1h": 60 * minute,
  "6h": 360 * minute,
  "1d": 1_440 * minute,
  "7d": 7 * 1_440 * minute,
} as const;
type RangeName = keyof typeof ranges;
const pointsMax = 1_200;
const wholeMsMax = 10 * minute;
const wholeMax = 10_000;

function SeriesChart(props: {
  place: Place;
  metric: string;
  newest: SeriesUpdate | undefined;
  alerts: readonly Alert[];
  firstSeen: number;
}) {
  const { place, metric, newest, alerts, firstSeen } = props;
  const [name, setName] = useState<RangeName>("5m");
  const [fixed, setFixed] = useState<readonly [number, number]>();
  const spanMs = ranges[name];
  const history = useHistory(place, metric, spanMs, fixed);
  const { points, bands, limits } = history;
  const isText = typeof newest?.value === "string";
  const unit = unitText(history.unit === "" ? newest?.unit : history.unit);
  const end = history.now;
  // Of a device that is new there is nothing before, and that need not be drawn.
  const start = Math.max(end - spanMs, Math.min(firstSeen, end - minute));
  const range = useMemo(() => fixed ?? ([start, end] as const), [fixed, start, end]);
  const spans = useMemo(() => spansOf(alerts, metric), [alerts, metric]);
  const drawn = useMemo(
    () => ({
      columns: columnsOf(points, bands),
      ...{ spans, limits: limits.map(limitOf), range },
      isStepped: typeof newest?.value === "boolean",
    }),
    [points, bands, limits, spans, range, newest?.value],
  );
  return (
    <Panel
      title={metric}
      aside={
        <div class="tools">
          {fixed === undefined ? null : (
            <button type="button" onClick={() => setFixed(undefined)}>
              Back to now
            </button>
          )}
          <Choice<RangeName>
            label="Range"
            value={name}
            options={(Object.keys(ranges) as RangeName[]).map((one) => [one, one] as const)}
            onChange={(value) => {
              setFixed(undefined);
              setName(value);
            }}
          />
        </div>
      }
    >
      {isText ? (
        <TextHistory points={points} />
      ) : (
        <ChartFrame
          drawn={drawn}
          unit={unit}
          label={summary(metric, points, unit)}
          onSelect={(from, to) => setFixed([Math.round(from), Math.round(to)])}
        />
      )}
      <Legend drawn={drawn} points={points} hasBands={bands.length > 0} />
      {history.note === undefined ? null : <p class="soft">{history.note}</p>}
    </Panel>
  );
}

function summary(metric: string, points: readonly Point[], unit: string): string {
  const numbers = points.map(([, value]) => numberOf(value)).filter((value) => value !== null);
  if (numbers.length === 0) return `${metric}: nothing in this range`;
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const text = `${valueText(least)} to ${valueText(most)} ${unit}`.trimEnd();
  return `${metric}: ${text}; drag over the chart to look closer`;
}

const limitOf = ({ rule, limit, value }: Expected["limits"][number]): Limit => ({
  value,
  text: `${rule} ${limit.toUpperCase()} ${value}`,
});

interface Expected {
  readonly bands: readonly Band[];
  readonly limits: readonly {
    readonly rule: string;
    readonly limit: string;
    readonly value: number;
  }[];
}

const nothingExpected: Expected = { bands: [], limits: [] };

interface History extends Expected {
  readonly points: readonly Point[];
  readonly unit: string;
  readonly note: string | undefined;
  readonly now: number;
}

const nothing: { points: readonly Point[]; unit: string } = { points: [], unit: "" };

/** What the historian has, and what the stream has brought since. */
function useHistory(
  { gateway, device }: Place,
  metric: string,
  spanMs: number,
  fixed: readonly [number, number] | undefined,
): History {
  const [asked, setAsked] = useState(() => serverNow());
  const [from, to] = fixed ?? [asked - spanMs, asked];
  const query = new URLSearchParams({ gateway, device, metric });
  query.set("from", `${Math.round(from)}`);
  query.set("to", `${Math.round(to)}`);
  // What is near is shown as it is, with its quality.
  if (to - from <= wholeMsMax) query.set("limit", `${wholeMax}`);
  else query.set("points", `${pointsMax}`);
  const { answer, fault } = useData<ReadingsAnswer>(`/api/readings?${query}`, 0);
  // Asked for only where there is a history.
  query.delete("limit");
  query.set("points", "200");
  const isNumber = answer?.series[0]?.points.some(([, value]) => typeof value === "number");
  const expected = useData<Expected>(isNumber ? `/api/expected?${query}` : undefined, 0).answer;
  const known = useRef(nothingExpected);
  if (expected !== undefined) known.current = expected;
  const kept = useRef<ReadingsAnswer | undefined>(undefined);
  if (answer !== undefined) kept.current = answer;
  const newest = kept.current;
  const before = useMemo(
    () => (newest === undefined ? nothing : pointsOf(newest, { gateway, device, metric })),
    [newest, gateway, device, metric],
  );
  const came = useCame({ gateway, device }, metric);
  // What has come meanwhile is the historian's to make small.
  useEffect(() => {
    if (fixed !== undefined || came.now - asked < Math.max(30_000, spanMs / 60)) return;
    setAsked(came.now);
  }, [came.now, asked, spanMs, fixed]);
  const points = useMemo(() => {
    if (fixed !== undefined) return before.points;
    const last = before.points.at(-1)?.[0] ?? 0;
    return [...before.points, ...came.points.filter(([at]) => at > last)];
  }, [before, came.points, fixed]);
  const why = `No history: ${fault}. What is shown came since this page was opened.`;
  const note = fault === undefined ? undefined : why;
  return { ...known.current, points, unit: before.unit, note, now: came.now };
}

const cameMax = 2_000;

/** What the stream brings of a series while one looks at it, and the time up to which. */
function useCame(place: Place, metric: string) {
  const key = deviceKey(place);
  const [came, setCame] = useState<{ points: readonly Point[]; now: number }>(() => ({
    points: [],
    now: serverNow(),
  }));
  useEffect(() => {
    let version = 0;
    return listen(["values", "counters"], () => {
      const update = fleet.devices.get(key)?.series.get(metric)?.update;
      const isNew = update !== undefined && update.version > version;
      if (isNew) version = update.version;
      setCame(({ points }) => ({
        points: isNew ? [...points, pointOf(update)].slice(-cameMax) : points,
        now: serverNow(),
      }));
    });
  }, [key, metric]);
  return came;
}

function pointOf({
  value,
  observedAt,
  receivedAt,
  late,
  quality,
  timeQuality,
}: SeriesUpdate): Point {
  const flag =
    (late ? flags.late : 0) |
    (quality === "uncertain" ? flags.uncertain : quality === "bad" ? flags.bad : 0) |
    (timeQuality === "unsynchronised" ? flags.unsynchronised : 0);
  return [observedAt ?? receivedAt, value, flag];
}

function TextHistory({ points }: { points: readonly Point[] }) {
  const changes = points.filter(([, value], index) => value !== points[index - 1]?.[1]);
  return (
    <ol class="timeline">
      {changes.slice(-20).map(([at, value]) => (
        <li key={at}>
          <Time at={at} /> <span>{valueText(value)}</span>
        </li>
      ))}
    </ol>
  );
}

function Legend(props: {
  drawn: { spans: readonly unknown[]; limits: readonly unknown[] };
  points: readonly Point[];
  hasBands: boolean;
}) {
  const { drawn, points, hasBands } = props;
  const has = (flag: number) => points.some((point) => (point[2] & flag) !== 0);
  const entries = [
    ["line", "on time", true],
    ["band", "where auto expects it", hasBands],
    ["late", "came late", has(flags.late)],
    ["doubtful", "not good, or an average", has(flags.uncertain | flags.bad | flags.rollup)],
    ["firing", "an alert fired", drawn.spans.length > 0],
    ["limit", "a rule's limit", drawn.limits.length > 0],
  ] as const;
  return (
    <ul class="legend">
      {entries
        .filter(([, , isShown]) => isShown)
        .map(([name, text]) => (
          <li key={name}>
            <span class={`swatch ${name}`} />
            {text}
          </li>
        ))}
    </ul>
  );
}

function Facts({ details, onSaid }: { details: DeviceDetails; onSaid: () => void }) {
  const { gateway, device, name, state, series, tags, site } = details;
  const replaces = series === device ? "" : series;
  const { reason, since, intervalMs, eventsPerMinute, events, readings, late, sizeMean } = details;
  const { family, firmware, topics, firstSeen, lastSeen, replacedBy, said } = details;
  return (
    <Panel title="Device">
      <FactList
        facts={[
          ["State", reason],
          ["Since", since === null ? undefined : <Time key="since" at={since} />],
          ["Seen", <Ago key="seen" at={lastSeen} />],
          ["Sends", intervalMs === null ? undefined : `every ${durationText(intervalMs)}`],
          ["A minute", `${roughText(eventsPerMinute)} messages of ${bytesText(sizeMean)}`],
          ["Taken", `${countText(events, "message")}, ${countText(readings, "reading")}`],
          ["Came late", wholeText(late)],
          ["Site", site],
          ["Tags", tags.join(", ")],
          ["Family", family],
          ["Firmware", firmware],
          ["Topics", topics.map((topic) => <code key={topic}>{topic}</code>)],
          ["First seen", <Time key="first" at={firstSeen} />],
          ["Replaces", replaces],
          ["Replaced by", replacedBy],
          ["Said", saidText(said)],
        ]}
      />
      <SayOf
        subject={{ gateway, device, name, replaces, isRetired: state === "retired" }}
        onDone={onSaid}
        onGone={() => location.replace(link("devices"))}
      />
    </Panel>
  );
}
