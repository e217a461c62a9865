/** The store on LevelDB by `level`; one process at a time, LevelDB's own lock sees to that. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { countAllAsPublished } from "./found-epochs.ts";
import type { Database, Examined } from "./level-salvage.ts";
import {
  checkedFiles,
  databaseAt,
  examine,
  finishRebuild,
  noteClosed,
  noteDamage,
  noteOpened,
  operationOf,
  rebuild,
  replay,
} from "./level-salvage.ts";
import type { Missing } from "./missing.ts";
import { findMissing } from "./missing.ts";
import type { Change, Entry, Range, Store } from "./store.ts";

/** Ranges told in one line of the log; the report beside the damaged files has them all. */
const missingToldMax = 20;

/** Throws DATA_DIR_UNUSABLE, OUTBOX_LOCKED or OUTBOX_OPEN_FAILED; what is damaged is salvaged. */
export async function openLevelStore(folder: string, log: Logger = silentLogger): Promise<Store> {
  try {
    await finishRebuild(folder);
    await makeFolder(folder);
  } catch (failure) {
    const why = `${folder}: ${reasonOf(failure)}; choose a folder that this user may write`;
    throw new CodedError("DATA_DIR_UNUSABLE", why, { cause: failure });
  }
  try {
    return await openChecked(folder, log);
  } catch (failure) {
    throw openFailure(folder, failure);
  }
}

async function openChecked(folder: string, log: Logger): Promise<LevelStore> {
  let examined = await examine(folder);
  if (examined.faults.length > 0) examined = await salvage(folder, log);
  const database = databaseAt(folder);
  const store = new LevelStore(database, folder, log);
  try {
    await database.open();
  } catch (failure) {
    const isRefused = codeOf(causeOf(failure)) === "LEVEL_CORRUPTION" && examined.isLevel;
    if (!isRefused) throw failure;
    await noteDamage(folder, reasonOf(causeOf(failure)));
    await salvage(folder, log);
    await database.open();
    await noteOpened(folder).catch(() => {}); // only a hint
    return store;
  }
  try {
    await noteOpened(folder).catch(() => {}); // only a hint
    await store.replayMissed(examined);
  } catch (failure) {
    await store.close();
    throw failure;
  }
  return store;
}

/** What fails its checksum in the files of a store that nobody has open, in words; changes nothing. */
export async function checkLevelFiles(folder: string): Promise<readonly string[]> {
  await checkStopped(folder);
  return checkedFiles(folder);
}

/** Throws DATA_DIR_UNUSABLE where there is no store, or OUTBOX_LOCKED. */
export async function checkStopped(folder: string): Promise<void> {
  await stat(folder).catch((failure) => {
    const cure = "name the configuration that the gateway runs with";
    throw new CodedError("DATA_DIR_UNUSABLE", `${folder}: ${reasonOf(failure)}; ${cure}`);
  });
  try {
    await checkLock(folder);
  } catch (failure) {
    throw openFailure(folder, failure);
  }
}

