/** What to do about a message that could not be read, by the reason. */
import type { QuarantineReason } from "@causeway/shared/decode/decoded.ts";

const names = "names have no control characters, + or #, and are not too long";

const cures: Readonly<Partial<Record<QuarantineReason, string>>> = {
  "topic-unknown": "write a route (inspect --suggest TOPIC), or publish devices/NAME/telemetry",
  binary: "these bytes need a route with a mapping that decodes them",
  "alias-unknown":
    "its birth is missing: the node was asked for one; restart it if it stays silent",
  "not-understood": "compare it with what its family sends (docs/devices.md), or write a route",
  "device-name": `publish under another name, or map it by a route: ${names}`,
  "metric-name": `rename the metric, at the device or by a route: ${names}`,
  empty: "let the device send a value",
  "not-utf8": "let the device send UTF-8, or write a route that decodes the bytes",
  "not-json": "let the device send JSON, or write a route for what it sends",
  "not-an-object": "let the device send a JSON object of metrics, or an array of such",
  "no-readings": "the payload holds no value: look at what the device sends",
  "too-many-readings": "let the device send several smaller messages",
  "too-deep": "let the device send flatter JSON, or pick what is wanted by a route",
  "text-too-long": "let the device send shorter texts, or drop that metric by a route",
  mapping: "correct the route's mapping; `causeway-edge check` runs its examples",
  "bad-time": "send `ts` in ms since 1970 or as ISO 8601, or name another field by a route",
};

export function cureFor(reason: string): string {
  return cures[reason as QuarantineReason] ?? "docs/devices.md says what this reason means";
}
