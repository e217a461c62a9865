/** What is found in a store when it is opened: identity, epochs with their ends, boot offsets. */
import { blockVersion } from "@causeway/shared/block-codec.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import type { Epoch } from "./epoch.ts";
import { findEpochs, recordsMax, soundRecord } from "./found-epochs.ts";
import type { GivenWay } from "./given.ts";
import { givenOf, nothingGiven } from "./given.ts";
import {
  decodeRecord,
  encodeRecord,
  givenKey,
  identityKey,
  layoutVersion,
  markKey,
} from "./layout.ts";
import { storedBytes } from "./space.ts";
import type { Change, Store } from "./store.ts";

export interface Opened {
  readonly epochs: Epoch[];
  readonly offsets: Map<string, number>;
  readonly bytes: Readonly<Record<Log, number>>;
  /** The commit number of the newest mark that was followed. */
  readonly markCommit: number;
  readonly given: GivenWay;
}

/** Versions that a build to come may have; any other one is rot. */
const versionsToCome = 16;

/** A store that met rot while it was read has noted it, and its next opening mends it: once more, then. */
export async function openAndRead(
  openStore: () => Promise<Store>,
  gateway: string,
  log: Logger,
  triesLeft = 1,
): Promise<{ readonly store: Store; readonly opened: Opened }> {
  const store = await openStore();
  try {
    return { store, opened: await readStore(store, gateway, log) };
  } catch (failure) {
    await store.close();
    if (triesLeft === 0 || codeOf(failure) !== "OUTBOX_CORRUPT") throw failure;
    log.error({ reason: reasonOf(failure) }, "outbox: opened once more");
    return openAndRead(openStore, gateway, log, triesLeft - 1);
  }
}

/**
 * Goes on without what rotted, and says so. Throws CONFIG_INVALID or OUTBOX_VERSION_UNKNOWN, and then
 * nothing was written.
 */
export async function readStore(
  store: Store,
  gateway: string,
  log: Logger = silentLogger,
): Promise<Opened> {
  const identity = await identityChanges(store, gateway);
  const { epochs, changes, faults } = await findEpochs(store);
  if (identity.length + changes.length > 0) {
    await store.write([...identity, ...changes], { sync: true });
  }
  const offsets = await readOffsets(store, faults);
  const markCommit = await readMarkCommit(store, faults);
  const given = await readGiven(store, faults);
  if (faults.length > 0) log.error({ faults }, "outbox: records rotted, going on without them");
  return { epochs, offsets, bytes: await storedBytes(store), markCommit, given };
}

async function identityChanges(store: Store, gateway: string): Promise<Change[]> {
  const value = encodeRecord({ v: layoutVersion, gateway });
  const change = { kind: "put", key: identityKey, value } as const;
  const found = await store.get(identityKey);
  if (found === undefined) return [change];
  const sound = soundRecord(found);
  if (sound === undefined) {
    const newer = (found[0] ?? 0) - blockVersion;
    if (newer > 0 && newer <= versionsToCome) throw layoutUnknown(found[0]);
    return [change];
  }
  const identity = decodeRecord(sound, "the outbox identity");
  if (identity["v"] !== layoutVersion) throw layoutUnknown(identity["v"]);
  if (identity["gateway"] !== gateway) {
    const whose = `the data folder belongs to gateway ${identity["gateway"]}, not to ${gateway}`;
    throw new CodedError(
      "CONFIG_INVALID",
      `${whose}: set another dataDir, or the gateway's own name`,
    );
  }
  return [];
}

function layoutUnknown(found: unknown): CodedError {
  const why = `the outbox has layout ${found}, known is ${layoutVersion}`;
  return new CodedError("OUTBOX_VERSION_UNKNOWN", why);
}

async function readMarkCommit(store: Store, faults: string[]): Promise<number> {
  const found = await store.get(markKey);
  if (found === undefined) return 0;
  const sound = soundRecord(found);
  if (sound !== undefined) return Number(decodeRecord(sound, "the newest mark")["commit"]);
  faults.push("the newest mark is unreadable");
  return 0;
}

export async function readGiven(store: Store, faults: string[]): Promise<GivenWay> {
  const found = await store.get(givenKey);
  if (found === undefined) return nothingGiven;
  const sound = soundRecord(found);
  if (sound !== undefined) return givenOf(decodeRecord(sound, "the counts of what was given way"));
  faults.push("the counts of what was given way are unreadable");
  return nothingGiven;
}

export async function readOffsets(store: Store, faults: string[]): Promise<Map<string, number>> {
  const [from, until] = [Buffer.from("o"), Buffer.from("p")];
  const offsets = new Map<string, number>();
  for (const [key, value] of await store.scan({ from, until, countMax: recordsMax })) {
    const bootId = Buffer.from(key).toString("utf8").slice(1);
    const sound = soundRecord(value);
    if (sound === undefined) faults.push(`the time offset of boot ${bootId} is unreadable`);
    else offsets.set(bootId, Number(decodeRecord(sound, "a boot offset")["offsetMs"]));
  }
  return offsets;
}
