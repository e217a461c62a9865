/** One simulated device: its signal, its faults, and the payloads it publishes. */
import type { DeviceId } from "@causeway/shared/names.ts";
import type { Publish } from "./connection.ts";
import { telemetryTopic } from "./connection.ts";
import type { Fault, Occurrence } from "./faults/fault.ts";
import { additionAt, occurrenceAt } from "./faults/fault.ts";
import type { Metrics, Model } from "./profiles/profile.ts";

/** A fault that this sample is the first to show. */
interface Onset {
  readonly fault: Fault;
  readonly occurrence: Occurrence;
}

export interface Sample {
  readonly metrics: Metrics;
  readonly onsets: readonly Onset[];
}

/** D1 `seq` of what it publishes is 1, 2, 3… without a hole. */
export class Device {
  readonly name: DeviceId;
  readonly #topic: string;
  readonly #model: Model;
  readonly #faults: readonly { readonly fault: Fault; seen: number }[];
  #seq = 0;

  constructor(name: DeviceId, model: Model, faults: readonly Fault[]) {
    this.name = name;
    this.#topic = telemetryTopic(name);
    this.#model = model;
    this.#faults = faults.map((fault) => ({ fault, seen: -1 }));
  }

  /** What it measures at `elapsedMs` of the run, whether or not that is ever published. */
  sample(elapsedMs: number): Sample {
    const metrics = { ...this.#model(elapsedMs) };
    const onsets: Onset[] = [];
    for (const entry of this.#faults) {
      const { fault } = entry;
      const occurrence = occurrenceAt(fault, elapsedMs);
      if (occurrence === undefined) continue;
      const healthy = metrics[fault.metric] ?? 0;
      metrics[fault.metric] = tidy(healthy + additionAt(fault, occurrence, elapsedMs));
      if (occurrence.number === entry.seen) continue;
      entry.seen = occurrence.number;
      onsets.push({ fault, occurrence });
    }
    return { metrics, onsets };
  }

  /** The next publish (D1); `wallMs` is its `ts`. */
  publish(metrics: Metrics, wallMs: number): Publish {
    this.#seq += 1;
    const payload = JSON.stringify({ ts: wallMs, ...metrics, seq: this.#seq });
    return { device: this.name, topic: this.#topic, payload, seq: this.#seq };
  }
}

/** Three decimals, as devices print; sums of doubles would show fifteen. */
function tidy(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
