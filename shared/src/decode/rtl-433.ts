/**
 * rtl_433 (github.com/merbanan/rtl_433: docs/DATA_FORMAT.md, docs/INTEGRATION.md).
 *
 *   rtl_433/<host>/events, rtl_433                            JSON of one reception
 *   rtl_433/<host>/devices/<model>[/<subtype>][/<channel>]/<id>/<field>   one plain value
 *   rtl_433/<model>/…/<field>                                 the same, where topics were set so
 *   rtl_433/<host>/states                                     JSON, about the receiver
 *   rtl_433/<host>/availability                               online or offline
 *
 * The device is model, subtype, channel and id, those that it has. `time` is when: local without
 * zone, taken for UTC (`-M time:utc:iso` adds it), epoch, or seconds since the start, which say
 * nothing. Fields carry their unit in the name.
 */
import type { DeviceId } from "../names.ts";
import { isDeviceId } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, jsonIn, textIn } from "./collect.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { availability } from "./presence-words.ts";
import { deviceTimeOf, whenIn } from "./time.ts";

const sinceStart = /^@[\d.]+s?$/;

export const rtl433: Adapter = {
  family: "rtl_433",
  signature([root, host = "", what, ...rest]) {
    if (root !== "rtl_433") return undefined;
    if (what === undefined)
      return { device: host === "" ? root : `rtl_433/${host}`, what: "events" };
    if (what === "devices" && rest.length > 1) {
      return { device: rest.slice(0, -1).join("/"), what, path: rest.at(-1) as string };
    }
    if (rest.length === 0) return { device: `rtl_433/${host}`, what };
    const levels = [host, what, ...rest];
    return {
      device: levels.slice(0, -1).join("/"),
      what: "devices",
      path: levels.at(-1) as string,
    };
  },
  decode({ topic, device, what, path }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const text = textIn(device, payload);
    if (typeof text !== "string") return text;
    const collector = new Collector();
    if (!/^\s*\{/.test(text)) {
      if (what === "availability") return availability(device, payload);
      if (what !== "devices") return undefined;
      // The time of its last reception comes as a topic of its own.
      const time = path === "time" ? deviceTimeOf(text) : undefined;
      if (path === "time") collector.put(path, text);
      else collector.plain(path, text);
      return collector.done(device, time ?? null);
    }
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    if (!isObject(json.value)) return undefined;
    const { observedAt, skipped } = whenIn(json.value, "time");
    const isSince = sinceStart.test(String(json.value["time"]));
    collector.members(json.value, ...(isSince ? ["time"] : skipped));
    return collector.done(receivedFrom(json.value) ?? device, observedAt);
  },
};

/** The name of the device that was heard. */
export function receivedFrom(json: JsonObject): DeviceId | undefined {
  const { model, subtype, channel, id } = json;
  if (typeof model !== "string") return undefined;
  const named = [model, subtype, channel, id].filter(
    (part) => typeof part === "string" || typeof part === "number",
  );
  const name = named.join("/");
  return isDeviceId(name) ? name : undefined;
}
