/**
 * Home Assistant's MQTT discovery (home-assistant.io/integrations/mqtt).
 *
 *   <prefix>/<component>/[<node>/]<object>/config   JSON about one entity; empty forgets it
 *   <prefix>/device/<object>/config                 the same for all entities of a device
 *   homeassistant/…                                 states: JSON, or one value named by its last level
 *
 * A config is told as readings `config.…`, and learnt: its state topic's readings get the unit that
 * it states, of whichever family they are; its other topics (of a climate, a cover, …) may have any word;
 * its availability topics tell presence. Abbreviated keys and `~` are understood. Of value templates the
 * common forms are (value-template.ts): a path in `value_json`, or `value`, with filters, and with factors
 * and offsets by constants (`| float / 10`), which are applied; `round` is not, for it is display. Where a
 * template is of another form, the reading stays as it is, without unit.
 */
import type { Reading } from "../event.ts";
import { unitCharactersMax } from "../event.ts";
import { metricCharactersMax } from "../names.ts";
import { shown } from "../shown.ts";
import type { Adapter, Target } from "./adapter.ts";
import { Collector, cleared, deviceNamed, jsonIn } from "./collect.ts";
import type { Decoded, Presence } from "./decoded.ts";
import { parseJson } from "./json.ts";
import type { JsonObject, Learnt, Memory } from "./memory.ts";
import { isObject } from "./memory.ts";
import { cameOrWent } from "./presence-words.ts";
import { utf8 } from "./text.ts";
import { withUnit } from "./units.ts";
import type { Template } from "./value-template.ts";
import { templateOf } from "./value-template.ts";

const availabilityBytesMax = 1_024;
const configsPerTopicMax = 64;
const entitiesMax = 256;
const othersMax = 16;
const topicsPerConfigMax = 1_024;
const components = new Set(
  (
    "alarm_control_panel binary_sensor button camera climate cover device device_automation " +
    "device_tracker event fan humidifier image lawn_mower light lock notify number scene select " +
    "sensor siren switch tag text update vacuum valve water_heater"
  ).split(" "),
);

/** What is known about a topic, by the configs that tell it. */
interface About {
  readonly [config: string]: readonly Entity[];
}

interface Entity {
  /** Undefined where it only tells availability. */
  readonly template?: Template;
  readonly unit?: string;
  /** The words for here and for gone. */
  readonly words?: readonly [online: string, offline: string];
  /** Where in the payload the word stands; the whole of it where there is none. */
  readonly wordAt?: string;
}

export const stateKey = (topic: string) => `homeassistant/about/${topic}`;
const configKey = (topic: string) => `homeassistant/config/${topic}`;

export const discovery: Adapter = {
  family: "home-assistant",
  signature(levels) {
    const isConfig = levels.at(-1) === "config" && (levels.length === 4 || levels.length === 5);
    if (isConfig && components.has(levels[1] as string)) {
      return { device: levels.slice(0, -1).join("/"), what: levels[1] as string };
    }
    const isState = levels[0] === "homeassistant" && levels.length > 2;
    return isState ? { device: levels.join("/"), what: "state" } : undefined;
  },
  decode(target, payload, { memory }) {
    const { topic, device, what } = target;
    if (what === "state") return stateOf(target, payload);
    if (payload.length === 0) {
      const learnt = forget(memory, topic, []);
      return { kind: "told", device, name: "forgotten", detail: shown(topic), learnt };
    }
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    if (!isObject(json.value)) return undefined;
    const collector = new Collector();
    collector.flatten("config", json.value);
    const done = collector.done(device, null);
    // A device may have more to tell than one event can have; what it is about counts.
    const isLong = done.kind === "quarantined" && done.reason === "too-many-readings";
    const detail = `config, ${payload.length} bytes`;
    const decoded: Decoded = isLong ? { kind: "told", device, name: "described", detail } : done;
    if (decoded.kind === "quarantined") return decoded;
    const entities = what === "device" ? entitiesOf(json.value) : [json.value];
    return { ...decoded, learnt: learn(memory, topic, entities.flatMap(told)) };
  },
};

/** The readings of a topic as its configs describe it. */
export function described(
  decoded: Decoded,
  target: Target,
  about: unknown,
  payload: Uint8Array,
): Decoded {
  const entities = isObject(about) ? Object.values(about as About).flat() : [];
  const plain = decoded.kind === "quarantined" ? wordIn(target, payload) : undefined;
  const known = plain ?? decoded;
  const presences = entities.flatMap((entity) => presenceIn(target, payload, entity));
  if (known.kind !== "readings") return known;
  const done = new Set<Reading>();
  for (const { template, unit } of entities) {
    const reading = template === undefined ? undefined : readingAt(known.readings, template.path);
    // Of several entities for one value the first that says something has it.
    if (template === undefined || reading === undefined || done.has(reading)) continue;
    if (describe(reading, template, unit)) done.add(reading);
  }
  const [presence] = presences;
  // A family that knows who it is about knows better.
  if (presence === undefined || (known.presences?.length ?? 0) > 0) return known;
  return { ...known, presences: [presence] };
}

