/**
 * The shape of a native payload: all of its bytes but numbers and time, and which metrics these are.
 * Devices send one shape again and again; a payload of a known shape needs no parsing, for its
 * readings stand in it as a block has them.
 *
 *   S1  A shape is learnt by asking the decoder about a payload of that shape with other numbers, so
 *       that it says of each number what the decoder would say.
 *   S2  A payload fits only where every number is written as JavaScript writes it, zeros at the end
 *       of a fraction apart. Whatever else comes is for the decoder.
 */
import type { DeviceId, MetricName } from "../names.ts";
import { decodeNative } from "./native.ts";
import { timeOf } from "./time.ts";

/** Larger payloads, or with more numbers, are left to the decoder: shapes are kept in memory. */
export const shapeBytesMax = 4_096;
export const shapeNumbersMax = 256;
/** So many digits, the dot among them, a double keeps: what was written is what it is printed as. */
const digitsMax = 15;
/** A smaller fraction is printed with an exponent. */
const leadingZerosMax = 5;

const [quote, minus, dot, zero, nine, colon] = [0x22, 0x2d, 0x2e, 0x30, 0x39, 0x3a];
const [space, letterZ] = [0x20, 0x5a];
/** Of a quote, and of 2023-11-14T22:13. */
const minuteBytes = 17;
const wordTrue = Buffer.from("true");
const wordFalse = Buffer.from("false");

export interface ShapeMetric {
  readonly metric: MetricName;
  readonly unit: string | undefined;
  readonly unitOriginal: string | undefined;
  /** Which number of the payload it is; -1 for a text, which is the shape's. */
  readonly slot: number;
  readonly text: string | undefined;
}

export class Shape {
  readonly metrics: readonly ShapeMetric[];
  /** Where each number of the payload that was read last begins and ends, by slot. */
  readonly places: Int32Array;
  /** Of the payload that was read last. */
  observedAt: number | null = null;
  readonly #bytes: Uint8Array;
  /** Where in them the part before each number ends. */
  readonly #ends: Int32Array;
  readonly #timeSlot: number;
  /** The minute that was read last; devices of one kind tell nearly the same time. */
  #minute: Uint8Array = Buffer.alloc(minuteBytes);
  #minuteMs = 0;

  constructor(parts: readonly string[], metrics: readonly ShapeMetric[], timeSlot: number) {
    this.metrics = metrics;
    this.#timeSlot = timeSlot;
    this.places = new Int32Array(2 * (parts.length - 1));
    this.#bytes = Buffer.from(parts.join(""));
    let end = 0;
    this.#ends = Int32Array.from(parts, (part) => {
      end += Buffer.byteLength(part);
      return end;
    });
  }

  /** Whether the payload has this shape; then `places` and `observedAt` are its own (S2). */
  read(payload: Uint8Array): boolean {
    const [bytes, ends, places] = [this.#bytes, this.#ends, this.places];
    const numbers = ends.length - 1;
    let at = 0;
    let part = 0;
    for (let slot = 0; slot <= numbers; slot++) {
      const end = ends[slot] as number;
      for (; part < end; part++, at++) if (payload[at] !== bytes[part]) return false;
      if (slot === numbers) break;
      const isTime = slot === this.#timeSlot;
      at = isTime ? this.#readTime(payload, at) : readValue(payload, at, places, 2 * slot);
      if (at < 0) return false;
    }
    for (; at < payload.length; at++) if (!isBlank(payload[at] as number)) return false;
    return true;
  }

  /** Whole milliseconds or ISO 8601 in UTC; any other time is the decoder's. */
  #readTime(payload: Uint8Array, from: number): number {
    if (payload[from] === quote) return this.#readIso(payload, from);
    const end = digitsEnd(payload, from);
    if (end === from || end - from > digitsMax) return -1;
    if (payload[from] === zero && end > from + 1) return -1;
    this.observedAt = numberIn(payload, from, end);
    return end;
  }

  #readIso(payload: Uint8Array, from: number): number {
    const seconds = from + minuteBytes + 1;
    if (!this.#knowsMinute(payload, from) || payload[seconds - 1] !== colon) return -1;
    let end = digitsEnd(payload, seconds);
    const secondsMs = 1_000 * numberIn(payload, seconds, end);
    if (end !== seconds + 2 || secondsMs >= 60_000) return -1;
    let ms = 0;
    if (payload[end] === dot) {
      const fraction = end + 1;
      end = digitsEnd(payload, fraction);
      if (end !== fraction + 3) return -1;
      ms = numberIn(payload, fraction, end);
    }
    if (payload[end] !== letterZ || payload[end + 1] !== quote) return -1;
    this.observedAt = this.#minuteMs + secondsMs + ms;
    return end + 2;
  }

  #knowsMinute(payload: Uint8Array, from: number): boolean {
    const known = this.#minute;
    let same = 0;
    while (same < minuteBytes && known[same] === payload[from + same]) same++;
    if (same === minuteBytes) return true;
    const bytes = Buffer.from(payload.subarray(from, from + minuteBytes));
    const text = bytes.toString("latin1", 1);
    const ms = timeOf(`${text}Z`);
    // Only the first second of hour 24 is one.
    if (typeof ms !== "number" || text.slice(11, 13) === "24") return false;
    this.#minute = bytes;
    this.#minuteMs = ms;
    return true;
  }
}

