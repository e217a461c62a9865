/**
 * What the pictures of docs/detectors.md show: a recording with a fault, a rule that fits it, and
 * one that does not. Both judge the recording from its beginning, or from `since`, one reading after
 * the other.
 */
import type { Chart, Extent } from "../cloud/src/plot/chart.ts";

export interface Picture {
  /** Of the SVG file. */
  readonly name: string;
  readonly title: string;
  /** Below the folder of recordings. */
  readonly recording: string;
  /** Rows before are left out, as though the sensor had been new then. */
  readonly since?: string;
  /** What is shown. */
  readonly from: string;
  readonly to: string;
  /** As the recording's makers tell it. */
  readonly fault?: { readonly from: string; readonly to: string };
  /** With what is said of each beside its name. */
  readonly rules: readonly {
    readonly label: string;
    readonly rule: Readonly<Record<string, unknown>> & { readonly detector: string };
  }[];
}

export const pictures: readonly Picture[] = [
  {
    name: "spike",
    title: "Spike: latency of a request, ms",
    recording: "nab-dev/realKnownCause/ec2_request_latency_system_failure.csv.gz",
    from: "2014-03-16T00:00:00Z",
    to: "2014-03-20T00:00:00Z",
    fault: { from: "2014-03-18T17:06:00Z", to: "2014-03-19T04:16:00Z" },
    rules: [
      { label: "spot fits: it asks how rare a single reading is", rule: { detector: "spot" } },
      {
        label: "page-hinkley does not: one reading is no change of level",
        rule: { detector: "page-hinkley" },
      },
    ],
  },
  {
    name: "shift",
    title: "Shift of level: processor of a server, %",
    recording: "nab-dev/realAWSCloudwatch/ec2_cpu_utilization_ac20cd.csv.gz",
    from: "2014-04-08T00:00:00Z",
    to: "2014-04-16T14:49:00Z",
    fault: { from: "2014-04-14T07:49:00Z", to: "2014-04-15T17:34:00Z" },
    rules: [
      {
        label: "cusum fits, frozen after two days: alarms until the level is back",
        rule: { detector: "cusum", reference: "frozen", warmUp: 600 },
      },
      {
        label: "range does not: the first reading is new, the second no more",
        rule: { detector: "range" },
      },
    ],
  },
  {
    name: "drift",
    title: "Drift: temperature of a machine that fails",
    recording: "nab-dev/realKnownCause/machine_temperature_system_failure.csv.gz",
    since: "2014-01-05",
    from: "2014-01-24T00:00:00Z",
    to: "2014-02-13T00:00:00Z",
    fault: { from: "2014-02-07T14:55:00Z", to: "2014-02-09T14:05:00Z" },
    rules: [
      {
        label: "range fits, frozen after a week: what it learned stays the measure",
        rule: { detector: "range", reference: "frozen", warmUp: 2_000 },
      },
      {
        label: "range does not, adaptive: every step of the fall is taken for usual",
        rule: { detector: "range", reference: "adaptive" },
      },
    ],
  },
  {
    name: "stuck",
    title: "Stuck: bytes that a server writes, which stop",
    recording: "nab-dev/realAWSCloudwatch/ec2_disk_write_bytes_c0d644.csv.gz",
    from: "2014-04-07T00:00:00Z",
    to: "2014-04-15T00:00:00Z",
    fault: { from: "2014-04-12T21:25:00Z", to: "2014-04-13T08:35:00Z" },
    rules: [
      {
        label: "flat fits, after a day: no pause was ever so long",
        rule: { detector: "flat", after: "24h" },
      },
      { label: "spot does not: 0 is no rare value here", rule: { detector: "spot" } },
    ],
  },
  {
    name: "season",
    title: "A day that does not come (artificial)",
    recording: "nab-dev/artificialWithAnomaly/art_daily_nojump.csv.gz",
    from: "2014-04-06T00:00:00Z",
    to: "2014-04-14T23:55:00Z",
    fault: { from: "2014-04-10T16:15:00Z", to: "2014-04-12T01:45:00Z" },
    rules: [
      {
        label: "holt-winters fits, after three days and a half: it knows the hour",
        rule: { detector: "holt-winters", warmUp: 1_000 },
      },
      {
        label: "ewma does not: low is usual, at some other hour",
        rule: { detector: "ewma" },
      },
    ],
  },
  {
    name: "silence",
    title: "Silence: temperature of an office, F",
    recording: "nab-dev/realKnownCause/ambient_temperature_system_failure.csv.gz",
    from: "2013-08-15T00:00:00Z",
    to: "2013-10-25T00:00:00Z",
    rules: [
      {
        label: "absence fits: three hours without a reading",
        rule: { detector: "absence", after: "3h" },
      },
      { label: "auto does not: what does not come cannot be odd", rule: { detector: "auto" } },
    ],
  },
];

/** What was found over the whole recording, as the picture shows it. */
export function shownOf(picture: Picture, whole: Chart): Chart {
  const { title, fault, rules } = picture;
  const extent = extentOf(picture);
  const bands = fault === undefined ? [] : [{ label: "fault", ...extentOf(fault) }];
  const rows = whole.rows.map(({ spans }, index) => ({
    label: rules[index]?.label ?? "",
    isPale: index > 0,
    spans: spans.flatMap((span) => within(extent, span)),
  }));
  return {
    title,
    marks: [],
    rows,
    series: whole.series.map(({ points }) => ({
      label: "",
      points: points.filter(([at]) => at >= extent.from && at <= extent.to),
      bands,
    })),
  };
}

function extentOf({ from, to }: { readonly from: string; readonly to: string }): Extent {
  return { from: Date.parse(from), to: Date.parse(to) };
}

function within({ from, to }: Extent, span: Extent): readonly Extent[] {
  if (span.to < from || span.from > to) return [];
  return [{ from: Math.max(from, span.from), to: Math.min(to, span.to) }];
}
