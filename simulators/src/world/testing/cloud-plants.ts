/** Bugs of the cloud. */
import type { Checkpoint } from "@causeway/cloud/engine/checkpoint.ts";
import type { CommitMessage, EngineStore } from "@causeway/cloud/engine/engine-store.ts";
import type { MessageIdentity } from "@causeway/cloud/engine/place.ts";
import { snapshotHash } from "@causeway/cloud/engine/snapshot.ts";
import { GatewayLedger } from "@causeway/cloud/ledger/ledger.ts";
import type { JournalSession } from "@causeway/cloud/retention/journal-session.ts";
import { logs } from "@causeway/shared/event.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { vi } from "vitest";
import { alertingOf, firstRules } from "../rules.ts";
import type { WorldPlant } from "../world.ts";
import { raised } from "./edge-plants.ts";
import type { Planted } from "./planted.ts";
import { around } from "./planted.ts";

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

/** Neither the lane nor a newer epoch says that it is no news. */
function lateAsNews(): WorldPlant {
  vi.spyOn(GatewayLedger.prototype, "isLate").mockReturnValue(false);
  return {
    journal: (inner) =>
      async function* (from, signal) {
        for await (const message of inner(from, signal)) {
          const subject = message.subject.replace(/\.history$/, ".live");
          yield { ...message, subject, header: (name) => message.header(name) };
        }
      },
  };
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
    ...pages
  ) {
    const more = new Map(
      mark.epochs.map(({ epoch, logs }) => [`${epoch} telemetry`, logs.telemetry.through + 1]),
    );
    layFloor.call(
      this,
      { ...mark, epochs: mark.epochs.map((epoch) => raised(epoch, more)) },
      ...pages,
    );
  });
}

function detectorsForgotten(): void {
  const alerting = alertingOf(firstRules);
  vi.spyOn(alerting, "decodeDetection").mockImplementation((_text, gateway) =>
    alerting.detection(gateway),
  );
}

/** What was taken to its end is no longer known. */
function closedEpochsForgotten(): void {
  const { layFloor } = GatewayLedger.prototype;
  vi.spyOn(GatewayLedger.prototype, "layFloor").mockImplementation(function (
    this: GatewayLedger,
    mark,
  ) {
    const epochs = mark.epochs.filter((epoch) =>
      logs.some((log) => epoch.logs[log].through !== epoch.logs[log].end),
    );
    layFloor.call(this, { ...mark, epochs });
  });
}

/** The detectors are those of the snapshot, the ledger begins anew. */
function snapshotWithoutLedger(): void {
  vi.spyOn(GatewayLedger, "fromMark").mockImplementation(
    ({ gateway }) => new GatewayLedger(gateway),
  );
}

/** Every other snapshot lacks its last shard, and whatever is there counts as all of it. */
function tornSnapshotLoaded(store: EngineStore): EngineStore {
  let saved = 0;
  return around(store, {
    saveShards: (shards) => store.saveShards(++saved % 2 === 0 ? shards : shards.slice(0, -1)),
    async loadCheckpoints(partitions) {
      const found = await store.loadCheckpoints(partitions);
      const believed = [...found].map(async ([partition, stored]) => {
        const { snapshot } = stored.checkpoint;
        if (snapshot === undefined) return [partition, stored] as const;
        const filter = subjects.snapshotFilter(partition, snapshot.generation);
        const shards = await store.loadShards(filter);
        const named = { ...snapshot, shards: shards.length, hash: snapshotHash(shards) };
        return [
          partition,
          { ...stored, checkpoint: { ...stored.checkpoint, snapshot: named } },
        ] as const;
      });
      return new Map(await Promise.all(believed));
    },
  });
}

