/**
 * Tasmota (tasmota.github.io/docs: MQTT, Peripherals, JSON-Status-Responses).
 *
 *   tele/<topic>/SENSOR, STATE, RESULT, …   JSON; `Time` is when
 *   stat/<topic>/RESULT, STATUS8, …         JSON; a status keeps `Time` and units within its members
 *   stat/<topic>/POWER                      a plain value
 *   tele/<topic>/LWT                        Online or Offline
 *   cmnd/<topic>/<command>                  a command, told as of a device `<topic>/cmnd`
 *   tasmota/discovery/<MAC>/config, sensors JSON, about the device
 *
 * FullTopic may put the prefix before the topic or behind it, and both below others. `TempUnit`,
 * `PressureUnit` and `SpeedUnit` are the units of what is named so beside and below them. Numbers in
 * quotes are text: identifiers have leading zeros. `Time` without zone is the device's local time, taken
 * for UTC where no `Epoch` beside it says more (SetOption52 adds the zone); a year before 2001 means that
 * its clock is not set.
 */
import type { Adapter, Sign } from "./adapter.ts";
import { Collector, cleared, jsonIn, textIn } from "./collect.ts";
import { isObject, type JsonObject } from "./memory.ts";
import { availability } from "./presence-words.ts";
import { deviceTimeOf, whenIn } from "./time.ts";
import { scaleOf } from "./units.ts";

const prefixes = new Set(["tele", "stat", "cmnd"]);
/** What marks a topic whose prefix stands behind; `stat` could be anything there. */
const leaves = /^(?:SENSOR|STATE|RESULT|LWT|INFO\d|STATUS\d*|POWER\d*|MARGINS|ENERGY|UPTIME)$/;
/** Several of a kind are a list. */
const temperatures =
  /(?:^|[.-])(?:\w*Temperature\d*|Temp\d*|\w+Temp\d*|DewPoint|HeatIndex)(?:\.\d+)?$/;
const pressures = /(?:^|[.-])\w*Pressure\d*(?:\.\d+)?$/;
const speeds = /(?:^|[.-])\w*Speed(?:\.\w+)?$/;
const toldDepthMax = 4;
const unitNames = ["TempUnit", "PressureUnit", "SpeedUnit"];

export const tasmota: Adapter = {
  family: "tasmota",
  signature(levels) {
    const [first = "", second = "", mac = "", what] = levels;
    if (first === "tasmota" && second === "discovery") return { device: mac, what: what ?? "" };
    const leaf = levels.at(-1) ?? "";
    if (prefixes.has(first) && levels.length >= 3) {
      return signOf(first, levels.slice(1, -1), leaf);
    }
    const before = levels.at(-2) ?? "";
    if (levels.length < 3 || !leaves.test(leaf)) return undefined;
    if (prefixes.has(before)) return signOf(before, levels.slice(0, -2), leaf);
    const at = levels.findIndex((level) => prefixes.has(level));
    if (at < 0) return undefined;
    return signOf(
      levels[at] as string,
      [...levels.slice(0, at), ...levels.slice(at + 1, -1)],
      leaf,
    );
  },
  decode({ topic, device, path, what }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    if (what === "LWT") return availability(device, payload) ?? undefined;
    const text = textIn(device, payload);
    if (typeof text !== "string") return text;
    if (!/^\s*\{/.test(text)) {
      const collector = new Collector();
      collector.plain(path, text);
      return collector.done(device, null);
    }
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    if (!isObject(json.value)) return undefined;
    const about = aboutOf(json.value, nothingTold);
    const reader = new Reader();
    reader.read("", json.value, about, 1);
    return reader.collector.done(device, about.observedAt);
  },
};

/** Objects down to those of a sensor of a bridge may say what holds for their members. */
class Reader {
  #about = nothingTold;
  readonly collector = new Collector((metric) => unitOf(metric, this.#about));

  read(path: string, json: JsonObject, about: About, depth: number): void {
    for (const [key, member] of Object.entries(json)) {
      if (about.skipped.includes(key)) continue;
      const name = path === "" ? key : `${path}.${key}`;
      if (isObject(member) && depth < toldDepthMax) {
        this.read(name, member, aboutOf(member, about), depth + 1);
        continue;
      }
      this.#about = about;
      const before = this.collector.readings.length;
      this.collector.flatten(name, member, depth);
      if (path === "" || about.observedAt === null) continue;
      for (const reading of this.collector.readings.slice(before)) {
        reading.observedAt = about.observedAt;
      }
    }
  }
}

function signOf(prefix: string, device: readonly string[], leaf: string): Sign {
  const names = prefix === "cmnd" ? [...device, prefix] : device;
  return { device: names.join("/"), path: leaf, what: prefix === "tele" ? leaf : prefix };
}

interface About {
  readonly observedAt: number | null;
  readonly skipped: readonly string[];
  /** Of temperatures, pressures and speeds. */
  readonly units: readonly (string | undefined)[];
}

const nothingTold: About = { observedAt: null, skipped: [], units: [] };

/** What an object says of its members, else what was said above it. */
function aboutOf(json: JsonObject, above: About): About {
  const isTimed = above.observedAt === null && json["Time"] !== undefined;
  const isUnits = unitNames.some((name) => typeof json[name] === "string");
  if (!isTimed && !isUnits) return above.skipped.length === 0 ? above : { ...above, skipped: [] };
  const { observedAt, skipped } = isTimed ? whenIn(json, "Time") : { ...above, skipped: [] };
  const units = unitNames.map((name, at) => {
    const unit = json[name];
    return typeof unit === "string" ? unit : above.units[at];
  });
  return { observedAt: epochIn(json) ?? observedAt, skipped: [...skipped, ...unitNames], units };
}

/** It says in which zone `Time` is (SetOption76 has both). */
function epochIn({ Time, Epoch }: JsonObject): number | null {
  const isLocal = typeof Time === "string" && !/(?:Z|[+-]\d{2}:?\d{2})$/.test(Time);
  const isSet = isLocal && typeof Epoch === "number";
  return isSet ? (deviceTimeOf(Epoch) ?? null) : null;
}

function unitOf(metric: string, { units: [temperature, pressure, speed] }: About) {
  if (temperature !== undefined && temperatures.test(metric)) {
    return [temperature, scaleOf(temperature)] as const;
  }
  if (pressure !== undefined && pressures.test(metric)) return [pressure] as const;
  return speed !== undefined && speeds.test(metric) ? ([speed] as const) : undefined;
}
