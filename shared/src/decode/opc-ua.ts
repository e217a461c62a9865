/**
 * OPC UA PubSub, JSON (OPC 10000-14 §7.2.5, §7.3.4.7.3; 10000-6 §5.4), and the samples of Microsoft's
 * OPC Publisher.
 *
 *   opcua/json/<data|metadata|status|…>/<publisher>/<group>/<writer>
 *   any topic whose payload is a NetworkMessage (`ua-data`), a DataSetMessage, or samples
 *
 * A field is a value, a Variant (`Type`, `Body`; `UaType`, `Value`) or a DataValue with its own status
 * and time. A status that is bad or uncertain, the field's else the message's, is the quality, its symbol
 * the reason. Integers of 64 bits are text on the wire and numbers here, where their type is told. Fields
 * of equal names from several writers in one message have the writer's id before them. A keep-alive has no
 * fields and says nothing. When: SourceTimestamp, else ServerTimestamp, else the message's.
 */
import type { Quality } from "../event.ts";
import { reasonCharactersMax } from "../event.ts";
import type { DeviceId } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, jsonIn } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { cameOrWent } from "./presence-words.ts";
import { deviceTimeOf } from "./time.ts";

export const opcUa: Adapter = {
  family: "opcua-pubsub-json",
  signature(levels) {
    return levels[0] === "opcua" && levels.length > 1
      ? { device: levels.slice(1).join("/") }
      : undefined;
  },
  decode({ topic, device }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const json = jsonIn(device, payload);
    return json.kind === "json" ? decodeOpcUa(device, json.value, true) : json;
  },
};

/** Undefined where it is none; with `isSure` a plain object is a DataSetMessage without header. */
export function decodeOpcUa(device: DeviceId, json: unknown, isSure = false): Decoded | undefined {
  const messages = (Array.isArray(json) ? json : [json]).map(capitalised);
  const [first] = messages;
  if (!isObject(first)) return undefined;
  const collector = new Collector();
  if (isSample(first)) {
    for (const sample of messages) if (isObject(sample)) addSample(collector, sample);
    return collector.done(device, null);
  }
  const type = first["MessageType"];
  const isData = type === "ua-data" || typeof first["Messages"] === "object" || "Payload" in first;
  const isHeaded = ["DataSetWriterId", "MessageId", "PublisherId"].some((name) => name in first);
  if (isSure && type === "ua-keepalive") return collector.done(device, null);
  if (isData && (isSure || isHeaded)) {
    const sets = messages.filter(isObject).flatMap(dataSets);
    const repeated = repeatedNames(sets);
    for (const set of sets) addDataSet(collector, set, repeated);
    return collector.done(device, null);
  }
  const isOurs = typeof type === "string" && type.startsWith("ua-");
  if (!isSure && !isOurs) return undefined;
  const time = isOurs ? (deviceTimeOf(first["Timestamp"]) ?? null) : null;
  if (isLoneValue(first)) addField(collector, "Value", first, { observedAt: null });
  else if (!Array.isArray(json)) {
    for (const name in first) {
      if (time === null || name !== "Timestamp")
        addField(collector, name, first[name], { observedAt: time });
    }
  } else for (const [at, each] of json.entries()) collector.flatten(String(at), each, 1);
  const decoded = collector.done(device, null);
  const online = type === "ua-status" ? stateOf(first["Status"]) : undefined;
  if (decoded.kind !== "readings" || online === undefined) return decoded;
  return { ...decoded, presences: [cameOrWent(device, online, "publisher-status")] };
}

/** Microsoft's telemetry processor writes all names with small letters. */
function capitalised(message: unknown): unknown {
  const isSmall = isObject(message) && "payload" in message && "publisherId" in message;
  return isSmall ? withCapitals(message) : message;
}