/** Puts the value's place as it is printed, and answers where what follows begins; -1 for others. */
function readValue(payload: Uint8Array, from: number, places: Int32Array, index: number): number {
  places[index] = from;
  const first = payload[from] as number;
  if (first > nine) {
    const word = first === wordTrue[0] ? wordTrue : wordFalse;
    for (let at = 0; at < word.length; at++) if (payload[from + at] !== word[at]) return -1;
    places[index + 1] = from + word.length;
    return from + word.length;
  }
  const begin = first === minus ? from + 1 : from;
  const whole = digitsEnd(payload, begin);
  const isZero = payload[begin] === zero;
  if (whole === begin || (isZero && whole > begin + 1)) return -1;
  let [end, until] = [whole, whole];
  if (payload[whole] === dot) {
    end = digitsEnd(payload, whole + 1);
    if (end === whole + 1) return -1;
    until = end;
    while (payload[until - 1] === zero) until--;
    if (until === whole + 1) until = whole;
    else if (isZero && zerosFrom(payload, whole + 1) > leadingZerosMax) return -1;
  }
  // -0 is printed as 0.
  if (until - begin > digitsMax || (isZero && until === whole && begin > from)) return -1;
  places[index + 1] = until;
  return end;
}

function digitsEnd(payload: Uint8Array, from: number): number {
  let at = from;
  while ((payload[at] as number) >= zero && (payload[at] as number) <= nine) at++;
  return at;
}

function numberIn(payload: Uint8Array, from: number, until: number): number {
  let value = 0;
  for (let at = from; at < until; at++) value = value * 10 + (payload[at] as number) - zero;
  return value;
}

function zerosFrom(payload: Uint8Array, from: number): number {
  let at = from;
  while (payload[at] === zero) at++;
  return at - from;
}

function isBlank(byte: number): boolean {
  return byte === space || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** A string, or a value that is a number or a word. */
const valuePattern = /"(?:[^"\\]|\\.)*"|[-+.\w]+/g;
const isoPattern = /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"$/;

/** What stands between the values of a payload that the decoder can read; it tells its shape. */
export function partsOf(payload: Uint8Array): readonly string[] | undefined {
  if (payload.length > shapeBytesMax) return undefined;
  const text = Buffer.from(payload).toString("utf8").trimEnd();
  const parts: string[] = [];
  let after = 0;
  for (const { 0: token, index } of text.matchAll(valuePattern)) {
    if (token[0] === '"' && !isoPattern.test(token)) continue;
    parts.push(text.slice(after, index));
    after = index + token.length;
  }
  parts.push(text.slice(after));
  return parts.length > 1 && parts.length <= shapeNumbersMax + 1 ? parts : undefined;
}

/** S1: undefined where a number is neither a reading of its own nor the time of all. */
export function learnShape(parts: readonly string[], device: DeviceId): Shape | undefined {
  const probed = probe(parts, device, 1_001);
  if (probed === undefined) return undefined;
  // Where another differs, a time that stands in a text was taken for one of the numbers.
  const again = probe(parts, device, 5_000_001);
  return again?.timeSlot === probed.timeSlot
    ? new Shape(parts, probed.metrics, probed.timeSlot)
    : undefined;
}

interface Probed {
  readonly metrics: readonly ShapeMetric[];
  readonly timeSlot: number;
}

function probe(parts: readonly string[], device: DeviceId, first: number): Probed | undefined {
  const text = parts.map((part, index) => (index === 0 ? part : `${first + index - 1}${part}`));
  const decoded = decodeNative(device, Buffer.from(text.join("")));
  if (decoded.kind !== "readings") return undefined;
  const slots = new Set(parts.keys());
  slots.delete(parts.length - 1);
  const metrics: ShapeMetric[] = [];
  for (const reading of decoded.readings) {
    const { metric, value, unit, unitOriginal, quality, reason, observedAt } = reading;
    const text = typeof value === "string" ? value : undefined;
    const slot = typeof value === "number" ? value - first : -1;
    const isPlain = quality === "good" && reason === undefined && observedAt === undefined;
    if (!isPlain || (text === undefined && !slots.delete(slot))) return undefined;
    metrics.push({ metric, unit, unitOriginal, slot, text });
  }
  const timeSlot = decoded.observedAt === null ? -1 : decoded.observedAt - first;
  const isWhole = decoded.observedAt === null || slots.delete(timeSlot);
  return isWhole && slots.size === 0 ? { metrics, timeSlot } : undefined;
}
