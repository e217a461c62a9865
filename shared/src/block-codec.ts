/**
 * A block holds consecutive events of one log, as they lie in the outbox and as they travel.
 *
 *   byte 0      version, 1
 *   bytes 1-4   CRC-32C of all that follows, little endian
 *   bytes 5-    JSON, UTF-8:
 *     { "p": first position, "n": last position,
 *       "b": boot id, "t": boot time of the first event in ms, "o": base of observed times in ms,
 *       "r": [[device|null, topic|null, said?], …]     routes, hoisted
 *       "m": [[metric, unit|null, unit as written?], …] series, hoisted
 *       "e": [event, …] }
 *   said = { "g": [tag, …], "s": site }, each where there is one
 *   event = [route, ms after t, ms after o | null, [series, value, series, value, …], extra?]
 *         | [route, ms after t, ms after o | null, kind, body]
 *   extra = { "q": [[index, quality, reason|null], …], "a": [[index, ms after o], …] }
 *           the readings that are not good, and those with a time of their own
 *
 * An event takes one position; one whose body has "to" takes all from its own up to that one.
 * Readers skip unknown keys, trailing elements and unknown kinds; another version is refused.
 */
import { assert } from "./assert.ts";
import { crc32c } from "./checksum.ts";
import type { Shape } from "./decode/shape.ts";
import { CodedError } from "./errors.ts";
import type { Event, Reading } from "./event.ts";
import {
  eventSchema,
  qualities,
  readingsPerEventMax,
  reasonCharactersMax,
  tagsMax,
  textCharactersMax,
  timeMsMax,
  topicCharactersMax,
  unitCharactersMax,
  wordCharactersMax,
} from "./event.ts";
import { isDeviceId, isMetricName } from "./names.ts";
import { shown } from "./shown.ts";

export const blockVersion = 1;
export const frameBytes = 5;

/** A base further from 1970 could make a difference that is no safe integer. */
const observedBaseMsMax = 300_000_000_000_000;

/** An event at its place; `event` is undefined where this build cannot read it, and `fault` says why. */
export interface Item {
  readonly from: number;
  readonly to: number;
  readonly event: Event | undefined;
  readonly fault?: string;
  /** The row as it came, kept only with a fault. */
  readonly raw?: unknown;
}

export interface Block {
  readonly from: number;
  readonly to: number;
  readonly bootId: string;
  readonly items: readonly Item[];
}

/** A reading event whose values are taken from its payload, which its shape has just read. */
export interface ShapedEvent {
  readonly kind: "shaped";
  readonly device: string;
  readonly topic: string;
  readonly bootMs: number;
  readonly shape: Shape;
  readonly payload: Uint8Array;
}

/** What the route of a topic says of all that comes on it. */
type Said = Pick<Event, "tags" | "site">;
const nothingSaid: Said = {};

/** Events of a route share its list of tags. */
function isSame(one: Said, other: Said): boolean {
  return one.tags === other.tags && one.site === other.site;
}

type SeriesName = Pick<Reading, "metric" | "unit" | "unitOriginal">;

const firstRowBytes = 512;
const countedFrom = 1_024;
/** What a row takes besides its values: its brackets, and three numbers of 17 characters at most. */
const rowHeadBytesMax = 64;
const [comma, open, close, zero] = [0x2c, 0x5b, 0x5d, 0x30];

/** What stands before each number of a shape, and its texts. */
interface Heads {
  readonly texts: readonly Buffer[];
  readonly bytes: number;
}

/** As JSON has it; where the next byte goes. */
function putNumber(into: Buffer, from: number, value: number | null): number {
  if (value === null || !(value >= 0 && value < 100_000)) {
    return from + into.write(`${value}`, from, "latin1");
  }
  let at = from + digitsOf(value);
  const end = at;
  let rest = value;
  do {
    into[--at] = zero + (rest % 10);
    rest = Math.trunc(rest / 10);
  } while (rest > 0);
  return end;
}

