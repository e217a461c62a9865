/** The store on LevelDB by `level`; one process at a time, LevelDB's own lock sees to that. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import { Level } from "level";
import type { Change, Entry, Range, Store } from "./store.ts";

type Database = Level<Uint8Array, Uint8Array>;

/** Throws DATA_DIR_UNUSABLE, OUTBOX_LOCKED or OUTBOX_OPEN_FAILED. */
export async function openLevelStore(folder: string): Promise<Store> {
  try {
    await makeFolder(folder);
  } catch (failure) {
    const why = `${folder}: ${reasonOf(failure)}; choose a folder that this user may write`;
    throw new CodedError("DATA_DIR_UNUSABLE", why, { cause: failure });
  }
  const database: Database = new Level(folder, { keyEncoding: "view", valueEncoding: "view" });
  try {
    await database.open();
  } catch (failure) {
    throw openFailure(folder, failure);
  }
  return new LevelStore(database);
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
  const cause = failure instanceof Error ? failure.cause : undefined;
  const why = reasonOf(cause ?? failure);
  if (codeOf(cause) === "LEVEL_LOCKED") {
    const cure = `${folder} is open in another process: stop that one, or set another dataDir`;
    return new CodedError("OUTBOX_LOCKED", cure, { cause: failure });
  }
  if (/permission denied|read-only|EACCES|EROFS/i.test(why)) {
    return new CodedError("DATA_DIR_UNUSABLE", `${folder}: ${why}`, { cause: failure });
  }
  return new CodedError("OUTBOX_OPEN_FAILED", `${folder}: ${why}`, { cause: failure });
}

class LevelStore implements Store {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async write(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void> {
    const operations = changes.map((change) =>
      change.kind === "put"
        ? { type: "put" as const, key: change.key, value: change.value }
        : { type: "del" as const, key: change.key },
    );
    await this.#database.batch(operations, options);
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#database.get(key);
  }

  async scan(range: Range): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    let bytes = 0;
    const iterator = this.#database.iterator({
      gte: range.from,
      lt: range.until,
      limit: range.countMax,
      reverse: range.reverse ?? false,
    });
    for await (const [key, value] of iterator) {
      entries.push([key, value]);
      bytes += value.length;
      if (range.bytesMax !== undefined && bytes >= range.bytesMax) break;
    }
    return entries;
  }

  size(from: Uint8Array, until: Uint8Array): Promise<number> {
    return sizable(this.#database).approximateSize(from, until);
  }

  compact(from: Uint8Array, until: Uint8Array): Promise<void> {
    return sizable(this.#database).compactRange(from, until);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** What classic-level, the implementation under `level` on Node, has beyond the common interface. */
interface Sizable {
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>;
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
}

function sizable(database: Database): Sizable {
  return database as unknown as Sizable;
}
