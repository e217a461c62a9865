/** What every historian must do; H1 to H5 of historian.ts, each on the real engine. */
import type { Mark } from "@causeway/shared/mark.ts";
import { emptyLogLedger } from "@causeway/shared/mark.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Place } from "../engine/place.ts";
import type {
  FactsOf,
  Historian,
  HistoryBatch,
  HistoryRow,
  PointSelect,
  Series,
  StoredPoint,
} from "./historian.ts";
import { rowFor } from "./testing/history-row.ts";

export interface HistorianPlace {
  /** The same store again, whoever has it open still or left it so. */
  open(factsOf: FactsOf): Promise<Historian>;
  remove(): Promise<void>;
}

export const noFacts: FactsOf = () => ({ site: "", tags: [] });
const day = 86_400_000;
const minute = 60_000;
/** Two days ago as `maintain` sees it. */
const start = Date.UTC(2026, 10, 20);
const now = start + 2 * day;
const never = new AbortController().signal;
const everything = { from: 0, to: now + day, limit: 100_000, order: "ascending" } as const;

export function markAt(gateway: string, through: number): Mark {
  const telemetry = { ...emptyLogLedger, through };
  const epochs = [{ epoch: "1-00000001", logs: { telemetry, priority: emptyLogLedger } }];
  return { commit: 0, gateway, run: undefined, epochs, doubts: [], cap: undefined };
}

function placeAt(sequence: number): Place {
  return { sequence, identity: { subject: `tlm.1.g1.live`, nonce: `1.${sequence}` } };
}

function batch(rows: readonly HistoryRow[], sequence?: number): HistoryBatch {
  const places = sequence === undefined ? undefined : [placeAt(sequence)];
  return { rows, losses: [], marks: [markAt("g1", rows.length)], places };
}

