/**
 * Looks at LevelDB's files before LevelDB does, and builds a folder anew that must not be opened.
 *
 * LevelDB verifies no checksum of a table, and its compaction ends the process where a key that rotted
 * is out of order. It trusts CURRENT and the manifest: where one of them is missing or cut short, it deletes the
 * tables and logs that it does not know. What rotted in a log it skips without a word. So a folder
 * with such a fault is never opened: beside it a new one is built from everything that can be read,
 * made durable, and put in its place; what is damaged is kept in `<folder>.damaged/<n>`.
 */
import { statSync } from "node:fs";
import {
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf } from "@causeway/shared/errors.ts";
import { Level } from "level";
import type { Manifest } from "./leveldb-files.ts";
import { readBatch, readLogFile, readManifest } from "./leveldb-files.ts";
import type { Table } from "./leveldb-table.ts";
import { readTable } from "./leveldb-table.ts";
import type { Change } from "./store.ts";

export type Database = Level<Uint8Array, Uint8Array>;

export interface Examined {
  /** Why LevelDB may not open the folder as it is; empty where it may. */
  readonly faults: readonly string[];
  /** Whether there is a file that LevelDB could have made. */
  readonly isLevel: boolean;
  readonly tables: readonly string[];
  /** What the logs hold that is not known to be in tables, a list for each log, oldest first. */
  readonly logs: readonly (readonly (readonly Change[])[])[];
}

/** Left in a folder where LevelDB came upon rot while it ran, with what it said. */
const damageNote = "DAMAGED";
/** Written last into a folder that was built anew. */
const completeNote = "COMPLETE";
/** How often in a row the store was opened and not closed, and the boot of the machine it was in. */
const uncleanNote = "UNCLEAN";
/** From here on all tables are checked, for it may be a table that ends the process. */
const uncleanMax = 3;
/** So many bytes of tables are checked at every opening; reading and checking takes some 0.1 s. */
const checkedBytesMax = 32 * 1_024 * 1_024;
const quarantinesMax = 5;
const replayBytesMax = 1_024 * 1_024;

/**
 * LevelDB maps the tables that it has open into memory, 64 at least, and all of that counts as the
 * process's: hence few and small ones. What is read is read once, so a cache is of no use.
 */
const frugal = {
  maxOpenFiles: 64,
  maxFileSize: 1_024 * 1_024,
  writeBufferSize: 2 * 1_024 * 1_024,
  cacheSize: 1_024 * 1_024,
};

export function databaseAt(folder: string): Database {
  return new Level(folder, { keyEncoding: "view", valueEncoding: "view", ...frugal });
}

export async function noteDamage(folder: string, why: string): Promise<void> {
  await writeFile(join(folder, damageNote), `${why}\n`);
}

export async function examine(folder: string): Promise<Examined> {
  const names = (await readdir(folder)).sort();
  const tables = names.filter((name) => /^\d+\.(ldb|sst)$/.test(name));
  const logNames = names.filter((name) => /^\d+\.log$/.test(name));
  const manifests = names.filter((name) => /^MANIFEST-\d+$/.test(name));
  const current = names.includes("CURRENT") ? await text(join(folder, "CURRENT")) : undefined;
  const isEmptyFolder = tables.length + logNames.length + manifests.length === 0;
  const isLevel = !isEmptyFolder || current === "" || current?.startsWith("MANIFEST-") === true;
  const faults: string[] = [];
  if (isEmptyFolder && current === undefined) return { faults, isLevel, tables, logs: [] };
  const manifest = isLevel ? await manifestOf(folder, current, faults) : undefined;
  if (manifest !== undefined) await checkFiles(folder, manifest, new Set(names), faults);
  const logs: Change[][][] = [];
  for (const name of logNames.sort((one, other) => numberIn(one) - numberIn(other))) {
    if (manifest !== undefined && numberIn(name) < manifest.logNumber) continue;
    logs.push(await batchesOf(folder, name, faults));
  }
  if (names.includes(damageNote)) faults.push((await text(join(folder, damageNote))).trim());
  return { faults, isLevel, tables, logs };
}

function numberIn(name: string): number {
  return Number.parseInt(name, 10);
}

