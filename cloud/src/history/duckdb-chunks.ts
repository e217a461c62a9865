/**
 * Puts rows into DuckDB by whole vectors. Most rows have nothing in nine of fourteen columns; a chunk
 * whose empty columns were written once serves for all of those.
 */
import type { DuckDBAppender, DuckDBType, DuckDBValue } from "@duckdb/node-api";
import {
  BIGINT,
  DOUBLE,
  DuckDBDataChunk,
  DuckDBTimestampValue,
  INTEGER,
  TIMESTAMP,
  UTINYINT,
  VARCHAR,
} from "@duckdb/node-api";
import type { NumberedPoint, StoredRow } from "./row-flags.ts";
import { flagsOf, isPlain, storedRow } from "./row-flags.ts";

/** What DuckDB holds in one vector. */
export const chunkRowsMax = 2_048;

/** Name, type and meaning of each column, in order. */
export const readingColumns: readonly (readonly [name: string, type: DuckDBType])[] = [
  ["series", INTEGER],
  ["time", TIMESTAMP],
  ["delay_ms", BIGINT],
  ["value", DOUBLE],
  ["flags", UTINYINT],
  ["text", VARCHAR],
  ["reason", VARCHAR],
  ["observed", TIMESTAMP],
  ["window_ms", BIGINT],
  ["window_count", BIGINT],
  ["window_bad", BIGINT],
  ["window_low", DOUBLE],
  ["window_high", DOUBLE],
  ["window_last", DOUBLE],
];
const types = readingColumns.map(([, type]) => type);
const plainColumns = 5;

export class ReadingChunks {
  #plain: DuckDBDataChunk | undefined;

  append(appender: DuckDBAppender, rows: readonly NumberedPoint[]): void {
    for (let from = 0; from < rows.length; from += chunkRowsMax) {
      const some = rows.slice(from, from + chunkRowsMax);
      const arePlain = some.every(({ point }) => isPlain(point));
      appender.appendDataChunk(arePlain ? this.#fillPlain(some) : filled(some));
    }
  }

  #fillPlain(rows: readonly NumberedPoint[]): DuckDBDataChunk {
    const chunk = this.#plain ?? emptyColumns();
    this.#plain = chunk;
    chunk.rowCount = rows.length;
    const [series, time, delay, value, flags] = columnsOf(chunk, plainColumns);
    for (const [at, { series: id, point }] of rows.entries()) {
      series?.setItem(at, id);
      time?.setItem(at, timestamp(point.time));
      delay?.setItem(at, BigInt(Math.round(point.receivedAt - point.time)));
      value?.setItem(at, Number(point.value));
      flags?.setItem(at, flagsOf(point));
    }
    for (const column of [series, time, delay, value, flags]) column?.flush();
    return chunk;
  }
}

function emptyColumns(): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(types, chunkRowsMax);
  for (const column of columnsOf(chunk, types.length).slice(plainColumns)) {
    for (let at = 0; at < chunkRowsMax; at++) column.setItem(at, null);
    column.flush();
  }
  return chunk;
}

interface Column {
  setItem(at: number, value: DuckDBValue): void;
  flush(): void;
}

/** The library's vectors are typed by their values, which the columns' types say already. */
function columnsOf(chunk: DuckDBDataChunk, count: number): Column[] {
  return Array.from({ length: count }, (_, at) => chunk.getColumnVector(at) as unknown as Column);
}

function filled(rows: readonly NumberedPoint[]): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(types, rows.length);
  chunk.setRows(rows.map(({ series, point }) => valuesOf(storedRow(series, point))));
  return chunk;
}

function valuesOf(row: StoredRow): DuckDBValue[] {
  return [
    ...[row.series, timestamp(row.time), BigInt(Math.round(row.delayMs)), row.value, row.flags],
    ...[row.text, row.reason, row.observed === null ? null : timestamp(row.observed)],
    ...[whole(row.windowMs), whole(row.count), whole(row.bad), row.low, row.high, row.last],
  ];
}

function whole(value: number | null): bigint | null {
  return value === null ? null : BigInt(Math.round(value));
}

function timestamp(ms: number): DuckDBTimestampValue {
  return new DuckDBTimestampValue(BigInt(Math.round(ms)) * 1_000n);
}
