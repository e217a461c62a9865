/**
 * The historian in PostgreSQL: one table of rows, a hypertable where TimescaleDB is there.
 *
 *   P1  A batch is one transaction. It moves the row of the cursor first, which keeps another writer
 *       waiting until it is over, and then refuses the one that was fenced off.
 *   P2  An answer is read by a cursor of the server, some thousand rows at a time, in one snapshot.
 *   P3  What is aborted is cancelled in the server, and its connection is not used again.
 */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import type { PoolClient } from "pg";
import pg from "pg";
import type {
  Bucket,
  BucketSelect,
  FactsOf,
  Historian,
  HistorianFigures,
  HistoryBatch,
  HistoryRow,
  Kept,
  LossSelect,
  LostStretch,
  Maintained,
  PointSelect,
  Series,
  SeriesName,
  SeriesSelect,
  StoredPoint,
} from "./historian.ts";
import { decodePlaces, encodePlaces } from "./kept-places.ts";
import { likeOf } from "./name-pattern.ts";
import { copyIn, copyText } from "./postgres-copy.ts";
import {
  addLossesSql,
  bucketsSql,
  copyReadings,
  describeSql,
  expireSql,
  figuresSql,
  keepLedgersSql,
  latestSql,
  layHypertable,
  layIndexes,
  layTables,
  lossesSql,
  numberSeriesSql,
  pointsSql,
  schemaVersion,
  seriesSql,
} from "./postgres-sql.ts";
import type { StoredRow } from "./row-flags.ts";
import { pointOf } from "./row-flags.ts";

export interface PostgresSettings {
  readonly url: string;
  /** 0 is for ever. */
  readonly retentionDays: number;
  readonly factsOf: FactsOf;
}

const connectionsMax = 6;
const connectMsMax = 10_000;
const pieceRows = 2_000;
const expireRows = 20_000;
const rememberedMax = 200_000;
const dayMs = 86_400_000;
/** Two processes that begin at once would lay the same tables. */
const layLock = 7_261_044;

export class PostgresHistorian implements Historian {
  readonly #pool: pg.Pool;
  readonly #settings: PostgresSettings;
  readonly isDue = false;
  readonly #isHyper: boolean;
  /** Numbers of series by their names. */
  readonly #series = new Map<string, number>();
  #isClosed = false;

  private constructor(pool: pg.Pool, settings: PostgresSettings, isHyper: boolean) {
    this.#pool = pool;
    this.#settings = settings;
    this.#isHyper = isHyper;
  }

  /** Throws HISTORY_OPEN_FAILED or HISTORY_VERSION_UNKNOWN. */
  static async open(settings: PostgresSettings): Promise<PostgresHistorian> {
    const pool = new pg.Pool({
      connectionString: settings.url,
      max: connectionsMax,
      connectionTimeoutMillis: connectMsMax,
      application_name: "causeway-history",
    });
    pool.on("error", () => {}); // an idle connection that broke is replaced; who asks is told
    try {
      const isHyper = await lay(pool);
      return new PostgresHistorian(pool, settings, isHyper);
    } catch (failure) {
      await pool.end();
      if (failure instanceof CodedError) throw failure;
      // The URL may hold a password.
      throw new CodedError("HISTORY_OPEN_FAILED", `PostgreSQL: ${reasonOf(failure)}`, {
        cause: failure,
      });
    }
  }

