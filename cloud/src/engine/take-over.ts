/**
 * Takes partitions over: raises the fence, then loads snapshots, marks and open alerts.
 *
 *   T1  The fence is raised before anything is read, so nobody else can commit in between.
 *   T2  A snapshot counts whenever its shards are those that a commit named: it holds the ledger and
 *       the tick of its instant, so what it has seen is a repeat, wherever the journal is read from.
 *   T3  The journal is read behind the newest place that is found again in it, and no later than
 *       the snapshot's; from its first message where none is. What a commit had read beyond that
 *       place is gone: nothing there is a replay.
 *   T4  A place below the journal's first message is a gap, which is counted and told.
 *   T5  Detectors go on by the rules of the snapshot, or without one by those by which the journal was
 *       first read from its start; alerts by those of the checkpoint.
 *   T6  A page that a mark counts and that is not there is told: its epochs count as never taken.
 *   T7  Where the last commit was one of several for the same messages, all of these are a replay as far
 *       as marks cover them, and the rest of each has its effect.
 */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { parseGatewaySubject, subjects } from "@causeway/shared/subjects.ts";
import { restoreLetters } from "../dead/restore-letters.ts";
import type { CommittedLedgers } from "../ledger/committed.ts";
import { loadLedgers } from "../ledger/committed.ts";
import type { NamedRules, RuleSets } from "../ticks/rule-sets.ts";
import type { Checkpoint, SnapshotReference } from "./checkpoint.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import type { CommitMessage, CommitOutcome, EngineStore } from "./engine-store.ts";
import { Partition } from "./partition.ts";
import type { PartitionCounters } from "./partition-counters.ts";
import type { PartitionSettings } from "./partition-settings.ts";
import type { MessageIdentity, Place } from "./place.ts";
import { isSame, joinPlaces, newestFound, withPlace } from "./place.ts";
import type { GatewaySnapshot } from "./snapshot.ts";
import { decodeSnapshot, snapshotHash } from "./snapshot.ts";
import type { Trial } from "./trial.ts";
import { noTrial, trialAtStart, triesMax } from "./trial.ts";

export interface TakeOverParts extends PartitionSettings {
  readonly store: EngineStore;
  /** The message at a sequence, from the leader; undefined where there is none. */
  readonly messageAt: (sequence: number) => Promise<MessageIdentity | undefined>;
  /** The journal's first sequence, from the leader; one beyond the last where it is empty. */
  readonly firstSequence: () => Promise<number>;
  readonly ruleSets: RuleSets;
  /** Tells people in one sentence what the journal lost; where it fails, so does the take-over. */
  readonly tellGap?: (what: string) => Promise<void>;
  readonly random: Random;
  readonly log: Logger;
}

/** A partition that this engine may commit, with what it itself wrote last. */
export interface Held {
  readonly partition: Partition;
  checkpoint: Checkpoint;
  lastSequence: number;
  /** Stored, and to be named by the next whole commit. */
  snapshot: SnapshotReference | undefined;
  /** Journal message that the newest snapshot covers. */
  snapshotSequence: number;
  snapshotAtMs: number;
  readonly takenAtMs: number;
  trial: Trial;
  /** Messages that were tried alone in this tenure. */
  alone: number;
}

export interface TakenOver {
  readonly held: ReadonlyMap<number, Held>;
  /** Places found again in the journal, the newest first. */
  readonly places: readonly Place[];
  /** The store's session in which all of it was read. */
  readonly session: number;
}

interface Fenced {
  readonly number: number;
  readonly checkpoint: Checkpoint;
  readonly lastSequence: number;
}

export async function takeOver(
  parts: TakeOverParts,
  numbers: readonly number[],
  counters: PartitionCounters,
  nowMs: number,
): Promise<TakenOver> {
  const session = parts.store.session();
  const fenced = await raiseFence(parts, numbers, session);
  const find = remembering(parts.messageAt);
  const committed = await loadLedgers(parts.store);
  tellMissing(parts, committed);
  const begun = await Promise.all(
    fenced.map((own) => beginPartition(parts, find, own, committed, counters, nowMs)),
  );
  const held = new Map(begun.map((own) => [own.held.partition.number, own.held]));
  await tellGap(parts, begun, counters);
  await restoreCommitted(parts.store, held, committed);
  const letters = new Map([...held].map(([number, own]) => [number, own.partition.letters]));
  await restoreLetters(parts.store, letters, parts.log);
  const places = joinPlaces([...held.values()].map(({ checkpoint }) => checkpoint.places));
  return { held, places, session };
}

