/** A message as `inspect` tells it: raw beside mapped, with the reason where it was refused. */
import type { TopicFacts } from "@causeway/shared/decode/decode.ts";
import type { Decoded } from "@causeway/shared/decode/decoded.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { Route } from "@causeway/shared/mapping/route.ts";
import type { Publish } from "../broker/broker.ts";
import { cureFor } from "./cures.ts";
import type { DecodedLine } from "./decoded-line.ts";
import { linesOf } from "./decoded-line.ts";

/** `dropped` by its route, as a whole; `repeat` by the route's key; `reply` to a command. */
export type Result =
  | "readings"
  | "told"
  | "presence"
  | "quarantined"
  | "dropped"
  | "repeat"
  | "reply";

/** What went on of a message: the events that it became, or nothing, for it came before. */
export type Fate = readonly Event[] | "repeat";

/** A payload as JSON can have it; `cut` where it goes on. */
export interface Raw {
  readonly raw: string;
  readonly encoding: "utf8" | "base64";
  readonly cut?: true;
}

export interface Inspected extends Raw {
  readonly kind: "message";
  /** In ms since 1970; null while the gateway's clock is not set. */
  readonly receivedAt: number | null;
  readonly topic: string;
  /** The MQTT client, or the name of the source, that it came from. */
  readonly client: string;
  readonly family: string;
  /** The name of the route that has the topic. */
  readonly route?: string;
  readonly qos: number;
  /** Of the payload. */
  readonly bytes: number;
  readonly result: Result;
  /** Undefined where it tells of none. */
  readonly device?: string;
  readonly mapped: readonly DecodedLine[];
  /** Lines that are left out. */
  readonly more?: number;
  /** Of the readings, those that a filter keeps back. */
  readonly filtered?: number;
  readonly reason?: string;
  readonly detail?: string;
  readonly cure?: string;
}

/** What comes over a stream of `inspect`, a line of JSON each. */
export type InspectLine =
  | Inspected
  /** What never became a message: refused by the broker or by the disk. */
  | {
      readonly kind: "notice";
      readonly receivedAt: number | null;
      readonly name: string;
      readonly detail: string;
    }
  /** So many were not shown: this reader is slow, or there are too many. */
  | { readonly kind: "dropped"; readonly count: number }
  | { readonly kind: "hello"; readonly gateway: string; readonly version: string };

const mappedMax = 512;

/** Text where it is some. */
export function rawOf(payload: Uint8Array, bytesMax: number): Raw {
  const isCut = payload.length > bytesMax;
  const kept = Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.length, bytesMax));
  const cut = isCut ? { cut: true as const } : {};
  const text = textOf(kept, isCut);
  if (text === undefined) return { raw: kept.toString("base64"), encoding: "base64", ...cut };
  return { raw: text, encoding: "utf8", ...cut };
}

/** Where it was cut the last character may be half. */
function textOf(bytes: Buffer, isCut: boolean): string | undefined {
  const text = bytes.toString("utf8");
  const whole = isCut ? text.replace(/\ufffd$/, "") : text;
  return whole.includes("\ufffd") || whole.includes("\0") ? undefined : whole;
}

/** What a message became, beside where it came from. */
export type Outcome = Pick<
  Inspected,
  "result" | "device" | "mapped" | "more" | "filtered" | "reason" | "detail" | "cure"
>;

/** Without fate what it would be by itself. */
export function outcomeOf(decoded: Decoded, fate: Fate | undefined): Outcome {
  const lines = linesOf(decoded);
  const device = deviceOf(decoded);
  const refusal = refusalOf(decoded);
  const more = lines.length - mappedMax;
  const filtered = filteredOf(decoded, fate);
  return {
    result: fate === "repeat" ? fate : resultOf(decoded),
    ...(device === undefined ? {} : { device }),
    mapped: more > 0 ? lines.slice(0, mappedMax) : lines,
    ...(more > 0 ? { more } : {}),
    ...(filtered > 0 ? { filtered } : {}),
    ...(refusal === undefined ? {} : { ...refusal, cure: cureFor(refusal.reason) }),
  };
}

function filteredOf(decoded: Decoded, fate: Fate | undefined): number {
  if (decoded.kind !== "readings" || fate === undefined || fate === "repeat") return 0;
  const passed = new Set(fate.flatMap((event) => (event.kind === "reading" ? event.readings : [])));
  return decoded.readings.filter((reading) => !passed.has(reading)).length;
}

/** A part that could not be read is a refusal too. */
export function refusalOf(decoded: Decoded) {
  const refused = decoded.kind === "quarantined" ? decoded : decoded.left;
  return refused === undefined ? undefined : { reason: refused.reason, detail: refused.detail };
}

export function resultOf(decoded: Decoded): Result {
  if (decoded.kind === "presences") return "presence";
  return decoded.kind === "told" && decoded.name === "dropped" ? "dropped" : decoded.kind;
}

export function deviceOf(decoded: Decoded): string | undefined {
  if (decoded.kind === "presences") return decoded.presences[0].device;
  return decoded.device ?? undefined;
}

export function inspectedOf(
  publish: Pick<Publish, "topic" | "client" | "payload" | "qos">,
  outcome: Outcome,
  around: Around,
): Inspected {
  const { topic, client, payload, qos } = publish;
  const { receivedAt, bytesMax, family = "", route } = around;
  return {
    kind: "message",
    receivedAt,
    ...{ topic, client, family },
    ...(route === undefined ? {} : { route: routeName(route) }),
    ...{ qos, bytes: payload.length },
    ...rawOf(payload, bytesMax),
    ...outcome,
  };
}

/** By its name, or by its place in the file. */
export function routeName({ name, index }: Route): string {
  return name ?? `${index + 1}`;
}

export interface Around extends TopicFacts {
  readonly receivedAt: number | null;
  readonly bytesMax: number;
}
