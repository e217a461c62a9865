/** The newest payloads, within a budget of bytes. Each has a place of its own, which is used again. */

export interface SampleBounds {
  /** Of a longer payload the beginning is kept. */
  readonly bytesMax: number;
  /** Of all samples together; beyond it no new place is made. */
  readonly allBytesMax: number;
}

const smallestPlace = 64;

export class Samples {
  readonly bounds: SampleBounds;
  #bytes = 0;

  constructor(bounds: SampleBounds) {
    this.bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined where there is no room. */
  keep(sample: Sample | undefined, payload: Uint8Array, nowMs: number): Sample | undefined {
    const length = Math.min(payload.length, this.bounds.bytesMax);
    let kept = sample;
    if (kept === undefined || kept.place.length < length) {
      const place = this.#place(length, kept?.place.length ?? 0);
      if (place === undefined) {
        if (kept !== undefined) this.free(kept);
        return undefined;
      }
      kept = new Sample(place);
    }
    kept.place.set(length === payload.length ? payload : payload.subarray(0, length));
    kept.length = length;
    kept.bytes = payload.length;
    kept.atMs = nowMs;
    return kept;
  }

  free({ place }: Sample): void {
    this.#bytes -= place.length;
  }

  #place(length: number, before: number): Buffer | undefined {
    let room = smallestPlace;
    while (room < length) room *= 2;
    if (this.#bytes - before + room > this.bounds.allBytesMax) return undefined;
    this.#bytes += room - before;
    // Not of Node's pool: a small part would hold a whole block of it.
    return Buffer.allocUnsafeSlow(room);
  }
}

export class Sample {
  readonly place: Buffer;
  length = 0;
  /** Of the whole payload. */
  bytes = 0;
  atMs = 0;

  constructor(place: Buffer) {
    this.place = place;
  }

  get payload(): Buffer {
    return this.place.subarray(0, this.length);
  }
}
