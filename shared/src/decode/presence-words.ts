/** How families say that a device came or went. */
import type { DeviceId } from "../names.ts";
import { Collector } from "./collect.ts";
import type { Decoded, Presence } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import { isObject } from "./memory.ts";
import { utf8 } from "./text.ts";

/** What all families have whose word stands at a topic of its own. */
export const availabilityMetric = "availability";

const words: ReadonlyMap<string, boolean> = new Map([
  ["online", true],
  ["offline", false],
  ["connected", true],
  ["disconnected", false],
  ["true", true],
  ["false", false],
  ["1", true],
  ["0", false],
  ["2", true],
]);

export function onlineOf(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : words.get(String(value).toLowerCase());
}

/**
 * A word, or an object with the word as its `state`: both a reading and presence. Undefined where it
 * is neither.
 */
export function availability(
  device: DeviceId,
  payload: Uint8Array,
  metric: string = availabilityMetric,
): Decoded | undefined {
  const text = utf8(payload);
  if (text === undefined) return refused(device, "not-utf8", "the payload is no UTF-8 text");
  const word = wordOf(text.trim());
  const online = word === undefined ? undefined : onlineOf(word);
  if (word === undefined || online === undefined) return undefined;
  const collector = new Collector();
  collector.put(metric, metric === availabilityMetric ? String(word) : online);
  const decoded = collector.done(device, null);
  const presences = [cameOrWent(device, online, "availability")];
  return decoded.kind === "readings" ? { ...decoded, presences } : decoded;
}

export function cameOrWent(device: DeviceId, online: boolean, reason: string): Presence {
  return { device, online, reason };
}

function wordOf(text: string): string | number | boolean | undefined {
  if (!text.startsWith("{")) return text;
  const json = parseJson(text)?.value;
  if (!isObject(json)) return undefined;
  const word = json["state"] ?? json["online"] ?? json["status"];
  const isWord = typeof word === "string" || typeof word === "number" || typeof word === "boolean";
  return isWord ? word : undefined;
}
