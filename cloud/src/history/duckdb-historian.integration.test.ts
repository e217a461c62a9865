/** Goal: the historian in a real DuckDB file keeps what every historian must. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DuckdbHistorian } from "./duckdb-historian.ts";
import { usualKeeping } from "./duckdb-parts.ts";
import { describeHistorian, noFacts } from "./historian.contract.ts";
import { rowFor } from "./testing/history-row.ts";

const settings = { ...usualKeeping, memoryMegabytes: 256, threads: 2, partRowsMin: 1 };

const never = new AbortController().signal;

async function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "causeway-history-"));
}

describeHistorian("DuckDB", async () => {
  const folder = await makeFolder();
  return {
    open: (factsOf) => DuckdbHistorian.open({ ...settings, folder, factsOf }),
    remove: () => rm(folder, { recursive: true }),
  };
});

async function counted(historian: DuckdbHistorian): Promise<number> {
  let count = 0;
  const range = { series: [1, 2, 3, 4], from: 0, to: 4e12, limit: 100_000, widthMs: 7_000 };
  for await (const some of historian.buckets(range, never))
    for (const bucket of some) count += bucket.count;
  return count;
}

test("while much comes the table stays small, and answers are as if it all stood there", async () => {
  const folder = await makeFolder();
  const kept = { ...settings, folder, factsOf: noFacts, hotRowsMax: 1_000 };
  const historian = await DuckdbHistorian.open(kept);
  const { fence } = await historian.begin();
  const start = Date.UTC(2026, 10, 22);
  const rounds = 12;
  for (let round = 0; round < rounds; round++) {
    const rows = Array.from({ length: 1_000 }, (_, at) =>
      rowFor({ metric: `m${at % 4}`, value: round, time: start + (at * rounds + round) * 1_000 }),
    );
    await historian.write(fence, { rows, losses: [], marks: [], places: undefined });
    expect(historian.isDue).toBe(true);
    const [done, during] = await Promise.all([historian.maintain(start), counted(historian)]);
    expect(done).toEqual({ compacted: 1_000, removed: 0 });
    expect(during).toBe((round + 1) * 1_000);
    expect(historian.isDue).toBe(false);
  }
  const series = await historian.series({ metric: "m1", limit: 1 }, never);
  const range = {
    series: [series[0]?.id ?? 0],
    from: start,
    to: start + 86_400_000,
    limit: 10_000,
  };
  const times: number[] = [];
  for await (const some of historian.points({ ...range, order: "ascending" }, never))
    times.push(...some.map(({ time }) => time));
  expect(times).toHaveLength(250 * rounds);
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  let count = 0;
  for await (const some of historian.buckets({ ...range, widthMs: 3_600_000 }, never))
    for (const bucket of some) count += bucket.count;
  expect(count).toBe(250 * rounds);
  const files = await readdir(join(folder, "parts", "2026-11-22"));
  // One that the first nine became, and those since.
  expect(files.filter((name) => name.startsWith("raw-"))).toHaveLength(4);
  await historian.close();
  await rm(folder, { recursive: true });
});

test("what is older than it is kept goes: readings first, then their sums", async () => {
  const folder = await makeFolder();
  const kept = {
    ...settings,
    folder,
    factsOf: noFacts,
    retentionDays: 2,
    minuteDays: 4,
    hourDays: 6,
  };
  const historian = await DuckdbHistorian.open(kept);
  const { fence } = await historian.begin();
  const start = Date.UTC(2026, 10, 1);
  const [minute, day] = [60_000, 86_400_000];
  const rows = Array.from({ length: 240 }, (_, at) =>
    rowFor({ value: at, time: start + at * 30_000 }),
  );
  await historian.write(fence, { rows, losses: [], marks: [], places: undefined });
  const range = { series: [1], from: start, to: start + day, limit: 10_000 };
  const found = async (widthMs: number) => {
    const counts: number[] = [];
    for await (const some of historian.buckets({ ...range, widthMs }, never))
      counts.push(...some.map(({ count }) => count));
    return counts.length;
  };
  expect(await found(30_000)).toBe(240);
  await historian.maintain(start + 3 * day);
  expect([await found(30_000), await found(minute), await found(60 * minute)]).toEqual([
    120, 120, 2,
  ]);
  await historian.maintain(start + 6 * day);
  expect([await found(minute), await found(60 * minute)]).toEqual([2, 2]);
  await historian.maintain(start + 8 * day);
  expect(await found(60 * minute)).toBe(0);
  const points = [];
  for await (const some of historian.points({ ...range, order: "ascending" }, never))
    points.push(...some);
  expect(points).toEqual([]);
  const latest = [];
  for await (const some of historian.latest([1], never)) latest.push(...some);
  expect(latest.map(({ value }) => value)).toEqual([239]);
  await historian.close();
  await rm(folder, { recursive: true });
});

test("a file that another has open is refused by its code", async () => {
  const folder = await makeFolder();
  const first = await DuckdbHistorian.open({ ...settings, folder, factsOf: noFacts });
  await first.close();
  const again = await DuckdbHistorian.open({ ...settings, folder, factsOf: noFacts });
  expect((await again.figures()).rows).toBe(0);
  await again.close();
  await rm(folder, { recursive: true });
});
