/**
 * The payload of Sparkplug B 3.0 (§6.4), by a schema of our own for its wire format. `int_value` and
 * `long_value` are read as signed, which is the same on the wire: so a negative one is exact, and what
 * is unsigned can still be told. A float is the shortest decimal that it stands for.
 */
import { gunzipSync, inflateSync } from "node:zlib";
import protobuf from "protobufjs/light.js";
import { ofFloat32 } from "./value.ts";

interface Field {
  readonly type: string;
  readonly id: number;
  readonly rule?: "repeated";
}

/** As in proto2 each field is there or not: zero and false are values. */
function message(fields: Readonly<Record<string, Field>>) {
  const single = Object.entries(fields).filter(([, { rule }]) => rule === undefined);
  const options = { proto3_optional: true };
  return {
    fields: {
      ...fields,
      ...Object.fromEntries(single.map(([n, field]) => [n, { ...field, options }])),
    },
    oneofs: Object.fromEntries(single.map(([name]) => [`_${name}`, { oneof: [name] }])),
  };
}

const scalars = (first: number) => ({
  intValue: { type: "int32", id: first },
  longValue: { type: "int64", id: first + 1 },
  floatValue: { type: "float", id: first + 2 },
  doubleValue: { type: "double", id: first + 3 },
  booleanValue: { type: "bool", id: first + 4 },
  stringValue: { type: "string", id: first + 5 },
});

const schema = {
  nested: {
    Payload: message({
      timestamp: { type: "int64", id: 1 },
      metrics: { rule: "repeated", type: "Metric", id: 2 },
      seq: { type: "int64", id: 3 },
      uuid: { type: "string", id: 4 },
      body: { type: "bytes", id: 5 },
    }),
    Metric: message({
      name: { type: "string", id: 1 },
      alias: { type: "int64", id: 2 },
      timestamp: { type: "int64", id: 3 },
      datatype: { type: "uint32", id: 4 },
      isNull: { type: "bool", id: 7 },
      properties: { type: "PropertySet", id: 9 },
      ...scalars(10),
      bytesValue: { type: "bytes", id: 16 },
      datasetValue: { type: "DataSet", id: 17 },
      templateValue: { type: "Template", id: 18 },
    }),
    DataSet: message({
      columns: { rule: "repeated", type: "string", id: 2 },
      types: { rule: "repeated", type: "uint32", id: 3 },
      rows: { rule: "repeated", type: "Row", id: 4 },
    }),
    Row: message({ elements: { rule: "repeated", type: "Element", id: 1 } }),
    Element: message(scalars(1)),
    Template: message({ metrics: { rule: "repeated", type: "Metric", id: 2 } }),
    PropertySet: message({
      keys: { rule: "repeated", type: "string", id: 1 },
      values: { rule: "repeated", type: "Property", id: 2 },
    }),
    Property: message({ type: { type: "uint32", id: 1 }, ...scalars(3) }),
  },
};

/** Whole numbers are Long where the package is there. */
type Whole = number | { toNumber(): number };

interface Scalars {
  readonly intValue?: number | null;
  readonly longValue?: Whole | null;
  readonly floatValue?: number | null;
  readonly doubleValue?: number | null;
  readonly booleanValue?: boolean | null;
  readonly stringValue?: string | null;
}

export interface SparkplugProperty extends Scalars {
  readonly type?: number | null;
}

export interface SparkplugMetric extends Scalars {
  readonly name?: string | null;
  readonly alias?: Whole | null;
  readonly timestamp?: Whole | null;
  readonly datatype?: number | null;
  readonly isNull?: boolean | null;
  readonly properties?: {
    readonly keys: readonly string[];
    readonly values: readonly SparkplugProperty[];
  } | null;
  readonly bytesValue?: Uint8Array | null;
  readonly datasetValue?: SparkplugDataSet | null;
  readonly templateValue?: { readonly metrics: readonly SparkplugMetric[] } | null;
}

export interface SparkplugDataSet {
  readonly columns: readonly string[];
  readonly types: readonly number[];
  readonly rows: readonly { readonly elements: readonly Scalars[] }[];
}

export interface SparkplugPayload {
  readonly timestamp?: Whole | null;
  readonly metrics: readonly SparkplugMetric[];
  readonly seq?: Whole | null;
  readonly uuid?: string | null;
  readonly body?: Uint8Array | null;
}

let made: protobuf.Type | undefined;

/** Made when the first message comes: most gateways never see one. */
function payloadType(): protobuf.Type {
  made ??= protobuf.Root.fromJSON(schema).lookupType("Payload");
  return made;
}

/** Undefined where the bytes are none. */
export function readSparkplug(bytes: Uint8Array): SparkplugPayload | undefined {
  const payload = decoded(bytes);
  if (payload === undefined || payload.uuid !== compressedMark) return payload;
  const inner = inflated(payload);
  return inner === undefined ? undefined : decoded(inner);
}

