/** What decoding one device publish yields. */
import type { Reading } from "../event.ts";
import type { Route } from "../mapping/route.ts";
import type { DeviceId } from "../names.ts";
import type { Learnt } from "./memory.ts";

export type Decoded = Readings | Presences | Told | Refused;

export interface Readings extends Besides {
  readonly kind: "readings";
  readonly device: DeviceId;
  readonly observedAt: number | null;
  readonly readings: [Reading, ...Reading[]];
}

/** Says only who came or went. */
export interface Presences extends Besides {
  readonly kind: "presences";
  readonly observedAt: number | null;
  readonly presences: readonly [Presence, ...Presence[]];
}

/** Understood, and no reading: it becomes a `system` event, unless its route drops all of it. */
export interface Told extends Besides {
  readonly kind: "told";
  readonly device: DeviceId | null;
  readonly name: "cleared" | "described" | "forgotten" | "dropped";
  readonly detail: string;
}

/** What comes with it, in the same group. */
interface Besides {
  /** Of a topic that has one. */
  readonly route?: Route;
  /** By which the route tells a message from others of the device. */
  readonly key?: string;
  readonly presences?: readonly Presence[];
  readonly notes?: readonly Note[];
  /** A part of the payload that could not be read; its bytes are kept. */
  readonly left?: Refused;
  readonly learnt?: readonly Learnt[];
  /** To be published to the device. */
  readonly ask?: Ask;
}

export interface Presence {
  readonly device: DeviceId;
  readonly online: boolean;
  readonly reason: string;
}

/** What somebody should know; it becomes a `system` event. */
export interface Note {
  readonly name: "sequence-gap";
  readonly detail: string;
}

export interface Ask {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Asked at most once in a while for equal keys. */
  readonly key: string;
}

export interface Refused extends Besides {
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
  | "bad-time"
  | "binary"
  | "alias-unknown"
  | "not-understood"
  | "mapping";

export function refused(
  device: DeviceId | null,
  reason: QuarantineReason,
  detail: string,
): Refused {
  return { kind: "quarantined", device, reason, detail };
}
