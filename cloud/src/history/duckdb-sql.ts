/** The statements of the historian in DuckDB; each says what it needs of rows and of their files. */
import type { BucketSelect, PointSelect, RangeSelect } from "./historian.ts";
import { badQuality, lateFlag, qualityMask } from "./row-flags.ts";

export const schemaVersion = 1;

const columns = [
  "series",
  "time",
  "delay_ms",
  "value",
  "flags",
  "text",
  "reason",
  "observed",
  "window_ms",
  "window_count",
  "window_bad",
  "window_low",
  "window_high",
  "window_last",
].join(", ");

const readingTypes = `series INTEGER, "time" TIMESTAMP, delay_ms BIGINT, value DOUBLE, flags UTINYINT,
  "text" VARCHAR, reason VARCHAR, observed TIMESTAMP, window_ms BIGINT, window_count BIGINT,
  window_bad BIGINT, window_low DOUBLE, window_high DOUBLE, window_last DOUBLE`;

export const layTables = `
  CREATE TABLE IF NOT EXISTS cursor (version INTEGER, fence BIGINT, places VARCHAR);
  CREATE TABLE IF NOT EXISTS ledgers (gateway VARCHAR, mark VARCHAR);
  CREATE TABLE IF NOT EXISTS series (id INTEGER, gateway VARCHAR, device VARCHAR, metric VARCHAR,
    unit VARCHAR, site VARCHAR, tags VARCHAR[]);
  CREATE TABLE IF NOT EXISTS readings (${readingTypes});
  CREATE TABLE IF NOT EXISTS latest (${readingTypes});
  CREATE TABLE IF NOT EXISTS losses (gateway VARCHAR, epoch VARCHAR, log VARCHAR, first BIGINT,
    last BIGINT, reason VARCHAR, told TIMESTAMP);
  CREATE TABLE IF NOT EXISTS parts (generation BIGINT, kind VARCHAR, day VARCHAR, file VARCHAR,
    "rows" BIGINT, bytes BIGINT, first TIMESTAMP, last TIMESTAMP);
  INSERT INTO cursor SELECT ${schemaVersion}, 0, '[]' WHERE NOT EXISTS (FROM cursor);`;

export const partKinds = ["raw", "minute", "hour"] as const;
export type PartKind = (typeof partKinds)[number];

/** Parquet files that were made of the same rows at once. */
export interface Part {
  readonly generation: number;
  readonly kind: PartKind;
  /** Such as 2026-11-21. */
  readonly day: string;
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  /** In ms. */
  readonly first: number;
  readonly last: number;
}

export const partColumns = `generation::DOUBLE, kind, day, file, "rows"::DOUBLE, bytes::DOUBLE,
  epoch_ms(first)::DOUBLE, epoch_ms(last)::DOUBLE`;

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A time in ms as DuckDB compares it. */
export function instant(ms: number): string {
  return `make_timestamp(${BigInt(Math.round(ms)) * 1_000n}::BIGINT)`;
}

function parquet(files: readonly string[]): string {
  return `read_parquet([${files.map(quoted).join(", ")}])`;
}

function within({ series, from, to }: RangeSelect): string {
  const time = `"time" >= ${instant(from)} AND "time" < ${instant(to)}`;
  return `series IN (${series.join(", ")}) AND ${time}`;
}

/** Rows of the table and of files, in columns that both have. */
function sources(files: readonly string[], what: string, where: string): string {
  const table = `SELECT ${what} FROM readings WHERE ${where}`;
  if (files.length === 0) return table;
  return `${table} UNION ALL SELECT ${what} FROM ${parquet(files)} WHERE ${where}`;
}

const shownColumns = `series, epoch_ms("time")::DOUBLE, delay_ms::DOUBLE, value, flags, "text", reason,
  epoch_ms(observed)::DOUBLE, window_ms::DOUBLE, window_count::DOUBLE, window_bad::DOUBLE,
  window_low, window_high, window_last`;

export function pointsSql(select: PointSelect, files: readonly string[]): string {
  const direction = select.order === "ascending" ? "ASC" : "DESC";
  return `SELECT ${shownColumns} FROM (${sources(files, columns, within(select))})
    ORDER BY series, "time" ${direction} LIMIT ${select.limit}`;
}

/** Of what went to files the newest rows stand in a table of their own. */
export function latestSql(series: readonly number[]): string {
  const where = `series IN (${series.join(", ")})`;
  const all = `SELECT ${columns} FROM readings WHERE ${where}
    UNION ALL SELECT ${columns} FROM latest WHERE ${where}`;
  return `WITH newest AS (
      SELECT series, max("time") AS "time" FROM (${all}) GROUP BY series)
    SELECT DISTINCT ON (series) ${shownColumns} FROM (${all}) SEMI JOIN newest USING (series, "time")
    ORDER BY series`;
}

