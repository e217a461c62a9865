/**
 * The historian in DuckDB: a table of rows as they come, and Parquet files of days that are over.
 *
 *   D1  A batch is one transaction, synced when it is committed; what failed is as if it never was.
 *   D2  An answer is of one moment: the table and the list of files are read in one transaction, and
 *       a file that was replaced goes only when no answer that may name it is under way.
 *   D3  A file is synced before the transaction that names it; files that none names are removed.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import type {
  DuckDBAppender,
  DuckDBConnection,
  DuckDBPreparedStatement,
  DuckDBValue,
} from "@duckdb/node-api";
import { LIST, listValue, VARCHAR } from "@duckdb/node-api";
import { ReadingChunks } from "./duckdb-chunks.ts";
import type { DuckdbSettings } from "./duckdb-database.ts";
import { DuckdbDatabase, rowsIn, streamIn } from "./duckdb-database.ts";
import type { Keeping } from "./duckdb-parts.ts";
import { DuckdbParts, partsIn } from "./duckdb-parts.ts";
import { DuckdbSeries, seriesOf } from "./duckdb-series.ts";
import type { Part } from "./duckdb-sql.ts";
import {
  bucketsSql,
  instant,
  latestSql,
  layTables,
  pointsSql,
  quoted,
  schemaVersion,
} from "./duckdb-sql.ts";
import type {
  Bucket,
  BucketSelect,
  FactsOf,
  Historian,
  HistorianFigures,
  HistoryBatch,
  Kept,
  LossSelect,
  LostStretch,
  Maintained,
  PointSelect,
  Series,
  SeriesSelect,
  StoredPoint,
} from "./historian.ts";
import { decodePlaces, encodePlaces } from "./kept-places.ts";
import { likeOf } from "./name-pattern.ts";
import type { StoredRow } from "./row-flags.ts";
import { pointOf } from "./row-flags.ts";

export interface DuckdbHistorianSettings extends DuckdbSettings, Keeping {
  readonly factsOf: FactsOf;
}

interface Writer {
  readonly connection: DuckDBConnection;
  readonly appender: DuckDBAppender;
  readonly moveCursor: DuckDBPreparedStatement;
  readonly checkFence: DuckDBPreparedStatement;
  readonly begin: DuckDBPreparedStatement;
  readonly commit: DuckDBPreparedStatement;
}

export class DuckdbHistorian implements Historian {
  readonly #database: DuckdbDatabase;
  readonly #series: DuckdbSeries;
  readonly #parts: DuckdbParts;
  readonly #chunks = new ReadingChunks();
  #writer: Writer | undefined;
  /** Gateways that have a row in `ledgers`. */
  readonly #ledgers = new Set<string>();
  #isClosed = false;
  readonly #hotRowsMax: number;
  /** In the table, as far as is known. */
  #hotRows = 0;
  /** Writes go one after the other. */
  #lane: Promise<unknown> = Promise.resolve();

  private constructor(database: DuckdbDatabase, settings: DuckdbHistorianSettings) {
    this.#database = database;
    this.#series = new DuckdbSeries(settings.factsOf);
    this.#parts = new DuckdbParts(database, settings);
    this.#hotRowsMax = settings.hotRowsMax;
  }

  get isDue(): boolean {
    return this.#hotRows >= this.#hotRowsMax;
  }

  /** Throws HISTORY_LOCKED, HISTORY_OPEN_FAILED or HISTORY_VERSION_UNKNOWN. */
  static async open(settings: DuckdbHistorianSettings): Promise<DuckdbHistorian> {
    const database = await DuckdbDatabase.open(settings);
    try {
      const connection = await database.connect();
      await connection.run(layTables);
      const [row] = await rowsIn(connection, "SELECT version FROM cursor");
      const version = Number(row?.[0]);
      if (version !== schemaVersion) {
        const what = `${settings.folder} is of version ${version}, this build knows ${schemaVersion}`;
        throw new CodedError("HISTORY_VERSION_UNKNOWN", what);
      }
      const historian = new DuckdbHistorian(database, settings);
      await historian.#parts.sweep(connection);
      connection.closeSync();
      return historian;
    } catch (failure) {
      await database.close();
      throw failure;
    }
  }

  begin(): Promise<Kept> {
    return this.#inLane(async () => {
      this.#dropWriter();
      const { connection } = await this.#write();
      await connection.run("UPDATE cursor SET fence = fence + 1");
      const [cursor] = await rowsIn(connection, "SELECT fence::DOUBLE, places FROM cursor");
      const ledgers = await rowsIn(connection, "SELECT gateway, mark FROM ledgers");
      return {
        fence: Number(cursor?.[0]),
        places: decodePlaces(String(cursor?.[1])),
        marks: ledgers.map(([, mark]) => decodeMark(String(mark))),
      };
    });
  }

  /** H1, D1. */
  write(fence: number, batch: HistoryBatch): Promise<void> {
    return this.#inLane(async () => {
      const writer = await this.#write();
      const { connection } = writer;
      try {
        await writer.begin.run();
        await this.#pass(writer, fence, batch);
        await this.#append(writer, batch);
        await this.#keepLedgers(connection, batch);
        await writer.commit.run();
        this.#hotRows += batch.rows.length;
      } catch (failure) {
        this.#dropWriter();
        throw failure;
      }
    });
  }

  /** H2. */
  async #pass(writer: Writer, fence: number, { places }: HistoryBatch): Promise<void> {
    const statement = places === undefined ? writer.checkFence : writer.moveCursor;
    statement.bindBigInt(1, BigInt(fence));
    if (places !== undefined) statement.bindVarchar(2, encodePlaces(places));
    const { rowsChanged } = await statement.run();
    if (rowsChanged === 1) return;
    throw new CodedError("HISTORY_FENCED", `another process writes the history since ${fence}`);
  }

  async #append({ connection, appender }: Writer, { rows, losses }: HistoryBatch): Promise<void> {
    if (rows.length > 0) {
      const numbers = await this.#series.number(connection, rows);
      const numbered = rows.map((point, at) => ({ series: numbers[at] ?? 0, point }));
      this.#chunks.append(appender, numbered);
      appender.flushSync();
    }
    for (const { gateway, epoch, log, from, to, reason, at } of losses) {
      const names = [gateway, epoch, log].map(quoted).join(", ");
      const stretch = `${from}, ${to}, ${quoted(reason)}, ${instant(at)}`;
      await connection.run(`INSERT INTO losses VALUES (${names}, ${stretch})`);
    }
  }

  async #keepLedgers(connection: DuckDBConnection, { marks }: HistoryBatch): Promise<void> {
    const fresh = marks.filter(({ gateway }) => !this.#ledgers.has(gateway));
    const known = marks.filter(({ gateway }) => this.#ledgers.has(gateway));
    const keep = async (sql: string, some: HistoryBatch["marks"]) => {
      if (some.length === 0) return;
      const gateways = listValue(some.map(({ gateway }) => gateway));
      const texts = listValue(some.map(encodeMark));
      await connection.run(sql, [gateways, texts], [LIST(VARCHAR), LIST(VARCHAR)]);
    };
    await keep("INSERT INTO ledgers SELECT unnest($1), unnest($2)", fresh);
    await keep(
      `UPDATE ledgers SET mark = own.mark FROM (
        SELECT unnest($1) AS gateway, unnest($2) AS mark) own WHERE ledgers.gateway = own.gateway`,
      known,
    );
    for (const { gateway } of fresh) this.#ledgers.add(gateway);
  }

  async #write(): Promise<Writer> {
    if (this.#writer !== undefined) return this.#writer;
    if (this.#isClosed) throw new CodedError("HISTORY_UNAVAILABLE", "the historian is closed");
    const connection = await this.#database.connect();
    await this.#series.load(connection);
    this.#ledgers.clear();
    await this.#countHot(connection);
    for (const [gateway] of await rowsIn(connection, "SELECT gateway FROM ledgers"))
      this.#ledgers.add(String(gateway));
    this.#writer = {
      connection,
      appender: await connection.createAppender("readings"),
      moveCursor: await connection.prepare("UPDATE cursor SET places = $2 WHERE fence = $1"),
      begin: await connection.prepare("BEGIN TRANSACTION"),
      commit: await connection.prepare("COMMIT"),
      checkFence: await connection.prepare("UPDATE cursor SET fence = fence WHERE fence = $1"),
    };
    return this.#writer;
  }

  /** D1. A connection that is closed takes its transaction back. */
  #dropWriter(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer === undefined) return;
    writer.appender.clear();
    try {
      writer.appender.closeSync();
    } finally {
      writer.connection.closeSync();
    }
  }

  #inLane<Result>(act: () => Promise<Result>): Promise<Result> {
    const done = this.#lane.then(act);
    this.#lane = done.catch(() => {});
    return done;
  }

  describe(factsOf: FactsOf): Promise<void> {
    return this.#inLane(async () => {
      const { connection } = await this.#write();
      const found = await rowsIn(
        connection,
        "SELECT DISTINCT 0, gateway, device, '', '', site, tags FROM series",
      );
      const changed = found.map(seriesOf).flatMap(({ gateway, device, site, tags }) => {
        const facts = factsOf(gateway, device);
        const isSame = facts.site === site && facts.tags.join("\n") === tags.join("\n");
        return isSame ? [] : [{ gateway, device, ...facts }];
      });
      if (changed.length === 0) return;
      const column = (of: (one: (typeof changed)[number]) => DuckDBValue) =>
        listValue(changed.map(of));
      await connection.run(
        `UPDATE series SET site = own.site, tags = own.tags FROM (SELECT unnest($1) AS gateway,
          unnest($2) AS device, unnest($3) AS site, unnest($4) AS tags) own
        WHERE series.gateway = own.gateway AND series.device = own.device`,
        [
          ...[column(({ gateway }) => gateway), column(({ device }) => device)],
          ...[column(({ site }) => site), column(({ tags }) => listValue([...tags]))],
        ],
        [LIST(VARCHAR), LIST(VARCHAR), LIST(VARCHAR), LIST(LIST(VARCHAR))],
      );
    });
  }

  async series(select: SeriesSelect, signal: AbortSignal): Promise<readonly Series[]> {
    const found: Series[] = [];
    for await (const rows of this.#stream(signal, seriesSql(select)))
      found.push(...rows.map(seriesOf));
    return found;
  }

  points(select: PointSelect, signal: AbortSignal): AsyncIterable<readonly StoredPoint[]> {
    const files = (parts: readonly Part[]) =>
      this.#filesOf(ofKind(touched(parts, select.from, select.to), "raw"));
    return mapped(
      this.#over(signal, (parts) => pointsSql(select, files(parts))),
      pointIn,
    );
  }

  latest(series: readonly number[], signal: AbortSignal): AsyncIterable<readonly StoredPoint[]> {
    return mapped(this.#stream(signal, latestSql(series)), pointIn);
  }

  buckets(select: BucketSelect, signal: AbortSignal): AsyncIterable<readonly Bucket[]> {
    const sql = (all: readonly Part[]) => {
      const { rows, rollups } = partsFor(select, all);
      return bucketsSql(select, this.#filesOf(rows), this.#filesOf(rollups));
    };
    return mapped(this.#over(signal, sql), bucketIn);
  }

  async losses(select: LossSelect, signal: AbortSignal): Promise<readonly LostStretch[]> {
    const found: LostStretch[] = [];
    for await (const rows of this.#stream(signal, lossesSql(select)))
      found.push(...rows.map(lossIn));
    return found;
  }

  #stream(signal: AbortSignal, sql: string): AsyncGenerator<DuckDBValue[][]> {
    return this.#database.read(signal, (connection) => streamIn(connection, sql));
  }

  /** D2. */
  #over(
    signal: AbortSignal,
    sqlOf: (parts: readonly Part[]) => string,
  ): AsyncGenerator<DuckDBValue[][]> {
    return this.#database.read(signal, async function* (connection) {
      yield* streamIn(connection, sqlOf(await partsIn(connection)));
    });
  }

  #filesOf(parts: readonly Part[]): readonly string[] {
    return parts.map(({ file }) => this.#parts.pathOf(file));
  }

  async maintain(nowMs: number): Promise<Maintained> {
    if (this.#isClosed) return { compacted: 0, removed: 0 };
    const done = await this.#parts.maintain(nowMs, this.isDue);
    await this.#inLane(async () => {
      if (this.#writer !== undefined) await this.#countHot(this.#writer.connection);
    });
    return done;
  }

  async #countHot(connection: DuckDBConnection): Promise<void> {
    const [row] = await rowsIn(connection, "SELECT count(*)::DOUBLE FROM readings");
    this.#hotRows = Number(row?.[0] ?? 0);
  }

  async figures(): Promise<HistorianFigures> {
    const sql = `SELECT (SELECT count(*) FROM series)::DOUBLE, (SELECT count(*) FROM readings)::DOUBLE
      + (SELECT coalesce(sum("rows"), 0) FROM parts WHERE kind = 'raw')::DOUBLE`;
    const signal = new AbortController().signal;
    let [series, rows] = [0, 0];
    for await (const found of this.#stream(signal, sql))
      [series = 0, rows = 0] = (found[0] ?? []).map(Number);
    return { series, rows, bytes: await this.#database.bytes() };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#parts.stop();
    await this.#inLane(async () => this.#dropWriter());
    await this.#database.close();
  }
}

function touched(parts: readonly Part[], from: number, to: number): readonly Part[] {
  return parts.filter((part) => part.last >= from && part.first < to);
}

function ofKind(parts: readonly Part[], kind: Part["kind"]): readonly Part[] {
  return parts.filter((part) => part.kind === kind);
}

/** Of each generation the coarsest that will do; else the next that is kept. */
function partsFor({ from, to, widthMs }: BucketSelect, all: readonly Part[]) {
  const isWhole = (unit: number) => [from, to, widthMs].every((time) => time % unit === 0);
  const order: Part["kind"][] = isWhole(3_600_000)
    ? ["hour", "minute", "raw"]
    : isWhole(60_000)
      ? ["minute", "raw", "hour"]
      : ["raw", "minute", "hour"];
  const chosen = [...Map.groupBy(touched(all, from, to), ({ generation }) => generation).values()]
    .map((parts) => order.flatMap((kind) => ofKind(parts, kind)).at(0))
    .filter((part) => part !== undefined);
  return {
    rows: ofKind(chosen, "raw"),
    rollups: chosen.filter(({ kind }) => kind !== "raw"),
  };
}

async function* mapped<From, To>(
  pieces: AsyncIterable<readonly From[]>,
  map: (row: From) => To,
): AsyncGenerator<readonly To[]> {
  for await (const piece of pieces) yield piece.map(map);
}

function numberIn(value: DuckDBValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function textIn(value: DuckDBValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

function pointIn(row: readonly DuckDBValue[]): StoredPoint {
  const stored: StoredRow = {
    ...{ series: Number(row[0]), time: Number(row[1]), delayMs: Number(row[2]) },
    ...{ value: numberIn(row[3]), flags: Number(row[4]) },
    ...{ text: textIn(row[5]), reason: textIn(row[6]), observed: numberIn(row[7]) },
    ...{ windowMs: numberIn(row[8]), count: numberIn(row[9]), bad: numberIn(row[10]) },
    ...{ low: numberIn(row[11]), high: numberIn(row[12]), last: numberIn(row[13]) },
  };
  return { series: stored.series, ...pointOf(stored) };
}

function bucketIn(row: readonly DuckDBValue[]): Bucket {
  return {
    ...{ series: Number(row[0]), time: Number(row[1]), count: Number(row[2]) },
    ...{ bad: Number(row[3]), late: Number(row[4]), mean: numberIn(row[5]) },
    ...{ min: numberIn(row[6]), minTime: numberIn(row[7]) },
    ...{ max: numberIn(row[8]), maxTime: numberIn(row[9]) },
    ...{ last: textIn(row[11]) ?? numberIn(row[10]), lastTime: Number(row[12]) },
  };
}

function seriesSql({ limit, after = 0, site, tag, ...names }: SeriesSelect): string {
  const wanted = (["gateway", "device", "metric"] as const).flatMap((column) => {
    const pattern = names[column];
    return pattern === undefined ? [] : [`${column} LIKE ${quoted(likeOf(pattern))} ESCAPE '\\'`];
  });
  if (site !== undefined) wanted.push(`site = ${quoted(site)}`);
  if (tag !== undefined) wanted.push(`list_contains(tags, ${quoted(tag)})`);
  return `SELECT id, gateway, device, metric, unit, site, tags FROM series
    WHERE ${[`id > ${after}`, ...wanted].join(" AND ")} ORDER BY id LIMIT ${limit}`;
}

function lossesSql({ gateway, from, to, limit }: LossSelect): string {
  const own =
    gateway === undefined ? "" : `AND gateway LIKE ${quoted(likeOf(gateway))} ESCAPE '\\'`;
  return `SELECT gateway, epoch, log, first::DOUBLE, last::DOUBLE, reason, epoch_ms(told)::DOUBLE
    FROM losses WHERE told >= ${instant(from)} AND told < ${instant(to)} ${own}
    ORDER BY told LIMIT ${limit}`;
}

function lossIn(row: readonly DuckDBValue[]): LostStretch {
  const [gateway, epoch, log, from, to, reason, at] = row;
  return {
    ...{ gateway: String(gateway), epoch: String(epoch) },
    log: log === "priority" ? "priority" : "telemetry",
    ...{ from: Number(from), to: Number(to), reason: String(reason), at: Number(at) },
  };
}
