/**
 * What expressions read out of a binary frame. Places count from 0, negative ones from the end; one
 * that lies beyond the frame is an error, never a number that nobody sent.
 */

type Frame = Uint8Array;
type Whole = number | bigint;

const numbers: Readonly<
  Record<string, readonly [bytes: number, read: (view: DataView) => number]>
> = {
  u8: [1, (view) => view.getUint8(0)],
  i8: [1, (view) => view.getInt8(0)],
  u16be: [2, (view) => view.getUint16(0)],
  u16le: [2, (view) => view.getUint16(0, true)],
  i16be: [2, (view) => view.getInt16(0)],
  i16le: [2, (view) => view.getInt16(0, true)],
  u24be: [3, (view) => view.getUint8(0) * 0x1_00_00 + view.getUint16(1)],
  u24le: [3, (view) => view.getUint16(0, true) + view.getUint8(2) * 0x1_00_00],
  i24be: [3, (view) => view.getInt8(0) * 0x1_00_00 + view.getUint16(1)],
  i24le: [3, (view) => view.getUint16(0, true) + view.getInt8(2) * 0x1_00_00],
  u32be: [4, (view) => view.getUint32(0)],
  u32le: [4, (view) => view.getUint32(0, true)],
  i32be: [4, (view) => view.getInt32(0)],
  i32le: [4, (view) => view.getInt32(0, true)],
  // Doubles keep 53 bits: a counter that needs more than those loses its last ones.
  u64be: [8, (view) => Number(view.getBigUint64(0))],
  u64le: [8, (view) => Number(view.getBigUint64(0, true))],
  i64be: [8, (view) => Number(view.getBigInt64(0))],
  i64le: [8, (view) => Number(view.getBigInt64(0, true))],
  f32be: [4, (view) => shortest(view.getFloat32(0))],
  f32le: [4, (view) => shortest(view.getFloat32(0, true))],
  f64be: [8, (view) => view.getFloat64(0)],
  f64le: [8, (view) => view.getFloat64(0, true)],
};

/** Signature -> handler, as the environment takes them. */
export const frameFunctions: ReadonlyMap<string, (...given: never[]) => unknown> = new Map<
  string,
  (...given: never[]) => unknown
>([
  ...Object.entries(numbers).map(([name, [bytes, read]]) => {
    const handler = (frame: Frame, at: Whole) => read(viewOf(frame, at, bytes));
    return [`${name}(bytes, dyn): double`, handler] as const;
  }),
  ["bits(dyn, dyn, dyn): double", bits],
  ["slice(bytes, dyn): bytes", (frame: Frame, from: Whole) => slice(frame, from, frame.length)],
  ["slice(bytes, dyn, dyn): bytes", slice],
  ["hex(bytes): string", (frame: Frame) => Buffer.from(frame).toString("hex")],
  ["ascii(bytes): string", ascii],
  ["fromHex(string): bytes", fromHex],
  ["fromBase64(string): bytes", fromBase64],
  ["bcd(bytes): double", bcd],
]);

/** What a float of 32 bits was meant to be: 21.1, not 21.100000381469727. */
function shortest(value: number): number {
  if (!Number.isFinite(value)) return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function viewOf(frame: Frame, at: Whole, bytes: number): DataView {
  const from = placeOf(frame, at);
  if (from < 0 || from + bytes > frame.length)
    throw new RangeError(`${bytes} bytes at ${at}, in a frame of ${frame.length}`);
  return new DataView(frame.buffer, frame.byteOffset + from, bytes);
}

function placeOf(frame: Frame, at: Whole): number {
  const place = wholeOf(at);
  return place < 0 ? frame.length + place : place;
}

export function wholeOf(given: unknown): number {
  const whole = typeof given === "bigint" ? Number(given) : given;
  if (typeof whole === "number" && Number.isSafeInteger(whole)) return whole;
  throw new RangeError(`${typeof whole === "number" ? whole : typeof given} is no whole number`);
}

function slice(frame: Frame, from: Whole, until: Whole): Frame {
  const [begin, end] = [placeOf(frame, from), placeOf(frame, until)];
  if (begin < 0 || end < begin || end > frame.length)
    throw new RangeError(`bytes ${from} to ${until} of ${frame.length}`);
  return frame.subarray(begin, end);
}

/** Bit 0 is the lowest; of a number up to 53 bits. */
function bits(value: Whole, from: Whole, count: Whole): number {
  const [number, low, width] = [wholeOf(value), wholeOf(from), wholeOf(count)];
  if (number < 0) throw new RangeError(`${number} is below 0: read it as one of u8, u16be, …`);
  if (low < 0 || width < 1 || low + width > 53)
    throw new RangeError(`bits ${low} to ${low + width - 1}: there are 0 to 52`);
  return Math.floor(number / 2 ** low) % 2 ** width;
}

/** Up to the first zero byte. */
function ascii(frame: Frame): string {
  const end = frame.indexOf(0);
  const text = frame.subarray(0, end < 0 ? frame.length : end);
  const odd = text.find((byte) => byte < 0x20 || byte > 0x7e);
  if (odd !== undefined) throw new RangeError(`byte ${odd} is no ASCII character`);
  return Buffer.from(text).toString("latin1");
}

function fromHex(text: string): Frame {
  const digits = text.replaceAll(/[\s:-]/g, "");
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw new RangeError("no hexadecimal bytes");
  return Buffer.from(digits, "hex");
}

function fromBase64(text: string): Frame {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new RangeError("no base64");
  return Buffer.from(text, "base64");
}

/** Two decimal digits a byte. */
function bcd(frame: Frame): number {
  let value = 0;
  for (const byte of frame) {
    const [high, low] = [byte >> 4, byte & 15];
    if (high > 9 || low > 9) throw new RangeError(`byte ${byte} has no two decimal digits`);
    value = value * 100 + high * 10 + low;
  }
  return value;
}
