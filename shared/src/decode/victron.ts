/**
 * Victron Venus OS (github.com/victronenergy/dbus-flashmq, dbus-mqtt).
 *
 *   N/<portal>/<service>/<instance>/<path>   {"value": …}, also with `min` and `max`; the metric is
 *                                            the topic below the portal
 *   N/<portal>/keepalive, heartbeat, full_publish_completed, …
 *   R/…, W/…                                 questions and settings of others: as of a device with the
 *                                            letter behind its name
 *
 * An empty payload means that the service is gone. A value of null means that it is not known.
 */
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, jsonIn } from "./collect.ts";
import { isObject } from "./memory.ts";

export const victron: Adapter = {
  family: "victron",
  signature([root = "", device = "", ...path]) {
    if (!/^[NRW]$/.test(root) || path.length === 0) return undefined;
    const owner = root === "N" ? device : `${device}/${root}`;
    return { device: owner, path: path.join("/"), what: root };
  },
  decode({ topic, device, path, what }, payload) {
    if (payload.length === 0 && what === "N") return cleared(device, topic);
    if (payload.length === 0)
      return { kind: "told", device, name: "described", detail: "a question" };
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    const collector = new Collector();
    if (!isObject(json.value)) collector.flatten(path, json.value);
    else {
      for (const [key, member] of Object.entries(json.value)) {
        collector.flatten(key === "value" ? path : `${path}.${key}`, member, 1);
      }
    }
    return collector.done(device, null);
  },
};
