/**
 * The Things Stack 3 (thethingsindustries.com/docs/integrations/mqtt, Data Formats).
 *
 *   v3/<application>[@<tenant>]/devices/<device>/<up|join|down/…|location/solved|service/data>
 *
 * JSON by its paths. When: the network server's `uplink_message.received_at`, which is nearest to the
 * device, else the application server's `received_at`. Whole numbers of 64 bits are text in
 * protobuf's JSON, `frequency` for one, and stay so. Correlation ids serve tracing only. What an
 * application sends (`down/push`, `down/replace`) is told as of a device of that name.
 */
import type { Adapter } from "./adapter.ts";
import { below, Collector, cleared, jsonIn } from "./collect.ts";
import { isObject } from "./memory.ts";
import { deviceTimeOf } from "./time.ts";

export const theThingsStack: Adapter = {
  family: "the-things-stack",
  signature([root, , kind, device = "", ...path]) {
    if (root !== "v3" || kind !== "devices" || path.length === 0) return undefined;
    return { device, path: path.join("/") };
  },
  decode({ topic, device, path }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const json = jsonIn(device, payload);
    if (json.kind !== "json") return json;
    if (!isObject(json.value)) return undefined;
    const { uplink_message: uplink, received_at: receivedAt } = json.value;
    const collector = new Collector();
    collector.members(json.value, "received_at", "uplink_message", "correlation_ids");
    if (isObject(uplink)) {
      for (const [key, member] of Object.entries(uplink)) {
        if (key !== "received_at") collector.flatten(`uplink_message.${key}`, member, 2);
      }
    } else if (uplink !== undefined) collector.flatten("uplink_message", uplink, 1);
    const near = isObject(uplink) ? deviceTimeOf(uplink["received_at"]) : undefined;
    const isCommand = path === "down/push" || path === "down/replace";
    return collector.done(
      isCommand ? below(device, path) : device,
      near ?? deviceTimeOf(receivedAt) ?? null,
    );
  },
};
