/** A device message and what it says, as the lines of sample files tell them. */
import type { Reading } from "../../event.ts";
import type { Context } from "../adapter.ts";
import { Decoder } from "../decode.ts";
import type { Decoded } from "../decoded.ts";

export interface DeviceMessage {
  readonly family: string;
  readonly topic: string;
  /** Text, or base64. */
  readonly payload: string;
  readonly encoding?: "base64";
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly expect: readonly Expected[];
  readonly kind?: string;
  readonly note?: string;
  /** Of the readings. */
  readonly device?: string;
  /** `<device> came` or `<device> went`. */
  readonly presence?: readonly string[];
  /** Why it is kept as it came. */
  readonly refused?: string;
}

interface Expected {
  readonly metric: string;
  readonly value: string | number | boolean | null;
  readonly unit?: string;
  /** In s since 1970. */
  readonly time?: number;
  readonly tolerance?: number;
  readonly quality?: string;
}

export function bytesOf({ payload, encoding }: DeviceMessage): Buffer {
  return Buffer.from(payload, encoding === "base64" ? "base64" : "utf8");
}

/** Those that tell of others come before them. */
export function inOrder(messages: readonly DeviceMessage[]): readonly DeviceMessage[] {
  const isAbout = ({ kind = "", payload }: DeviceMessage) =>
    payload !== "" && /discovery|metadata|birth/i.test(kind);
  return [...messages.filter(isAbout), ...messages.filter((each) => !isAbout(each))];
}

/** A decoder that keeps what it learns, as a gateway does. */
export class LearningDecoder {
  readonly memory = new Map<string, unknown>();
  readonly #decoder = new Decoder();
  readonly #context: Context;

  constructor(presentMs = () => undefined as number | undefined) {
    this.#context = { memory: this.memory, presentMs };
  }

  decode(topic: string, payload: Uint8Array): Decoded {
    const decoded = this.#decoder.decode(topic, payload, this.#context);
    for (const { key, value } of decoded.learnt ?? []) {
      // A restart reads them as JSON.
      if (value === undefined) this.memory.delete(key);
      else this.memory.set(key, JSON.parse(JSON.stringify(value)));
    }
    return decoded;
  }

  read(message: DeviceMessage): Decoded {
    return this.decode(message.topic, bytesOf(message));
  }
}

export interface Said
  extends Pick<Reading, "metric" | "value" | "unit" | "unitOriginal" | "reason"> {
  readonly observedAt: number | null;
}

/** What is expected of a message and not said, as lines. */
export function missing({ expect }: DeviceMessage, said: readonly Said[]): readonly string[] {
  return expect
    .filter((expected) => !said.some((each) => fits(expected, each)))
    .map(({ metric, value, unit = "" }) => `${metric} = ${value} ${unit}`.trim());
}

function fits(
  { metric, value, unit, time, tolerance = 0, quality }: Expected,
  said: Said,
): boolean {
  const isNear =
    typeof value === "number" && typeof said.value === "number"
      ? Math.abs(value - said.value) <= tolerance
      : value === said.value;
  return (
    said.metric === metric &&
    isNear &&
    (unit === undefined || unit === said.unit || unit === said.unitOriginal) &&
    (time === undefined || Math.round(time * 1_000) === said.observedAt) &&
    (quality === undefined || quality === said.reason)
  );
}

/** One line a reading, presence, note or refusal. */
export function told(decoded: Decoded): readonly string[] {
  const { presences = [], notes = [], left } = decoded;
  return [
    ...ownWords(decoded),
    ...presences.map(({ device, online }) => `${device} ${online ? "came" : "went"}`),
    ...notes.map(({ name }) => `note ${name}`),
    ...(left === undefined ? [] : [`left ${left.reason}`]),
  ];
}

function ownWords(decoded: Decoded): readonly string[] {
  if (decoded.kind === "quarantined") return [`quarantined ${decoded.reason}`];
  if (decoded.kind === "told") return [`${decoded.device} ${decoded.name}`];
  if (decoded.kind === "presences") return [];
  return decoded.readings.map((reading) => {
    const { metric, value, unit, unitOriginal, quality, reason } = reading;
    const at = reading.observedAt ?? decoded.observedAt;
    const time = at === null ? "" : ` @${new Date(at).toISOString()}`;
    const units = unit === undefined ? "" : ` ${unit}${unitOriginal ? ` (${unitOriginal})` : ""}`;
    const why = quality === "good" ? "" : ` ${quality}: ${reason}`;
    return `${decoded.device} ${metric}=${JSON.stringify(value)}${units}${why}${time}`;
  });
}

export function saidIn(decoded: Decoded): readonly Said[] {
  if (decoded.kind !== "readings") return [];
  return decoded.readings.map((reading) => ({
    ...reading,
    observedAt: reading.observedAt ?? decoded.observedAt,
  }));
}
