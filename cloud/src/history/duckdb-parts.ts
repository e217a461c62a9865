/**
 * Parquet files of days that are over, and of the day that goes on while much comes: rows sorted by
 * series and time, and beside them their sums by the minute and by the hour. One series is found in
 * them at once; in the table, where rows stand as they came, all of it is looked through. What comes
 * late for a day is a further file, once it is worth one; where a day has many, they become one.
 */
import { mkdir, open, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { timeMsMax } from "@causeway/shared/event.ts";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { DuckdbDatabase } from "./duckdb-database.ts";
import { rowsIn } from "./duckdb-database.ts";
import type { Part, PartKind } from "./duckdb-sql.ts";
import {
  copySql,
  instant,
  keepLatestSql,
  partColumns,
  partKinds,
  quoted,
  rowsOfDay,
  rowsOfFiles,
} from "./duckdb-sql.ts";
import type { Maintained } from "./historian.ts";

/** What is kept, and from when on it goes to files; 0 days is for ever. */
export interface Keeping {
  readonly retentionDays: number;
  readonly minuteDays: number;
  readonly hourDays: number;
  /** A day goes to files so long after its end. */
  readonly hotHours: number;
  /** Fewer rows of a day stay in the table. */
  readonly partRowsMin: number;
  /** Beyond it the table is emptied, whatever day it is. */
  readonly hotRowsMax: number;
}

export const usualKeeping: Keeping = {
  retentionDays: 90,
  minuteDays: 400,
  hourDays: 3_650,
  hotHours: 6,
  partRowsMin: 50_000,
  hotRowsMax: 4_000_000,
};

const dayMs = 86_400_000;
/** Of one day; beyond it they become one. */
const generationsMax = 8;

export class DuckdbParts {
  readonly #database: DuckdbDatabase;
  readonly #keeping: Keeping;
  #running: Promise<Maintained> | undefined;
  #connection: DuckDBConnection | undefined;
  #isStopped = false;

  constructor(database: DuckdbDatabase, keeping: Keeping) {
    this.#database = database;
    this.#keeping = keeping;
  }

  pathOf(file: string): string {
    return join(this.#database.folder, "parts", file);
  }

  /** D3. What a process left behind that was killed. */
  async sweep(connection: DuckDBConnection): Promise<void> {
    const named = new Set((await partsIn(connection)).map(({ file }) => file));
    const folder = join(this.#database.folder, "parts");
    const found = await readdir(folder, { recursive: true });
    for (const file of found) {
      if (file.endsWith(".parquet") && !named.has(file)) await this.#remove(file);
    }
  }

  /** One at a time: who asks meanwhile gets the same answer. */
  maintain(nowMs: number, isFull: boolean): Promise<Maintained> {
    this.#running ??= this.#maintain(nowMs, isFull).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** What is under way is broken off, and is done again after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#connection?.interrupt();
    await this.#running?.catch(() => {});
  }

  async #maintain(nowMs: number, isFull: boolean): Promise<Maintained> {
    const connection = await this.#database.connect();
    this.#connection = connection;
    try {
      const compacted = await this.#compact(connection, nowMs, isFull);
      await this.#join(connection);
      return { compacted, removed: await this.#expire(connection, nowMs) };
    } finally {
      this.#connection = undefined;
      connection.closeSync();
    }
  }

  async #compact(connection: DuckDBConnection, nowMs: number, isFull: boolean): Promise<number> {
    const { hotHours, partRowsMin, retentionDays } = this.#keeping;
    const over = isFull ? timeMsMax : startOfDay(nowMs - hotHours * 3_600_000);
    const expired = cutoff(nowMs, retentionDays);
    const days = await rowsIn(
      connection,
      `SELECT epoch_ms(date_trunc('day', "time"))::DOUBLE AS day, count(*)::DOUBLE FROM readings
        WHERE "time" < ${instant(over)} GROUP BY day ORDER BY day`,
    );
    let compacted = 0;
    for (const [day, rows] of days.map((row) => row.map(Number))) {
      if (day === undefined || rows === undefined || this.#isStopped) continue;
      const isExpired = day + dayMs <= expired;
      if (rows < partRowsMin && !isExpired) continue;
      await this.#toFiles(connection, day, isExpired);
      compacted += rows;
    }
    return compacted;
  }

  /** Rows that are older than is kept leave their sums alone. */
  async #toFiles(connection: DuckDBConnection, day: number, isExpired: boolean): Promise<void> {
    const rows = rowsOfDay(day, dayMs);
    const kinds = isExpired ? partKinds.filter((kind) => kind !== "raw") : partKinds;
    await this.#inTransaction(connection, async () => {
      await this.#write(connection, rows, dayName(day), kinds);
      for (const sql of keepLatestSql(rows)) await connection.run(sql);
      const time = `"time" >= ${instant(day)} AND "time" < ${instant(day + dayMs)}`;
      await connection.run(`DELETE FROM readings WHERE ${time}`);
    });
  }

  async #join(connection: DuckDBConnection): Promise<void> {
    const raw = (await partsIn(connection)).filter(({ kind }) => kind === "raw");
    for (const [day, parts] of Map.groupBy(raw, (part) => part.day)) {
      if (parts.length <= generationsMax || this.#isStopped) continue;
      const generations = new Set(parts.map(({ generation }) => generation));
      const old = (await partsIn(connection)).filter((part) => generations.has(part.generation));
      const files = parts.map(({ file }) => this.pathOf(file));
      await this.#inTransaction(connection, async () => {
        await this.#write(connection, rowsOfFiles(files), day, partKinds);
        await this.#forget(connection, old);
      });
      await this.#removeAll(old);
    }
  }

  async #expire(connection: DuckDBConnection, nowMs: number): Promise<number> {
    const { retentionDays, minuteDays, hourDays } = this.#keeping;
    const cutoffs: Readonly<Record<PartKind, number>> = {
      raw: cutoff(nowMs, retentionDays),
      minute: cutoff(nowMs, minuteDays),
      hour: cutoff(nowMs, hourDays),
    };
    const old = (await partsIn(connection)).filter(({ kind, last }) => last < cutoffs[kind]);
    if (old.length === 0) return 0;
    await this.#inTransaction(connection, () => this.#forget(connection, old));
    await this.#removeAll(old);
    return old.reduce((sum, { kind, rows }) => sum + (kind === "raw" ? rows : 0), 0);
  }

  async #write(
    connection: DuckDBConnection,
    rows: string,
    day: string,
    kinds: readonly PartKind[],
  ): Promise<void> {
    const [row] = await rowsIn(
      connection,
      "SELECT coalesce(max(generation), 0)::DOUBLE + 1 FROM parts",
    );
    const generation = Number(row?.[0]);
    const [span] = await rowsIn(
      connection,
      `SELECT epoch_ms(min("time"))::DOUBLE, epoch_ms(max("time"))::DOUBLE FROM (${rows})`,
    );
    const [first = 0, last = 0] = (span ?? []).map(Number);
    for (const kind of kinds) {
      const file = join(day, `${kind}-${generation}.parquet`);
      const path = this.pathOf(file);
      await mkdir(dirname(path), { recursive: true });
      const { rowsChanged } = await connection.run(copySql(rows, kind, path));
      await synced(path);
      const { size } = await stat(path);
      const begun = kind === "raw" ? first : startOfHour(first);
      await connection.run(
        `INSERT INTO parts VALUES (${generation}, ${quoted(kind)}, ${quoted(day)}, ${quoted(file)},
          ${rowsChanged}, ${size}, ${instant(begun)}, ${instant(last)})`,
      );
    }
  }

  async #forget(connection: DuckDBConnection, parts: readonly Part[]): Promise<void> {
    const files = parts.map(({ file }) => quoted(file)).join(", ");
    await connection.run(`DELETE FROM parts WHERE file IN (${files})`);
  }

  /** D2. */
  async #removeAll(parts: readonly Part[]): Promise<void> {
    await this.#database.settled();
    for (const { file } of parts) await this.#remove(file);
  }

  #remove(file: string): Promise<void> {
    return this.#database.remove(join("parts", file));
  }

  async #inTransaction(connection: DuckDBConnection, act: () => Promise<void>): Promise<void> {
    await connection.run("BEGIN TRANSACTION");
    try {
      await act();
      await connection.run("COMMIT");
    } catch (failure) {
      await connection.run("ROLLBACK").catch(() => {});
      throw failure;
    }
  }
}

export async function partsIn(connection: DuckDBConnection): Promise<readonly Part[]> {
  const rows = await rowsIn(connection, `SELECT ${partColumns} FROM parts ORDER BY generation`);
  return rows.map(([generation, kind, day, file, count, bytes, first, last]): Part => {
    const known = partKinds.find((one) => one === kind) ?? "raw";
    return {
      ...{ generation: Number(generation), kind: known, day: String(day), file: String(file) },
      ...{ rows: Number(count), bytes: Number(bytes), first: Number(first), last: Number(last) },
    };
  });
}

/** D3. The file, and that it is in its folder. */
async function synced(path: string): Promise<void> {
  for (const each of [path, dirname(path)]) {
    const handle = await open(each, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function startOfDay(ms: number): number {
  return Math.floor(ms / dayMs) * dayMs;
}

function startOfHour(ms: number): number {
  return Math.floor(ms / 3_600_000) * 3_600_000;
}

function dayName(day: number): string {
  return new Date(day).toISOString().slice(0, 10);
}

/** What is older goes; nothing is, where days are 0. */
function cutoff(nowMs: number, days: number): number {
  return days === 0 ? Number.NEGATIVE_INFINITY : startOfDay(nowMs - days * dayMs);
}
