/**
 * What could not be used, in groups of the same kind and reason. Open dead letters of gateways are
 * told by the engine in groups; what receivers refused is gathered here. Bounded: at `groupsMax` the
 * group that is quiet for the longest time goes; a group keeps its newest `samplesMax`, each with the
 * head of its bytes.
 */
import { createHash } from "node:crypto";

import { letterKinds } from "../dead/dead-letter.ts";

export const deadKinds = [...letterKinds, "notification"] as const;
export type DeadKind = (typeof deadKinds)[number];

export interface DeadSample {
  readonly id: string;
  readonly at: number;
  readonly device: string | null;
  readonly topic: string | null;
  readonly detail: string;
  readonly bytes: number;
  /** Base64, of `payloadBytesMax` at most. */
  readonly payload: string;
}

export interface DeadGroup {
  readonly id: string;
  readonly kind: DeadKind;
  readonly gateway: string | null;
  readonly receiver: string | null;
  readonly reason: string;
  /** Of the newest. */
  readonly detail: string;
  /** Of topics; null where they have none. */
  readonly topic: string | null;
  readonly count: number;
  /** Of these no more is known: there was no room for them. */
  readonly counted: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly samples: readonly DeadSample[];
}

export const groupsMax = 500;
export const samplesMax = 8;
/** Of base64: 4 KiB. */
const payloadCharactersMax = 5_464;
const textMax = 256;

export type DeadPlace = Pick<DeadGroup, "kind" | "gateway" | "receiver" | "reason">;

export class DeadTable {
  readonly #groups = new Map<string, DeadGroup>();

  add(place: DeadPlace, sample: DeadSample): void {
    const reason = place.reason.slice(0, textMax);
    const id = idOf({ ...place, reason });
    const known = this.#groups.get(id);
    const kept = {
      ...sample,
      topic: sample.topic?.slice(0, textMax) ?? null,
      detail: sample.detail.slice(0, textMax),
      payload: sample.payload.slice(0, payloadCharactersMax),
    };
    // At the end of the order: it was heard of last.
    this.#groups.delete(id);
    this.#groups.set(id, {
      ...{ id, ...place, reason, detail: kept.detail, topic: null, counted: 0 },
      count: (known?.count ?? 0) + 1,
      firstAt: Math.min(known?.firstAt ?? sample.at, sample.at),
      lastAt: Math.max(known?.lastAt ?? sample.at, sample.at),
      samples: [...(known?.samples ?? []), kept].slice(-samplesMax),
    });
    const [oldest] = this.#groups.keys();
    if (this.#groups.size > groupsMax && oldest !== undefined) this.#groups.delete(oldest);
  }

  get(id: string): DeadGroup | undefined {
    return this.#groups.get(id);
  }

  /** The last heard of first. */
  all(): readonly DeadGroup[] {
    return [...this.#groups.values()].reverse();
  }

  clear(): void {
    this.#groups.clear();
  }
}

function idOf({ kind, gateway, receiver, reason }: DeadPlace): string {
  const text = JSON.stringify([kind, gateway, receiver, reason]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
