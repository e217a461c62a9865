/** What decoding one device publish yields. */
import type { Reading } from "../event.ts";
import type { DeviceId } from "../names.ts";

export type Decoded =
  | {
      readonly kind: "readings";
      readonly device: DeviceId;
      readonly observedAt: number | null;
      readonly readings: [Reading, ...Reading[]];
    }
  | Refused;

export interface Refused {
  readonly kind: "quarantined";
  readonly device: DeviceId | null;
  /** A stable word; docs/devices.md lists them. */
  readonly reason: QuarantineReason;
  readonly detail: string;
}

export type QuarantineReason =
  | "topic-unknown"
  | "device-name"
  | "metric-name"
  | "empty"
  | "not-utf8"
  | "not-json"
  | "not-an-object"
  | "no-readings"
  | "too-many-readings"
  | "too-deep"
  | "text-too-long"
  | "bad-time";

export function refused(
  device: DeviceId | null,
  reason: QuarantineReason,
  detail: string,
): Refused {
  return { kind: "quarantined", device, reason, detail };
}
