/**
 * What filters keep in the outbox's store, framed like its other records:
 *
 *   "fs" number    series of one device on one topic: JSON
 *                  { d device, t topic (absent where it is the device's own), b boot, m, a,
 *                    g tags, l site (of its route, absent where there are none), w: [version of a way, …],
 *                    s: [[metric, way, like, sent, held, window], …] }
 *                  `way` is a place in `w`; `like` is 0, or [quality, unit, reason, unitOriginal];
 *                  what there is none of is 0; zeros at the end are left out.
 *                  sent    [value, at, bootMs]
 *                  held    [value, at, bootMs, 1 where it is news]
 *                  window  [basis, number, dueMs, count, mean, first, last, min, max], these like `sent`
 *                  bootMs counts from m, `at` from a; an `at` that is not known is "".
 *   "fw"           ways that series name: JSON { ways: [way, …] }
 *   "fc"           suppressed in all: JSON { suppressed: { name: { reason: count } } }
 */
import { qualities } from "@causeway/shared/event.ts";
import type { DeviceId, MetricName } from "@causeway/shared/names.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Held, Seen, Series } from "./filter-series.ts";
import type { Way } from "./filter-way.ts";
import type { Basis, Like, Point, Window } from "./filter-window.ts";

export const allFilterKeys = { from: Buffer.from("f"), until: Buffer.from("g") };
export const waysKey = Buffer.from("fw");
export const countsKey = Buffer.from("fc");

const numberBytes = 6;

export function sourceKey(number: number): Buffer {
  const key = Buffer.alloc(2 + numberBytes, "fs");
  key.writeUIntBE(number, 2, numberBytes);
  return key;
}

/** Undefined where it is the key of something else. */
export function sourceNumber(key: Uint8Array): number | undefined {
  if (key.length !== 2 + numberBytes || key[1] !== sourceKey(0)[1]) return undefined;
  return Buffer.from(key).readUIntBE(2, numberBytes);
}

/** The series of one device on one topic. */
export interface SourceState {
  readonly device: DeviceId;
  readonly topic: string;
  /** What its route says of its readings. */
  readonly tags?: string[] | undefined;
  readonly site?: string | undefined;
  /** Of the boot times. */
  readonly bootId: string;
  readonly series: readonly Series[];
}

const bases: readonly Basis[] = ["observed", "real", "boot"];

export function encodeSource({ device, topic, tags, site, bootId, series }: SourceState): Buffer {
  const base = baseOf(series);
  const ways = [...new Set(series.map(({ way }) => way.version))];
  const record = {
    d: device,
    ...(topic === ownTopic(device) ? {} : { t: topic }),
    b: bootId,
    ...{ m: base.bootMs, a: base.at, g: tags, l: site },
    w: ways,
    s: series.map((one) => rowOf(one, ways.indexOf(one.way.version), base)),
  };
  return encodeRecord(record);
}

/** Throws where it cannot be read, or names a way that is not known. */
export function decodeSource(
  bytes: Uint8Array,
  wayOf: (version: number) => Way | undefined,
): SourceState {
  const record = decodeRecord(bytes, "what a filter holds") as unknown as WrittenSource;
  const base = { bootMs: record.m, at: record.a };
  const ways = record.w.map((version) => {
    const way = wayOf(version);
    if (way === undefined) throw new Error(`a way of version ${version} is not known`);
    return way;
  });
  return {
    device: record.d,
    topic: record.t ?? ownTopic(record.d),
    tags: record.g,
    site: record.l,
    bootId: record.b,
    series: record.s.map((row) => seriesOf(row, ways, base)),
  };
}

export function encodeWays(ways: Iterable<Way>): Buffer {
  return encodeRecord({ ways: [...ways] });
}

export function decodeWays(bytes: Uint8Array): readonly Way[] {
  const { ways } = decodeRecord(bytes, "the ways of filters") as { ways?: readonly Way[] };
  return ways ?? [];
}