export function describeHistorian(name: string, make: () => Promise<HistorianPlace>): void {
  describe(`the historian in ${name}`, () => {
    let place: HistorianPlace;
    let historian: Historian;
    let fence = 0;

    beforeEach(async () => {
      place = await make();
      historian = await place.open(noFacts);
      ({ fence } = await historian.begin());
    });

    afterEach(async () => {
      await historian.close();
      await place.remove();
    });

    async function all(over: Partial<PointSelect> = {}): Promise<StoredPoint[]> {
      const found: StoredPoint[] = [];
      const series = (await listed()).map(({ id }) => id);
      if (series.length === 0) return [];
      for await (const some of historian.points({ series, ...everything, ...over }, never))
        found.push(...some);
      return found;
    }

    function listed(over = {}): Promise<readonly Series[]> {
      return historian.series({ limit: 1_000, ...over }, never);
    }

    async function reopen(): Promise<void> {
      await historian.close();
      historian = await place.open(noFacts);
    }

    test("gives back every kind of value as it came, with all that is said of it", async () => {
      const time = start;
      const rows = [
        rowFor({ metric: "n", value: -0.1, time }),
        rowFor({ metric: "whole", value: 2 ** 53, time, unit: "Cel", quality: "uncertain" }),
        rowFor({ metric: "yes", value: true, time, observedAt: time - 1, late: true }),
        rowFor({ metric: "no", value: false, time, observedAt: time, lane: "history" }),
        rowFor({ metric: "text", value: "o'ne\n\u00e4\u{1f600}", time, lane: "priority" }),
        rowFor({ metric: "empty", value: "", time, lane: "redrive", late: true }),
        rowFor({ metric: "none", value: null, time, quality: "bad", reason: "nan" }),
        rowFor({ metric: "far", value: 1e300, time, timeQuality: "unsynchronised" }),
        rowFor({ metric: "old", value: 1, time: Date.UTC(2001, 1, 1), receivedAt: time }),
        rowFor({
          ...{ metric: "thin", value: 21.5, time },
          window: { ms: minute, count: 6, bad: 1, min: 20, max: 23, last: 22 },
        }),
        rowFor({
          ...{ metric: "thin-text", value: "b", time },
          window: { ms: minute, count: 2, bad: 0, min: null, max: null, last: "b" },
        }),
        rowFor({
          ...{ metric: "thin-bool", value: 0.25, time },
          window: { ms: minute, count: 4, bad: 0, min: 0, max: 1, last: true },
        }),
      ];
      await historian.write(fence, batch(rows, 1));
      const names = new Map((await listed()).map(({ id, ...series }) => [id, series]));
      const found = (await all()).map(({ series, ...point }) => {
        const { gateway, device, metric, unit } = names.get(series) ?? {};
        return { gateway, device, metric, unit, ...point };
      });
      const wanted = rows.map(({ reason, window, ...row }) => {
        return { ...row, ...(reason && { reason }), ...(window && { window }) };
      });
      expect(found).toEqual(expect.arrayContaining(wanted));
      expect(found).toHaveLength(rows.length);
    });

    test("takes rows, place and ledger together, and knows them after it was opened again", async () => {
      await historian.write(fence, batch([rowFor({ value: 1 }), rowFor({ value: 2 })], 7));
      await historian.write(fence, { ...batch([]), marks: [markAt("g2", 5)] });
      await reopen();
      const kept = await historian.begin();
      expect(kept.places).toEqual([placeAt(7)]);
      expect(kept.marks.map(({ gateway }) => gateway).sort()).toEqual(["g1", "g2"]);
      expect(kept.marks.find(({ gateway }) => gateway === "g1")?.epochs).toEqual(
        markAt("g1", 2).epochs,
      );
      expect((await all()).map(({ value }) => value).sort()).toEqual([1, 2]);
    });

    test("writes a ledger over the one that was there, and no second one", async () => {
      for (const through of [1, 2, 3])
        await historian.write(fence, { ...batch([], through), marks: [markAt("g1", through)] });
      await reopen();
      const { marks, places } = await historian.begin();
      expect(marks).toHaveLength(1);
      expect(marks[0]?.epochs).toEqual(markAt("g1", 3).epochs);
      expect(places).toEqual([placeAt(3)]);
    });

    test("refuses a write under a fence that was raised, and changes nothing by it", async () => {
      const old = fence;
      ({ fence } = await historian.begin());
      expect(fence).toBeGreaterThan(old);
      const late = historian.write(old, batch([rowFor({ metric: "new", value: 1 })], 9));
      await expect(late).rejects.toMatchObject({ code: "HISTORY_FENCED" });
      expect([await listed(), await all()]).toEqual([[], []]);
      await historian.write(fence, batch([rowFor({ metric: "new", value: 2 })], 10));
      expect((await all()).map(({ value }) => value)).toEqual([2]);
    });

    test("keeps series apart by gateway, device, metric and unit, and numbers each once", async () => {
      const names = ["a", "b"].flatMap((gateway) =>
        ["", "d e"].flatMap((device) =>
          ["m", "e m"].flatMap((metric) =>
            ["", "Cel"].map((unit) => [gateway, device, metric, unit]),
          ),
        ),
      );
      const rows = names.map(([gateway = "", device = "", metric = "", unit = ""], value) =>
        rowFor({ gateway, device, metric, unit, value }),
      );
      await historian.write(fence, batch(rows));
      await reopen();
      ({ fence } = await historian.begin());
      await historian.write(fence, batch(rows));
      const found = await listed();
      expect(found).toHaveLength(16);
      expect(new Set(found.map(({ id }) => id)).size).toBe(16);
      for (const point of await all()) {
        const own = found.find(({ id }) => id === point.series);
        const { gateway, device, metric, unit } = own ?? {};
        expect([gateway, device, metric, unit]).toEqual(names[Number(point.value)]);
      }
      expect((await all()).length).toBe(32);
    });

    test("finds series by names with stars, by site and tag, and page by page", async () => {
      await historian.close();
      const factsOf: FactsOf = (gateway, device) => {
        return { site: gateway === "g1" ? "hall" : "", tags: device === "d1" ? ["cold", "x"] : [] };
      };
      historian = await place.open(factsOf);
      ({ fence } = await historian.begin());
      const rows = ["g1", "g_1"].flatMap((gateway) =>
        ["d1", "d2"].map((device) => rowFor({ gateway, device, value: 1 })),
      );
      await historian.write(fence, batch(rows));
      const found = async (over: object) =>
        (await listed(over)).map(({ gateway, device }) => `${gateway}/${device}`).sort();
      expect(await found({ gateway: "g_1" })).toEqual(["g_1/d1", "g_1/d2"]);
      expect(await found({ gateway: "g*", device: "*2" })).toEqual(["g1/d2", "g_1/d2"]);
      expect(await found({ device: "d%" })).toEqual([]);
      expect(await found({ site: "hall" })).toEqual(["g1/d1", "g1/d2"]);
      expect(await found({ tag: "cold" })).toEqual(["g1/d1", "g_1/d1"]);
      const first = await listed({ limit: 3 });
      const second = await listed({ limit: 3, after: first.at(-1)?.id });
      expect(new Set([...first, ...second].map(({ id }) => id)).size).toBe(4);
      await historian.describe(() => ({ site: "elsewhere", tags: ["y"] }));
      expect(await found({ site: "hall" })).toEqual([]);
      expect(await found({ site: "elsewhere", tag: "y" })).toHaveLength(4);
    });

    test("gives a stretch of time, in either order, no more than asked for", async () => {
      const rows = Array.from({ length: 100 }, (_, at) => rowFor({ value: at, time: start + at }));
      await historian.write(fence, batch(rows));
      const values = async (over: Partial<PointSelect>) =>
        (await all(over)).map(({ value }) => value);
      expect(await values({ from: start + 10, to: start + 13 })).toEqual([10, 11, 12]);
      expect(await values({ from: start + 97 })).toEqual([97, 98, 99]);
      expect(await values({ order: "descending", limit: 2 })).toEqual([99, 98]);
    });

    test("gives of each series its newest point, also where it came first", async () => {
      const rows = [
        ...[5, 9, 7].map((at) => rowFor({ metric: "m", value: at, time: start + at })),
        rowFor({ metric: "t", value: "open", time: start + 1 }),
      ];
      await historian.write(fence, batch(rows));
      const found: StoredPoint[] = [];
      const series = (await listed()).map(({ id }) => id);
      for await (const some of historian.latest(series, never)) found.push(...some);
      expect(found.map(({ value }) => value)).toEqual([9, "open"]);
    });

    test("sums readings up by stretches of time, thinned ones by what they stand for", async () => {
      const rows = [
        rowFor({ value: 1, time: start }),
        rowFor({ value: 5, time: start + 1_000 }),
        rowFor({ value: 99, time: start + 2_000, quality: "bad" }),
        rowFor({ value: 3, time: start + 3_000, late: true }),
        rowFor({
          ...{ value: 20, time: start + 10_000 },
          window: { ms: 10_000, count: 4, bad: 1, min: -1, max: 40, last: 7 },
        }),
        rowFor({ value: true, time: start + minute }),
        rowFor({ value: false, time: start + minute + 1 }),
        rowFor({ value: null, quality: "bad", time: start + 2 * minute }),
        rowFor({ value: "on", time: start + 3 * minute }),
      ];
      await historian.write(fence, batch(rows));
      expect(await bucketsOf(minute)).toEqual([
        {
          ...{ time: start, count: 8, bad: 2, late: 1, mean: (1 + 5 + 3 + 60) / 6 },
          ...{ min: -1, minTime: start + 10_000, max: 40, maxTime: start + 10_000 },
          ...{ last: 7, lastTime: start + 10_000 },
        },
        {
          ...{ time: start + minute, count: 2, bad: 0, late: 0, mean: 0.5 },
          ...{ min: 0, minTime: start + minute + 1, max: 1, maxTime: start + minute },
          ...{ last: 0, lastTime: start + minute + 1 },
        },
        {
          ...{ time: start + 2 * minute, count: 1, bad: 1, late: 0, mean: null },
          ...{ min: null, minTime: null, max: null, maxTime: null },
          ...{ last: null, lastTime: start + 2 * minute },
        },
        {
          ...{ time: start + 3 * minute, count: 1, bad: 0, late: 0, mean: null },
          ...{ min: null, minTime: null, max: null, maxTime: null },
          ...{ last: "on", lastTime: start + 3 * minute },
        },
      ]);
    });

    async function bucketsOf(widthMs: number) {
      const series = (await listed()).map(({ id }) => id);
      const select = { series, from: start, to: now, widthMs, limit: 10_000 };
      const found: unknown[] = [];
      for await (const some of historian.buckets(select, never))
        found.push(...some.map(({ series: _, ...own }) => own));
      return found;
    }

    test("answers the same after old rows were put together, and what comes late lands among them", async () => {
      const rows = Array.from({ length: 3_000 }, (_, at) =>
        rowFor({ metric: `m${at % 3}`, value: Math.sin(at), time: start + at * 20_000 }),
      );
      await historian.write(fence, batch(rows.slice(0, 2_990), 1));
      for (let round = 0; round < 7; round++) {
        const [points, minutes, hours, odd] = await Promise.all([
          all(),
          bucketsOf(minute),
          bucketsOf(60 * minute),
          bucketsOf(7_000),
        ]);
        await historian.maintain(now);
        expect(await all()).toEqual(points);
        expect(await bucketsOf(minute)).toEqual(roughly(minutes));
        expect(await bucketsOf(60 * minute)).toEqual(roughly(hours));
        expect(await bucketsOf(7_000)).toEqual(roughly(odd));
        await reopen();
        ({ fence } = await historian.begin());
        await historian.write(fence, batch(rows.slice(2_990 + round, 2_991 + round)));
      }
      expect(await all()).toHaveLength(2_997);
      const latest: StoredPoint[] = [];
      const series = (await listed()).map(({ id }) => id);
      for await (const some of historian.latest(series, never)) latest.push(...some);
      const newest = [2_994, 2_995, 2_996].map(Math.sin);
      expect(latest.map(({ value }) => value).sort()).toEqual(newest.sort());
    });

    test("tells which positions were lost", async () => {
      const stretch = { gateway: "g1", epoch: "1-00000001", log: "telemetry" } as const;
      const losses = [{ ...stretch, from: 5, to: 2 ** 40, reason: "gap(journal)", at: start }];
      await historian.write(fence, { ...batch([]), losses });
      const select = { from: start, to: start + 1, limit: 10 };
      expect(await historian.losses(select, never)).toEqual(losses);
      expect(await historian.losses({ ...select, gateway: "g2" }, never)).toEqual([]);
      expect(await historian.losses({ ...select, to: start }, never)).toEqual([]);
    });

    test("ends an answer that nobody waits for, and goes on with others", async () => {
      const rows = Array.from({ length: 20_000 }, (_, at) =>
        rowFor({ metric: `m${at % 10}`, value: at, time: start + at }),
      );
      await historian.write(fence, batch(rows));
      const ended = new AbortController();
      const series = (await listed()).map(({ id }) => id);
      const read = async () => {
        for await (const _ of historian.points({ series, ...everything }, ended.signal))
          ended.abort();
      };
      await expect(read()).rejects.toThrow();
      for await (const some of historian.points({ series, ...everything }, never)) {
        expect(some.length).toBeGreaterThan(0);
        break;
      }
      expect(await all()).toHaveLength(20_000);
    });

    test("counts what it holds", async () => {
      await historian.write(fence, batch([rowFor({ value: 1 }), rowFor({ value: 2 })]));
      const { series, rows, bytes } = await historian.figures();
      expect([series, rows]).toEqual([1, 2]);
      expect(bytes).toBeGreaterThan(1_000);
    });
  });
}

/** Sums of floating point differ in their last digits by the order in which they are made. */
function roughly(buckets: readonly unknown[]): unknown[] {
  return (buckets as { mean: number | null }[]).map((own) => {
    return { ...own, mean: own.mean === null ? null : expect.closeTo(own.mean, 9) };
  });
}