function digitsOf(value: number): number {
  if (value < 100) return value < 10 ? 1 : 2;
  if (value < 1_000) return 3;
  return value < 10_000 ? 4 : 5;
}

/** Gathers events into one block. */
export class BlockBuilder {
  readonly #bootId: string;
  readonly #routes: string[] = [];
  readonly #routeDevices: (string | null)[] = [];
  readonly #routeSaid: Said[] = [];
  readonly #routeByTopic = new Map<string | null, number>();
  readonly #series: string[] = [];
  readonly #seriesByUnit = new Map<string | undefined, Map<string, number>>();
  readonly #seriesByWrittenUnit = new Map<string | undefined, Map<string, number>>();
  readonly #headsByShape = new Map<Shape, Heads>();
  /** UTF-8, so that the values of a payload are copied as they are. */
  #rows = Buffer.allocUnsafe(firstRowBytes);
  #used = 0;
  #dictionarySize = 0;
  #baseBootMs = 0;
  #baseObservedAt: number | undefined;
  #positions = 0;
  /** Where the last event came from; the next one often comes from there too. */
  #lastTopic: string | null = null;
  #lastDevice: string | null = null;
  #lastSaid: Said = {};
  #lastRoute = -1;

  constructor(bootId: string) {
    this.#bootId = bootId;
  }

  /** Positions taken so far. */
  get positions(): number {
    return this.#positions;
  }

  /** Bytes so far, close enough for a bound. */
  get size(): number {
    return this.#used + this.#dictionarySize;
  }

