/**
 * Shelly, second generation and later (shelly-api-docs.shelly.cloud/gen2: Mqtt, Notifications).
 *
 *   <prefix>/status/<component>   JSON of one component (switch:0, em:0, sys), which is the device
 *                                 `<prefix>/<component>`: its channels have metrics of equal names
 *   <prefix>/events/rpc           NotifyStatus, NotifyFullStatus: `params` by component; `params.ts`
 *                                 is when, in s. NotifyEvent: events, each with its own `ts`
 *   <prefix>/online               true or false (below a prefix of the user's: generic.ts)
 *   <prefix>/command[/<component>]   a command, told as of a device `<prefix>/command`
 *   <caller>/rpc                  answers to calls, of the device that is their `src`; a call itself is
 *                                 of a device `<prefix>/rpc`
 *   <prefix>/debug/log            its log
 *
 * The prefix is the device's id unless it was set; `shellies/` before it is left out. Temperatures
 * are named by their scale, and no unit is told.
 */
import type { DeviceId } from "../names.ts";
import { isDeviceId } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, jsonIn, textIn } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { availability } from "./presence-words.ts";
import { deviceTimeOf } from "./time.ts";

const component =
  /^(?:[a-z0-9_]+:\d+|sys|wifi|cloud|mqtt|ble|ws|eth|ui|script|knx|matter|bthome|modbus|plugs_ui)$/;

const ownName = /^shelly[a-z0-9]+-[0-9a-fA-F]{6,12}$/;

export const shellyGen2: Adapter = {
  family: "shelly-gen2",
  signature(levels) {
    const own = levels[0] === "shellies" ? levels.slice(1) : levels;
    const [leaf = "", before = ""] = [own.at(-1), own.at(-2)];
    if (before === "status" && component.test(leaf) && own.length > 2) {
      return { device: [...own.slice(0, -2), leaf].join("/"), what: "status" };
    }
    if (before === "events" && leaf === "rpc" && own.length > 2) {
      return { device: own.slice(0, -2).join("/"), what: "notification" };
    }
    if (leaf === "online" && ownName.test(before) && levels === own) {
      return { device: own.slice(0, -1).join("/"), what: leaf };
    }
    if (before === "debug" && leaf === "log" && own.length > 2) {
      return { device: own.slice(0, -2).join("/"), what: "log" };
    }
    if (before === "command" && component.test(leaf) && own.length > 2) {
      return { device: own.slice(0, -1).join("/"), what: "command", path: leaf };
    }
    if (leaf === "command" && ownName.test(before)) {
      return { device: own.join("/"), what: leaf, path: leaf };
    }
    return leaf === "rpc" && own.length > 1 ? { device: own.join("/"), what: leaf } : undefined;
  },
  decode({ topic, device, what, path }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    if (what === "online") return availability(device, payload, "online");
    if (what === "log") return plain(device, "debug/log", payload);
    if (what === "command") return plain(device, path, payload);
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return what === "rpc" ? undefined : json;
    if (!isObject(json.value)) return undefined;
    const { params } = json.value;
    if (what === "notification" && isObject(params)) return notified(device, params);
    const collector = new Collector();
    collector.members(json.value);
    return collector.done(what === "rpc" ? answering(device, json.value) : device, null);
  },
};

/** A call has a method, its answer a result or an error. */
function answering(device: DeviceId, { src, result, error }: JsonObject): DeviceId {
  const isAnswer = result !== undefined || error !== undefined;
  return isAnswer && typeof src === "string" && isDeviceId(src) ? src : device;
}

function plain(device: DeviceId, metric: string, payload: Uint8Array): Decoded {
  const text = textIn(device, payload);
  if (typeof text !== "string") return text;
  const collector = new Collector();
  collector.put(metric, text);
  return collector.done(device, null);
}

function notified(device: DeviceId, params: JsonObject): Decoded {
  const collector = new Collector();
  const { events, ts } = params;
  collector.members(params, "ts", ...(Array.isArray(events) ? ["events"] : []));
  for (const [at, event] of Array.isArray(events) ? events.entries() : []) {
    if (!isObject(event)) continue;
    const before = collector.readings.length;
    for (const [key, member] of Object.entries(event)) {
      if (key !== "ts") collector.flatten(`events.${at}.${key}`, member, 3);
    }
    const time = deviceTimeOf(event["ts"]);
    if (typeof time !== "number") continue;
    for (const reading of collector.readings.slice(before)) reading.observedAt = time;
  }
  return collector.done(device, deviceTimeOf(ts) ?? null);
}
