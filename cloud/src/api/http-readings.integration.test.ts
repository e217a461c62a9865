/**
 * Goal: the history by HTTP on a real socket and a real DuckDB: what is asked is given, each viewer sees
 * its own, bounds hold, and who leaves is not waited for.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { until } from "../engine/testing/nats-engine.ts";
import { DuckdbHistorian } from "../history/duckdb-historian.ts";
import { usualKeeping } from "../history/duckdb-parts.ts";
import { HistoryDesk } from "../history/history-desk.ts";
import { PeerHistorian, PeerServer, peerSocket } from "../history/http-peer.ts";
import { rowFor } from "../history/testing/history-row.ts";
import type { StartedApi } from "./testing/http-api.ts";
import { startedApi, token } from "./testing/http-api.ts";

const start = Date.UTC(2026, 10, 20);
const hour = 3_600_000;
const clock = systemClock();
const fleet = () => ({ gateways: [{ match: ["gw-2"], site: "north" }], devices: [] });

let folder: string;
let historian: DuckdbHistorian;
let desk: HistoryDesk;
let peer: PeerServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-readings-"));
  const settings = { ...usualKeeping, memoryMegabytes: 256, threads: 2, folder };
  const factsOf = () => ({ site: "", tags: [] });
  historian = await DuckdbHistorian.open({ ...settings, factsOf });
  const { fence } = await historian.begin();
  for (const gateway of ["gw-1", "gw-2"]) {
    const rows = Array.from({ length: 20_000 }, (_, at) =>
      rowFor({
        ...{ gateway, metric: "level", unit: "m", time: start + at * 1_000 },
        value: at === 7_777 ? 99 : Math.sin(at / 1_000),
        late: at >= 19_000,
      }),
    );
    const said = rowFor({ gateway, metric: "mode", value: "auto", time: start });
    await historian.write(fence, {
      rows: [...rows, said],
      losses: [],
      marks: [],
      places: undefined,
    });
  }
  desk = new HistoryDesk({ clock, historian: async () => historian });
  peer = new PeerServer(desk);
  await peer.start(folder);
});

afterAll(async () => {
  await peer.stop();
  await historian.close();
  await rm(folder, { recursive: true });
});

const apis: StartedApi[] = [];
afterEach(async () => {
  await Promise.all(apis.splice(0).map((api) => api.stop()));
});

async function started(over: Parameters<typeof startedApi>[0]): Promise<StartedApi> {
  const api = await startedApi(over);
  apis.push(api);
  return api;
}

interface Answer {
  readonly kind: string;
  readonly columns: readonly string[];
  readonly widthMs?: number;
  readonly truncated: boolean;
  readonly series: readonly {
    readonly gateway: string;
    readonly metric: string;
    readonly points: readonly (readonly unknown[])[];
  }[];
}

async function answerTo(path: string, over: Parameters<typeof startedApi>[0] = {}, secret = "") {
  const { url } = await started({ history: desk, fleet, ...over });
  const headers = secret === "" ? {} : { authorization: `Bearer ${secret}` };
  return fetch(`${url}/api/${path}`, { headers });
}

async function json(path: string): Promise<Answer> {
  const response = await answerTo(path);
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

const range = `from=${start}&to=${start + 6 * hour}`;

test("readings come as they were, up to the limit, and it is told that there are more", async () => {
  const answer = await json(`readings?gateway=gw-1&metric=level&${range}&limit=3`);
  expect([answer.kind, answer.truncated]).toEqual(["readings", true]);
  expect(answer.columns).toEqual(["time", "value", "quality", "late", "receivedAt"]);
  expect(answer.series[0]?.points).toEqual(
    [0, 1, 2].map((at) => {
      const time = start + at * 1_000;
      return [time, Math.sin(at / 1_000), "good", false, time];
    }),
  );
  const last = await json(`readings?gateway=gw-1&device=d1&${range}&latest=true`);
  expect(last.series.map(({ metric, points }) => [metric, points[0]?.[1]])).toEqual([
    ["level", Math.sin(19.999)],
    ["mode", "auto"],
  ]);
});

test("a chart's points are few, and none of the extremes is missing", async () => {
  const { series, widthMs, kind } = await json(
    `readings?gateway=gw-1&metric=level&${range}&points=500`,
  );
  expect([kind, widthMs]).toEqual(["extremes", 120_000]);
  const points = series[0]?.points ?? [];
  expect(points.length).toBeGreaterThan(300);
  expect(points.length).toBeLessThanOrEqual(500);
  const spike = points.find(([, value]) => value === 99);
  expect(spike?.[0]).toBe(start + 7_777_000);
  const times = points.map(([time]) => Number(time));
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(points.at(-1)?.[2]).toBeGreaterThan(0); // late ones
});

test("stretches of time are summed up, of several series at once, and as lines or CSV", async () => {
  const answer = await json(`readings?metric=level&${range}&bucket=1h`);
  expect(answer.series.map(({ gateway, points }) => [gateway, points.length])).toEqual([
    ["gw-1", 6],
    ["gw-2", 6],
  ]);
  expect(answer.series[0]?.points[2]?.slice(0, 2)).toEqual([start + 2 * hour, 3_600]);
  const lines = await answerTo(`readings?metric=level&${range}&bucket=1h&format=ndjson`);
  expect(lines.headers.get("content-type")).toBe("application/x-ndjson");
  const rows = (await lines.text()).trim().split("\n");
  expect(rows).toHaveLength(12);
  expect(JSON.parse(rows[2] ?? "")).toMatchObject({ gateway: "gw-1", unit: "m", count: 3_600 });
  const table = await (await answerTo(`readings?metric=level&${range}&format=csv`)).text();
  expect(table.split("\r\n")).toHaveLength(40_002);
  const parquet = await answerTo(`readings?metric=level&${range}&format=parquet`);
  const bytes = Buffer.from(await parquet.arrayBuffer());
  expect([bytes.subarray(0, 4), bytes.subarray(-4)].map(String)).toEqual(["PAR1", "PAR1"]);
});

test("series are found by their names, page by page", async () => {
  const first = (await (await answerTo("series?limit=3")).json()) as { series: []; next: string };
  expect(first.series).toHaveLength(3);
  const rest = await (await answerTo(`series?limit=3&after=${first.next}`)).json();
  expect(rest).toMatchObject({ series: [{ gateway: "gw-2", metric: "mode" }], next: null });
});

test("who may see one site only is given nothing of another", async () => {
  const tokens = [token("north", "read", ["north"])];
  const series = await (await answerTo("series", { tokens }, "north")).json();
  expect(series).toMatchObject({ series: [{ gateway: "gw-2" }, { gateway: "gw-2" }] });
  const readings = await answerTo(`readings?${range}&bucket=1h`, { tokens }, "north");
  const { series: found } = (await readings.json()) as Answer;
  expect(new Set(found.map(({ gateway }) => gateway))).toEqual(new Set(["gw-2"]));
});

test.each([
  ["limit=0", 400],
  ["limit=100001", 400],
  ["points=500&bucket=1m", 400],
  ["from=never", 400],
  [`from=${start}&to=${start}`, 400],
  ["bucket=0s", 400],
  ["bucket=1ms&from=0&to=1790000000000", 400],
  ["gateway=a%00b", 400],
  ["metric=' OR 1=1 --", 200],
  ["device=%5C%25_", 200],
])("%s is answered %i", async (query, status) => {
  const response = await answerTo(`readings?${query}`);
  expect(response.status).toBe(status);
  if (status === 200) expect(((await response.json()) as Answer).series).toEqual([]);
});

test("an answer that nobody reads any more is broken off", async () => {
  const { url } = await started({ history: desk, fleet });
  const ended = new AbortController();
  const { signal } = ended;
  const response = await fetch(`${url}/api/readings?${range}&format=ndjson`, { signal });
  expect(desk.figures().running).toBe(1);
  ended.abort();
  await expect(response.text()).rejects.toThrow();
  await until("it has ended", () => desk.figures().running === 0);
  expect((await json(`readings?metric=level&${range}&bucket=1h`)).series).toHaveLength(2);
});

test("one who does not take its answer away keeps no place from others", async () => {
  const slow = new HistoryDesk({ clock, historian: async () => historian, pieceMsMax: 2_000 });
  const never = new AbortController().signal;
  const stalled = Array.from({ length: 4 }, () =>
    slow.ask(never, async function* (own, signal) {
      const select = {
        series: [1, 3],
        from: start,
        to: start + 6 * hour,
        limit: 1_000_000,
      } as const;
      yield* own.points({ ...select, order: "ascending" }, signal);
    }),
  );
  for (const pieces of stalled) expect((await pieces.next()).done).toBe(false);
  expect(slow.figures().running).toBe(4);
  const next = answerTo("series?limit=1", { history: slow });
  await until("it waits", () => slow.figures().waiting === 1);
  expect((await next).status).toBe(200);
  await until("the places are free", () => slow.figures().running === 0);
  const [first] = stalled;
  await expect(first?.next()).rejects.toMatchObject({ code: "HISTORY_BUSY" });
});

test("another process is given the same by the one that has the history open", async () => {
  const socket = await peerSocket(folder);
  const other = new HistoryDesk({ clock, historian: async () => new PeerHistorian(socket ?? "") });
  for (const path of [`readings?${range}&points=50`, "series", `readings?${range}&limit=30000`]) {
    const [own, theirs] = await Promise.all([answerTo(path), answerTo(path, { history: other })]);
    expect(await theirs.text()).toBe(await own.text());
  }
  const gone = new HistoryDesk({ clock, historian: async () => new PeerHistorian("/nowhere") });
  expect((await answerTo("series", { history: gone })).status).toBe(503);
});