function withCapitals(json: JsonObject): JsonObject {
  const entries = Object.entries(json).map(([name, value]) => [
    `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
    value,
  ]);
  return Object.fromEntries(entries);
}

/** What holds for fields that do not say it themselves. */
interface Whole {
  readonly observedAt: number | null;
  readonly status?: unknown;
}

interface DataSet extends Whole {
  readonly writer: string;
  readonly fields: JsonObject;
}

function dataSets(message: JsonObject): DataSet[] {
  const messages = message["Messages"];
  // A single one need not be a list.
  const parts = Array.isArray(messages) ? messages : isObject(messages) ? [messages] : [message];
  return parts.filter(isObject).flatMap((part) => {
    const fields = "Payload" in part ? part["Payload"] : part;
    if (!isObject(fields) || fields["MessageType"] === "ua-keepalive") return [];
    const writer = String(part["DataSetWriterName"] ?? part["DataSetWriterId"] ?? "");
    const time = deviceTimeOf(part["Timestamp"] ?? message["Timestamp"]) ?? null;
    return [
      { writer, observedAt: time, fields, status: "Payload" in part ? part["Status"] : undefined },
    ];
  });
}

/** Names that more than one writer has. */
function repeatedNames(sets: readonly DataSet[]): ReadonlySet<string> {
  const writers = new Map<string, string>();
  const repeated = new Set<string>();
  for (const { writer, fields } of sets) {
    for (const name in fields) {
      const known = writers.get(name);
      if (known !== undefined && known !== writer) repeated.add(name);
      writers.set(name, writer);
    }
  }
  return repeated;
}

function addDataSet(collector: Collector, set: DataSet, repeated: ReadonlySet<string>): void {
  for (const name in set.fields) {
    const metric = repeated.has(name) ? `${set.writer}.${name}` : name;
    addField(collector, metric, set.fields[name], set);
    if (collector.fault !== undefined) return;
  }
}

function isSample(json: JsonObject): boolean {
  return typeof json["NodeId"] === "string" && "Value" in json;
}

function addSample(collector: Collector, sample: JsonObject): void {
  const { NodeId, DisplayName, Value, Timestamp } = sample;
  const name =
    typeof DisplayName === "string" && DisplayName !== "" ? DisplayName : nodeName(NodeId);
  const value = isObject(Value) ? { ...statusAndTimeOf(sample), ...Value } : Value;
  addField(collector, name, value, { observedAt: deviceTimeOf(Timestamp) ?? null });
}

/** A sample may have them beside its value. */
function statusAndTimeOf({ StatusCode, SourceTimestamp }: JsonObject): JsonObject {
  return {
    ...(StatusCode === undefined ? {} : { StatusCode }),
    ...(SourceTimestamp === undefined ? {} : { SourceTimestamp }),
  };
}

/** The identifier in `nsu=…;s=StepUp`; a number means nothing without its namespace. */
function nodeName(id: unknown): string {
  const text = String(id);
  return /(?:^|;)s=([\s\S]+)$/.exec(text)?.[1] ?? text;
}

const dataValueKeys = new Set([
  ...["Value", "StatusCode", "Status", "SourceTimestamp", "SourcePicoseconds", "ServerTimestamp"],
  ...["ServerPicoseconds", "UaType", "Dimensions"],
]);

function addField(collector: Collector, name: string, field: unknown, whole: Whole): void {
  const before = collector.readings.length;
  const told = isObject(field) ? dataValueIn(field) : undefined;
  const value = told === undefined ? field : "Value" in told ? told["Value"] : null;
  collector.flatten(name, variantOf(value, told?.["UaType"]), 1);
  const own = deviceTimeOf(told?.["SourceTimestamp"] ?? told?.["ServerTimestamp"]);
  const time = own ?? whole.observedAt;
  const [quality, reason] = statusOf(told?.["StatusCode"] ?? told?.["Status"] ?? whole.status);
  for (const reading of collector.readings.slice(before)) {
    if (time !== null) reading.observedAt = time;
    if (quality === "good") continue;
    reading.quality = quality;
    reading.reason = reason;
  }
}

function dataValueIn(field: JsonObject): JsonObject | undefined {
  const capitals = "value" in field || "sourceTimestamp" in field ? withCapitals(field) : field;
  return Object.keys(capitals).every((key) => dataValueKeys.has(key)) ? capitals : undefined;
}

/** A topic of one DataValue. */
function isLoneValue(json: JsonObject): boolean {
  const isTimed = ["SourceTimestamp", "ServerTimestamp", "StatusCode"].some((key) => key in json);
  return isTimed && dataValueIn(json) !== undefined;
}

const int64Types = new Set<unknown>([8, 9]);

/** `{"Type": 11, "Body": 25.5}` of earlier versions. */
function variantOf(value: unknown, uaType: unknown): unknown {
  if (!isObject(value) || !("Body" in value)) return numberOfType(value, uaType);
  const keys = Object.keys(value);
  return keys.every((key) => key === "Type" || key === "Body" || key === "Dimensions")
    ? numberOfType(value["Body"], value["Type"])
    : value;
}

function numberOfType(value: unknown, type: unknown): unknown {
  if (!int64Types.has(type)) return value;
  if (Array.isArray(value)) return value.map((each) => numberOfType(each, type));
  return typeof value === "string" && /^-?\d{1,20}$/.test(value) ? Number(value) : value;
}

/** Of OPC 10000-6 A.2, those that devices send; others are told by their number. */
const symbols: ReadonlyMap<number, string> = new Map([
  ...([
    [0x80000000, "Bad"],
    [0x80050000, "BadCommunicationError"],
    [0x800a0000, "BadTimeout"],
    [0x80310000, "BadNoCommunication"],
    [0x80320000, "BadWaitingForInitialData"],
    [0x80330000, "BadNodeIdInvalid"],
    [0x80340000, "BadNodeIdUnknown"],
    [0x803a0000, "BadNotReadable"],
    [0x803c0000, "BadOutOfRange"],
    [0x80890000, "BadConfigurationError"],
    [0x808a0000, "BadNotConnected"],
    [0x808b0000, "BadDeviceFailure"],
    [0x808c0000, "BadSensorFailure"],
    [0x808d0000, "BadOutOfService"],
    [0x40000000, "Uncertain"],
    [0x408f0000, "UncertainNoCommunicationLastUsableValue"],
    [0x40900000, "UncertainLastUsableValue"],
    [0x40910000, "UncertainSubstituteValue"],
    [0x40920000, "UncertainInitialValue"],
    [0x40930000, "UncertainSensorNotAccurate"],
    [0x40940000, "UncertainEngineeringUnitsExceeded"],
    [0x40950000, "UncertainSubNormal"],
  ] as const),
]);

/** The two highest bits tell: 00 good, 01 uncertain, 10 and 11 bad. */
function statusOf(status: unknown): readonly [Quality, string] {
  const { Code, Symbol: symbol } = isObject(status)
    ? status
    : typeof status === "string"
      ? { Code: undefined, Symbol: status }
      : { Code: status, Symbol: undefined };
  const words = typeof symbol === "string" ? symbol.slice(0, reasonCharactersMax) : undefined;
  if (typeof Code !== "number")
    return [words === undefined ? "good" : qualityOf(words), words ?? ""];
  const severity = Math.floor(Code / 0x40000000);
  const quality = severity === 0 ? "good" : severity === 1 ? "uncertain" : "bad";
  // The lower half tells more of the value, its limits for one.
  const known = symbols.get(Math.floor(Code / 0x10000) * 0x10000);
  return [quality, words ?? known ?? `0x${Code.toString(16).padStart(8, "0")}`];
}

function qualityOf(symbol: string): Quality {
  if (symbol.startsWith("Bad")) return "bad";
  return symbol.startsWith("Uncertain") ? "uncertain" : "good";
}

/** PubSubState: 2 is operational, 0 disabled, 1 paused, 3 error. */
function stateOf(state: unknown): boolean | undefined {
  if (typeof state === "string") return /operational/i.test(state);
  return typeof state === "number" ? state === 2 : undefined;
}
