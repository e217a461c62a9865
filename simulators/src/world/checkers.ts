/**
 * What must hold, and where it is checked. The truth comes from history.ts: it knows what devices
 * were told, what was stored, lost and committed, and what a world went through.
 *
 *   C0  Nothing throws that nobody catches, and no invariant is broken.
 *   C1  Every acknowledged event is taken, or a loss that was taken names it, or its disk is lost.
 *   C2  A mark covers only what was stored without a gap, and never goes back.
 *   C3  What an alert was told for is covered by the mark of the same commit, and by no earlier one.
 *   C4  The alerts of a commit are those of one engine that took the same events without any fault.
 *   C5  Every reader that folds the journal by the ledger takes what was taken, in the same order.
 *   C6  A gateway releases nothing that no mark ever covered.
 *   C7  In the end everything that is on a gateway's disk is taken and released.
 *   C8  A gateway sends no more than a few times what was appended, what its processes found untaken
 *       when they began, and what the cloud lost again.
 *   C9  Bounds of memory and disk are kept; nobody is told of a rollback that never was.
 *   C10 Nothing is taken twice; what a device sent within an epoch is in the order of its calls.
 *   C11 In the end the journal holds nothing that comes next and was not taken.
 *   C12 A loss names only what was lost: `not-kept` what was taken once, `unreadable` what rotted,
 *       `full` what was never sent.
 *   C13 The journal is purged of nothing that an engine or a registered reader has not passed.
 *   C14 What devices say while the link is up is taken soon, whatever waits (freshness.ts).
 *   C15 A backlog steps aside where it is old, once a minute at most (stepping-aside.ts).
 *   C16 What a gateway may send is not exceeded, over restarts too (thrift.ts).
 */
import type { EngineStore } from "@causeway/cloud/engine/engine-store.ts";
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import { JournalReader, loadCommitted } from "@causeway/cloud/ingest/journal-reader.ts";
import type { Outbox, OutboxBounds } from "@causeway/edge/outbox/outbox.ts";
import { logs } from "@causeway/shared/event.ts";
import { nameOf } from "./attempts.ts";
import type { Traffic } from "./edge-machine.ts";
import type { Violate } from "./faults.ts";
import type { Excuse, History } from "./history.ts";
import type { MemoryJournal } from "./memory-journal.ts";
import { batchOf, keyOf, PlainReader } from "./plain-reader.ts";

const trafficFactorMax = 4;
const trafficFreeEvents = 400;
/** What a process finds it may send, and send again after a fault. */
const againFactorMax = 2;
/** Blocks that were in flight when a bound was reached, and room for an epoch's records. */
const boundSlackBytes = 64 * 1_024;

/** C1. */
export function checkAcknowledged(history: History, violate: Violate): void {
  for (const attempt of history.attempts) {
    if (!attempt.isAcknowledged || history.branch.names.has(nameOf(attempt))) continue;
    if (history.isExplained(attempt)) continue;
    violate("C1", `${nameOf(attempt)} of ${attempt.machine} was acknowledged and never taken`);
  }
}

