/** One device publish: decode it, or quarantine it with the reason, and append it. */
import type { ShapedEvent } from "@causeway/shared/block-codec.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { decode } from "@causeway/shared/decode/decode.ts";
import { Shapes } from "@causeway/shared/decode/shapes.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { Publish, SettlePublish } from "./broker/broker.ts";
import type { Outbox } from "./outbox/outbox.ts";

export interface IntakeCounters {
  readonly readings: number;
  readonly quarantined: number;
}

export class Intake {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #shapes = new Shapes();
  #counters = { readings: 0, quarantined: 0 };

  constructor(outbox: Outbox, clock: Clock) {
    this.#outbox = outbox;
    this.#clock = clock;
  }

  counters(): IntakeCounters {
    return { ...this.#counters };
  }

  publish(publish: Publish, settle: SettlePublish): void {
    this.#outbox.append("telemetry", this.#eventOf(publish), settle, publish.companion);
  }

  #eventOf({ topic, payload }: Publish): Event | ShapedEvent {
    const bootMs = this.#clock.bootMs();
    const shaped = this.#shapes.read(topic, payload);
    if (shaped !== undefined) {
      const { device, shape } = shaped;
      this.#counters.readings += shape.metrics.length;
      return { kind: "shaped", device, topic, bootMs, shape, payload };
    }
    const decoded = decode(topic, payload);
    if (decoded.kind === "readings") {
      const { device, observedAt, readings } = decoded;
      this.#shapes.missed(topic, device, payload);
      this.#counters.readings += readings.length;
      return { kind: "reading", device, topic, bootMs, observedAt, readings };
    }
    this.#counters.quarantined++;
    return {
      kind: "quarantined",
      device: decoded.device,
      topic,
      bootMs,
      observedAt: null,
      reason: decoded.reason,
      detail: decoded.detail.slice(0, 1_024),
      payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("base64"),
      bytes: payload.length,
    };
  }
}
