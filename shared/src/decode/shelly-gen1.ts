/**
 * Shelly, first generation (shelly-api-docs.shelly.cloud/gen1: MQTT).
 *
 *   shellies/<id>/<path>           a plain value: relay/0, relay/0/power, emeter/0/voltage,
 *                                  sensor/temperature; the path is the metric
 *   shellies/<id>/online           true or false
 *   shellies/<id>/announce, info   JSON, about the device; also shellies/announce
 *   shellies/<id>/<path>           JSON (input_event/0, light/0/status): of `<id>/<path>`; a list
 *                                  (sensor/act_reasons) is of the path
 *   shellies/<id>/<path>/command   a command, told like a value
 *
 * Values are text on the wire; what looks like a number is one.
 */
import { isDeviceId } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import { below, Collector, cleared, jsonIn, textIn } from "./collect.ts";
import { isObject } from "./memory.ts";
import { availability } from "./presence-words.ts";

const aboutDevice = new Set(["announce", "info", "settings"]);

export const shellyGen1: Adapter = {
  family: "shelly-gen1",
  signature([root, device = "", ...path]) {
    if (root !== "shellies") return undefined;
    if (path.length === 0) return { device: `shellies/${device}`, path: device };
    return { device, path: path.join("/") };
  },
  decode({ topic, device, path }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    if (path === "online") return availability(device, payload, "online");
    const text = textIn(device, payload);
    if (typeof text !== "string") return text;
    const collector = new Collector();
    if (!/^\s*[[{]/.test(text)) {
      collector.plain(path, text);
      return collector.done(device, null);
    }
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    collector.flatten(Array.isArray(json.value) ? path : "", json.value);
    if (Array.isArray(json.value)) return collector.done(device, null);
    const name = isObject(json.value) ? json.value["id"] : undefined;
    if (device === "shellies/announce" && typeof name === "string") {
      return collector.done(isDeviceId(name) ? name : device, null);
    }
    return collector.done(aboutDevice.has(path) ? device : below(device, path), null);
  },
};
