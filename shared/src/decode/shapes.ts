/** The shapes that devices were seen to send, a few for each topic; those of a type share theirs. */
import type { DeviceId } from "../names.ts";
import type { Shape } from "./shape.ts";
import { learnShape, partsOf } from "./shape.ts";

const topicsMax = 16_384;
const shapesMax = 256;
/** A device may send its readings in turns, and each of its few texts is a shape of its own. */
const shapesPerTopicMax = 8;
/** Learning costs several times what decoding costs, so it is tried ever more rarely, down to this. */
const missesMax = 256;

interface Topic {
  readonly device: DeviceId;
  readonly shapes: Shape[];
  misses: number;
  triedAgainAt: number;
}

export interface Shaped {
  readonly device: DeviceId;
  /** It has read the payload. */
  readonly shape: Shape;
}

export class Shapes {
  readonly #topics = new Map<string, Topic>();
  /** All that topics have. */
  readonly #byParts = new Map<string, Shape>();

  /** Messages come in runs of one topic. */
  #lastTopic: string | undefined;
  #last: Topic | undefined;

  /** Undefined where the payload has no shape that is known. */
  read(topic: string, payload: Uint8Array): Shaped | undefined {
    const known = topic === this.#lastTopic ? this.#last : this.#topics.get(topic);
    this.#lastTopic = topic;
    this.#last = known;
    if (known === undefined) return undefined;
    for (const shape of known.shapes) {
      if (shape.read(payload)) return { device: known.device, shape };
    }
    return undefined;
  }

  /** To be called with what `read` did not know, and the decoder found to be readings of a device. */
  missed(topic: string, device: DeviceId, payload: Uint8Array): void {
    // Of a plain payload every byte is the value.
    if (topic !== `devices/${device}/telemetry`) return;
    const known = this.#topics.get(topic) ?? this.#add(topic, device);
    if (++known.misses < known.triedAgainAt) return;
    known.triedAgainAt = known.misses + Math.min(known.misses, missesMax);
    const shape = this.#learn(device, payload);
    if (shape === undefined || known.shapes.includes(shape)) return;
    if (known.shapes.length === shapesPerTopicMax) known.shapes.shift();
    known.shapes.push(shape);
  }

  #add(topic: string, device: DeviceId): Topic {
    if (this.#topics.size === topicsMax) this.#forget();
    const added: Topic = { device, shapes: [], misses: 0, triedAgainAt: 1 };
    this.#topics.set(topic, added);
    this.#lastTopic = undefined;
    return added;
  }

  #learn(device: DeviceId, payload: Uint8Array): Shape | undefined {
    const parts = partsOf(payload);
    if (parts === undefined) return undefined;
    // No control character can stand in JSON.
    const key = parts.join("\0");
    const shape = this.#byParts.get(key) ?? learnShape(parts, device);
    if (shape === undefined) return undefined;
    if (this.#byParts.size === shapesMax && !this.#byParts.has(key)) this.#forget();
    this.#byParts.set(key, shape);
    return shape;
  }

  /** Those that are still sent are learnt again at once. */
  #forget(): void {
    this.#topics.clear();
    this.#byParts.clear();
    this.#lastTopic = undefined;
  }
}
