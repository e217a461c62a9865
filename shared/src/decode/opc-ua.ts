/**
 * OPC UA PubSub, JSON (OPC 10000-14 §7.2.5, §7.3.4.7.3; 10000-6 §5.4), and the samples of Microsoft's
 * OPC Publisher.
 *
 *   opcua/json/<data|metadata|status|…>/<publisher>/<group>/<writer>
 *   any topic whose payload is a NetworkMessage (`ua-data`), a DataSetMessage, or samples
 *
 * A field is a value, a Variant (`Type`, `Body`; `UaType`, `Value`) or a DataValue with its own status
 * and time. A status that is bad or uncertain is the quality, its symbol the reason. Fields of equal
 * names from several writers in one message have the writer's id before them. When: SourceTimestamp, else
 * ServerTimestamp, else the message's.
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
  const isData = type === "ua-data" || Array.isArray(first["Messages"]) || "Payload" in first;
  const isHeaded = ["DataSetWriterId", "MessageId", "PublisherId"].some((name) => name in first);
  if (isData && (isSure || isHeaded)) {
    const sets = messages.filter(isObject).flatMap(dataSets);
    const repeated = repeatedNames(sets);
    for (const set of sets) addDataSet(collector, set, repeated);
    return collector.done(device, null);
  }
  const isOurs = typeof type === "string" && type.startsWith("ua-");
  if (!isSure && !isOurs) return undefined;
  if (!Array.isArray(json)) for (const name in first) addField(collector, name, first[name], null);
  else for (const [at, each] of json.entries()) collector.flatten(String(at), each, 1);
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

interface DataSet {
  readonly writer: string;
  readonly observedAt: number | null;
  readonly fields: JsonObject;
}

function dataSets(message: JsonObject): DataSet[] {
  const messages = message["Messages"];
  const parts = Array.isArray(messages) ? messages : [message];
  return parts.filter(isObject).flatMap((part) => {
    const fields = "Payload" in part ? part["Payload"] : part;
    if (!isObject(fields)) return [];
    const writer = String(part["DataSetWriterName"] ?? part["DataSetWriterId"] ?? "");
    const time = deviceTimeOf(part["Timestamp"] ?? message["Timestamp"]) ?? null;
    return [{ writer, observedAt: time, fields }];
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
    addField(collector, metric, set.fields[name], set.observedAt);
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
  addField(collector, name, value, deviceTimeOf(Timestamp) ?? null);
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

function addField(
  collector: Collector,
  name: string,
  field: unknown,
  messageTime: number | null,
): void {
  const before = collector.readings.length;
  const told = isObject(field) ? dataValueIn(field) : undefined;
  const value = told === undefined ? field : "Value" in told ? told["Value"] : null;
  collector.flatten(name, variantOf(value), 1);
  const time = deviceTimeOf(told?.["SourceTimestamp"] ?? told?.["ServerTimestamp"]) ?? messageTime;
  const [quality, reason] = statusOf(told?.["StatusCode"] ?? told?.["Status"]);
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

/** `{"Type": 11, "Body": 25.5}` of earlier versions. */
function variantOf(value: unknown): unknown {
  if (!isObject(value) || !("Body" in value)) return value;
  const keys = Object.keys(value);
  return keys.every((key) => key === "Type" || key === "Body" || key === "Dimensions")
    ? value["Body"]
    : value;
}

/** The two highest bits tell: 00 good, 01 uncertain, 10 and 11 bad. */
function statusOf(status: unknown): readonly [Quality, string] {
  const { Code, Symbol: symbol } = isObject(status) ? status : { Code: status, Symbol: undefined };
  const words = typeof symbol === "string" ? symbol.slice(0, reasonCharactersMax) : undefined;
  if (typeof Code !== "number")
    return [words === undefined ? "good" : qualityOf(words), words ?? ""];
  const severity = Math.floor(Code / 0x40000000);
  const quality = severity === 0 ? "good" : severity === 1 ? "uncertain" : "bad";
  return [quality, words ?? `0x${Code.toString(16).padStart(8, "0")}`];
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
