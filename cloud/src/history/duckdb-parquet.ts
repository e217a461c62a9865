/** Answers as a Parquet file, made by DuckDB from rows of any historian, and sent piece by piece. */
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBType, DuckDBValue } from "@duckdb/node-api";
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBDataChunkWriter,
  DuckDBInstance,
  DuckDBTimestampValue,
  TIMESTAMP,
  VARCHAR,
} from "@duckdb/node-api";
import { quoted } from "./duckdb-sql.ts";
import type { Historian, Series } from "./historian.ts";
import type { AnswerRow, Cell } from "./history-answer.ts";
import { answerRows } from "./history-answer.ts";
import type { QueryPlan } from "./history-query.ts";

type Column = readonly [
  name: string,
  type: DuckDBType,
  of: (cells: readonly Cell[]) => DuckDBValue,
];

const at = (index: number) => (cells: readonly Cell[]) => cells[index] ?? null;
const timeAt = (index: number) => (cells: readonly Cell[]) =>
  new DuckDBTimestampValue(BigInt(Math.round(Number(cells[index]))) * 1_000n);
const countAt = (index: number) => (cells: readonly Cell[]) =>
  BigInt(Math.round(Number(cells[index])));
const numberAt = (index: number) => (cells: readonly Cell[]) => {
  const value = cells[index];
  return typeof value === "boolean" ? Number(value) : typeof value === "number" ? value : null;
};
const textAt = (index: number) => (cells: readonly Cell[]) => {
  const value = cells[index];
  return typeof value === "string" ? value : null;
};

const points: readonly Column[] = [
  ["time", TIMESTAMP, timeAt(0)],
  ["value", DOUBLE, numberAt(1)],
  ["text", VARCHAR, textAt(1)],
  ["quality", VARCHAR, at(2)],
  ["late", BOOLEAN, at(3)],
  ["received_at", TIMESTAMP, timeAt(4)],
];
const columnsOf: Readonly<Record<QueryPlan["kind"], readonly Column[]>> = {
  readings: points,
  latest: points,
  buckets: [
    ["time", TIMESTAMP, timeAt(0)],
    ["count", BIGINT, countAt(1)],
    ["bad", BIGINT, countAt(2)],
    ["late", BIGINT, countAt(3)],
    ["mean", DOUBLE, numberAt(4)],
    ["min", DOUBLE, numberAt(5)],
    ["max", DOUBLE, numberAt(6)],
    ["last", DOUBLE, numberAt(7)],
    ["last_text", VARCHAR, textAt(7)],
  ],
  extremes: [
    ["time", TIMESTAMP, timeAt(0)],
    ["value", DOUBLE, numberAt(1)],
    ["text", VARCHAR, textAt(1)],
    ["late", BIGINT, countAt(2)],
    ["bad", BIGINT, countAt(3)],
  ],
};

const nameColumns = ["gateway", "device", "metric", "unit"] as const;

export async function* parquetAnswer(
  historian: Historian,
  series: readonly Series[],
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-parquet-"));
  try {
    const file = join(folder, "answer.parquet");
    await make(folder, file, columnsOf[plan.kind], limited(historian, series, plan, signal));
    yield* createReadStream(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* limited(
  historian: Historian,
  series: readonly Series[],
  plan: QueryPlan,
  signal: AbortSignal,
): AsyncGenerator<readonly AnswerRow[]> {
  let rows = 0;
  for await (const some of answerRows(historian, series, plan, signal)) {
    yield some.slice(0, Math.max(0, plan.limit - rows));
    rows += some.length;
  }
}

/** By way of a table on disk: the rows may be more than fit into memory. */
async function make(
  folder: string,
  file: string,
  columns: readonly Column[],
  rows: AsyncIterable<readonly AnswerRow[]>,
): Promise<void> {
  const settings = { memory_limit: "256MiB", threads: "1", autoload_known_extensions: "false" };
  const instance = await DuckDBInstance.create(join(folder, "rows.duckdb"), settings);
  const connection = await instance.connect();
  try {
    const all = [...nameColumns.map((name) => [name, VARCHAR] as const), ...columns];
    const table = all.map(([name, type]) => `"${name}" ${type}`).join(", ");
    await connection.run(`CREATE TABLE answer (${table})`);
    const appender = await connection.createAppender("answer");
    const types = all.map(([, type]) => type);
    const writer = new DuckDBDataChunkWriter(types, (chunk) => appender.appendDataChunk(chunk));
    for await (const some of rows) {
      for (const { series, cells } of some)
        writer.appendRow([
          ...nameColumns.map((name) => series[name]),
          ...columns.map(([, , of]) => of(cells)),
        ]);
      writer.flush();
      appender.flushSync();
    }
    appender.closeSync();
    await connection.run(`COPY answer TO ${quoted(file)} (FORMAT parquet, COMPRESSION zstd)`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
