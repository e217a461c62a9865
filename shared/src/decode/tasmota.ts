/**
 * Tasmota (tasmota.github.io/docs: MQTT, Peripherals, JSON-Status-Responses).
 *
 *   tele/<topic>/SENSOR, STATE, RESULT, …   JSON; `Time` is when
 *   stat/<topic>/RESULT, STATUS8, …         JSON; a status keeps `Time` and units within
 *   stat/<topic>/POWER                      a plain value
 *   tele/<topic>/LWT                        Online or Offline
 *   cmnd/<topic>/<command>                  a command, told as of a device `<topic>/cmnd`
 *   tasmota/discovery/<MAC>/config, sensors JSON, about the device
 *
 * FullTopic may put the prefix before the topic or behind it, and both below others. `TempUnit`,
 * `PressureUnit` and `SpeedUnit` are the units of what is named so. Numbers in quotes are text:
 * identifiers have leading zeros. `Time` without zone is the device's local time, taken for UTC
 * (SetOption52 adds the zone); a year before 2001 means that its clock is not set.
 */
import type { Adapter, Sign } from "./adapter.ts";
import { Collector, cleared, jsonIn, textIn } from "./collect.ts";
import { isObject, type JsonObject } from "./memory.ts";
import { availability } from "./presence-words.ts";
import { whenIn } from "./time.ts";
import { scaleOf } from "./units.ts";

const prefixes = new Set(["tele", "stat", "cmnd"]);
/** What marks a topic whose prefix stands behind; `stat` could be anything there. */
const leaves = /^(?:SENSOR|STATE|RESULT|LWT|INFO\d|STATUS\d*|POWER\d*|MARGINS|ENERGY|UPTIME)$/;
const temperatures = /(?:^|[.-])(?:\w*Temperature\d*|Temp\d*|\w+Temp\d*|DewPoint|HeatIndex)$/;
const pressures = /(?:^|[.-])\w*Pressure\d*$/;
const speeds = /(?:^|[.-])\w*Speed$/;
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
    const about = aboutOf(json.value);
    const collector = new Collector((metric) => {
      if (temperatures.test(metric) && about.temperature !== undefined) {
        return [about.temperature, scaleOf(about.temperature)];
      }
      if (pressures.test(metric) && about.pressure !== undefined) return [about.pressure];
      return speeds.test(metric) && about.speed !== undefined ? [about.speed] : undefined;
    });
    for (const [key, member] of Object.entries(json.value)) {
      if (about.skipped.includes(key) || unitNames.includes(key)) continue;
      if (about.within === undefined) collector.flatten(key, member, 1);
      else {
        for (const [name, value] of Object.entries(about.within)) {
          if (!about.skipped.includes(name) && !unitNames.includes(name))
            collector.flatten(`${key}.${name}`, value, 2);
        }
      }
    }
    return collector.done(device, about.observedAt);
  },
};

function signOf(prefix: string, device: readonly string[], leaf: string): Sign {
  const names = prefix === "cmnd" ? [...device, prefix] : device;
  return { device: names.join("/"), path: leaf, what: prefix === "tele" ? leaf : prefix };
}

/** A status such as STATUS8 has them within its only member. */
function aboutOf(json: JsonObject) {
  const [only] = Object.keys(json).length === 1 ? Object.values(json) : [];
  const within = isObject(only) && ("Time" in only || "TempUnit" in only) ? only : undefined;
  const told = within ?? json;
  const [temperature, pressure, speed] = unitNames.map((name) => {
    const unit = told[name];
    return typeof unit === "string" ? unit : undefined;
  });
  return { within, temperature, pressure, speed, ...whenIn(told, "Time") };
}
