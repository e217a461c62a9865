/**
 * `npm run bench -- history`: what the historian takes in and how fast it answers, on DuckDB and beside
 * it on PostgreSQL: 2,000 series in the order of arrival, a transaction with its place for each batch.
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { BucketSelect, Historian, HistoryRow } from "../cloud/src/history/historian.ts";
import { widthFor } from "../cloud/src/history/history-query.ts";
import { historySchema } from "../cloud/src/history/history-settings.ts";
import { openHistorian } from "../cloud/src/history/system-historian.ts";
import { startPostgres } from "../cloud/src/history/testing/system-postgres-server.ts";

export interface HistoryBench {
  readonly rows: number;
  readonly postgresRows: number;
  readonly batch: number;
  readonly print: (line: string) => void;
  readonly tell: (line: string) => void;
  readonly asJson: boolean;
}

const [gateways, devices, metrics] = [10, 20, 10];
const seriesCount = gateways * devices * metrics;
/** Of one series. */
const everyMs = 5_000;
const queries = 21;
const points = 500;
const dayMs = 86_400_000;
const never = new AbortController().signal;

type Figures = Record<string, string | number>;

export async function benchHistory(bench: HistoryBench): Promise<void> {
  const results: Figures[] = [];
  results.push(await inFolder((folder) => measureDuckdb(bench, folder)));
  const postgres = postgresProgram();
  if (postgres === undefined)
    bench.tell("PostgreSQL is not here: deploy/local/tools.mjs postgresql");
  else results.push(await measurePostgres(bench, postgres));
  for (const figures of results) {
    if (bench.asJson) bench.print(JSON.stringify(figures));
    else
      for (const [name, value] of Object.entries(figures))
        bench.print(`${name.padEnd(34)} ${typeof value === "number" ? rounded(value) : value}`);
  }
}

function rounded(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : `${Number(value.toPrecision(3))}`;
}

