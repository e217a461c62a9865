/** What is told of a device by its topics, and by what it says of itself. */
import { adapters } from "../decode/decode.ts";

/** That of the adapter that reads the topic; "" where none does. */
export function familyOf(topic: string): string {
  if (topic.startsWith("devices/")) return nativeTopic.test(topic) ? "native" : "";
  const levels = topic.split("/");
  return adapters.find((adapter) => adapter.signature(levels) !== undefined)?.family ?? "";
}

const nativeTopic = /^devices\/[^/]+\/telemetry(?:\/|$)/;

const firmwareNames: ReadonlySet<string> = new Set([
  "firmware",
  "firmware_version",
  "firmwareversion",
  "fw",
  "fw_id",
  "fw_ver",
  "fw_version",
  "fwversion",
  "installed_version",
  "software_version",
  "softwareversion",
  "sw_build_id",
  "sw_version",
  "swversion",
]);
/** A plain `version` counts alone, or under one of these. */
const firmwareParents: ReadonlySet<string> = new Set([
  "firmware",
  "fw",
  "info",
  "statusfwr",
  "update",
]);

/** Whether a text of this metric tells the device's firmware. */
export function tellsFirmware(metric: string): boolean {
  const levels = metric.toLowerCase().split(/[./]/);
  const last = levels.at(-1)?.replace(/^\$/, "") ?? "";
  if (firmwareNames.has(last)) return true;
  if (last === "version" && levels.length === 1) return true;
  return last === "version" && firmwareParents.has(levels.at(-2)?.replace(/^\$/, "") ?? "");
}
