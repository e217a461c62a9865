/**
 * CBOR (RFC 8949) to the values that JSON has, and byte strings, within bounds: no length is believed
 * beyond the bytes that are there, and nesting is counted. Undefined where it is none, or more than
 * that.
 */
import { utf8 } from "./text.ts";
import { ofFloat32 } from "./value.ts";

const depthMax = 16;
const itemsMax = 65_536;
const [decimalFraction, bigFloat] = [4, 5];

class CborFault extends Error {}

/** In a box, since CBOR may be null. */
export function readCbor(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    const reader = new Reader(bytes);
    const value = reader.item(0);
    return reader.isAtEnd ? { value } : undefined;
  } catch (failure) {
    // The view throws a RangeError beyond its end.
    if (failure instanceof CborFault || failure instanceof RangeError) return undefined;
    throw failure;
  }
}

const stop = Symbol("break");

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #items = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  item(depth: number): unknown {
    const value = this.#itemOrStop(depth);
    if (value === stop) throw new CborFault("a break outside");
    return value;
  }

  #itemOrStop(depth: number): unknown {
    if (depth > depthMax || ++this.#items > itemsMax) throw new CborFault("too much");
    const head = this.#view.getUint8(this.#at++);
    const [major, info] = [head >> 5, head & 31];
    if (major === 7) return this.#simple(info);
    const length = info === 31 ? undefined : this.#argument(info);
    if (length === undefined) {
      if (major < 2 || major === 6) throw new CborFault("indefinite");
      return major < 4 ? this.#chunks(major, depth) : this.#members(major, Infinity, depth);
    }
    if (major === 0) return length;
    if (major === 1) return -1 - length;
    if (major === 2) return this.#take(length);
    if (major === 3) return textOf(this.#take(length));
    if (major === 6) return tagged(length, this.item(depth + 1));
    return this.#members(major, length, depth);
  }

  #argument(info: number): number {
    if (info < 24) return info;
    const at = this.#at;
    const size = 2 ** (info - 24);
    if (size > 8) throw new CborFault("reserved");
    this.#at += size;
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at);
    return size === 4 ? this.#view.getUint32(at) : Number(this.#view.getBigUint64(at));
  }

  #simple(info: number): unknown {
    if (info === 20 || info === 21) return info === 21;
    if (info === 22 || info === 23) return null;
    if (info === 31) return stop;
    const at = this.#at;
    this.#at += info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 1;
    if (info === 25) return halfFloat(this.#view.getUint16(at));
    if (info === 26) return ofFloat32(this.#view.getFloat32(at));
    if (info === 27) return this.#view.getFloat64(at);
    throw new CborFault("a simple value");
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new CborFault("beyond the end");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #chunks(major: number, depth: number): unknown {
    const chunks: Uint8Array[] = [];
    for (
      let each = this.#itemOrStop(depth + 1);
      each !== stop;
      each = this.#itemOrStop(depth + 1)
    ) {
      if (typeof each === "string") chunks.push(Buffer.from(each));
      else if (each instanceof Uint8Array) chunks.push(each);
      else throw new CborFault("a chunk");
    }
    const whole = Buffer.concat(chunks);
    return major === 2 ? whole : textOf(whole);
  }

  /** A map becomes a Map: its keys may be numbers. */
  #members(major: number, count: number, depth: number): unknown {
    const list: unknown[] = [];
    const map = new Map<unknown, unknown>();
    // Each takes a byte at least.
    if (count !== Infinity && count > this.#bytes.length - this.#at) throw new CborFault("count");
    for (let index = 0; index < count; index++) {
      const first = this.#itemOrStop(depth + 1);
      if (first === stop) {
        if (count === Infinity) break;
        throw new CborFault("a break");
      }
      if (major === 4) list.push(first);
      else map.set(first, this.item(depth + 1));
    }
    return major === 4 ? list : map;
  }
}

function textOf(bytes: Uint8Array): string {
  const text = utf8(bytes);
  if (text === undefined) throw new CborFault("not UTF-8");
  return text;
}

function tagged(tag: number, value: unknown): unknown {
  if (tag !== decimalFraction && tag !== bigFloat) return value;
  const [exponent, mantissa] = Array.isArray(value) ? value : [];
  if (typeof exponent !== "number" || typeof mantissa !== "number")
    throw new CborFault("a fraction");
  // To divide by a power of ten is exact where to multiply by its inverse is not.
  const base = tag === decimalFraction ? 10 : 2;
  return exponent < 0 ? mantissa / base ** -exponent : mantissa * base ** exponent;
}

function halfFloat(half: number): number {
  const [exponent, fraction] = [(half >> 10) & 31, half & 1_023];
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Infinity
          : Number.NaN
        : (1 + fraction / 1_024) * 2 ** (exponent - 15);
  return half >> 15 === 1 ? -size : size;
}