  add(event: Event | ShapedEvent, span = 1): void {
    if (this.#used === 0) this.#baseBootMs = event.bootMs;
    if (event.kind === "shaped") this.#shaped(event);
    else {
      const stamp = `${event.bootMs - this.#baseBootMs},${this.#sinceBase(event.observedAt)}`;
      const head = `${this.#used === 0 ? "" : ","}[${this.#route(event)},${stamp},`;
      this.#write(`${head}${this.#content(event)}]`);
    }
    this.#positions += span;
  }

  /** The framed block, its first event at position `from`. */
  finish(from: number): Buffer {
    const head =
      `{"p":${from},"n":${from + this.#positions - 1},"b":${JSON.stringify(this.#bootId)},` +
      `"t":${this.#baseBootMs},"o":${this.#baseObservedAt ?? 0},"r":[${this.#routes.join(",")}],` +
      `"m":[${this.#series.join(",")}],"e":[`;
    const block = Buffer.allocUnsafe(frameBytes + Buffer.byteLength(head) + this.#used + 2);
    const at = frameBytes + block.write(head, frameBytes);
    this.#rows.copy(block, at, 0, this.#used);
    block.write("]}", at + this.#used);
    return framed(block);
  }

  #room(bytes: number): Buffer {
    const wanted = this.#used + bytes;
    if (wanted <= this.#rows.length) return this.#rows;
    const rows = Buffer.allocUnsafe(Math.max(wanted, 2 * this.#rows.length));
    this.#rows.copy(rows, 0, 0, this.#used);
    this.#rows = rows;
    return rows;
  }

  #write(text: string): void {
    // UTF-8 takes at most three bytes for a unit of UTF-16; to count them is worth it for long ones.
    const { length } = text;
    const bytes = length < countedFrom ? 3 * length : Buffer.byteLength(text);
    this.#used += this.#room(bytes).write(text, this.#used);
  }

  /** Byte by byte: numbers are short, and a call, or a string, costs more than copying them. */
  #shaped(event: ShapedEvent): void {
    const { shape, payload, bootMs } = event;
    const { metrics, places } = shape;
    const [route, observed] = [this.#route(event), this.#sinceBase(shape.observedAt)];
    const { texts, bytes } = this.#headsOf(shape);
    const rows = this.#room(rowHeadBytesMax + bytes + payload.length);
    let at = this.#used;
    if (at > 0) rows[at++] = comma;
    rows[at++] = open;
    at = putNumber(rows, at, route);
    rows[at++] = comma;
    at = putNumber(rows, at, bootMs - this.#baseBootMs);
    rows[at++] = comma;
    at = putNumber(rows, at, observed);
    rows[at++] = comma;
    rows[at++] = open;
    for (let index = 0; index < texts.length; index++) {
      const text = texts[index] as Buffer;
      for (let byte = 0; byte < text.length; byte++) rows[at++] = text[byte] as number;
      const slot = metrics[index]?.slot as number;
      if (slot < 0) continue;
      const place = 2 * slot;
      const until = places[place + 1] as number;
      for (let from = places[place] as number; from < until; from++) {
        rows[at++] = payload[from] as number;
      }
    }
    rows[at++] = close;
    rows[at++] = close;
    this.#used = at;
  }

  #headsOf(shape: Shape): Heads {
    const known = this.#headsByShape.get(shape);
    if (known !== undefined) return known;
    const texts = shape.metrics.map((metric, index) => {
      const text = metric.text === undefined ? "" : JSON.stringify(metric.text);
      return Buffer.from(`${index === 0 ? "" : ","}${this.#seriesOf(metric)},${text}`);
    });
    const heads = { texts, bytes: texts.reduce((sum, { length }) => sum + length, 0) };
    this.#headsByShape.set(shape, heads);
    return heads;
  }

  #sinceBase(observedAt: number | null): number | null {
    if (observedAt === null) return null;
    this.#baseObservedAt ??= Math.abs(observedAt) <= observedBaseMsMax ? observedAt : 0;
    return observedAt - this.#baseObservedAt;
  }

  #route(event: Event | ShapedEvent): number {
    const { topic, device } = event;
    const said = event.kind === "shaped" ? nothingSaid : event;
    if (
      topic === this.#lastTopic &&
      device === this.#lastDevice &&
      this.#lastRoute >= 0 &&
      isSame(said, this.#lastSaid)
    ) {
      return this.#lastRoute;
    }
    this.#lastTopic = topic;
    this.#lastDevice = device;
    this.#lastSaid = said;
    this.#lastRoute = this.#routeOf(topic, device, said);
    return this.#lastRoute;
  }

  #routeOf(topic: string | null, device: string | null, said: Said): number {
    const known = this.#routeByTopic.get(topic);
    if (
      known !== undefined &&
      this.#routeDevices[known] === device &&
      isSame(said, this.#routeSaid[known] ?? nothingSaid)
    ) {
      return known;
    }
    const route = this.#routes.length;
    const { tags, site } = said;
    const isPlain = tags === undefined && site === undefined;
    const text = JSON.stringify([device, topic, ...(isPlain ? [] : [{ g: tags, s: site }])]);
    this.#routes.push(text);
    this.#dictionarySize += text.length;
    this.#routeDevices.push(device);
    this.#routeSaid.push(said);
    this.#routeByTopic.set(topic, route);
    return route;
  }

  #content(event: Event): string {
    if (event.kind === "reading") return this.#readings(event.readings);
    const { kind, device: _d, topic: _t, bootMs: _b, observedAt: _o, ...rest } = event;
    const { tags: _g, site: _s, ...body } = rest;
    return `${JSON.stringify(kind)},${JSON.stringify(body)}`;
  }

  #readings(readings: readonly Reading[]): string {
    let values = "";
    let faults = "";
    let times = "";
    for (let index = 0; index < readings.length; index++) {
      const reading = readings[index] as Reading;
      const value =
        // NaN and infinities become null: as bare words they would make the whole block unreadable.
        Number.isFinite(reading.value) ? `${reading.value}` : JSON.stringify(reading.value);
      values += `${index === 0 ? "" : ","}${this.#seriesOf(reading)},${value}`;
      if (reading.quality !== "good" || reading.reason !== undefined) {
        const reason = JSON.stringify(reading.reason ?? null);
        faults += `${faults === "" ? "" : ","}[${index},"${reading.quality}",${reason}]`;
      }
      if (reading.observedAt !== undefined) {
        times += `${times === "" ? "" : ","}[${index},${this.#sinceBase(reading.observedAt)}]`;
      }
    }
    if (faults === "" && times === "") return `[${values}]`;
    const quality = faults === "" ? "" : `"q":[${faults}]`;
    const observed = times === "" ? "" : `"a":[${times}]`;
    return `[${values}],{${[quality, observed].filter((part) => part !== "").join(",")}}`;
  }

  #seriesOf({ metric, unit, unitOriginal }: SeriesName): number {
    const isWritten = unitOriginal !== undefined;
    const units = isWritten ? JSON.stringify([unit, unitOriginal]) : unit;
    const byUnit = isWritten ? this.#seriesByWrittenUnit : this.#seriesByUnit;
    const ofUnit = byUnit.get(units) ?? new Map<string, number>();
    const known = ofUnit.get(metric);
    if (known !== undefined) return known;
    const series = this.#series.length;
    const original = isWritten ? [unitOriginal] : [];
    const text = JSON.stringify([metric, unit ?? null, ...original]);
    this.#series.push(text);
    this.#dictionarySize += text.length;
    ofUnit.set(metric, series);
    byUnit.set(units, ofUnit);
    return series;
  }
}

