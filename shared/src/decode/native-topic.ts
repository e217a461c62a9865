/**
 * One device publish -> readings, or the reason why it is quarantined. Pure: it never throws, never
 * guesses, and takes time and memory in proportion to the payload.
 *
 * Native topics (docs/devices.md):
 *   devices/<device>/telemetry            JSON object of metrics, optional `ts`; or an array of such
 *   devices/<device>/telemetry/<metric>   one plain value
 */
import { isDeviceId } from "../names.ts";
import { shown } from "../shown.ts";
import type { Readings, Refused } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { decodeNative } from "./native.ts";
import { decodePlain } from "./plain.ts";

export function decodeNativeTopic(topic: string, payload: Uint8Array): Readings | Refused {
  const [root, device = "", leaf, ...rest] = topic.split("/");
  if (root !== "devices" || leaf !== "telemetry") {
    return refused(null, "topic-unknown", "no adapter knows this topic");
  }
  if (!isDeviceId(device)) return refused(null, "device-name", `device ${shown(device)}`);
  return rest.length === 0
    ? decodeNative(device, payload)
    : decodePlain(device, rest.join("/"), payload);
}