const compressedMark = "SPBV1.0_COMPRESSED";
/** Four times what a packet may have; a bomb costs no more. */
const inflatedBytesMax = 1_024 * 1_024;

function decoded(bytes: Uint8Array): SparkplugPayload | undefined {
  try {
    return payloadType().decode(bytes) as unknown as SparkplugPayload;
  } catch {
    // Cut short, of another wire type, or nested without end.
    return undefined;
  }
}

/** The payload in a payload's body, as Eclipse Tahu compresses it: DEFLATE unless `algorithm` says GZIP. */
function inflated({ body, metrics }: SparkplugPayload): Uint8Array | undefined {
  if (body == null || body.length === 0) return undefined;
  const algorithm = metrics.find(({ name }) => name === "algorithm")?.stringValue ?? "DEFLATE";
  const options = { maxOutputLength: inflatedBytesMax };
  try {
    return algorithm.toUpperCase() === "GZIP"
      ? gunzipSync(body, options)
      : inflateSync(body, options);
  } catch {
    // No such stream, or more than that.
    return undefined;
  }
}

export function sparkplugBytes(payload: object): Uint8Array {
  const type = payloadType();
  return type.encode(type.fromObject(payload)).finish();
}

/** NCMD that asks a node to tell its births again (§6.4.18). */
export function rebirthCommand(presentMs: number | undefined): Uint8Array {
  const rebirth = { name: "Node Control/Rebirth", datatype: 11, booleanValue: true };
  const time = presentMs === undefined ? {} : { timestamp: presentMs };
  return sparkplugBytes({ ...time, metrics: [{ ...time, ...rebirth }] });
}

/** A whole number that a message may have; its prototype has zero where it has none. */
export function wholeOf<Name extends string>(
  message: Partial<Record<Name, Whole | null>>,
  name: Name,
): number | undefined {
  return Object.hasOwn(message, name) ? numberOf(message[name] as Whole) : undefined;
}

function numberOf(value: Whole): number {
  return typeof value === "number" ? value : value.toNumber();
}

const [uint8, uint64, dateTime] = [5, 8, 13];

/** The value of a data type (§6.4.16); undefined where there is none. */
export function scalarOf(from: Scalars, datatype: number): number | string | boolean | undefined {
  const { intValue, longValue, floatValue, doubleValue, booleanValue, stringValue } = from;
  const isUnsigned = (datatype >= uint8 && datatype <= uint64) || datatype === dateTime;
  // The prototype has null for what a message has not, but zero for 64 bits.
  if (intValue != null) {
    if (isUnsigned) return intValue >>> 0;
    // Small ones come as 32 bits without a sign, or as theirs alone.
    return datatype === 1
      ? (intValue << 24) >> 24
      : datatype === 2
        ? (intValue << 16) >> 16
        : intValue;
  }
  if (longValue != null && Object.hasOwn(from, "longValue")) {
    const whole = numberOf(longValue);
    return isUnsigned && whole < 0 ? whole + 2 ** 64 : whole;
  }
  if (floatValue != null) return ofFloat32(floatValue);
  if (doubleValue != null) return doubleValue;
  if (booleanValue != null) return booleanValue;
  return stringValue != null ? stringValue : undefined;
}

/** Elements of an array type, which lie in bytes, little endian (§6.4.17). */
export function arrayOf(bytes: Uint8Array, datatype: number): (number | string | boolean)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (datatype === 33) {
    const texts = Buffer.from(bytes).toString("utf8").split("\0");
    return texts.at(-1) === "" ? texts.slice(0, -1) : texts;
  }
  if (datatype === 32) return booleansOf(view);
  const size = sizes[datatype] ?? 1;
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, at) =>
    elementOf(view, at * size, datatype),
  );
}

const sizes: Readonly<Record<number, number>> = {
  ...{ 22: 1, 23: 2, 24: 4, 25: 8, 26: 1, 27: 2, 28: 4, 29: 8, 30: 4, 31: 8, 34: 8 },
};

function elementOf(view: DataView, at: number, datatype: number): number {
  if (datatype === 22) return view.getInt8(at);
  if (datatype === 23) return view.getInt16(at, true);
  if (datatype === 24) return view.getInt32(at, true);
  if (datatype === 25) return Number(view.getBigInt64(at, true));
  if (datatype === 26) return view.getUint8(at);
  if (datatype === 27) return view.getUint16(at, true);
  if (datatype === 28) return view.getUint32(at, true);
  if (datatype === 30) return ofFloat32(view.getFloat32(at, true));
  if (datatype === 31) return view.getFloat64(at, true);
  return Number(view.getBigUint64(at, true));
}

/** Four bytes of their number, then their bits, the first one highest. */
function booleansOf(view: DataView): boolean[] {
  if (view.byteLength < 4) return [];
  const count = Math.min(view.getUint32(0, true), (view.byteLength - 4) * 8);
  return Array.from(
    { length: count },
    (_, at) => ((view.getUint8(4 + (at >> 3)) >> (7 - (at & 7))) & 1) === 1,
  );
}
