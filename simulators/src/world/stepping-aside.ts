/**
 * C15: a backlog steps aside for what is fresh where it has to, and no more: a process begins an epoch
 * for it once a minute at most, and what goes by history was older than the bound when it did. It is
 * held where C14 is.
 */
import type { UplinkLane } from "@causeway/edge/uplink/uplink.ts";
import { decodeBody, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Violate } from "./faults.ts";
import type { Timeline } from "./timeline.ts";

const jumpApartMs = 60_000;
/** Jumps are counted so often at least. */
export const probeMs = 2_000;

interface Jumps {
  readonly count: number;
  readonly atMs: number;
}

export class SteppingAside {
  readonly #freshAfterMs: number;
  readonly #timeline: Timeline;
  readonly #violate: Violate;
  readonly #jumps = new WeakMap<object, Jumps>();
  /** Epochs that have gone by history before. */
  readonly #known = new Set<string>();

  constructor(freshAfterMs: number, timeline: Timeline, violate: Violate) {
    this.#freshAfterMs = freshAfterMs;
    this.#timeline = timeline;
    this.#violate = violate;
  }

  /** How often a process has begun an epoch for what is fresh, as it says itself. */
  jumped(process: object, name: string, count: number): void {
    const { nowMs } = this.#timeline;
    const before = this.#jumps.get(process) ?? { count: 0, atMs: Number.NEGATIVE_INFINITY };
    if (count === before.count) return;
    const apartMs = nowMs - before.atMs;
    if (count > before.count + 1 || apartMs < jumpApartMs - probeMs) {
      this.#violate("C15", `${name} jumped ${count - before.count} times within ${apartMs} ms`);
    }
    this.#jumps.set(process, { count, atMs: nowMs });
  }

  /** `beganMs` tells when a boot began; undefined for what other machines sent. */
  sent(
    lane: UplinkLane,
    epoch: string,
    body: Uint8Array,
    beganMs: (bootId: string) => number | undefined,
  ): void {
    if (lane !== "history" || this.#known.has(epoch)) return;
    this.#known.add(epoch);
    const [oldest] = decodeBody(expandBody(body)).blocks;
    const boot = oldest && beganMs(oldest.bootId);
    const event = oldest?.items[0]?.event;
    if (boot === undefined || event === undefined) return;
    const ageMs = this.#timeline.nowMs - boot - event.bootMs;
    if (ageMs >= this.#freshAfterMs) return;
    this.#violate("C15", `${epoch} goes by history, though its oldest event has ${ageMs} ms`);
  }
}
