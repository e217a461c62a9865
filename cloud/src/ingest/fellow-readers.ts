/**
 * What readers of the journal on one connection share.
 *
 *   G1  A batch is decoded once, by whoever comes to it first; the others get the same objects, which
 *       nobody changes. Messages are the same only where their bytes are.
 *   G2  What is kept is bounded in bytes; a reader further behind decodes for itself.
 *   G3  The engine goes first: what it has not taken gateways must keep, and nobody is told of. While it
 *       is behind the others wait, each time for `giveWayMs` at most.
 */
import type { BatchBody } from "@causeway/shared/batch-codec.ts";
import { decodeBody, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";

/** G2. Of what was expanded, and of the objects that were made of it. */
export const keptBytesMax = 8 * 1_024 * 1_024;
const bytesPerEvent = 400;
export const giveWayMs = 100;

interface Kept {
  readonly data: Uint8Array;
  readonly body: BatchBody;
  readonly bytes: number;
}

export class FellowReaders {
  /** By place in the journal, those decoded longest ago first. */
  readonly #kept = new Map<number, Kept>();
  #bytes = 0;
  #isEngineBehind = false;
  readonly #waiting = new Set<() => void>();

  /** Throws like `expandBody` and `decodeBody`; then nothing is kept. */
  bodyOf(sequence: number, data: Uint8Array): BatchBody {
    const known = this.#kept.get(sequence);
    if (known !== undefined && isSame(known.data, data)) return known.body;
    const expanded = expandBody(data);
    const body = decodeBody(expanded);
    this.#forget(sequence);
    const bytes = expanded.length + bytesPerEvent * eventsOf(body);
    this.#kept.set(sequence, { data, body, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= keptBytesMax) break;
      this.#forget(oldest);
    }
    return body;
  }

  /** G3. */
  engineIsBehind(isBehind: boolean): void {
    this.#isEngineBehind = isBehind;
    if (!isBehind) for (const goOn of [...this.#waiting]) goOn();
  }

  /** G3. Undefined where there is nothing to wait for. */
  giveWay(clock: Clock): Promise<void> | undefined {
    if (!this.#isEngineBehind) return undefined;
    return new Promise((resolve) => {
      let cancel: Cancel = () => {};
      const goOn = () => {
        cancel();
        this.#waiting.delete(goOn);
        resolve();
      };
      this.#waiting.add(goOn);
      cancel = clock.after(giveWayMs, goOn);
    });
  }

  #forget(sequence: number): void {
    const known = this.#kept.get(sequence);
    if (known === undefined) return;
    this.#bytes -= known.bytes;
    this.#kept.delete(sequence);
  }
}

function eventsOf({ blocks }: BatchBody): number {
  return blocks.reduce((sum, { items }) => sum + items.length, 0);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one === other || Buffer.compare(one, other) === 0;
}
