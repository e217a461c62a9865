/**
 * Zigbee2MQTT (zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html).
 *
 *   zigbee2mqtt/<friendly name>               JSON; `last_seen` is when
 *   zigbee2mqtt/<friendly name>/<attribute>   one plain value, where `output` is `attribute`
 *   zigbee2mqtt/<friendly name>/availability  {"state":"online"}, or the word alone
 *   zigbee2mqtt/<friendly name>/set, get      a command, told as of a device of that name
 *   zigbee2mqtt/bridge/…                      the bridge about itself
 *
 * A friendly name may have slashes. A message holds what the bridge knows of the device. The lists
 * of devices and groups are readings but for what their devices could do, which is, as definitions
 * are, long and the same for all of a type.
 */
import type { Adapter, Target } from "./adapter.ts";
import { below, Collector, cleared, deviceNamed, jsonIn } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import { isObject } from "./memory.ts";
import { availability } from "./presence-words.ts";
import { utf8 } from "./text.ts";
import { whenIn } from "./time.ts";

const definitions = new Set(["definitions", "extensions", "converters"]);
const lists = new Set(["devices", "groups"]);
/** Of a device in the list of all: what it could do and how it is bound. */
const abilities = new Set(["endpoints", "exposes", "options", "scenes"]);
const commands = new Set(["set", "get"]);

export const zigbee2mqtt: Adapter = {
  family: "zigbee2mqtt",
  signature([root, ...levels]) {
    if (root !== "zigbee2mqtt" || levels.length === 0) return undefined;
    const leaf = levels.at(-1) as string;
    const before = levels.slice(0, -1).join("/");
    if (levels[0] === "bridge") {
      const isState = leaf === "state" && levels.length === 2;
      return {
        device: "zigbee2mqtt/bridge",
        what: isState ? "availability" : "bridge",
        path: leaf,
      };
    }
    if (before !== "" && leaf === "availability") return { device: before, what: leaf };
    const command = commands.has(leaf) ? leaf : levels.at(-2);
    if (before !== "" && command !== undefined && commands.has(command)) {
      const end = commands.has(leaf) ? -1 : -2;
      const path = levels.slice(end).join("/");
      return { device: levels.slice(0, end).join("/"), what: "command", path };
    }
    return { device: levels.join("/"), what: before, path: leaf };
  },
  decode(target, payload) {
    const { topic, device, what, path } = target;
    if (payload.length === 0) return cleared(device, topic);
    if (what === "availability") return availability(device, payload);
    if (what === "bridge" && definitions.has(path)) return about(target, payload);
    const text = utf8(payload);
    if (text !== undefined && !/^\s*[[{]/.test(text)) return plain(target, text);
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    const collector = new Collector();
    const { observedAt, skipped } = whenIn(isObject(json.value) ? json.value : {}, "last_seen");
    if (isObject(json.value)) collector.members(json.value, ...skipped);
    else collector.flatten("", lists.has(path) ? withoutAbilities(json.value) : json.value);
    const decoded = collector.done(what === "command" ? below(device, path) : device, observedAt);
    // A large house has much to tell; that is no fault of the bridge.
    return what === "bridge" && decoded.kind === "quarantined" ? about(target, payload) : decoded;
  },
};

function withoutAbilities(list: unknown): unknown {
  if (!Array.isArray(list)) return list;
  const members = (object: object) =>
    Object.fromEntries(Object.entries(object).filter(([name]) => !abilities.has(name)));
  return list.map((each) => {
    if (!isObject(each)) return each;
    const { definition } = each;
    return {
      ...members(each),
      ...(isObject(definition) ? { definition: members(definition) } : {}),
    };
  });
}

function about({ device, path }: Target, payload: Uint8Array): Decoded {
  const detail = `${path}, ${payload.length} bytes`;
  return { kind: "told", device, name: "described", detail };
}

/** Of a device that has no level above it, the value is its state. */
function plain({ device, what, path }: Target, text: string): Decoded {
  const collector = new Collector();
  const isOwn = what === "" || what === "command" || what === "bridge";
  collector.plain(what === "" ? "state" : path, text);
  return collector.done(isOwn ? device : (deviceNamed(what) ?? device), null);
}
