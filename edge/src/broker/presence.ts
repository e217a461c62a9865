/**
 * Which clients come and go, as events for the cloud. A client that flaps is told of so many times a
 * minute; what its state then is comes as soon as it may, with a count of what was left out.
 */
export interface PresenceBounds {
  readonly perMinuteMax: number;
  /** Clients remembered at a time. */
  readonly clientsMax: number;
}

export const defaultPresenceBounds: PresenceBounds = { perMinuteMax: 6, clientsMax: 10_000 };

export type PresenceReason = "connected" | "clean" | "lost" | "takeover" | "will";

export interface PresenceChange {
  readonly client: string;
  readonly online: boolean;
  readonly reason: PresenceReason;
  /** Changes before this one that were not told. */
  readonly leftOut: number;
}

interface Known {
  told: boolean;
  times: number[];
  waiting: { online: boolean; reason: PresenceReason; leftOut: number } | undefined;
}

const minuteMs = 60_000;

export class Presence {
  readonly #bounds: PresenceBounds;
  readonly #clients = new Map<string, Known>();
  #leftOut = 0;

  constructor(bounds: PresenceBounds = defaultPresenceBounds) {
    this.#bounds = bounds;
  }

  /** Changes never told, over all clients. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** What to tell now, if anything. */
  changed(
    client: string,
    online: boolean,
    reason: PresenceReason,
    nowMs: number,
  ): PresenceChange | undefined {
    const known = this.#known(client);
    const { waiting } = known;
    if (waiting !== undefined) this.#leftOut++;
    known.waiting = { online, reason, leftOut: waiting === undefined ? 0 : waiting.leftOut + 1 };
    return this.#tell(client, known, nowMs);
  }

  /** What waited and may be told now. */
  due(nowMs: number): PresenceChange[] {
    const due: PresenceChange[] = [];
    for (const [client, known] of this.#clients) {
      const told = known.waiting && this.#tell(client, known, nowMs);
      if (told !== undefined) due.push(told);
      const isQuiet = known.waiting === undefined && !known.told;
      if (isQuiet && nowMs - (known.times.at(-1) ?? 0) >= minuteMs) this.#clients.delete(client);
    }
    return due;
  }

  #tell(client: string, known: Known, nowMs: number): PresenceChange | undefined {
    const { waiting } = known;
    known.times = known.times.filter((time) => nowMs - time < minuteMs);
    if (waiting === undefined || known.times.length >= this.#bounds.perMinuteMax) return undefined;
    known.waiting = undefined;
    // It is again as it was told: nobody needs to know.
    if (known.told === waiting.online && waiting.leftOut > 0) {
      this.#leftOut++;
      return undefined;
    }
    known.told = waiting.online;
    known.times.push(nowMs);
    return { client, ...waiting };
  }

  #known(client: string): Known {
    const known = this.#clients.get(client);
    if (known !== undefined) return known;
    const made: Known = { told: false, times: [], waiting: undefined };
    this.#clients.set(client, made);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > this.#bounds.clientsMax && oldest !== undefined) {
      this.#clients.delete(oldest);
    }
    return made;
  }
}
