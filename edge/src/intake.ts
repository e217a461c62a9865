/**
 * One device publish: decode it, or quarantine it with the reason, and append what it says in one
 * write: its event first, then who came or went by it, and what was noticed.
 */
import { crc32 } from "node:zlib";
import type { ShapedEvent } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import type { TopicFacts } from "@causeway/shared/decode/decode.ts";
import { Decoder } from "@causeway/shared/decode/decode.ts";
import type { Ask, Decoded, Refused } from "@causeway/shared/decode/decoded.ts";
import { Shapes } from "@causeway/shared/decode/shapes.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { Route } from "@causeway/shared/mapping/route.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import type { DeviceId } from "@causeway/shared/names.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { AdapterMemory } from "./adapter-memory.ts";
import type { Publish, SettlePublish } from "./broker/broker.ts";
import type { ReadingFilter } from "./filter/reading-filter.ts";
import type { Inspection } from "./inspect/inspection.ts";
import type { KnownKeys } from "./mapping/known-keys.ts";
import type { Appended, Outbox } from "./outbox/outbox.ts";

export interface IntakeCounters {
  readonly readings: number;
  readonly quarantined: number;
  /** Entries of what devices told of themselves, and those given up at the bound. */
  readonly described: number;
  readonly undescribed: number;
  /** Births that nodes were asked for. */
  readonly asked: number;
  /** Messages that their route drops whole. */
  readonly dropped: number;
  /** Repeats, by the key that their route names. */
  readonly keyed: number;
}

export interface IntakeParts {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly memory: AdapterMemory;
  /** Real time; undefined while the clock is not set. */
  readonly presentMs: () => number | undefined;
  /** For those who look. */
  readonly inspection: Inspection;
  /** Publishes to devices on the gateway's own broker. */
  readonly tell: (topic: string, payload: Uint8Array) => void;
  /** Of messages on topics whose route names one. */
  readonly keys: KnownKeys;
  /** Becomes a `system` event. */
  readonly notice: (name: string, detail: string) => void;
  /** Undefined where no topic has one. */
  readonly routes: Routes | undefined;
  /** Undefined where nothing is filtered. */
  readonly filter: ReadingFilter | undefined;
}

/** A device that cannot answer is not asked with each of its messages. */
const askEveryMs = 60_000;
const askedMax = 1_024;
const detailCharactersMax = 1_024;

