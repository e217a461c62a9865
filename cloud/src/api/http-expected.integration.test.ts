// Where readings are expected, by HTTP over a real DuckDB: of the series that is asked for, by what came before.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DuckdbHistorian } from "../history/duckdb-historian.ts";
import { usualKeeping } from "../history/duckdb-parts.ts";
import { HistoryDesk } from "../history/history-desk.ts";
import { rowFor } from "../history/testing/history-row.ts";
import type { SeriesLimit } from "../rules/series-limits.ts";
import type { StartedApi } from "./testing/http-api.ts";
import { startedApi, token } from "./testing/http-api.ts";

const start = Date.UTC(2026, 10, 20);
const limit: SeriesLimit = { rule: "high", severity: "warning", limit: "hi", value: 3 };
const fleet = () => ({ gateways: [{ match: ["gw-1"], site: "north" }], devices: [] });

interface Told {
  readonly bands: readonly (readonly [at: number, low: number, high: number])[];
  readonly limits: readonly SeriesLimit[];
}

let folder: string;
let historian: DuckdbHistorian;
let api: StartedApi;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-expected-"));
  const settings = { ...usualKeeping, memoryMegabytes: 256, threads: 2, folder };
  historian = await DuckdbHistorian.open({ ...settings, factsOf: () => ({ site: "", tags: [] }) });
  const { fence } = await historian.begin();
  const rows = Array.from({ length: 5_000 }, (_, at) => {
    const value = Math.sin(at / 100) + (at % 7) / 20;
    const place = { gateway: "gw-1", device: "a", unit: "m", time: start + at * 1_000 };
    return [
      rowFor({ ...place, metric: "level", value }),
      rowFor({ ...place, metric: "mode", value: "on" }),
    ];
  });
  await historian.write(fence, { rows: rows.flat(), losses: [], marks: [], places: undefined });
  const history = new HistoryDesk({ clock: systemClock(), historian: async () => historian });
  api = await startedApi({
    ...{ history, fleet, limitsOf: ({ metric }) => (metric === "level" ? [limit] : []) },
    tokens: [token("whole"), { ...token("south"), sites: ["south"] }],
  });
});

afterAll(async () => {
  await api.stop();
  await historian.close();
  await rm(folder, { recursive: true });
});

async function asked(query: Record<string, string | number>, secret = "whole") {
  const range = { from: start + 4_000_000, to: start + 5_000_000, points: 50 };
  const own = { gateway: "gw-1", device: "a", metric: "level", ...range, ...query };
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(own)) text.set(name, `${value}`);
  const head = { authorization: `Bearer ${secret}` };
  const { status, body } = await api.get(`/api/expected?${text}`, head);
  return { status, body: body as Told };
}

test("a series has its band in the range, from what came before, and its limits", async () => {
  const { status, body } = await asked({});
  expect(status).toBe(200);
  expect(body.limits).toEqual([limit]);
  expect(body.bands.length).toBe(50);
  expect(body.bands[0]?.[0]).toBe(start + 4_000_000);
  for (const [, low, high] of body.bands) expect(low).toBeLessThan(high);
});

test("of texts, of what is not there, and of another's site nothing is told", async () => {
  expect((await asked({ metric: "mode" })).body).toMatchObject({ bands: [], limits: [] });
  expect((await asked({ device: "*" })).body.bands).toEqual([]);
  expect((await asked({}, "south")).body).toMatchObject({ bands: [], limits: [] });
});

test("a range that is turned round or too long is refused", async () => {
  expect((await asked({ to: start })).status).toBe(400);
  expect((await asked({ from: 0 })).status).toBe(400);
  expect((await asked({ points: 5_000 })).status).toBe(400);
});