async function text(path: string): Promise<string> {
  return (await readFile(path)).toString("latin1");
}

async function manifestOf(
  folder: string,
  current: string | undefined,
  faults: string[],
): Promise<Manifest | undefined> {
  const [, name] = /^(MANIFEST-\d+)\n$/.exec(current ?? "") ?? [];
  if (name === undefined) {
    faults.push(current === undefined ? "CURRENT is missing" : "CURRENT names no manifest");
    return undefined;
  }
  const bytes = await readFile(join(folder, name)).catch((failure) => {
    if (codeOf(failure) !== "ENOENT") throw failure;
    return undefined;
  });
  const file = bytes === undefined ? undefined : readLogFile(bytes);
  const manifest = file?.state === "whole" ? readManifest(file.records) : undefined;
  if (file === undefined) faults.push(`${name} is missing`);
  else if (manifest === undefined || file.records.length === 0) faults.push(`${name} is damaged`);
  else return manifest;
  return undefined;
}

async function checkFiles(
  folder: string,
  manifest: Manifest,
  names: ReadonlySet<string>,
  faults: string[],
): Promise<void> {
  const { logNumber, tables } = manifest;
  const bytesTotal = [...tables.values()].reduce((sum, bytes) => sum + bytes, 0);
  const isLoop = (await uncleanEnds(folder)) >= uncleanMax;
  const isChecked = isLoop || bytesTotal <= checkedBytesMax;
  // A manifest that was cut short names a log that was deleted long ago.
  if (logNumber > 0 && !names.has(`${sixDigits(logNumber)}.log`)) {
    faults.push(`log ${logNumber} is missing`);
  }
  for (const [number, bytes] of tables) {
    const digits = sixDigits(number);
    const name = [`${digits}.ldb`, `${digits}.sst`].find((each) => names.has(each));
    const found = name && sizeAt(join(folder, name));
    if (name === undefined || found === undefined) faults.push(`table ${number} is missing`);
    else if (found !== bytes) faults.push(`${name} has ${found} of ${bytes} bytes`);
    else if (isChecked && !(await tableAt(folder, name)).isWhole) faults.push(`${name} is damaged`);
  }
  if (isLoop) await rm(join(folder, uncleanNote), { force: true });
}

/** At once, for by the thread pool a thousand tables take a tenth of a second. */
function sizeAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** LevelDB's file names have at least so many. */
function sixDigits(number: number): string {
  return `${number}`.padStart(6, "0");
}

/** Every checksum of every file, also of those that an opening believes; what is wrong, in words. */
export async function checkedFiles(folder: string): Promise<readonly string[]> {
  const { faults, tables } = await examine(folder);
  const found = new Set(faults);
  for (const name of tables) {
    if (!(await tableAt(folder, name)).isWhole) found.add(`${name} is damaged`);
  }
  return [...found];
}

async function tableAt(folder: string, name: string): Promise<Table> {
  return readTable(await readFile(join(folder, name)));
}

/** Within this boot: a power cut is no fault of a table, and there are machines that know no other end. */
async function uncleanEnds(folder: string): Promise<number> {
  const path = join(folder, uncleanNote);
  const [count, boot] = (await exists(path)) ? (await text(path)).split(" ") : [];
  return boot === (await bootId()) ? Number(count) || 0 : 0;
}

/** Told at each opening, for only closing takes it back. */
export async function noteOpened(folder: string): Promise<void> {
  const count = (await uncleanEnds(folder)) + 1;
  await writeFile(join(folder, uncleanNote), `${count} ${await bootId()}`);
}

/** Empty where the system does not tell: then all ends count as of one boot. */
async function bootId(): Promise<string> {
  return (await text("/proc/sys/kernel/random/boot_id").catch(() => "")).trim();
}

export async function noteClosed(folder: string): Promise<void> {
  await rm(join(folder, uncleanNote), { force: true });
}

async function batchesOf(folder: string, name: string, faults: string[]): Promise<Change[][]> {
  const { records, state } = readLogFile(await readFile(join(folder, name)));
  const batches = records.map(readBatch).filter((batch) => batch !== undefined);
  if (state === "damaged" || batches.length < records.length) faults.push(`${name} is damaged`);
  return batches;
}