function readingAt(readings: readonly Reading[], path: string | null): Reading | undefined {
  if (path !== null) return readings.find(({ metric }) => metric === path);
  return readings.length === 1 ? readings[0] : undefined;
}

/** Whether it says anything. */
function describe(reading: Reading, template: Template, unit: string | undefined): boolean {
  const { factor, divisor, isNumber, before = 0, after = 0 } = template;
  const isPlain = factor === divisor && before === 0 && after === 0;
  if (typeof reading.value === "string" && (isNumber || unit !== undefined)) {
    const number = reading.value.trim() === "" ? Number.NaN : Number(reading.value);
    if (Number.isFinite(number)) reading.value = number;
  }
  const scaled =
    typeof reading.value === "number"
      ? ((reading.value + before) * factor) / divisor + after
      : Number.NaN;
  if (!isPlain && Number.isFinite(scaled)) reading.value = scaled;
  if (unit !== undefined && reading.unit === undefined) withUnit(reading, unit);
  return isNumber || !isPlain || unit !== undefined;
}

/** Of an object, which tells several entities, or of one entity. */
function stateOf(target: Target, payload: Uint8Array): Decoded | undefined {
  if (payload.length === 0) return cleared(target.device, target.topic);
  return /^\s*[[{]/.test(utf8(payload) ?? "{") ? undefined : wordIn(target, payload);
}

/** A topic that is described may have any word. */
function wordIn({ topic, device }: Target, payload: Uint8Array): Decoded | undefined {
  const text = utf8(payload);
  if (text === undefined) return undefined;
  const end = topic.lastIndexOf("/");
  const name = topic.slice(0, Math.max(0, end));
  const collector = new Collector();
  const quoted = text.startsWith('"') ? parseJson(text)?.value : undefined;
  if (typeof quoted === "string") collector.put(topic.slice(end + 1), quoted);
  else collector.plain(topic.slice(end + 1), text);
  return collector.done(deviceNamed(name) ?? device, null);
}

function presenceIn(
  { topic, device }: Target,
  payload: Uint8Array,
  { words, wordAt }: Entity,
): readonly Presence[] {
  if (words === undefined || payload.length > availabilityBytesMax) return [];
  const text = utf8(payload)?.trim() ?? "";
  const at = words.indexOf(wordAt === undefined ? text : wordAtPath(text, wordAt));
  if (at < 0) return [];
  const name = topic.slice(0, Math.max(0, topic.lastIndexOf("/")));
  const gone = deviceNamed(name) ?? device;
  return [cameOrWent(gone, at === 0, "availability")];
}

function wordAtPath(text: string, path: string): string {
  const found = path
    .split(".")
    .reduce<unknown>(
      (json, key) => (isObject(json) && Object.hasOwn(json, key) ? json[key] : undefined),
      parseJson(text)?.value,
    );
  return String(found);
}

/** The topics that a config is about, and what it says of each. */
function told(config: JsonObject): readonly (readonly [topic: string, entity: Entity])[] {
  const found: (readonly [string, Entity])[] = [];
  const topic = topicOf(config, "state_topic", "stat_t");
  const template = templateOf(get(config, "value_template", "val_tpl"));
  const unit = get(config, "unit_of_measurement", "unit_of_meas");
  const isUnit = typeof unit === "string" && unit !== "" && unit.length <= unitCharactersMax;
  if (topic !== undefined && template !== undefined) {
    found.push([topic, isUnit ? { template, unit } : { template }]);
  }
  found.push(...othersOf(config));
  for (const each of availabilitiesOf(config)) {
    const about = topicOf(
      { ...each, "~": config["~"] },
      "availability_topic",
      "avty_t",
      "topic",
      "t",
    );
    const online = get(each, "payload_available", "pl_avail") ?? "online";
    const offline = get(each, "payload_not_available", "pl_not_avail") ?? "offline";
    if (about === undefined || typeof online !== "string" || typeof offline !== "string") continue;
    const words = [online.slice(0, 64), offline.slice(0, 64)] as const;
    const path = wordPath(get(each, "value_template", "val_tpl"));
    if (path !== undefined)
      found.push([about, path === null ? { words } : { words, wordAt: path }]);
  }
  return found;
}

/** Undefined where the word is found otherwise. */
function wordPath(template: unknown): string | null | undefined {
  return templateOf(template)?.path;
}

const otherTopic = /^(?!command_|state_topic$|availability_|set_|send_)[a-z_]{1,48}_topic$/;
const otherShort = /^(?!cmd_|stat_t$|avty_|set_|send_|e_)[a-z_]{1,24}_t$/;
const commanding = /(?:^|_)(?:command_topic|cmd_t)$/;
const temperatures = /temp/;

/** Topics of a climate, a cover or a light beside the state: any word is known there, no unit. */
function othersOf(config: JsonObject): readonly (readonly [topic: string, entity: Entity])[] {
  const found: [string, Entity][] = [];
  const scale = get(config, "temperature_unit", "temp_unit");
  for (const key of Object.keys(config)) {
    if (found.length >= othersMax || commanding.test(key)) continue;
    if (!otherTopic.test(key) && !otherShort.test(key)) continue;
    const topic = topicOf(config, key);
    const template = templateOf(config[key.replace(/_topic$/, "_template").replace(/_t$/, "_tpl")]);
    if (topic === undefined || template === undefined) continue;
    const isScaled = temperatures.test(key) && (scale === "C" || scale === "F");
    found.push([topic, isScaled ? { template, unit: `°${scale}` } : { template }]);
  }
  return found;
}

function availabilitiesOf(config: JsonObject): readonly JsonObject[] {
  const list = get(config, "availability", "avty");
  const all = Array.isArray(list) ? list : [list];
  return [
    ...all.filter(isObject),
    ...(topicOf(config, "availability_topic", "avty_t") ? [oneOf(config)] : []),
  ];
}

/** Beside its topic the template has a name of its own. */
function oneOf(config: JsonObject): JsonObject {
  const { value_template: _v, val_tpl: _t, ...others } = config;
  return { ...others, value_template: get(config, "availability_template", "avty_tpl") };
}

/** Components inherit what the device's config says at its top. */
function entitiesOf(config: JsonObject): readonly JsonObject[] {
  const list = get(config, "components", "cmps");
  const { components: _c, cmps: _p, ...common } = config;
  return isObject(list)
    ? Object.values(list)
        .filter(isObject)
        .slice(0, entitiesMax)
        .map((each) => ({ ...common, ...each }))
    : [];
}

function get(config: JsonObject, ...names: readonly string[]): unknown {
  const name = names.find((each) => config[each] !== undefined);
  return name === undefined ? undefined : config[name];
}

/** `~` stands for the base topic, at the beginning or at the end. */
function topicOf(config: JsonObject, ...names: readonly string[]): string | undefined {
  const topic = get(config, ...names);
  if (typeof topic !== "string" || topic === "" || topic.length > 4 * metricCharactersMax) {
    return undefined;
  }
  const base = config["~"];
  if (typeof base !== "string" || base.length > metricCharactersMax) return topic;
  return topic.replace(/^~/, () => base).replace(/~$/, () => base);
}

function learn(
  memory: Memory,
  config: string,
  found: readonly (readonly [topic: string, entity: Entity])[],
): readonly Learnt[] {
  const byTopic = new Map<string, Entity[]>();
  for (const [topic, entity] of found) {
    if (byTopic.size >= topicsPerConfigMax && !byTopic.has(topic)) continue;
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), entity].slice(0, entitiesMax));
  }
  const topics = [...byTopic.keys()];
  const learnt: Learnt[] = [...byTopic].flatMap(([topic, entities]) => {
    const known = aboutIn(memory, topic);
    const isFull = Object.keys(known).length >= configsPerTopicMax && !Object.hasOwn(known, config);
    return isFull ? [] : [{ key: stateKey(topic), value: { ...known, [config]: entities } }];
  });
  return [...forget(memory, config, topics), ...learnt, { key: configKey(config), value: topics }];
}

/** What it said of topics that it no longer names. */
function forget(memory: Memory, config: string, kept: readonly string[]): readonly Learnt[] {
  const known = memory.get(configKey(config));
  const topics = Array.isArray(known) ? known.filter((each) => typeof each === "string") : [];
  const learnt = topics
    .filter((topic) => !kept.includes(topic))
    .map((topic): Learnt => {
      const { [config]: _gone, ...others } = aboutIn(memory, topic);
      const isEmpty = Object.keys(others).length === 0;
      return { key: stateKey(topic), value: isEmpty ? undefined : others };
    });
  return kept.length > 0 ? learnt : [...learnt, { key: configKey(config), value: undefined }];
}

function aboutIn(memory: Memory, topic: string): About {
  const known = memory.get(stateKey(topic));
  return isObject(known) ? (known as About) : {};
}