type Row = readonly [
  metric: MetricName,
  way: number,
  like?: LikeRow | 0,
  sent?: SeenRow | 0,
  held?: readonly [...SeenRow, isNews: 0 | 1] | 0,
  window?: WindowRow | 0,
];
type LikeRow = readonly [quality: number, unit?: string, reason?: string, unitOriginal?: string];
type SeenRow = readonly [value: Seen["value"], at: number | "", bootMs: number];
type WindowRow = readonly [
  ...[basis: number, number: number, dueMs: number, count: number, mean: number],
  ...[first: SeenRow, last: SeenRow, min: SeenRow, max: SeenRow],
];

interface WrittenSource {
  readonly d: DeviceId;
  readonly t?: string;
  readonly b: string;
  readonly m: number;
  readonly a: number;
  readonly g?: string[];
  readonly l?: string;
  readonly w: readonly number[];
  readonly s: readonly Row[];
}

interface Base {
  readonly bootMs: number;
  readonly at: number;
}

function ownTopic(device: string): string {
  return `devices/${device}/telemetry`;
}

function baseOf([first]: readonly Series[]): Base {
  const seen = first?.held ?? first?.window?.last ?? first?.sent;
  return { bootMs: seen?.bootMs ?? 0, at: seen?.at ?? 0 };
}

function rowOf({ metric, like, sent, held, window }: Series, way: number, base: Base): Row {
  const parts = [
    like === undefined ? 0 : likeRow(like),
    sent === undefined ? 0 : seenRow(sent, base),
    held === undefined ? 0 : [...seenRow(held, base), held.isNews ? 1 : 0],
    window === undefined ? 0 : windowRow(window, base),
  ];
  while (parts.at(-1) === 0) parts.pop();
  return [metric, way, ...parts] as unknown as Row;
}

function likeRow({ quality, unit, reason, unitOriginal }: Like): LikeRow | 0 {
  const number = qualities.indexOf(quality);
  if (unitOriginal !== undefined) return [number, unit ?? "", reason ?? "", unitOriginal];
  if (reason !== undefined) return [number, unit ?? "", reason];
  if (unit !== undefined) return [number, unit];
  return number === 0 ? 0 : [number];
}

function seenRow({ value, at, bootMs }: Seen, base: Base): SeenRow {
  return [value, at === null ? "" : at - base.at, bootMs - base.bootMs];
}

function windowRow(window: Window, base: Base): WindowRow {
  const { basis, number, dueMs, count, mean, first, last, min, max } = window;
  const row = (point: Point) => seenRow(point, base);
  const figures = [row(first), row(last), row(min), row(max)] as const;
  return [bases.indexOf(basis), number, dueMs - base.bootMs, count, mean, ...figures];
}

function seriesOf(
  [metric, way, like = 0, sent = 0, held = 0, window = 0]: Row,
  ways: readonly Way[],
  base: Base,
): Series {
  return {
    metric,
    way: ways[way] as Way,
    like: likeIn(metric, like),
    sent: sent === 0 ? undefined : seenIn(sent, base),
    held: held === 0 ? undefined : heldIn(held, base),
    window: window === 0 ? undefined : windowIn(window, base),
  };
}

function likeIn(metric: MetricName, row: LikeRow | 0): Like {
  const [number, unit = "", reason = "", unitOriginal = ""] = row === 0 ? [0] : row;
  return {
    metric,
    quality: qualities[number] ?? "bad",
    ...(unit === "" ? {} : { unit }),
    ...(reason === "" ? {} : { reason }),
    ...(unitOriginal === "" ? {} : { unitOriginal }),
  };
}

function seenIn([value, at, bootMs]: SeenRow, base: Base): Seen {
  return { value, at: at === "" ? null : at + base.at, bootMs: bootMs + base.bootMs };
}

function heldIn([value, at, bootMs, isNews]: readonly [...SeenRow, 0 | 1], base: Base): Held {
  return { ...seenIn([value, at, bootMs], base), isNews: isNews === 1 };
}

function windowIn(row: WindowRow, base: Base): Window {
  const [basis, number, dueMs, count, mean, first, last, min, max] = row;
  const point = (seen: SeenRow) => seenIn(seen, base) as Point;
  return {
    ...{ basis: bases[basis] ?? "boot", number, dueMs: dueMs + base.bootMs, count, mean },
    ...{ first: point(first), last: point(last), min: point(min), max: point(max) },
  };
}
