/**
 * OpenMQTTGateway, also Theengs (docs.openmqttgateway.com/use).
 *
 *   <base>/<gateway>/<kind>toMQTT[/<id>]   JSON of what was heard: BTtoMQTT, RTL_433toMQTT,
 *                                          433toMQTT, LORAtoMQTT, …; SYStoMQTT of the gateway
 *   <base>/<gateway>/LWT                   online or offline
 *
 * What was heard is of the device that it names: the topic's id, model and id (rtl_433), or `id` or
 * `mac`; else of the gateway. Numbers in quotes are text. `time`, `UTCtime` or `unixtime` is when.
 */
import type { DeviceId } from "../names.ts";
import { isDeviceId } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, jsonIn } from "./collect.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { availability } from "./presence-words.ts";
import { receivedFrom } from "./rtl-433.ts";
import { utf8 } from "./text.ts";
import { whenIn } from "./time.ts";

export const openMqttGateway: Adapter = {
  family: "openmqttgateway",
  signature(levels) {
    const at = levels.findIndex((level) => level.endsWith("toMQTT"));
    const leaf = levels.at(-1) ?? "";
    const isTasmota = levels[0] === "tele" || levels.at(-2) === "tele";
    if (at < 0 && leaf === "LWT" && levels.length >= 2 && !isTasmota) {
      return { device: levels.slice(0, -1).join("/"), what: "LWT" };
    }
    if (at < 1) return undefined;
    const gateway = levels.slice(0, at).join("/");
    return { device: gateway, what: levels[at] as string, path: levels.slice(at + 1).join("/") };
  },
  decode({ topic, device, what, path }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    if (what === "LWT") return availability(device, payload);
    // Without `jsonPublishing` each value has a topic of its own.
    if (/^[^{[]/.test(utf8(payload)?.trim() ?? "{")) return undefined;
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    const collector = new Collector();
    if (!isObject(json.value)) {
      collector.flatten(what, json.value);
      return collector.done(device, null);
    }
    const { observedAt, skipped } = whenIn(json.value, "time", "UTCtime", "unixtime");
    collector.members(json.value, ...skipped);
    const heard = what === "SYStoMQTT" ? device : heardFrom(json.value, path);
    return collector.done(heard ?? device, observedAt);
  },
};

function heardFrom(json: JsonObject, below: string): DeviceId | undefined {
  const own = receivedFrom(json);
  if (typeof json["protocol"] === "string" && own !== undefined) return own;
  const name = below === "" ? (json["id"] ?? json["mac"]) : below;
  return typeof name === "string" && isDeviceId(name) ? name : own;
}