  begin(): Promise<Kept> {
    this.#series.clear();
    return this.#transaction(async (client) => {
      const raise = "UPDATE causeway.cursor SET fence = fence + 1 RETURNING fence::float8, places";
      const { rows: cursors } = await client.query<{ fence: number; places: string }>(raise);
      const { rows } = await client.query<{ mark: string }>("SELECT mark FROM causeway.ledgers");
      const [cursor] = cursors;
      return {
        fence: cursor?.fence ?? 0,
        places: decodePlaces(cursor?.places ?? "[]"),
        marks: rows.map(({ mark }) => decodeMark(mark)),
      };
    });
  }

  /** H1, P1. */
  async write(fence: number, batch: HistoryBatch): Promise<void> {
    const { rows, losses, marks, places } = batch;
    try {
      await this.#transaction(async (client) => {
        const { rowCount } = await client.query(
          "UPDATE causeway.cursor SET places = coalesce($2, places) WHERE fence = $1",
          [fence, places === undefined ? null : encodePlaces(places)],
        );
        if (rowCount !== 1)
          throw new CodedError(
            "HISTORY_FENCED",
            `another process writes the history since ${fence}`,
          );
        if (rows.length > 0) {
          const numbers = await this.#number(client, rows);
          const numbered = rows.map((point, at) => ({ series: numbers[at] ?? 0, point }));
          await copyIn(client, copyReadings, copyText(numbered));
        }
        if (losses.length > 0) await client.query(addLossesSql, lossColumns(losses));
        const texts = marks.map(encodeMark);
        const gateways = marks.map(({ gateway }) => gateway);
        if (marks.length > 0) await client.query(keepLedgersSql, [gateways, texts]);
      });
    } catch (failure) {
      this.#series.clear(); // numbers that were given in it were taken back
      throw failure;
    }
  }

  async #number(client: PoolClient, rows: readonly HistoryRow[]): Promise<readonly number[]> {
    if (this.#series.size > rememberedMax) this.#series.clear();
    const keys = rows.map(keyOf);
    const missing = new Map<string, SeriesName>();
    for (const [at, row] of rows.entries()) {
      const key = keys[at] ?? "";
      if (!this.#series.has(key)) missing.set(key, row);
    }
    if (missing.size > 0) {
      const names = [...missing.values()];
      const facts = names.map(({ gateway, device }) => this.#settings.factsOf(gateway, device));
      const found = await client.query<SeriesName & { id: number }>(numberSeriesSql, [
        ...(["gateway", "device", "metric", "unit"] as const).map((column) =>
          names.map((name) => storable(name[column])),
        ),
        facts.map(({ site }) => site),
        facts.map(({ tags }) => JSON.stringify(tags)),
      ]);
      for (const row of found.rows) this.#series.set(keyOf(row), row.id);
    }
    return keys.map((key) => this.#series.get(key) ?? 0);
  }

  async describe(factsOf: FactsOf): Promise<void> {
    const { rows } = await this.#pool.query<Series>(
      "SELECT DISTINCT gateway, device, site, tags FROM causeway.series",
    );
    const changed = rows.flatMap(({ gateway, device, site, tags }) => {
      const facts = factsOf(gateway, device);
      const isSame = facts.site === site && facts.tags.join("\n") === tags.join("\n");
      return isSame ? [] : [{ gateway, device, ...facts }];
    });
    if (changed.length === 0) return;
    await this.#pool.query(describeSql, [
      ...[changed.map(({ gateway }) => gateway), changed.map(({ device }) => device)],
      ...[changed.map(({ site }) => site), changed.map(({ tags }) => JSON.stringify(tags))],
    ]);
  }

  async series(select: SeriesSelect, signal: AbortSignal): Promise<readonly Series[]> {
    const { gateway = "*", device = "*", metric = "*", site = null, tag = null } = select;
    const names = [gateway, device, metric].map(likeOf);
    const values = [select.after ?? 0, ...names, site, tag, select.limit];
    const found: Series[] = [];
    for await (const rows of this.#stream<Series>(seriesSql, values, signal)) found.push(...rows);
    return found;
  }

  async *points(
    { series, from, to, limit, order }: PointSelect,
    signal: AbortSignal,
  ): AsyncGenerator<readonly StoredPoint[]> {
    const sql = pointsSql(order === "ascending" ? "ASC" : "DESC");
    const rows = this.#stream<StoredRow>(sql, [series, from, to, limit], signal);
    for await (const some of rows) yield some.map(storedPoint);
  }

  async *latest(
    series: readonly number[],
    signal: AbortSignal,
  ): AsyncGenerator<readonly StoredPoint[]> {
    const rows = this.#stream<StoredRow>(latestSql, [series], signal);
    for await (const some of rows) yield some.map(storedPoint);
  }

  async *buckets(
    { series, from, to, limit, widthMs }: BucketSelect,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Bucket[]> {
    const values = [series, from, to, limit, widthMs];
    for await (const some of this.#stream<BucketRow>(bucketsSql, values, signal))
      yield some.map(({ lastValue, lastText, ...bucket }) => {
        return { ...bucket, last: lastText ?? lastValue };
      });
  }

  async losses(select: LossSelect, signal: AbortSignal): Promise<readonly LostStretch[]> {
    const { from, to, gateway = "*", limit } = select;
    const values = [from, to, likeOf(gateway), limit];
    const found: LostStretch[] = [];
    for await (const rows of this.#stream<LostStretch>(lossesSql, values, signal))
      found.push(...rows);
    return found;
  }

  async maintain(nowMs: number): Promise<Maintained> {
    const { retentionDays } = this.#settings;
    if (retentionDays === 0) return { compacted: 0, removed: 0 };
    const before = nowMs - retentionDays * dayMs;
    if (this.#isHyper) {
      const drop = "SELECT drop_chunks('causeway.readings', to_timestamp($1::float8 / 1000))";
      await this.#pool.query(drop, [before]);
    }
    let removed = 0;
    for (let found = expireRows; found === expireRows && !this.#isClosed; removed += found)
      found = (await this.#pool.query(expireSql, [before, expireRows])).rowCount ?? 0;
    return { compacted: 0, removed };
  }

  async figures(): Promise<HistorianFigures> {
    const { rows } = await this.#pool.query<HistorianFigures>(figuresSql);
    return rows[0] ?? { series: 0, rows: 0, bytes: 0 };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.end();
  }

  async #transaction<Result>(act: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect();
    try {
      await client.query("BEGIN");
      const result = await act(client);
      await client.query("COMMIT");
      client.release();
      return result;
    } catch (failure) {
      client.release(true);
      throw failure;
    }
  }

  /** P2, P3. */
  async *#stream<Row>(
    sql: string,
    values: readonly unknown[],
    signal: AbortSignal,
  ): AsyncGenerator<Row[]> {
    signal.throwIfAborted();
    const client = await this.#pool.connect();
    const cancel = () => {
      const { processID } = client as unknown as { processID: number };
      this.#pool.query("SELECT pg_cancel_backend($1)", [processID]).catch(() => {});
    };
    signal.addEventListener("abort", cancel, { once: true });
    let isWhole = false;
    try {
      await client.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
      await client.query(`DECLARE answer NO SCROLL CURSOR FOR ${sql}`, [...values]);
      for (let count = pieceRows; count === pieceRows; ) {
        const { rows } = await client.query(`FETCH ${pieceRows} FROM answer`);
        signal.throwIfAborted();
        count = rows.length;
        if (count > 0) yield rows as Row[];
      }
      signal.throwIfAborted();
      await client.query("COMMIT");
      isWhole = true;
    } catch (failure) {
      signal.throwIfAborted();
      throw failure;
    } finally {
      signal.removeEventListener("abort", cancel);
      client.release(!isWhole);
    }
  }
}

/** Whether it is a hypertable. */
async function lay(pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [layLock]);
    await client.query(layTables);
    const { rows } = await client.query<{ version: number }>("SELECT version FROM causeway.cursor");
    const version = rows[0]?.version ?? 0;
    if (version !== schemaVersion) {
      const what = `the database is of version ${version}, this build knows ${schemaVersion}`;
      throw new CodedError("HISTORY_VERSION_UNKNOWN", what);
    }
    const { rowCount } = await client.query(
      "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'",
    );
    if (rowCount === 1) await client.query(layHypertable);
    await client.query(layIndexes);
    await client.query("SELECT pg_advisory_unlock($1)", [layLock]);
    client.release();
    return rowCount === 1;
  } catch (failure) {
    client.release(true);
    throw failure;
  }
}

interface BucketRow extends Omit<Bucket, "last"> {
  readonly lastValue: number | null;
  readonly lastText: string | null;
}

function storedPoint(row: StoredRow): StoredPoint {
  return { series: row.series, ...pointOf(row) };
}

function lossColumns(losses: readonly LostStretch[]): unknown[] {
  return [
    ...[losses.map(({ gateway }) => gateway), losses.map(({ epoch }) => epoch)],
    ...[losses.map(({ log }) => log), losses.map(({ from }) => from)],
    ...[losses.map(({ to }) => to), losses.map(({ reason }) => storable(reason))],
    losses.map(({ at }) => at),
  ];
}

/** PostgreSQL has no such character. */
function storable(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
}

function keyOf({ gateway, device, metric, unit }: SeriesName): string {
  return `${gateway}\n${device}\n${metric}\n${storable(unit)}`;
}
