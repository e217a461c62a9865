/**
 * The DuckDB file and its connections. One process has it open at a time. Readers have connections of
 * their own, so that nobody waits for the writer; a reader that is broken off is interrupted in DuckDB.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import { DuckDBInstance } from "@duckdb/node-api";

export interface DuckdbSettings {
  /** Everything of the historian lies in it. */
  readonly folder: string;
  /** Of DuckDB, beside what Node itself takes. */
  readonly memoryMegabytes: number;
  readonly threads: number;
}

const fileName = "history.duckdb";

export class DuckdbDatabase {
  readonly folder: string;
  readonly #instance: DuckDBInstance;
  readonly #idle: DuckDBConnection[] = [];
  #isClosed = false;
  /** Reads that go on, by the number of their beginning. */
  readonly #reading = new Set<number>();
  #reads = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(folder: string, instance: DuckDBInstance) {
    this.folder = folder;
    this.#instance = instance;
  }

  /** Throws HISTORY_LOCKED or HISTORY_OPEN_FAILED. */
  static async open({ folder, memoryMegabytes, threads }: DuckdbSettings): Promise<DuckdbDatabase> {
    try {
      await mkdir(join(folder, "parts"), { recursive: true });
      const instance = await DuckDBInstance.create(join(folder, fileName), {
        memory_limit: `${memoryMegabytes}MiB`,
        threads: `${threads}`,
        temp_directory: join(folder, "spill"),
        autoinstall_known_extensions: "false",
        autoload_known_extensions: "false",
        enable_object_cache: "true",
      });
      return new DuckdbDatabase(folder, instance);
    } catch (failure) {
      const reason = reasonOf(failure);
      if (/set lock on file/i.test(reason)) {
        const what = `${folder} is open in another process`;
        throw new CodedError("HISTORY_LOCKED", what, { cause: failure });
      }
      throw new CodedError("HISTORY_OPEN_FAILED", `${folder}: ${reason}`, { cause: failure });
    }
  }

  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  /** Pieces of an answer, all of one moment; `act` is given a connection in a transaction. */
  async *read<Piece>(
    signal: AbortSignal,
    act: (connection: DuckDBConnection) => AsyncIterable<Piece>,
  ): AsyncGenerator<Piece> {
    if (this.#isClosed) throw new CodedError("HISTORY_UNAVAILABLE", "the historian is closed");
    signal.throwIfAborted();
    const read = ++this.#reads;
    this.#reading.add(read);
    const connection = this.#idle.pop() ?? (await this.connect());
    let isWhole = false;
    const interrupt = () => connection.interrupt();
    signal.addEventListener("abort", interrupt, { once: true });
    try {
      await connection.run("BEGIN TRANSACTION READ ONLY");
      yield* act(connection);
      signal.throwIfAborted(); // an answer that was broken off may look like a short one
      await connection.run("COMMIT");
      isWhole = true;
    } catch (failure) {
      signal.throwIfAborted();
      throw failure;
    } finally {
      signal.removeEventListener("abort", interrupt);
      if (isWhole && !this.#isClosed) this.#idle.push(connection);
      else connection.closeSync();
      this.#reading.delete(read);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Until every read that has begun before now is over: what it reads may go then. */
  async settled(): Promise<void> {
    const last = this.#reads;
    while ([...this.#reading].some((read) => read <= last))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async bytes(): Promise<number> {
    const names = await readdir(this.folder, { recursive: true });
    const sizes = names.map(async (name) => {
      const found = await stat(join(this.folder, name)).catch(() => undefined);
      return found?.isFile() ? found.size : 0;
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.folder, file), { force: true });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.settled();
    for (const connection of this.#idle.splice(0)) connection.closeSync();
    this.#instance.closeSync();
  }
}

/** All rows of a small answer. */
export async function rowsIn(
  connection: DuckDBConnection,
  sql: string,
  values?: DuckDBValue[],
): Promise<DuckDBValue[][]> {
  return (await connection.run(sql, values)).getRows();
}

/** Rows as they come, some thousands at a time. */
export async function* streamIn(
  connection: DuckDBConnection,
  sql: string,
): AsyncGenerator<DuckDBValue[][]> {
  const result = await connection.stream(sql);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield chunk.getRows();
  }
}
