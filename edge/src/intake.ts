/**
 * One device publish: decode it, or quarantine it with the reason, and append what it says in one
 * write: its event first, then who came or went by it, and what was noticed.
 */
import type { ShapedEvent } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { Decoder } from "@causeway/shared/decode/decode.ts";
import type { Ask, Decoded, Refused } from "@causeway/shared/decode/decoded.ts";
import { Shapes } from "@causeway/shared/decode/shapes.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { DeviceId } from "@causeway/shared/names.ts";
import type { AdapterMemory } from "./adapter-memory.ts";
import type { Publish, SettlePublish } from "./broker/broker.ts";
import type { Appended, Outbox } from "./outbox/outbox.ts";

export interface IntakeCounters {
  readonly readings: number;
  readonly quarantined: number;
  /** Entries of what devices told of themselves, and those given up at the bound. */
  readonly described: number;
  readonly undescribed: number;
  /** Births that nodes were asked for. */
  readonly asked: number;
}

export interface IntakeParts {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly memory: AdapterMemory;
  /** Real time; undefined while the clock is not set. */
  readonly presentMs: () => number | undefined;
  /** Publishes to devices on the gateway's own broker. */
  readonly tell: (topic: string, payload: Uint8Array) => void;
}

/** A device that cannot answer is not asked with each of its messages. */
const askEveryMs = 60_000;
const askedMax = 1_024;
const detailCharactersMax = 1_024;

export class Intake {
  readonly #parts: IntakeParts;
  readonly #shapes = new Shapes();
  readonly #decoder = new Decoder();
  readonly #askedAt = new Map<string, number>();
  #counters = { readings: 0, quarantined: 0, asked: 0 };

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  counters(): IntakeCounters {
    const { size: described, givenUp: undescribed } = this.#parts.memory;
    return { ...this.#counters, described, undescribed };
  }

  publish(publish: Publish, settle: SettlePublish): void {
    const appended = this.#read(publish);
    this.#parts.outbox.append("telemetry", appended, settle, publish.companion);
  }

  /** A retained message that came when it was new: what a device is may be learnt, what it was is old. */
  replay(topic: string, payload: Uint8Array): void {
    const { learnt } = this.#decode(topic, payload);
    if (learnt === undefined) return;
    this.#parts.memory.learn(learnt);
    this.#parts.memory.write();
  }

  #read(publish: Publish): Appended {
    const { topic, payload } = publish;
    const bootMs = this.#parts.clock.bootMs();
    const shaped = this.#shapes.read(topic, payload);
    if (shaped !== undefined) {
      const { device, shape } = shaped;
      this.#counters.readings += shape.metrics.length;
      return { kind: "shaped", device, topic, bootMs, shape, payload } satisfies ShapedEvent;
    }
    const decoded = this.#decode(topic, payload);
    if (decoded.kind === "readings") {
      this.#shapes.missed(topic, decoded.device, payload);
      this.#counters.readings += decoded.readings.length;
    }
    if (decoded.learnt !== undefined) this.#parts.memory.learn(decoded.learnt);
    if (decoded.ask !== undefined) this.#ask(decoded.ask, publish, bootMs);
    const place = { topic, bootMs };
    const event = this.#eventOf(decoded, place, payload);
    const { presences = [], notes = [], left } = decoded;
    if (presences.length + notes.length === 0 && left === undefined) return event ?? [];
    const observedAt = "observedAt" in decoded ? decoded.observedAt : null;
    return [
      ...(event === undefined ? [] : [event]),
      ...(left === undefined ? [] : [this.#quarantined(left, place, payload)]),
      ...presences.map(
        (presence): Event => ({ kind: "presence", ...place, observedAt, ...presence }),
      ),
      ...notes.map(({ name, detail }): Event => told(null, name, detail, place)),
    ];
  }

  #decode(topic: string, payload: Uint8Array): Decoded {
    const { memory, presentMs } = this.#parts;
    return this.#decoder.decode(topic, payload, { memory, presentMs });
  }

  /** Undefined where it says only who came or went. */
  #eventOf(decoded: Decoded, place: Place, payload: Uint8Array): Event | undefined {
    if (decoded.kind === "readings") {
      const { device, observedAt, readings } = decoded;
      return { kind: "reading", device, ...place, observedAt, readings };
    }
    if (decoded.kind === "told") {
      return told(decoded.device, `device-${decoded.name}`, decoded.detail, place);
    }
    if (decoded.kind === "presences") return undefined;
    return this.#quarantined(decoded, place, payload);
  }

  #quarantined({ device, reason, detail }: Refused, place: Place, payload: Uint8Array): Event {
    this.#counters.quarantined++;
    return {
      kind: "quarantined",
      device,
      ...place,
      observedAt: null,
      reason,
      detail: detail.slice(0, detailCharactersMax),
      payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("base64"),
      bytes: payload.length,
    };
  }

  #ask({ topic, payload, key }: Ask, publish: Publish, bootMs: number): void {
    const askedAt = this.#askedAt.get(key);
    if (askedAt !== undefined && bootMs - askedAt < askEveryMs) return;
    if (this.#askedAt.size >= askedMax) this.#askedAt.clear();
    this.#askedAt.set(key, bootMs);
    this.#counters.asked++;
    (publish.tell ?? this.#parts.tell)(topic, payload);
  }
}

interface Place {
  readonly topic: string;
  readonly bootMs: number;
}

function told(device: DeviceId | null, name: string, detail: string, place: Place): Event {
  const cut = detail.slice(0, detailCharactersMax);
  return { kind: "system", device, ...place, observedAt: null, name, detail: cut };
}