export class Intake {
  readonly #parts: IntakeParts;
  #shapes = new Shapes();
  #decoder: Decoder;
  readonly #askedAt = new Map<string, number>();
  /** Devices whose key was told to be no key. */
  readonly #toldKeys = new Set<string>();
  #counters = { readings: 0, quarantined: 0, asked: 0, dropped: 0, keyed: 0 };

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#decoder = new Decoder(parts.routes);
  }

  /** From the next message on. */
  useRoutes(routes: Routes): void {
    this.#decoder = new Decoder(routes);
    // A shape that was learnt says what its topic meant before.
    this.#shapes = new Shapes();
  }

  counters(): IntakeCounters {
    const { size: described, givenUp: undescribed } = this.#parts.memory;
    return { ...this.#counters, described, undescribed };
  }

  publish(publish: Publish, settle: SettlePublish): void {
    const appended = this.#read(publish);
    const watched = this.#parts.inspection.watched(publish, settle);
    this.#parts.outbox.append("telemetry", appended, watched, publish.companion);
  }

  /** A retained message that came when it was new: what a device is may be learnt, what it was is old. */
  replay(topic: string, payload: Uint8Array): void {
    const { learnt } = this.#decode(topic, payload);
    if (learnt === undefined) return;
    this.#parts.memory.learn(learnt);
    this.#parts.memory.write();
  }

  /** What a message would be now; it changes nothing. */
  explain(topic: string, payload: Uint8Array): Decoded {
    return this.#decode(topic, payload);
  }

  about(topic: string): TopicFacts {
    return this.#decoder.about(topic);
  }

  #read(publish: Publish): Appended {
    const { topic, payload } = publish;
    const bootMs = this.#parts.clock.bootMs();
    const shaped = this.#shapes.read(topic, payload);
    if (shaped !== undefined && !this.#parts.filter?.concerns(topic, shaped.device)) {
      const { device, shape } = shaped;
      this.#counters.readings += shape.metrics.length;
      this.#parts.inspection.shaped(publish, device, shape, bootMs);
      return { kind: "shaped", device, topic, bootMs, shape, payload } satisfies ShapedEvent;
    }
    const decoded = this.#decode(topic, payload);
    if (decoded.kind === "readings") {
      // A route's readings are not what their payload says by itself.
      if (decoded.route === undefined && shaped === undefined)
        this.#shapes.missed(topic, decoded.device, payload);
      this.#counters.readings += decoded.readings.length;
    }
    if (decoded.key !== undefined && this.#isRepeat(decoded, publish)) {
      this.#parts.inspection.decoded(publish, decoded, bootMs, "repeat");
      return [];
    }
    if (decoded.learnt !== undefined) this.#parts.memory.learn(decoded.learnt);
    if (decoded.ask !== undefined) this.#ask(decoded.ask, publish, bootMs);
    const place = { topic, bootMs };
    const event = this.#eventOf(decoded, place, payload);
    const { presences = [], notes = [], left } = decoded;
    const events = event === undefined ? [] : this.#filtered(event, decoded.route);
    this.#parts.inspection.decoded(publish, decoded, bootMs, events);
    if (presences.length + notes.length === 0 && left === undefined) return events;
    const observedAt = "observedAt" in decoded ? decoded.observedAt : null;
    return [
      ...events,
      ...(left === undefined ? [] : [this.#quarantined(left, place, payload)]),
      ...presences.map(
        (presence): Event => ({ kind: "presence", ...place, observedAt, ...presence }),
      ),
      ...notes.map(({ name, detail }): Event => told(null, name, detail, place)),
    ];
  }

  /** Settles behind the message that it repeats. */
  #isRepeat({ kind, key, ...decoded }: Decoded, { topic, payload }: Publish): boolean {
    const { keys, outbox, notice } = this.#parts;
    if (kind !== "readings" || key === undefined || !("device" in decoded)) return false;
    // What is not admitted comes again.
    if (outbox.obstacle("telemetry") !== undefined) return false;
    const device = decoded.device ?? "";
    const seen = keys.take(device, topic, key, crc32(payload));
    if (seen === "new") return false;
    this.#counters.keyed++;
    if (seen === "other" && !this.#toldKeys.has(device)) {
      if (this.#toldKeys.size >= askedMax) this.#toldKeys.clear();
      this.#toldKeys.add(device);
      const detail = `device ${shown(device)} on ${shown(topic)}: other bytes under key ${shown(key)}`;
      notice(
        "idempotency-key-reused",
        `${detail}; they count as a repeat: choose a key that is used once`,
      );
    }
    return true;
  }

  /** What is not admitted comes again, and must not have been filtered. */
  #filtered(event: Event, route: Route | undefined): readonly Event[] {
    const { filter, outbox } = this.#parts;
    if (filter === undefined || event.kind !== "reading") return [event];
    return outbox.obstacle("telemetry") === undefined ? filter.take(event, route) : [event];
  }

  #decode(topic: string, payload: Uint8Array): Decoded {
    const { memory, presentMs } = this.#parts;
    return this.#decoder.decode(topic, payload, { memory, presentMs });
  }

  /** Undefined where it says only who came or went. */
  #eventOf(decoded: Decoded, place: Place, payload: Uint8Array): Event | undefined {
    if (decoded.kind === "readings") {
      const { device, observedAt, readings } = decoded;
      return { kind: "reading", device, ...place, observedAt, ...saidBy(decoded.route), readings };
    }
    if (decoded.kind === "told") {
      if (decoded.name === "dropped") return void this.#counters.dropped++;
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

/** What a route says of all its readings. */
function saidBy(route: Route | undefined): { tags?: string[]; site?: string } {
  if (route === undefined) return {};
  const { tags, site } = route;
  return { ...(tags.length === 0 ? {} : { tags }), ...(site === undefined ? {} : { site }) };
}

interface Place {
  readonly topic: string;
  readonly bootMs: number;
}

function told(device: DeviceId | null, name: string, detail: string, place: Place): Event {
  const cut = detail.slice(0, detailCharactersMax);
  return { kind: "system", device, ...place, observedAt: null, name, detail: cut };
}
