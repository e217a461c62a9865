// The goal: every checker finds the bug it is there for. Each plant is a small wrapper around a real
// part; a world that does not notice it would not notice the same bug in the product either.
import type { CommitMessage, EngineStore } from "@causeway/cloud/engine/engine-store.ts";
import { GatewayLedger } from "@causeway/cloud/ledger/ledger.ts";
import type { Change, Range, Store } from "@causeway/edge/outbox/store.ts";
import type { Link } from "@causeway/edge/uplink/link.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { FaultName } from "./faults.ts";
import { defaultFaults } from "./faults.ts";
import { worldAlerting } from "./rules.ts";
import { drain } from "./system-drain.ts";
import type { WorldPlant } from "./world.ts";
import { runWorld } from "./world.ts";

const seedsMax = 40;

interface Planted {
  readonly name: string;
  readonly plant?: WorldPlant;
  readonly patch?: () => void;
  /** Checks one of which must find it. */
  readonly finds: readonly string[];
  readonly faults?: readonly FaultName[];
}

/** Where everything goes through to the inner one but what `own` replaces. */
function around<Part extends object>(inner: Part, own: Partial<Part>): Part {
  return new Proxy(inner, {
    get(target, name) {
      const replaced = Reflect.get(own, name);
      if (replaced !== undefined) return replaced;
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

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

function raised(
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

function commitWithoutFence(store: EngineStore): EngineStore {
  const unfenced = ({ expectedLast: _, ...message }: CommitMessage): CommitMessage => message;
  return around(store, { commit: (messages) => store.commit(messages.map(unfenced)) });
}

/** Alerts go first, by themselves. */
function alertsCommittedApart(store: EngineStore): EngineStore {
  return around(store, {
    async commit(messages) {
      const isAlert = ({ subject }: CommitMessage) => subject.startsWith("alert.");
      const alerts = messages.filter(isAlert);
      if (alerts.length > 0) await store.commit(alerts);
      return store.commit(messages.filter((message) => !isAlert(message)));
    },
  });
}

function gapsAccepted(): void {
  const { judge } = GatewayLedger.prototype;
  vi.spyOn(GatewayLedger.prototype, "judge").mockImplementation(function (
    this: GatewayLedger,
    epoch,
    log,
    from,
    to,
  ) {
    const judged = judge.call(this, epoch, log, from, to);
    return judged.kind === "expected" ? { kind: "taken", from, effect: true } : judged;
  });
}

function outputOnReplay(): void {
  const { judge } = GatewayLedger.prototype;
  vi.spyOn(GatewayLedger.prototype, "judge").mockImplementation(function (
    this: GatewayLedger,
    ...place
  ) {
    const judged = judge.call(this, ...place);
    return judged.kind === "taken" ? { ...judged, effect: true } : judged;
  });
}

/** After a take-over one event more than was taken counts as covered. */
function coveredTooFar(): void {
  const { layFloor } = GatewayLedger.prototype;
  vi.spyOn(GatewayLedger.prototype, "layFloor").mockImplementation(function (
    this: GatewayLedger,
    mark,
  ) {
    const more = new Map(
      mark.epochs.map(({ epoch, logs }) => [`${epoch} telemetry`, logs.telemetry.through + 1]),
    );
    layFloor.call(this, { ...mark, epochs: mark.epochs.map((epoch) => raised(epoch, more)) });
  });
}

function detectorsForgotten(): void {
  vi.spyOn(worldAlerting, "decodeDetection").mockImplementation(() => worldAlerting.detection());
}

const plants: readonly Planted[] = [
  { name: "release on PubAck", plant: { link: releaseOnPubAck }, finds: ["C6"] },
  { name: "a ledger that accepts gaps", patch: gapsAccepted, finds: ["C2", "C3"] },
  {
    name: "positions given again after a restart",
    plant: {
      store: epochForgotten,
      random: (random) => ({ next: () => random.next(), hex: (digits) => "0".repeat(digits) }),
    },
    finds: ["C1", "C2", "C6", "C7", "C9", "C10"],
  },
  {
    name: "a failed write tried again on the same store",
    plant: { store: writeTriedAgain },
    finds: ["C1", "C2", "C6", "C7", "C9", "C10"],
    faults: ["write-failed", "edge-killed", "edge-power-cut", "link-cut"],
  },
  {
    name: "an acknowledgement before the sync",
    plant: { store: writeNotSynced },
    finds: ["C1", "C2", "C6", "C7", "C9", "C10"],
    faults: ["edge-power-cut", "link-cut"],
  },
  { name: "output on replay", patch: outputOnReplay, finds: ["C3"] },
  { name: "no output for what was never taken", patch: coveredTooFar, finds: ["C2", "C4"] },
  {
    name: "a commit without a fence",
    plant: { engineStore: commitWithoutFence },
    finds: ["C2", "C3", "C4"],
    faults: ["engine-paused", "engine-second", "engine-killed"],
  },
  {
    name: "alerts committed apart from the mark",
    plant: { engineStore: alertsCommittedApart },
    finds: ["C3"],
  },
  { name: "detectors that forget at a take-over", patch: detectorsForgotten, finds: ["C4"] },
  {
    name: "a stale mark believed",
    plant: { link: staleMarkBelieved },
    finds: ["C9"],
    faults: ["mark-stale", "engine-killed"],
  },
  {
    name: "a duplicate ack believed",
    plant: { link: duplicateAckBelieved },
    finds: ["C7"],
    faults: ["ack-without-store", "request-delayed"],
  },
];

afterEach(() => vi.restoreAllMocks());

describe("a planted bug is found", () => {
  test.each(plants)("$name", { timeout: 60_000 }, async (planted) => {
    const { plant = {}, patch, finds, faults = defaultFaults } = planted;
    patch?.();
    for (let seed = 1; seed <= seedsMax; seed++) {
      const plan = { seed: `${seed}`, minutes: 3, faults, traceLinesMax: 1, plant };
      const { violations } = await runWorld(plan, drain);
      const [first] = violations;
      if (first === undefined) continue;
      expect(finds, first).toContain(first.split(":")[0]);
      return;
    }
    expect.unreachable(`not found within ${seedsMax} seeds`);
  });
});
