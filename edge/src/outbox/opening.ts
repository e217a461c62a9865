/** What is found in a store when it is opened: identity, epochs with their ends, boot offsets. */
import { unframe } from "@causeway/shared/block-codec.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Epoch } from "./epoch.ts";
import { epochChange, newEpoch } from "./epoch.ts";
import {
  allBlocks,
  allEpochs,
  blockKey,
  blockPosition,
  blockRange,
  cursorKey,
  decodeEpoch,
  decodeRecord,
  encodeRecord,
  identityKey,
  layoutVersion,
  logRange,
} from "./layout.ts";
import type { Entry, Store } from "./store.ts";

export interface Opened {
  readonly epochs: Epoch[];
  readonly offsets: Map<string, number>;
  readonly bytes: number;
}

/** More epochs than a process start every minute makes in a year. */
const epochsMax = 1_000_000;

/** Throws CONFIG_INVALID, OUTBOX_VERSION_UNKNOWN or OUTBOX_CORRUPT. */
export async function readStore(store: Store, gateway: string): Promise<Opened> {
  await checkIdentity(store, gateway);
  const records = await store.scan({ ...allEpochs, countMax: epochsMax });
  const found = records.map(([, record]) => newEpoch(decodeEpoch(record), true));
  // An open epoch that has a successor was never acknowledged: its failed bytes appeared late.
  const epochs = found.filter(({ record }, at) => record.ends || at === found.length - 1);
  for (const epoch of epochs) await readCursor(store, epoch);
  const last = epochs.at(-1);
  if (last !== undefined && last.record.ends === undefined) await closeFound(store, last);
  for (const { record, last: positions } of epochs) Object.assign(positions, record.ends);
  return {
    epochs,
    offsets: await readOffsets(store),
    bytes: await store.size(allBlocks.from, allBlocks.until),
  };
}

async function checkIdentity(store: Store, gateway: string): Promise<void> {
  const found = await store.get(identityKey);
  if (found === undefined) {
    const value = encodeRecord({ v: layoutVersion, gateway });
    return store.write([{ kind: "put", key: identityKey, value }], { sync: true });
  }
  const identity = decodeRecord(found, "the outbox identity");
  if (identity["v"] !== layoutVersion) {
    throw new CodedError(
      "OUTBOX_VERSION_UNKNOWN",
      `the outbox has layout ${identity["v"]}, known is ${layoutVersion}`,
    );
  }
  if (identity["gateway"] !== gateway) {
    const whose = `the data folder belongs to gateway ${identity["gateway"]}, not to ${gateway}`;
    throw new CodedError(
      "CONFIG_INVALID",
      `${whose}: set another dataDir, or the gateway's own name`,
    );
  }
}

async function readCursor(store: Store, epoch: Epoch): Promise<void> {
  const found = await store.get(cursorKey(epoch.record.ordinal));
  if (found === undefined) return;
  const cursor = decodeRecord(found, "a cursor");
  const kept = (cursor["kept"] ?? {}) as Partial<Record<Log, number>>;
  for (const log of logs) {
    epoch.released[log] = Number(cursor[log] ?? 0);
    epoch.kept[log] = Number(kept[log] ?? 1);
  }
}

/** The last process did not close its epoch: its ends are what is readable now, stated once (O4). */
async function closeFound(store: Store, epoch: Epoch): Promise<void> {
  const ends = { telemetry: 0, priority: 0 };
  for (const log of logs) {
    const readable = await lastReadable(store, log, epoch.record.ordinal);
    // What was taken and given up is gone, and yet it was there.
    ends[log] = Math.max(readable, epoch.released[log], epoch.kept[log] - 1);
  }
  epoch.record = { ...epoch.record, ends };
  await store.write([epochChange(epoch.record)], { sync: true });
}

async function lastReadable(store: Store, log: Log, ordinal: number): Promise<number> {
  let { from, until } = logRange(log, ordinal);
  for (;;) {
    const [entry] = await store.scan({ from, until, countMax: 1, reverse: true });
    if (entry === undefined) return 0;
    if (isReadable(entry)) return blockRange(entry[1]).to;
    until = blockKey(log, ordinal, blockPosition(entry[0]));
  }
}

function isReadable([, block]: Entry): boolean {
  try {
    unframe(block);
    return true;
  } catch {
    return false;
  }
}

async function readOffsets(store: Store): Promise<Map<string, number>> {
  const entries = await store.scan({
    from: Buffer.from("o"),
    until: Buffer.from("p"),
    countMax: epochsMax,
  });
  return new Map(
    entries.map(([key, value]) => {
      const bootId = Buffer.from(key).toString("utf8").slice(1);
      return [bootId, Number(decodeRecord(value, "a boot offset")["offsetMs"])];
    }),
  );
}