const isBad = `(flags & ${qualityMask}) = ${badQuality}`;
const isNumber = `(NOT ${isBad} AND value IS NOT NULL
  AND (window_ms IS NULL OR window_low IS NOT NULL))`;

/** A row as the figures of the stretch that it stands for. */
const figuresOfRow = `series, "time", coalesce(window_count, 1) AS readings,
  coalesce(window_bad, CASE WHEN ${isBad} THEN 1 ELSE 0 END) AS bad,
  CASE WHEN (flags & ${lateFlag}) <> 0 THEN coalesce(window_count, 1) ELSE 0 END AS late,
  CASE WHEN ${isNumber} THEN coalesce(window_count - window_bad, 1) ELSE 0 END AS numbers,
  CASE WHEN ${isNumber} THEN value * coalesce(window_count - window_bad, 1) END AS total,
  CASE WHEN ${isNumber} THEN coalesce(window_low, value) END AS low,
  CASE WHEN ${isNumber} THEN "time" END AS low_time,
  CASE WHEN ${isNumber} THEN coalesce(window_high, value) END AS high,
  CASE WHEN ${isNumber} THEN "time" END AS high_time,
  "time" AS last_time,
  CASE WHEN window_ms IS NULL THEN value ELSE window_last END AS last_value, "text" AS last_text`;

const figureNames = `series, "time", readings, bad, late, numbers, total, low, low_time, high, high_time,
  last_time, last_value, last_text`;

/** Of stretches that fall into one. Sums of figures are figures again, whatever comes later. */
const joinedFigures = `sum(readings) AS readings, sum(bad) AS bad, sum(late) AS late,
  sum(numbers) AS numbers, sum(total) AS total, min(low) AS low, arg_min(low_time, low) AS low_time,
  max(high) AS high, arg_max(high_time, high) AS high_time, max(last_time) AS last_time,
  arg_max(last_value, last_time) AS last_value, arg_max(last_text, last_time) AS last_text`;

function startOf(widthMs: number): string {
  const width = `${Math.round(widthMs * 1_000)}::BIGINT`;
  return `make_timestamp((epoch_us("time") // ${width}) * ${width})`;
}

export function bucketsSql(
  select: BucketSelect,
  rows: readonly string[],
  rollups: readonly string[],
): string {
  const where = within(select);
  const raw = `SELECT ${figuresOfRow} FROM (${sources(rows, columns, where)})`;
  const summed =
    rollups.length === 0
      ? ""
      : ` UNION ALL SELECT ${figureNames} FROM ${parquet(rollups)} WHERE ${where}`;
  return `SELECT series, epoch_ms(begun)::DOUBLE, readings::DOUBLE, bad::DOUBLE, late::DOUBLE,
      CASE WHEN numbers > 0 THEN total / numbers END, low, epoch_ms(low_time)::DOUBLE, high,
      epoch_ms(high_time)::DOUBLE, last_value, last_text, epoch_ms(last_time)::DOUBLE
    FROM (SELECT series, ${startOf(select.widthMs)} AS begun, ${joinedFigures}
      FROM (${raw}${summed}) GROUP BY series, begun)
    ORDER BY series, begun LIMIT ${select.limit}`;
}

/** Rows to be put into files: of the table, or of files that are to become one. */
export function rowsOfDay(day: number, dayMs: number): string {
  const time = `"time" >= ${instant(day)} AND "time" < ${instant(day + dayMs)}`;
  return `SELECT ${columns} FROM readings WHERE ${time}`;
}

export function rowsOfFiles(files: readonly string[]): string {
  return `SELECT ${columns} FROM ${parquet(files)}`;
}

const widths = { minute: 60_000, hour: 3_600_000 };

export function copySql(rows: string, kind: PartKind, file: string): string {
  const content =
    kind === "raw"
      ? `SELECT ${columns} FROM (${rows})`
      : `SELECT series, ${startOf(widths[kind])} AS "time", ${joinedTyped}
          FROM (SELECT ${figuresOfRow} FROM (${rows})) GROUP BY ALL`;
  return `COPY (${content} ORDER BY series, "time") TO ${quoted(file)}
    (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE 122880)`;
}

/** Sums would be of 128 bits. */
const joinedTyped = joinedFigures.replace(/sum\((readings|bad|late|numbers)\)/g, "sum($1)::BIGINT");

/** `latest` with the newest of rows that leave the table. */
export function keepLatestSql(rows: string): readonly string[] {
  const newest = `SELECT DISTINCT ON (series) ${columns} FROM (
      SELECT ${columns} FROM latest UNION ALL
      SELECT r.* FROM (${rows}) r SEMI JOIN (
        SELECT series, max("time") AS "time" FROM (${rows}) GROUP BY series) n
      USING (series, "time"))
    ORDER BY series, "time" DESC`;
  return [
    `CREATE OR REPLACE TEMP TABLE newest AS ${newest}`,
    "DELETE FROM latest",
    `INSERT INTO latest SELECT ${columns} FROM newest`,
    "DROP TABLE newest",
  ];
}
