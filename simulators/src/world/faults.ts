/**
 * The faults of the world, as data. A world draws some of those that are switched on (swarm
 * testing: Groce et al., ISSTA 2012), since faults that never let up hide each other.
 *
 *   chance    befalls single requests, answers and writes, each by itself
 *   incident  happens at some moment, to some part
 *   setting   holds for the whole run
 */
import type { Random } from "@causeway/shared/random.ts";

interface FaultKind {
  readonly kind: "chance" | "incident" | "setting";
  readonly about: string;
  /** How often, against others of its kind; of a chance, in percent at most. */
  readonly weight: number;
}

const kinds = {
  "request-lost": chance(12, "a publish never arrives"),
  "request-delayed": chance(6, "a publish arrives up to a minute later, after others"),
  "request-repeated": chance(8, "a publish arrives again later"),
  "answer-lost": chance(12, "a PubAck never arrives"),
  "ack-without-store": chance(4, "a PubAck for what was not stored after all"),
  "publish-refused": chance(10, "JetStream answers with an error"),
  "mark-lost": chance(15, "a read of the mark is not answered"),
  "mark-stale": chance(30, "a replica answers with a mark some seconds old"),
  "commit-lost": chance(6, "a commit never arrives"),
  "commit-refused": chance(6, "a commit is refused for no reason of ours"),
  "commit-late": chance(6, "a commit arrives up to half a minute later"),
  "commit-answer-lost": chance(6, "a commit is taken and its answer lost"),
  "load-failed": chance(10, "state cannot be read at a take-over"),
  "write-failed": chance(4, "a disk write fails; its bytes are lost, or appear later"),
  "read-failed": chance(3, "a disk read fails"),
  "link-cut": incident(6, "a gateway's connection breaks"),
  "link-half-open": incident(4, "a gateway's connection falls silent, then breaks"),
  "server-down": incident(2, "the server is away for a while"),
  "reader-cut": incident(3, "the engine's reading of the journal is interrupted"),
  "device-cut": incident(3, "a device loses its connection and sends again"),
  "device-burst": incident(4, "a device sends many at once"),
  "edge-killed": incident(4, "a gateway process is killed"),
  "edge-power-cut": incident(4, "a gateway loses power, and what was not synced"),
  "edge-stopped": incident(2, "a gateway is stopped in order and started again"),
  "edge-storm": incident(1, "a gateway is restarted some fifty times"),
  "engine-killed": incident(4, "an engine is killed"),
  "engine-stopped": incident(2, "an engine is stopped in order and started again"),
  "engine-paused": incident(3, "an engine stands still and wakes as a zombie"),
  "engine-second": incident(3, "two engines run at once"),
  "clock-jump": incident(2, "a gateway's wall clock jumps"),
  "clock-unset": setting(30, "a gateway starts without knowing the time"),
  "outbox-small": setting(25, "an outbox that is full after some minutes without a link"),
  "tail-given-up": setting(30, "what was taken is kept for a short while only"),
  "shard-lost": chance(6, "a piece of a snapshot never arrives"),
  "zombie-purge": setting(30, "a fenced engine deletes the snapshots of its successor"),
  "disk-restored": incident(1, "a gateway's disk is replaced by an older copy of itself"),
  "disk-cloned": incident(1, "a second gateway runs on a copy of the disk"),
  "disk-lies": incident(1, "a power cut takes back what the disk had said was synced"),
  "block-rots": incident(2, "bytes of a block on a gateway's disk change"),
  "journal-full": incident(2, "TLM is full for a while"),
  "journal-rolled-back": incident(1, "TLM loses its last messages"),
  "journal-recreated": incident(1, "TLM is made anew, empty"),
  "journal-purged": incident(1, "TLM loses its first messages"),
  "engine-rolled-back": incident(1, "ENGINE goes back to an earlier state"),
  "both-rolled-back": incident(1, "TLM and ENGINE go back to an earlier state"),
  "reader-killed": incident(2, "a registered reader of the journal is killed"),
  ticks: setting(50, "the journal has a clock"),
  "reader-registered": setting(35, "beside the engine somebody else reads the journal"),
  "journal-small": setting(35, "TLM has little room, and is purged of what nobody needs"),
  "payload-small": setting(25, "the server takes small messages only"),
  "event-poison": setting(12, "some events make a batch that the cloud cannot read"),
  "link-flaps": incident(2, "a gateway's link goes and comes while devices say much"),
  "link-slow": setting(15, "gateways' links carry a few kilobytes a second"),
  "budget-small": setting(
    25,
    "gateways may send little a second, and a backlog at some times only",
  ),
  "quota-small": setting(20, "gateways that say much are slowed down by the cloud"),
  "stale-mark-at-start": setting(30, "the first mark that a process reads may be stale"),
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof kinds;

export const faultKinds: Readonly<Record<FaultName, FaultKind>> = kinds;
export const faultNames = Object.keys(kinds) as readonly FaultName[];

/** What a world is held to, told in checkers.ts. */
export type CheckName =
  | "C0"
  | "C1"
  | "C2"
  | "C3"
  | "C4"
  | "C5"
  | "C6"
  | "C7"
  | "C8"
  | "C9"
  | "C10"
  | "C11"
  | "C12"
  | "C13"
  | "C14"
  | "C15"
  | "C16";

export type Violate = (check: CheckName, what: string) => void;

function chance(weight: number, about: string): FaultKind {
  return { kind: "chance", about, weight };
}

function incident(weight: number, about: string): FaultKind {
  return { kind: "incident", about, weight };
}

function setting(weight: number, about: string): FaultKind {
  return { kind: "setting", about, weight };
}

/** The faults of one world, and their dice. */
export class Dice {
  readonly random: Random;
  readonly #chances = new Map<FaultName, number>();
  readonly active: readonly FaultName[];
  /** Nothing goes wrong any more. */
  isOver = false;

  /** What is `sure` is not left to chance. */
  constructor(random: Random, enabled: readonly FaultName[], sure: readonly FaultName[] = []) {
    this.random = random;
    this.active = faultNames.filter((name) => {
      if (!enabled.includes(name) && !sure.includes(name)) return false;
      const { kind, weight } = faultKinds[name];
      return random.next() < (kind === "setting" ? weight / 100 : 0.5) || sure.includes(name);
    });
    for (const name of this.active) {
      this.#chances.set(name, (random.next() * faultKinds[name].weight) / 100);
    }
  }

  has(name: FaultName): boolean {
    return this.active.includes(name);
  }

  /** Whether a chance befalls what is at hand. */
  hit(name: FaultName): boolean {
    const chance = this.#chances.get(name);
    return chance !== undefined && !this.isOver && this.random.next() < chance;
  }

  /** An incident that is switched on, by weight; undefined where none is. */
  incident(): FaultName | undefined {
    const names = this.active.filter((name) => faultKinds[name].kind === "incident");
    const sum = names.reduce((total, name) => total + faultKinds[name].weight, 0);
    let at = this.random.next() * sum;
    return names.find((name) => {
      at -= faultKinds[name].weight;
      return at < 0;
    });
  }

  /** A whole number, `from` and `to` included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.random.next() * (to - from + 1));
  }

  oneOf<Element>(list: readonly Element[]): Element | undefined {
    return list[Math.floor(this.random.next() * list.length)];
  }
}