async function salvage(folder: string, log: Logger): Promise<Examined> {
  await checkLock(folder);
  // Looked at again, for it was perhaps another process that was just writing.
  const examined = await examine(folder);
  const { faults } = examined;
  if (faults.length === 0) return examined;
  log.error({ folder, faults }, "outbox is damaged: building it anew from what is readable");
  const missing: Missing[] = [];
  const rebuilt = await rebuild(folder, examined, async (database) => {
    const store = new LevelStore(database, folder, log);
    missing.push(...(await findMissing(store)));
    await countAllAsPublished(store);
  });
  const { quarantine, damagedTables } = rebuilt;
  const report = { faults, damagedTables, missing };
  await writeFile(join(quarantine, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  const events = missing.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  log.error(
    {
      quarantine,
      faults,
      damagedTables,
      missingEvents: events,
      missing: missing.slice(0, missingToldMax),
    },
    "outbox was built anew; the damaged files and the report are kept beside it",
  );
  return examine(folder);
}

/** Throws LEVEL_LOCKED. Made so that it always fails, behind the lock and before anything is read. */
async function checkLock(folder: string): Promise<void> {
  const probe = databaseAt(folder);
  const failure = await probe.open({ createIfMissing: false, errorIfExists: true }).then(
    () => probe.close(),
    (why: unknown) => why,
  );
  if (codeOf(causeOf(failure)) === "LEVEL_LOCKED") throw failure;
}

/** Not by `recursive`, which turns for ever where the system refuses with ENOENT, as /proc does. */
async function makeFolder(folder: string): Promise<void> {
  const made = await makeOne(folder);
  if (made === "made") return;
  const parent = dirname(folder);
  if (codeOf(made) !== "ENOENT" || parent === folder) throw made;
  await makeFolder(parent);
  const again = await makeOne(folder);
  if (again !== "made") throw again;
}

/** What hinders it, or that the folder is there now. */
async function makeOne(folder: string): Promise<unknown> {
  try {
    await mkdir(folder);
  } catch (failure) {
    const isThere = codeOf(failure) === "EEXIST" && (await stat(folder)).isDirectory();
    if (!isThere) return failure;
  }
  return "made";
}

function openFailure(folder: string, failure: unknown): CodedError {
  const cause = causeOf(failure);
  const why = reasonOf(cause);
  if (codeOf(cause) === "LEVEL_LOCKED") {
    const cure = `${folder} is open in another process: stop that one, or set another dataDir`;
    return new CodedError("OUTBOX_LOCKED", cure, { cause: failure });
  }
  if (/permission denied|read-only|EACCES|EROFS/i.test(why)) {
    return new CodedError("DATA_DIR_UNUSABLE", `${folder}: ${why}`, { cause: failure });
  }
  return new CodedError("OUTBOX_OPEN_FAILED", `${folder}: ${why}`, { cause: failure });
}

/** LevelDB's own error, which `level` wraps on opening. */
function causeOf(failure: unknown): unknown {
  return failure instanceof Error && failure.cause !== undefined ? failure.cause : failure;
}

class LevelStore implements Store {
  readonly #database: Database;
  readonly #folder: string;
  readonly #log: Logger;
  #damage: Promise<void> | undefined;

  constructor(database: Database, folder: string, log: Logger) {
    this.#database = database;
    this.#folder = folder;
    this.#log = log;
  }

  /** LevelDB passes over a log that it cannot open or read at that moment, and deletes it. */
  async replayMissed({ logs }: Examined): Promise<void> {
    const newest = new Map<string, { readonly change: Change; readonly at: number }>();
    for (const [at, batches] of logs.entries()) {
      for (const change of batches.flat()) {
        newest.set(Buffer.from(change.key).toString("latin1"), { change, at });
      }
    }
    const witnesses = new Map<number, Uint8Array>();
    for (const { change, at } of newest.values()) {
      // The last key that is new, for a map keeps the place of one that is set again.
      if (change.kind === "put") witnesses.set(at, change.key);
    }
    for (const key of witnesses.values()) {
      if ((await this.get(key)) !== undefined) continue;
      this.#log.error(
        {},
        "LevelDB passed over a log of the outbox: what it holds is written again",
      );
      return replay(this.#database, logs.flat());
    }
  }

  async write(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void> {
    await this.#noting(this.#database.batch(changes.map(operationOf), options));
  }

  /** By an iterator, which merges by sequence: a repaired LevelDB may get a value of before. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [entry] = await this.#entries({ gte: key, lte: key, limit: 1, reverse: false });
    return entry?.[1];
  }

  scan(range: Range): Promise<readonly Entry[]> {
    const { from, until, countMax, bytesMax, reverse = false } = range;
    return this.#entries({ gte: from, lt: until, limit: countMax, reverse }, bytesMax);
  }

  /** Passes over what rotted in a table: LevelDB does so too, and only says so at the end. */
  async #entries(options: Options, bytesMax?: number): Promise<Entry[]> {
    try {
      return await this.#read(options, bytesMax, readAtOnce);
    } catch (failure) {
      if (!this.#isRot(failure)) throw failure;
      return this.#read(options, bytesMax, 1);
    }
  }

  async #read(options: Options, bytesMax = Infinity, countMax: number): Promise<Entry[]> {
    const entries: Entry[] = [];
    let bytes = 0;
    const iterator = this.#database.iterator(options);
    try {
      for (;;) {
        const some = await iterator.nextv(countMax);
        for (const entry of some) {
          entries.push(entry);
          bytes += entry[1].length;
          if (bytes >= bytesMax) return entries;
        }
        if (some.length === 0) return entries;
      }
    } catch (failure) {
      if (countMax > 1 || !this.#isRot(failure)) throw failure;
      return entries;
    } finally {
      await iterator.close();
    }
  }

  size(from: Uint8Array, until: Uint8Array): Promise<number> {
    return sizable(this.#database).approximateSize(from, until);
  }

  compact(from: Uint8Array, until: Uint8Array): Promise<void> {
    return this.#noting(sizable(this.#database).compactRange(from, until));
  }

  async close(): Promise<void> {
    await this.#damage;
    await this.#database.close();
    await noteClosed(this.#folder).catch(() => {}); // only a hint
  }

  async #noting(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (failure) {
      if (!this.#isRot(failure)) throw failure;
      await this.#damage;
      throw new CodedError("OUTBOX_CORRUPT", reasonOf(failure), { cause: failure });
    }
  }

  /** Rot is remembered, so that the next opening builds the folder anew. */
  #isRot(failure: unknown): boolean {
    if (codeOf(failure) !== "LEVEL_CORRUPTION") return false;
    if (this.#damage !== undefined) return true;
    const why = reasonOf(failure);
    this.#log.error({ reason: why }, "outbox: a file is damaged; the next start builds it anew");
    this.#damage = noteDamage(this.#folder, why).catch((reason) => {
      this.#log.warn({ reason: reasonOf(reason) }, "outbox: the damage could not be noted");
    });
    return true;
  }
}

interface Options {
  readonly gte: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
  readonly limit: number;
  readonly reverse: boolean;
}

/** As many as LevelDB's binding reads in one turn. */
const readAtOnce = 1_000;

/** What classic-level, the implementation under `level` on Node, has beyond the common interface. */
interface Sizable {
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>;
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
}

function sizable(database: Database): Sizable {
  return database as unknown as Sizable;
}