async function inFolder(act: (folder: string) => Promise<Figures>): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), "causeway-bench-history-"));
  try {
    return await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where tools.mjs finds it; bench imports nothing of deploy. */
function postgresProgram(): string | undefined {
  try {
    const script = new URL("../deploy/local/tools.mjs", import.meta.url).pathname;
    return execFileSync(process.execPath, [script, "postgresql"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

async function measureDuckdb(bench: HistoryBench, dataDir: string): Promise<Figures> {
  const settings = historySchema.parse({ kind: "duckdb", retentionDays: 0, hotHours: 0 });
  const historian = await openHistorian({ settings, dataDir, factsOf });
  const span = (bench.rows / seriesCount) * everyMs;
  const begin = Math.floor(Date.now() / dayMs) * dayMs - Math.ceil(span / dayMs) * dayMs;
  bench.tell(`DuckDB: ${bench.rows.toLocaleString("en")} rows`);
  const inserted = await insert(historian, bench, bench.rows, begin);
  const end = begin + span;
  const asItRuns = await ask(historian, end);
  const { bytes, rows } = await historian.figures();
  await historian.maintain(Date.now() + dayMs);
  const onFiles = await ask(historian, end);
  await historian.close();
  return {
    engine: "DuckDB",
    rows: bench.rows,
    ...inserted,
    "table and files: bytes/row": bytes / rows,
    ...named("table and files", asItRuns),
    "Parquet: bytes/row, with roll-ups": parquetBytes(dataDir, rows),
    ...named("Parquet", onFiles),
    "RSS, MB": process.memoryUsage().rss / 1e6,
  };
}

/** What DuckDB's own file gives back is used again, and never given to the system. */
function parquetBytes(dataDir: string, rows: number): number {
  const parts = join(dataDir, "history", "parts");
  const text = execFileSync("du", ["-sb", parts], { encoding: "utf8" });
  return Number(text.split("\t")[0]) / rows;
}

async function measurePostgres(bench: HistoryBench, program: string): Promise<Figures> {
  const server = await startPostgres(program);
  try {
    const url = await server.database();
    const settings = historySchema.parse({ kind: "postgres", url, retentionDays: 0 });
    const historian = await openHistorian({ settings, dataDir: "", factsOf });
    const span = (bench.postgresRows / seriesCount) * everyMs;
    const begin = Date.now() - span;
    bench.tell(`PostgreSQL: ${bench.postgresRows.toLocaleString("en")} rows`);
    const inserted = await insert(historian, bench, bench.postgresRows, begin);
    const answers = await ask(historian, begin + span);
    const { bytes, rows } = await historian.figures();
    await historian.close();
    return {
      engine: "PostgreSQL",
      rows: bench.postgresRows,
      ...inserted,
      "table: bytes/row": bytes / rows,
      ...named("table", answers),
    };
  } finally {
    await server.stop();
  }
}

const factsOf = () => ({ site: "", tags: [] });

/** The table is emptied whenever that is due, as a running cloud has it done beside the writing. */
async function insert(
  historian: Historian,
  { batch, tell }: HistoryBench,
  rows: number,
  begin: number,
): Promise<Figures> {
  const { fence } = await historian.begin();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  let [written, compacted] = [0, 0];
  const [writing, compacting] = [new Spent(), new Spent()];
  const walks = new Float64Array(seriesCount);
  delays.enable();
  while (written < rows) {
    const some = rowsAt(written, Math.min(batch, rows - written), begin, walks);
    const place = { sequence: written + 1, identity: { subject: "tlm.1.gw-1.live", nonce: "1.a" } };
    await writing.of(() =>
      historian.write(fence, { rows: some, losses: [], marks: [], places: [place] }),
    );
    written += some.length;
    if (written % 10_000_000 < batch) tell(`${(written / 1e6).toFixed(0)} M rows`);
    if (!historian.isDue || written >= rows) continue;
    await compacting.of(async () => {
      compacted += (await historian.maintain(begin)).compacted;
    });
  }
  delays.disable();
  return {
    [`insert, rows/s (batches of ${batch})`]: (rows / writing.ms) * 1_000,
    "insert, rows per CPU second": (rows / writing.cpuMs) * 1_000,
    "meanwhile: loop held up, p99 ms": delays.percentile(99) / 1e6,
    "meanwhile: loop held up, most ms": delays.max / 1e6,
    ...(compacted === 0 ? {} : { "to files, rows/s": (compacted / compacting.ms) * 1_000 }),
  };
}

/** By the clock, and of the processors: other programs share them. */
class Spent {
  ms = 0;
  cpuMs = 0;

  async of(act: () => Promise<unknown>): Promise<void> {
    const before = process.cpuUsage();
    this.ms += await timed(act);
    const { user, system } = process.cpuUsage(before);
    this.cpuMs += (user + system) / 1_000;
  }
}

/** Every series in turn; a walk rounded to two decimals, received some ms after it was observed. */
function rowsAt(
  from: number,
  count: number,
  begin: number,
  walks: Float64Array,
): readonly HistoryRow[] {
  return Array.from({ length: count }, (_, at): HistoryRow => {
    const number = from + at;
    const series = number % seriesCount;
    const time = begin + Math.floor(number / seriesCount) * everyMs + (series % 977);
    const walked = (walks[series] ?? 0) + Math.random() - 0.5;
    walks[series] = walked;
    return {
      gateway: `gw-${series % gateways}`,
      device: `device-${Math.floor(series / gateways) % devices}`,
      metric: `metric-${Math.floor(series / gateways / devices)}`,
      unit: "Cel",
      ...{ time, receivedAt: time + (number % 60), observedAt: time },
      ...{ value: Math.round((20 + walked) * 100) / 100, quality: "good" },
      ...{ timeQuality: "synchronised", lane: "live", late: false },
    };
  });
}

interface Answers {
  readonly medianMs: number;
  readonly medianCpuMs: number;
  readonly worstMs: number;
  readonly rows: number;
  readonly latestMs: number;
}

/** A chart of one series over its last day, as the page asks for it; each time another series. */
async function ask(historian: Historian, end: number): Promise<Answers> {
  const all = await historian.series({ limit: seriesCount }, never);
  const widthMs = widthFor(dayMs, points);
  const to = Math.ceil(end / widthMs) * widthMs;
  const [times, cpuTimes]: [number[], number[]] = [[], []];
  let rows = 0;
  for (let at = 0; at < queries; at++) {
    const series = [all[(at * 97) % all.length]?.id ?? 0];
    const select: BucketSelect = { series, from: to - dayMs, to, widthMs, limit: 100_000 };
    const spent = new Spent();
    await spent.of(async () => {
      for await (const some of historian.buckets(select, never)) rows += some.length;
    });
    times.push(spent.ms);
    cpuTimes.push(spent.cpuMs);
  }
  const [sorted, medianCpuMs] = [ascending(times.slice(1)), middle(cpuTimes.slice(1))];
  const ids = all.map(({ id }) => id);
  const latestMs = await timed(async () => {
    for await (const _ of historian.latest(ids, never));
  });
  const medianMs = middle(sorted);
  return { medianMs, medianCpuMs, worstMs: sorted.at(-1) ?? 0, rows: rows / queries, latestMs };
}

function ascending(times: readonly number[]): readonly number[] {
  return times.toSorted((one, other) => one - other);
}

function middle(times: readonly number[]): number {
  return ascending(times)[Math.floor(times.length / 2)] ?? 0;
}

function named(
  where: string,
  { medianMs, medianCpuMs, worstMs, rows, latestMs }: Answers,
): Figures {
  return {
    [`${where}: 24 h of a series, median ms`]: medianMs,
    [`${where}: the same, of the processors`]: medianCpuMs,
    [`${where}: the slowest, ms`]: worstMs,
    [`${where}: points of it`]: rows * 2,
    [`${where}: newest of ${seriesCount} series, ms`]: latestMs,
  };
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}