/** What was once read at a sequence is taken to stand there for ever. */
function identityBySequence(): WorldPlant {
  const read = new Map<number, MessageIdentity>();
  return {
    journal: (inner) =>
      async function* (from, signal) {
        for await (const message of inner(from, signal)) {
          const { sequence, subject, header } = message;
          if (!read.has(sequence)) read.set(sequence, { subject, nonce: header("Cw-Nonce") });
          const known = read.get(sequence);
          yield {
            ...message,
            header: (name) => (name === "Cw-Nonce" ? known?.nonce : header(name)),
          };
        }
      },
    messageAt: (ask) => async (sequence) => (await ask(sequence)) && read.get(sequence),
    ...sessionWith((session) => ({
      async messageAt(sequence) {
        const found = await session.messageAt(sequence);
        return found && { ...found, identity: read.get(sequence) ?? found.identity };
      },
    })),
  };
}

function sessionWith(own: (session: JournalSession) => Partial<JournalSession>): WorldPlant {
  return {
    session: (open) => async () => {
      const session = await open();
      return around(session, own(session));
    },
  };
}

/** The newest message counts as every snapshot's place. */
function purgePastSnapshots(session: JournalSession): Partial<JournalSession> {
  return {
    async checkpoints() {
      const { last } = await session.journal();
      const newest = await session.messageAt(last);
      const moved = ({ snapshot, ...checkpoint }: Checkpoint): Checkpoint => {
        if (snapshot === undefined || newest === undefined) return { ...checkpoint, snapshot };
        const place = { sequence: last, identity: newest.identity };
        return { ...checkpoint, snapshot: { ...snapshot, place } };
      };
      return new Map([...(await session.checkpoints())].map(([at, own]) => [at, moved(own)]));
    },
  };
}

export const cloudPlants: readonly Planted[] = [
  { name: "taking out of order", patch: gapsAccepted, finds: ["C2", "C3", "C5", "C10"] },
  {
    name: "what is late told as news",
    plant: lateAsNews,
    finds: ["C4"],
    faults: ["device-burst"],
    sure: ["link-flaps"],
  },
  { name: "output on replay", patch: outputOnReplay, finds: ["C3"] },
  { name: "no output for what was never taken", patch: coveredTooFar, finds: ["C2", "C4"] },
  {
    name: "a closed epoch forgotten by the ledger",
    patch: closedEpochsForgotten,
    finds: ["C2", "C3", "C5"],
    faults: ["edge-killed", "request-repeated", "link-cut"],
    sure: ["engine-killed", "request-delayed"],
  },
  {
    name: "a commit without a fence",
    plant: () => ({ engineStore: commitWithoutFence }),
    finds: ["C2", "C3", "C4"],
    faults: ["engine-paused", "engine-killed"],
    sure: ["engine-second"],
  },
  {
    name: "alerts committed apart from the mark",
    plant: () => ({ engineStore: alertsCommittedApart }),
    finds: ["C3"],
  },
  { name: "detectors that forget at a take-over", patch: detectorsForgotten, finds: ["C4"] },
  {
    name: "a snapshot without its own ledger",
    patch: snapshotWithoutLedger,
    finds: ["C2", "C4", "C5"],
  },
  {
    name: "a torn snapshot loaded",
    plant: () => ({ engineStore: tornSnapshotLoaded }),
    finds: ["C2", "C4"],
    faults: ["engine-paused", "engine-killed"],
    sure: ["engine-second"],
  },
  {
    name: "identity by sequence only",
    plant: identityBySequence,
    finds: ["C2", "C4", "C7", "C13"],
    faults: ["link-cut", "engine-killed"],
    sure: ["journal-rolled-back", "journal-small"],
  },
  {
    name: "rules that a tick names, and nobody follows",
    plant: () => ({ rules: () => firstRules }),
    finds: ["C4"],
    faults: ["engine-killed", "link-cut"],
    sure: ["ticks", "engine-second"],
  },
  {
    name: "a purge past a registered reader",
    plant: () => sessionWith(() => ({ readers: async () => [] })),
    finds: ["C13"],
    faults: ["link-cut"],
    sure: ["reader-registered", "reader-killed", "journal-small"],
  },
  {
    name: "a purge past a snapshot",
    plant: () => sessionWith(purgePastSnapshots),
    finds: ["C13"],
    faults: ["link-cut"],
    sure: ["journal-small"],
  },
];