/** A block of this JSON. */
export function frameBlock(json: string): Buffer {
  const block = Buffer.allocUnsafe(frameBytes + Buffer.byteLength(json));
  block.write(json, frameBytes);
  return framed(block);
}

function framed(block: Buffer): Buffer {
  block[0] = blockVersion;
  block.writeUInt32LE(crc32c(block, frameBytes), 1);
  return block;
}

/** The JSON bytes of a framed block, checked; OUTBOX_CORRUPT or OUTBOX_VERSION_UNKNOWN otherwise. */
export function unframe(block: Uint8Array): Uint8Array {
  if (block.length < frameBytes) {
    throw new CodedError("OUTBOX_CORRUPT", `a block of ${block.length} bytes has no frame`);
  }
  if (block[0] !== blockVersion) {
    throw new CodedError(
      "OUTBOX_VERSION_UNKNOWN",
      `block version ${block[0]}, known is ${blockVersion}`,
    );
  }
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const [stated, found] = [view.getUint32(1, true), crc32c(block, frameBytes)];
  if (stated !== found) {
    throw new CodedError("OUTBOX_CORRUPT", `a block's checksum is ${found}, it states ${stated}`);
  }
  return block.subarray(frameBytes);
}

/** Decodes a framed block; throws OUTBOX_CORRUPT, OUTBOX_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeBlock(block: Uint8Array): Block {
  const json = Buffer.from(unframe(block)).toString("utf8");
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (failure) {
    throw new CodedError("OUTBOX_CORRUPT", "a block is not JSON", { cause: failure });
  }
  return blockOf(parsed);
}

/** Re-encodes items, for a batch that goes again in parts. Items with faults cannot be re-encoded. */
export function encodeBlock(bootId: string, items: readonly Item[]): Buffer {
  const builder = new BlockBuilder(bootId);
  for (const item of items) {
    // Leaving one out would move all after it to other positions.
    assert(item.event !== undefined, `the item at ${item.from} has a fault: ${item.fault}`);
    builder.add(item.event, item.to - item.from + 1);
  }
  return builder.finish(items[0]?.from ?? 1);
}

type Row = readonly unknown[];

