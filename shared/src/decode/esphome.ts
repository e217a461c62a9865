/**
 * ESPHome (esphome.io/components/mqtt.html).
 *
 *   <prefix>/<component>/<object>/state   a plain value of `<component>/<object>`, or the JSON of a
 *                                         light, which is then a device of that name
 *   <prefix>/<component>/<object>/<more>  position/state, speed/state: of `<component>/<object>/<more>`
 *   <prefix>/status                       online or offline, the will of the device; other words there
 *                                         are of no family
 *   <prefix>/debug                        its log, with colours: `[D][sensor:093]: …`
 *   esphome/discover/<name>, esphome/ping/<name>, <prefix>/…/command
 *
 * A text sensor's value is text; a sensor's is a number, and `nan` means that it has none.
 */
import type { Adapter } from "./adapter.ts";
import { below, Collector, cleared, jsonIn, textIn } from "./collect.ts";
import { availability } from "./presence-words.ts";

const components = new Set(
  (
    "sensor binary_sensor switch light cover fan text_sensor climate number select lock button text " +
    "valve event update alarm_control_panel media_player date time datetime camera water_heater"
  ).split(" "),
);
const texts = new Set(["text_sensor", "text", "select"]);

const here = /^\s*(?:online|offline)\s*$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const logLine = /^(?:\u001b\[[\d;]*m)?\[(?:[A-Z]{1,2}|[\d:.]{8,12})\]/;

export const esphome: Adapter = {
  family: "esphome",
  signature(levels) {
    const [root, verb, name] = levels;
    if (root === "esphome" && (verb === "discover" || verb === "ping") && name !== undefined) {
      return { device: name, what: "json" };
    }
    const leaf = levels.at(-1) ?? "";
    // Below a longer prefix `status` is anybody's.
    const isStatus = leaf === "status" && levels.length === 2;
    if (isStatus || (leaf === "debug" && levels.length > 1)) {
      return { device: levels.slice(0, -1).join("/"), what: leaf };
    }
    if (root === "homeassistant") return undefined;
    const at = levels.findIndex((level, index) => index > 0 && components.has(level));
    if (at < 0 || levels.length < at + 3 || (leaf !== "state" && leaf !== "command")) {
      return undefined;
    }
    const path = levels.slice(at, leaf === "state" ? -1 : undefined).join("/");
    const device = levels.slice(0, at).join("/");
    return { device, path, what: texts.has(levels[at] as string) ? "text" : "value" };
  },
  decode({ topic, device, path, what }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const text = textIn(device, payload);
    if (typeof text !== "string") return text;
    if (what === "status") return here.test(text) ? availability(device, payload) : undefined;
    if (what === "debug" && !logLine.test(text)) return undefined;
    const collector = new Collector();
    if (what === "debug") collector.put("debug", text);
    else if (what === "text") collector.put(path, text);
    else if (what === "value" && !/^\s*\{/.test(text)) collector.plain(path, text);
    else {
      const json = jsonIn(device, payload);
      if (json.kind !== "json") return json;
      collector.flatten("", json.value);
      if (what === "value") return collector.done(below(device, path), null);
    }
    return collector.done(device, null);
  },
};