type Find = (sequence: number) => Promise<MessageIdentity | undefined>;

interface Begun {
  readonly held: Held;
  /** Sequence of the newest place that the checkpoint knows, and whether any was found again. */
  readonly newest: number;
  readonly isFound: boolean;
}

/** Most partitions ask for the same messages. */
function remembering(find: Find): Find {
  const asked = new Map<number, Promise<MessageIdentity | undefined>>();
  return (sequence) => {
    const known = asked.get(sequence) ?? find(sequence);
    asked.set(sequence, known);
    return known;
  };
}

/** T2, T3, T5. */
async function beginPartition(
  parts: TakeOverParts,
  find: Find,
  { number, checkpoint, lastSequence }: Fenced,
  { pagesOf }: CommittedLedgers,
  counters: PartitionCounters,
  nowMs: number,
): Promise<Begun> {
  const { places, snapshot: named } = checkpoint;
  const known = named === undefined ? places : [...places, named.place];
  const found = await newestFound(known, find);
  const reached = found?.sequence ?? 0;
  const alertRules = await rulesOf(parts, checkpoint.rules);
  const detectionRules = await rulesOf(parts, named?.rules ?? checkpoint.began);
  const ahead = await aheadOf(checkpoint, reached, find);
  const replayUntil = ahead?.sequence ?? reached;
  const partition = new Partition(number, detectionRules, replayUntil, counters, parts);
  partition.restoreCommitted(alertRules, checkpoint.tick);
  const snapshot = await usableSnapshot(parts, number, named, found);
  if (snapshot !== undefined) {
    const { place, tick } = snapshot.reference;
    partition.restoreSnapshot(snapshot.gateways, place.sequence, pagesOf, tick);
  }
  const held: Held = {
    partition,
    checkpoint: {
      ...checkpoint,
      sequence: reached,
      // The place found may be the snapshot's, and older ones may have been purged since.
      places: found === undefined ? [] : withPlace(places, found),
      ahead,
      snapshot: snapshot?.reference,
    },
    lastSequence,
    snapshot: undefined,
    snapshotSequence: snapshot?.reference.place.sequence ?? 0,
    snapshotAtMs: nowMs,
    takenAtMs: nowMs,
    trial: checkpoint.trial ?? noTrial,
    alone: 0,
  };
  const newest = Math.max(0, ...known.map(({ sequence }) => sequence));
  return { held, newest, isFound: found !== undefined };
}

/** T7. */
async function aheadOf(
  { ahead }: Checkpoint,
  reached: number,
  find: Find,
): Promise<Place | undefined> {
  if (ahead === undefined || ahead.sequence <= reached) return undefined;
  return isSame(await find(ahead.sequence), ahead.identity) ? ahead : undefined;
}

/** T6. */
function tellMissing({ log }: TakeOverParts, { marks, pagesOf }: CommittedLedgers): void {
  for (const { mark } of marks) {
    const [pages, found] = [mark.paged?.pages ?? 0, pagesOf(mark.gateway).length];
    if (found >= pages) continue;
    log.error({ gateway: mark.gateway, pages, found }, "pages of a gateway's ledger are missing");
  }
}

/** Rules by name; what cannot be loaded is told, and this process' own rules stand in for it. */
async function rulesOf({ ruleSets, log }: TakeOverParts, name = ruleSets.own): Promise<NamedRules> {
  const alerting = await ruleSets.alertingOf(name);
  if (alerting !== undefined) return { name, alerting };
  log.error({ rules: name }, "a rule set is missing; this process goes on by its own");
  const { own } = ruleSets; // it may be another one a moment later
  const ownAlerting = await ruleSets.alertingOf(own);
  if (ownAlerting === undefined) throw new Error("a process does not know its own rules");
  return { name: own, alerting: ownAlerting };
}

/** T4. */
async function tellGap(
  { firstSequence, tellGap: tell, log }: TakeOverParts,
  begun: readonly Begun[],
  counters: PartitionCounters,
): Promise<void> {
  const first = await firstSequence();
  const next = Math.min(first, ...begun.map((own) => nextWanted(own, first)));
  if (next >= first) return;
  counters.missing += first - next;
  log.error({ from: next, to: first - 1 }, "the journal lost messages before they were read");
  await tell?.(`the journal lost its messages ${next} to ${first - 1} before the engine read them`);
}