/** C5. */
export async function checkReader(
  history: History,
  store: EngineStore,
  { first, last: newest, messages: journal }: MemoryJournal,
  violate: Violate,
): Promise<void> {
  const { branch, reader: plain } = history;
  const reader = new JournalReader(
    await loadCommitted(store, async () => ({ first, last: newest })),
  );
  const seen = new Set<string>();
  const accounted = new Set<string>();
  const last = new Map<string, number>();
  const orders = new Map<string, number>();
  for (const { taken } of journal.flatMap((message) => reader.fold(message))) {
    for (const { id, gateway, epoch, log, position, event } of taken) {
      const key = keyOf(gateway, epoch, log);
      if (position <= (last.get(key) ?? 0)) violate("C5", `a reader takes ${id} out of order`);
      last.set(key, position);
      const to = event.kind === "loss" ? event.to : position;
      for (let at = position; at <= to; at++) accounted.add(`${key} ${at}`);
      if (seen.has(id)) violate("C5", `a reader takes ${id} twice`);
      seen.add(id);
      // What waited for a hole to be filled may be there for readers, and not have been taken.
      if (position > (branch.covered.get(key) ?? 0)) continue;
      const order = plain.at(key, position)?.order ?? -1;
      const isBehind = order < (orders.get(gateway) ?? -1);
      if (isBehind && history.isInOrder(gateway))
        violate("C5", `a reader takes ${id} in another order`);
      orders.set(gateway, order);
    }
  }
  for (const { gateway, epoch, log, from, to } of reader.gaps) {
    const key = keyOf(gateway, epoch, log);
    if (history.isWhole(gateway)) violate("C5", `a reader tells of a gap at ${key} ${from}`);
    for (let at = from; at <= to; at++) accounted.add(`${key} ${at}`);
  }
  for (const { key, items } of journal.flatMap((message) => batchOf(message) ?? [])) {
    const covered = branch.covered.get(key) ?? 0;
    for (const { to } of items) {
      if (to > covered || accounted.has(`${key} ${to}`) || history.wasPurged(key, to)) continue;
      violate("C5", `a reader does not take ${key} ${to}`);
    }
  }
}

/** C5. A reader that keeps its own ledger waits at a hole for ever: only where there is none. */
export function checkHistorian(history: History, violate: Violate): void {
  const key = behind(history);
  if (key !== undefined) violate("C5", `a registered reader is behind at ${key}`);
}

export function isBehind(history: History): boolean {
  return behind(history) !== undefined;
}

function behind({ branch, read, isJournalWhole }: History): string | undefined {
  if (!isJournalWhole) return undefined;
  for (const [key, covered] of branch.covered) if ((read.get(key) ?? 0) < covered) return key;
  return undefined;
}

/** C6 and C9, at any moment. */
export function checkOutbox(
  history: History,
  gateway: string,
  outbox: Outbox,
  bounds: OutboxBounds,
  violate: Violate,
): void {
  for (const { id, released } of outbox.epochs()) {
    for (const log of logs) {
      const covered = history.coveredOnce(keyOf(gateway, id, log));
      if (released[log] <= covered) continue;
      const what = `${gateway} released ${id} ${log} through ${released[log]}`;
      violate("C6", `${what}, marks covered ${covered}`);
    }
  }
  const { bytes, pendingBytes } = outbox.usage();
  if (bytes > bounds.bytesMax + boundSlackBytes) {
    violate("C9", `${gateway} keeps ${bytes} bytes, the bound is ${bounds.bytesMax}`);
  }
  if (pendingBytes > bounds.pendingBytesMax + boundSlackBytes) {
    violate("C9", `${gateway} has ${pendingBytes} bytes waiting`);
  }
}

/** C9. */
export function checkRollbacks(
  gateway: string,
  told: number,
  { rollbacks }: Excuse,
  violate: Violate,
): void {
  if (told <= rollbacks) return;
  violate("C9", `${gateway} was told of ${told} rollbacks, there were ${rollbacks}`);
}

/** C11. Where the journal lost something it is not told from what was read when. */
export function checkNextTaken(
  history: History,
  journal: readonly JournalMessage[],
  violate: Violate,
): void {
  const reader = new PlainReader();
  for (const message of journal) reader.take(message);
  for (const { key, gateway } of journal.flatMap((message) => batchOf(message) ?? [])) {
    const covered = history.branch.covered.get(key) ?? 0;
    if (reader.through(key) <= covered || !history.isWhole(gateway)) continue;
    violate("C11", `${key} ${covered + 1} is stored, and was not taken`);
    return;
  }
}

/** C8. */
export function checkTraffic(
  gateway: string,
  { sent, appended, inherited }: Traffic,
  { again }: Excuse,
  violate: Violate,
): void {
  const sentMax =
    trafficFactorMax * appended + againFactorMax * (inherited + again) + trafficFreeEvents;
  if (sent <= sentMax) return;
  const of = `${appended} appended, ${inherited} inherited and ${again} lost by the cloud`;
  violate("C8", `${gateway} sent ${sent} positions of ${of}`);
}
