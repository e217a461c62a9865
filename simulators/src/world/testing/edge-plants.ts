/** Bugs of a gateway. */

import {
  blockPosition,
  blockRange,
  decodeEpoch,
  decodeRecord,
} from "@causeway/edge/outbox/layout.ts";
import type { Change, Entry, Range, Store } from "@causeway/edge/outbox/store.ts";
import { noUse } from "@causeway/edge/uplink/budget.ts";
import { BudgetRecord } from "@causeway/edge/uplink/budget-record.ts";
import { Jumps } from "@causeway/edge/uplink/jump.ts";
import { Lanes } from "@causeway/edge/uplink/lanes.ts";
import type { Link } from "@causeway/edge/uplink/link.ts";
import { Pace } from "@causeway/edge/uplink/pace.ts";
import { BlockBuilder } from "@causeway/shared/block-codec.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { vi } from "vitest";
import type { Planted } from "./planted.ts";
import { around } from "./planted.ts";

/** What was PubAcked counts as taken. */
function releaseOnPubAck(link: Link): Link {
  const stored = new Map<string, number>();
  return around(link, {
    async publish(lane, headers, body) {
      const outcome = await link.publish(lane, headers, body);
      const head = new Map(headers);
      const key = `${head.get("Cw-Epoch")} ${head.get("Cw-Log")}`;
      if (outcome.kind === "stored") stored.set(key, Number(head.get("Cw-To")));
      return outcome;
    },
    async readMark() {
      const mark = await link.readMark();
      return mark && { ...mark, epochs: mark.epochs.map((epoch) => raised(epoch, stored)) };
    },
  });
}

export function raised(
  { epoch, logs }: Mark["epochs"][number],
  stored: ReadonlyMap<string, number>,
): Mark["epochs"][number] {
  const raise = (log: "telemetry" | "priority") => {
    const through = Math.max(logs[log].through, stored.get(`${epoch} ${log}`) ?? 0);
    return { ...logs[log], through };
  };
  return { epoch, logs: { telemetry: raise("telemetry"), priority: raise("priority") } };
}

/** Whatever a replica answers counts as the newest. */
function staleMarkBelieved(link: Link): Link {
  let reads = 0;
  return around(link, {
    async readMark() {
      const mark = await link.readMark();
      return mark && { ...mark, commit: 1_000_000 + ++reads };
    },
  });
}

/** Deduplication by content: what was once acknowledged is never sent again. */
function duplicateAckBelieved(link: Link): Link {
  const acknowledged = new Set<string>();
  return around(link, {
    async publish(lane, headers, body) {
      const head = new Map(headers);
      const id = ["Epoch", "Log", "From", "To"].map((part) => head.get(`Cw-${part}`)).join();
      if (acknowledged.has(id)) return { kind: "stored" };
      const outcome = await link.publish(lane, headers, body);
      if (outcome.kind === "stored") acknowledged.add(id);
      return outcome;
    },
  });
}

/** The newest epoch is forgotten at a start, so that its name and positions are given again. */
function epochForgotten(store: Store): Store {
  return around(store, {
    async scan(range: Range) {
      const entries = await store.scan(range);
      const isEpochs = range.from[0] === 0x65;
      const newest = entries.at(-1);
      if (!isEpochs || newest === undefined) return entries;
      const ordinal = Buffer.from(newest[0]).readUInt32BE(1);
      const all = { from: Buffer.from("b"), until: Buffer.from("d"), countMax: 1e6 };
      const own = (await store.scan(all)).filter(([key]) => {
        return Buffer.from(key).readUInt32BE(key[0] === 0x62 ? 2 : 1) === ordinal;
      });
      const changes = [newest, ...own].map(([key]): Change => ({ kind: "delete", key }));
      await store.write(changes, { sync: true });
      return entries.slice(0, -1);
    },
  });
}

/** A write that failed is tried again on the same store. */
function writeTriedAgain(store: Store): Store {
  return around(store, {
    write: (changes, options) =>
      store.write(changes, options).catch(() => store.write(changes, options)),
  });
}