/** Where no place is found again, either all of them were purged, or the journal is another one. */
function nextWanted({ held, newest, isFound }: Begun, first: number): number {
  if (isFound || newest === 0) return held.snapshotSequence + 1;
  return newest < first ? newest + 1 : first;
}

/** T1. */
async function raiseFence(
  { store, random, suspects, ruleSets }: TakeOverParts,
  numbers: readonly number[],
  session: number,
): Promise<readonly Fenced[]> {
  const found = await store.loadCheckpoints(numbers);
  const raised = [...found].map(([number, { checkpoint, lastSequence }]) => {
    const { fence, rules, began = rules ?? ruleSets.own, trial: before = noTrial } = checkpoint;
    const trial = trialAtStart(before, suspects?.isOwnFence(number, fence) ?? false);
    for (const [, id] of trial.dead) suspects?.condemn(id, triesMax);
    return {
      number,
      lastSequence,
      checkpoint: { ...checkpoint, fence: fence + 1, nonce: random.hex(16), began, trial },
    };
  });
  const messages = raised.map(({ number, checkpoint, lastSequence }) =>
    checkpointMessage(number, checkpoint, lastSequence),
  );
  if (store.session() !== session) throw new Error("the connection broke at the take-over");
  const last = committedAt(await store.commit(messages), "the fence was not raised");
  const first = last - messages.length + 1;
  for (const { number, checkpoint } of raised) suspects?.noteFence(number, checkpoint.fence);
  return raised.map((own, index) => ({ ...own, lastSequence: first + index }));
}

interface Usable {
  readonly gateways: readonly GatewaySnapshot[];
  /** Placed where the journal is read from. */
  readonly reference: SnapshotReference;
}

/** T2, T3. */
async function usableSnapshot(
  { store, log }: TakeOverParts,
  partition: number,
  reference: SnapshotReference | undefined,
  found: Place | undefined,
): Promise<Usable | undefined> {
  if (reference === undefined) return undefined;
  const { generation, place } = reference;
  const isReached = found !== undefined && found.sequence >= place.sequence;
  const placed = { ...reference, place: isReached ? place : (found ?? beginning) };
  if (reference.shards === 0) return { gateways: [], reference: placed };
  const shards = await store.loadShards(subjects.snapshotFilter(partition, generation));
  try {
    if (shards.length !== reference.shards || snapshotHash(shards) !== reference.hash) {
      const what = `${shards.length} shards that are not the ${reference.shards} named`;
      throw new CodedError("BATCH_MALFORMED", `snapshot ${generation} has ${what}`);
    }
    return { gateways: decodeSnapshot(shards), reference: placed };
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    log.warn({ partition, reason: reasonOf(failure) }, "the journal is read from its start");
    return undefined;
  }
}

/** Before the first message. */
const beginning: Place = { sequence: 0, identity: { subject: "", nonce: undefined } };

async function restoreCommitted(
  store: EngineStore,
  held: ReadonlyMap<number, Held>,
  { marks, pagesOf }: CommittedLedgers,
): Promise<void> {
  for (const { partition, mark } of marks) {
    held.get(partition)?.partition.restoreMark(mark, pagesOf);
  }
  for (const { subject, text } of await store.loadLast("open.*.*")) {
    const place = parseGatewaySubject(subject);
    if (place === undefined) continue;
    held.get(place.partition)?.partition.restoreAlerts(place.gateway, text);
  }
}

export function checkpointMessage(
  partition: number,
  checkpoint: Checkpoint,
  expectedLast: number,
): CommitMessage {
  const subject = subjects.checkpoint(partition);
  return { subject, data: encodeCheckpoint(checkpoint), rollup: true, expectedLast };
}

/** The last message's sequence; anything but a clear yes is thrown, by its own code. */
export function committedAt(outcome: CommitOutcome, what: string): number {
  if (outcome.kind === "committed") return outcome.last;
  const reason = `${what}: ${outcome.reason}`;
  if (outcome.kind === "refused") throw new CodedError("ENGINE_FENCED", reason);
  if (outcome.kind === "full") {
    const cure = "raise streams.engineBytesMax, and max_file_store of nats-server";
    throw new CodedError("STREAM_FULL", `stream ENGINE: ${reason}; ${cure}`);
  }
  throw new Error(reason);
}