function malformed(what: string): never {
  throw new CodedError("BATCH_MALFORMED", what);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

interface Dictionary {
  readonly baseBootMs: number;
  readonly baseObservedAt: number;
  readonly routes: readonly Row[];
  readonly series: readonly Row[];
}

/** The block in parsed JSON; a row that cannot be read becomes an item with a fault, in its place. */
export function blockOf(parsed: unknown): Block {
  if (!isRecord(parsed)) return malformed("a block is not an object");
  const { p: from, n: to, b: bootId, t: baseBootMs, o: baseObservedAt, r, m, e } = parsed;
  if (!isPosition(from) || !isPosition(to))
    return malformed(`a block from ${shown(from)} to ${shown(to)}`);
  if (typeof bootId !== "string" || bootId.length > 64) return malformed("a block without boot id");
  if (!Number.isSafeInteger(baseBootMs) || !Number.isSafeInteger(baseObservedAt)) {
    return malformed("a block without base times");
  }
  if (!Array.isArray(r) || !Array.isArray(m) || !Array.isArray(e)) {
    return malformed("a block without routes, series or events");
  }
  const dictionary: Dictionary = {
    baseBootMs: baseBootMs as number,
    baseObservedAt: baseObservedAt as number,
    routes: r,
    series: m,
  };
  return { from, to, bootId, items: itemsOf(e, from, to, dictionary) };
}

function itemsOf(
  rows: readonly unknown[],
  from: number,
  to: number,
  dictionary: Dictionary,
): Item[] {
  const items: Item[] = new Array(rows.length);
  let position = from;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index];
    const last = lastPosition(row, position);
    const event = eventOf(row, dictionary);
    items[index] =
      typeof event === "string"
        ? { from: position, to: last, event: undefined, fault: event, raw: row }
        : { from: position, to: last, event };
    position = last + 1;
  }
  if (position !== to + 1)
    malformed(`a block states positions ${from} to ${to} and ends at ${position - 1}`);
  return items;
}

function lastPosition(row: unknown, position: number): number {
  if (!Array.isArray(row) || typeof row[3] !== "string" || !isRecord(row[4])) return position;
  const to = row[4]["to"];
  if (to === undefined) return position;
  return isPosition(to) && to >= position
    ? to
    : malformed(`an item at ${position} ends at ${shown(to)}`);
}

function eventOf(row: unknown, dictionary: Dictionary): Event | string {
  if (!Array.isArray(row) || row.length < 4) return "an event is not a row of four";
  const [routeIndex, bootDelta, observedDelta, content, rest] = row as unknown[];
  const route = at(dictionary.routes, routeIndex);
  if (!Array.isArray(route)) return `an event names route ${shown(routeIndex)}, which is not there`;
  const [device, topic, about] = route as unknown[];
  if (device !== null && (typeof device !== "string" || !isDeviceId(device)))
    return "bad device name";
  if (topic !== null && !isText(topic, topicCharactersMax)) return "bad topic";
  const bootMs = sum(dictionary.baseBootMs, bootDelta);
  if (!isTime(bootMs) || bootMs < 0) return "bad boot time";
  const observedAt = observedDelta === null ? null : sum(dictionary.baseObservedAt, observedDelta);
  if (observedAt !== null && !isTime(observedAt)) return "bad observed time";
  const said = about === undefined ? nothingSaid : saidIn(about);
  if (typeof said === "string") return said;
  const common = { device, topic, bootMs, observedAt, ...said };
  if (Array.isArray(content)) {
    const readings = readingsOf(content, rest, dictionary);
    return typeof readings === "string" ? readings : { ...common, kind: "reading", readings };
  }
  if (!isRecord(rest)) return "an event without body";
  const checked = eventSchema.safeParse({ ...rest, ...common, kind: content });
  return checked.success
    ? checked.data
    : `bad ${shown(content)} event: ${checked.error.issues[0]?.message}`;
}