function writeNotSynced(store: Store): Store {
  return around(store, { write: (changes) => store.write(changes, { sync: false }) });
}

/** Epochs that were released to their end are given up, all but the newest. */
function closedEpochsForgotten(store: Store): Store {
  return around(store, {
    async scan(range: Range) {
      const entries = await store.scan(range);
      if (range.from[0] !== 0x65 || entries.length < 2) return entries;
      const taken: Entry[] = [];
      for (const entry of entries.slice(0, -1)) if (await isTaken(store, entry)) taken.push(entry);
      return entries.filter((entry) => !taken.includes(entry));
    },
  });
}

async function isTaken(store: Store, [key, value]: Entry): Promise<boolean> {
  const cursor = await store.get(Buffer.concat([Buffer.from("c"), Buffer.from(key).subarray(1)]));
  const { ends } = decodeEpoch(value);
  if (cursor === undefined || ends === undefined) return false;
  const released = decodeRecord(cursor, "a cursor");
  return logs.every((log) => Number(released[log] ?? 0) >= ends[log]);
}

/** What is read again, since it may not have been taken, is by then a loss for want of room. */
function thinnedWhenPublished(store: Store): Store {
  const read = new Map<string, number>();
  return around(store, {
    async scan(range: Range) {
      const entries = await store.scan(range);
      if (range.from[0] !== 0x62 || range.countMax === 1) return entries;
      return entries.map(([key, bytes]): Entry => {
        const name = Buffer.from(key).toString("hex");
        const times = (read.get(name) ?? 0) + 1;
        read.set(name, times);
        return times < 3 ? [key, bytes] : [key, lossInstead(key, bytes)];
      });
    },
  });
}

function lossInstead(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const [from, { to }] = [blockPosition(key), blockRange(bytes)];
  const builder = new BlockBuilder("boot");
  const place = { device: null, topic: null, bootMs: 0, observedAt: null };
  const count = to - from + 1;
  builder.add({ kind: "loss", ...place, to, reason: "full", count }, count);
  return builder.finish(from);
}

/** While the commit number is below one that was seen, nothing counts as taken, every other time. */
function commitNumberAlone(link: Link): Link {
  let [highest, reads] = [0, 0];
  return around(link, {
    async readMark() {
      const mark = await link.readMark();
      if (mark === undefined) return mark;
      highest = Math.max(highest, mark.commit);
      return mark.commit < highest && ++reads % 2 === 1 ? { ...mark, epochs: [] } : mark;
    },
  });
}

/** A backlog goes first, in its order. */
function backlogFirst(): void {
  vi.spyOn(Jumps.prototype, "stepAside").mockReturnValue("stay");
}

/** What was sent before the process began is forgotten. */
function dayForgotten(): void {
  vi.spyOn(BudgetRecord.prototype, "use", "get").mockReturnValue(noUse);
}

/** Nobody waits for what is to be paid for. */
function paceForgotten(): void {
  vi.spyOn(Pace.prototype, "freeAtMs").mockReturnValue(Number.NEGATIVE_INFINITY);
}

/** Whatever waits goes by history, and a new epoch is begun for what is fresh each time. */
function backlogAlwaysAside(): void {
  vi.spyOn(Jumps.prototype, "stepAside").mockReturnValue("jump");
}

/** As often as links flap. */
function jumpsTooOften(): void {
  const { stepAside } = Jumps.prototype;
  vi.spyOn(Jumps.prototype, "stepAside").mockImplementation(function (this: Jumps, backlog, nowMs) {
    return stepAside.call(this, backlog, nowMs * 3);
  });
}

/** Live has its turn once all that is older is sent. */
function historyFirst(): void {
  const { room } = Lanes.prototype;
  vi.spyOn(Lanes.prototype, "room").mockImplementation(function (this: Lanes, lane) {
    const isBehind = this.history.cursors.some(({ next, last }) => next <= last);
    return isBehind && lane === this.live ? 0 : room.call(this, lane);
  });
}

