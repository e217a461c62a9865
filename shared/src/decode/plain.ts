/** `devices/<device>/telemetry/<metric>`: the payload is one value as text. */
import { textCharactersMax } from "../event.ts";
import type { DeviceId } from "../names.ts";
import { isMetricName } from "../names.ts";
import { shown } from "../shown.ts";
import type { Readings, Refused } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { utf8 } from "./text.ts";
import { readingOfText } from "./value.ts";

export function decodePlain(
  device: DeviceId,
  metric: string,
  payload: Uint8Array,
): Readings | Refused {
  if (!isMetricName(metric)) return refused(device, "metric-name", `metric ${shown(metric)}`);
  if (payload.length === 0) return refused(device, "empty", "the payload is empty");
  const text = utf8(payload);
  if (text === undefined) return refused(device, "not-utf8", "the payload is no UTF-8 text");
  if (text.length > textCharactersMax) {
    return refused(
      device,
      "text-too-long",
      `${text.length} characters, at most ${textCharactersMax}`,
    );
  }
  return { kind: "readings", device, observedAt: null, readings: [readingOfText(metric, text)] };
}