/** Tags are shared by the events of a route: they are those of the dictionary. */
function saidIn(about: unknown): Said | string {
  if (!isRecord(about)) return nothingSaid;
  const { g: tags, s: site } = about;
  const said: Said = {};
  if (tags !== undefined) {
    const isGood = Array.isArray(tags) && tags.length > 0 && tags.length <= tagsMax;
    if (!isGood || !tags.every(isWord)) return "bad tags";
    said.tags = tags;
  }
  if (site !== undefined) {
    if (!isWord(site)) return "bad site";
    said.site = site;
  }
  return said;
}

function isWord(value: unknown): value is string {
  return isText(value, wordCharactersMax) && value.length > 0;
}

/** The element at a whole number; any other index, `__proto__` for one, would reach beyond the data. */
function at<Element>(list: readonly Element[], index: unknown): Element | undefined {
  return Number.isSafeInteger(index) ? list[index as number] : undefined;
}

/** NaN where the difference is no whole number, so that no text or null is added to a time. */
function sum(base: number, difference: unknown): number {
  return Number.isSafeInteger(difference) ? base + (difference as number) : Number.NaN;
}

function isText(value: unknown, charactersMax: number): value is string {
  return typeof value === "string" && value.length <= charactersMax;
}

function isTime(value: number): boolean {
  return Number.isInteger(value) && value <= timeMsMax && value >= -timeMsMax;
}

function readingsOf(content: Row, extra: unknown, dictionary: Dictionary): Reading[] | string {
  const count = content.length / 2;
  if (!Number.isInteger(count) || count < 1 || count > readingsPerEventMax) {
    return `an event with ${count} readings`;
  }
  const readings: Reading[] = new Array(count);
  for (let index = 0; index < count; index++) {
    const series = at(dictionary.series, content[2 * index]);
    const value = content[2 * index + 1];
    if (!Array.isArray(series)) return "a reading names a series that is not there";
    const [metric, unit, original] = series as unknown[];
    if (typeof metric !== "string" || !isMetricName(metric)) return "bad metric name";
    if (typeof unit === "string" && unit.length > unitCharactersMax) return "bad unit";
    if (!isValue(value)) return "a reading whose value is neither number, text, boolean nor null";
    readings[index] =
      typeof unit === "string"
        ? { metric, value, unit, quality: "good" }
        : { metric, value, quality: "good" };
    if (original !== undefined) {
      if (!isText(original, unitCharactersMax)) return "bad unit";
      (readings[index] as Reading).unitOriginal = original;
    }
  }
  return isRecord(extra) ? (applyExtra(readings, extra, dictionary) ?? readings) : readings;
}

function isValue(value: unknown): value is Reading["value"] {
  // JSON can state 1e999, which parses to Infinity.
  if (typeof value === "number") return Number.isFinite(value);
  return isText(value, textCharactersMax) || typeof value === "boolean" || value === null;
}

/** Lays qualities and own times over the readings; the fault where they cannot be read. */
function applyExtra(
  readings: Reading[],
  extra: Record<string, unknown>,
  dictionary: Dictionary,
): string | undefined {
  for (const [index, qualityText, reason] of rowsOf(extra["q"])) {
    const reading = at(readings, index);
    const quality = qualities.find((known) => known === qualityText);
    if (reading === undefined || quality === undefined) return "bad quality";
    reading.quality = quality;
    if (typeof reason !== "string") continue;
    if (reason.length > reasonCharactersMax) return "bad reason";
    reading.reason = reason;
  }
  for (const [index, delta] of rowsOf(extra["a"])) {
    const reading = at(readings, index);
    const observedAt = sum(dictionary.baseObservedAt, delta);
    if (reading === undefined || !isTime(observedAt)) return "bad reading time";
    reading.observedAt = observedAt;
  }
  return undefined;
}

/** The rows of a list; what is no row counts as an empty one, and so as a fault. */
function rowsOf(list: unknown): Row[] {
  return Array.isArray(list) ? list.map((row) => (Array.isArray(row) ? row : [])) : [];
}