/** History reads whenever there is room, and fills the window. */
function windowShared(): void {
  const { room } = Lanes.prototype;
  vi.spyOn(Lanes.prototype, "room").mockImplementation(function (this: Lanes, lane) {
    if (lane === this.history) return room.call(this, this.live);
    return this.olderWaits && lane === this.live ? 0 : room.call(this, lane);
  });
}

const anywhere = ["C1", "C2", "C6", "C7", "C9", "C10"];

export const edgePlants: readonly Planted[] = [
  {
    name: "release on PubAck",
    plant: () => ({ link: releaseOnPubAck }),
    finds: ["C6"],
  },
  {
    name: "positions given again after a restart",
    plant: () => ({
      store: epochForgotten,
      random: (random) => ({ next: () => random.next(), hex: (digits) => "0".repeat(digits) }),
    }),
    finds: anywhere,
  },
  {
    name: "a failed group's positions given to other events",
    plant: () => ({ store: writeTriedAgain }),
    finds: anywhere,
    faults: ["edge-killed", "edge-power-cut", "link-cut"],
    sure: ["write-failed"],
  },
  {
    name: "an acknowledgement before the sync",
    plant: () => ({ store: writeNotSynced }),
    finds: anywhere,
    faults: ["link-cut"],
    sure: ["edge-power-cut"],
  },
  {
    name: "a closed epoch forgotten by the gateway",
    plant: () => ({ store: closedEpochsForgotten }),
    finds: [...anywhere, "C12"],
    faults: ["edge-killed", "link-cut"],
    sure: ["engine-rolled-back", "edge-killed"],
  },
  {
    name: "events thinned that were published",
    plant: () => ({ store: thinnedWhenPublished }),
    finds: ["C12"],
    faults: ["ack-without-store", "edge-killed", "link-cut"],
    sure: ["request-lost", "answer-lost"],
  },
  {
    name: "a stale mark believed",
    plant: () => ({ link: staleMarkBelieved }),
    finds: ["C9"],
    faults: ["engine-killed"],
    sure: ["mark-stale"],
  },
  {
    name: "a duplicate ack believed",
    plant: () => ({ link: duplicateAckBelieved }),
    finds: ["C7"],
    faults: ["request-delayed"],
    sure: ["ack-without-store"],
  },
  {
    name: "a commit number alone taken for a rollback",
    plant: () => ({ link: commitNumberAlone }),
    finds: ["C8", "C9"],
    faults: ["link-cut"],
    sure: ["engine-rolled-back"],
  },
  {
    name: "a backlog before what is fresh",
    patch: backlogFirst,
    finds: ["C14"],
    faults: ["link-flaps"],
    sure: ["link-flaps", "link-slow"],
  },
  {
    name: "history before what is fresh",
    patch: historyFirst,
    finds: ["C14"],
    faults: ["link-flaps"],
    sure: ["link-flaps", "link-slow"],
  },
  {
    name: "an epoch begun twice a minute",
    patch: jumpsTooOften,
    finds: ["C15"],
    faults: ["link-flaps"],
    sure: ["link-flaps"],
  },
  {
    name: "a young backlog out of its order",
    patch: backlogAlwaysAside,
    finds: ["C15"],
    faults: ["link-cut"],
    sure: ["device-burst", "link-flaps"],
  },
  {
    name: "a day's bytes given anew by a restart",
    patch: dayForgotten,
    finds: ["C16"],
    faults: ["link-cut"],
    sure: ["budget-small", "edge-power-cut"],
  },
  {
    name: "a bound of bytes a second that nobody keeps",
    patch: paceForgotten,
    finds: ["C16"],
    faults: ["link-cut"],
    sure: ["budget-small", "device-burst", "link-flaps"],
  },
  {
    name: "a window that history fills",
    patch: windowShared,
    finds: ["C14"],
    faults: ["link-flaps"],
    sure: ["link-flaps", "link-slow"],
  },
];