/** Puts a folder in place that was built to its end before a crash, and takes half ones away. */
export async function finishRebuild(folder: string): Promise<void> {
  const fresh = freshFolder(folder);
  const isComplete = (await exists(join(fresh, completeNote))) && !(await exists(folder));
  if (!isComplete) return rm(fresh, { recursive: true, force: true });
  await rename(fresh, folder);
  await syncPath(dirname(folder));
}

function freshFolder(folder: string): string {
  return `${folder}.salvage`;
}

export interface Rebuilt {
  readonly quarantine: string;
  /** Tables that could not be read whole. */
  readonly damagedTables: readonly string[];
}

/** `judge` sees the new database before it is put in place. */
export async function rebuild(
  folder: string,
  examined: Examined,
  judge: (database: Database) => Promise<void>,
): Promise<Rebuilt> {
  const fresh = freshFolder(folder);
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh);
  const damagedTables: string[] = [];
  for (const name of examined.tables) {
    const { isWhole } = await tableAt(folder, name);
    if (isWhole) await linkOrCopy(join(folder, name), join(fresh, name));
    else damagedTables.push(name);
  }
  if (damagedTables.length < examined.tables.length) await repair(fresh);
  const database = databaseAt(fresh);
  await database.open();
  try {
    for (const name of damagedTables) await addPuts(database, await tableAt(folder, name));
    await replay(database, examined.logs.flat());
    await database.batch([], { sync: true });
    await judge(database);
  } finally {
    await database.close();
  }
  await rm(join(fresh, "lost"), { recursive: true, force: true });
  await writeFile(join(fresh, completeNote), "");
  for (const name of await readdir(fresh)) await syncPath(join(fresh, name));
  await syncPath(fresh);
  const quarantine = await newQuarantine(folder);
  await rename(folder, quarantine);
  await rename(fresh, folder);
  await syncPath(dirname(folder));
  const sound = examined.tables.filter((name) => !damagedTables.includes(name));
  for (const name of sound) await rm(join(quarantine, name), { force: true });
  return { quarantine, damagedTables };
}

/** Of a table's age nothing is known here, so what is there already is taken for newer. */
async function addPuts(database: Database, { puts }: Table): Promise<void> {
  for (const [key, value] of puts()) {
    const [known] = await database.keys({ gte: key, lte: key, limit: 1 }).all();
    if (known === undefined) await database.put(key, value);
  }
}

/** Nothing of what is there changes: the new folder shares the bytes of the old one's tables. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}

/** Writes changes again in their order; durable when it resolves. */
export async function replay(
  database: Database,
  batches: readonly (readonly Change[])[],
): Promise<void> {
  let [waiting, bytes]: [Change[], number] = [[], 0];
  for (const [at, batch] of batches.entries()) {
    waiting.push(...batch);
    for (const change of batch) bytes += change.kind === "put" ? change.value.length : 0;
    const sync = at === batches.length - 1;
    if (bytes < replayBytesMax && !sync) continue;
    await database.batch(waiting.map(operationOf), { sync });
    [waiting, bytes] = [[], 0];
  }
}

export function operationOf(change: Change) {
  return change.kind === "put"
    ? { type: "put" as const, key: change.key, value: change.value }
    : { type: "del" as const, key: change.key };
}

async function newQuarantine(folder: string): Promise<string> {
  const parent = `${folder}.damaged`;
  await mkdir(parent, { recursive: true });
  const numbers = (await readdir(parent)).map(Number).filter(Number.isInteger);
  const oldestFirst = numbers.sort((one, other) => one - other);
  for (const number of oldestFirst.slice(0, -(quarantinesMax - 1))) {
    await rm(join(parent, `${number}`), { recursive: true, force: true });
  }
  return join(parent, `${(oldestFirst.at(-1) ?? 0) + 1}`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (failure) => {
      if (codeOf(failure) !== "ENOENT") throw failure;
      return false;
    },
  );
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What classic-level, the implementation under `level` on Node, has beyond the common interface. */
interface Repairer {
  repair(folder: string): Promise<void>;
}

function repair(folder: string): Promise<void> {
  return (Level as unknown as Repairer).repair(folder);
}
