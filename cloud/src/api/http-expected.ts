/** Where readings of a series are expected: by its limits, and by `auto`; for the page's chart. */
import { z } from "zod";
import { ExpectedBand } from "../history/expected-band.ts";
import { selectSeries } from "../history/history-answer.ts";
import type { HistoryDesk } from "../history/history-desk.ts";
import type { SeriesLimit, SeriesPlace } from "../rules/series-limits.ts";
import type { ApiApp } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import { endOf } from "./http-readings.ts";

/** Of before the range, to learn from; more than these are not looked at. */
const readingsMax = 50_000;
const teachMsMin = 3_600_000;
const teachSpans = 2;
const spanMsMax = 31 * 86_400_000;

const name = z.string().min(1).max(256);
const time = z.coerce.number().int().min(0).max(8_640_000_000_000_000);
const query = z
  .object({
    ...{ gateway: name, device: name, metric: name, from: time, to: time },
    points: z.coerce.number().int().min(1).max(1_000).default(200),
  })
  .refine(({ from, to }) => from < to && to - from <= spanMsMax, "from before to, 31 days at most");
const expectedSchema = z.object({
  detector: z.literal("auto"),
  /** `[time, low, high]`, each from its time to the next. */
  bands: z.array(z.tuple([z.number(), z.number(), z.number()])),
  limits: z.array(
    z.object({
      ...{ rule: z.string(), severity: z.string(), value: z.number() },
      limit: z.enum(["hihi", "hi", "lo", "lolo"]),
    }),
  ),
});

export function addExpected(
  app: ApiApp,
  desk: HistoryDesk,
  limitsOf: (place: SeriesPlace) => readonly SeriesLimit[],
): void {
  app.get(
    "/api/expected",
    {
      schema: { querystring: query, response: { 200: expectedSchema } },
      config: { scope: "read", sites: "own" },
    },
    async (request, reply) => {
      const { from, to, points, ...place } = request.query;
      const { sees } = viewerOf(request);
      const pieces = desk.ask(endOf(reply), async function* (historian, signal) {
        const all = await selectSeries(historian, { ...place, sees }, signal);
        const isSame = (own: (typeof all)[number]) =>
          own.gateway === place.gateway &&
          own.device === place.device &&
          own.metric === place.metric;
        const series = all.filter(isSame).map(({ id }) => id);
        if (series.length === 0) return;
        const teachMs = Math.max(teachMsMin, teachSpans * (to - from));
        const select = { series, from: from - teachMs, to, limit: readingsMax };
        yield* historian.points({ ...select, order: "descending" }, signal);
      });
      const readings: (readonly [value: number, at: number])[] = [];
      for await (const some of pieces)
        for (const { value, time: at, quality } of some)
          if (typeof value === "number" && quality !== "bad") readings.push([value, at]);
      const band = new ExpectedBand(from, (to - from) / points);
      for (const [value, at] of readings.reverse()) band.take(value, at);
      const bands = band.bands().map(([...cells]) => cells);
      const limits = sees(place.gateway) ? [...limitsOf(place)] : [];
      return { detector: "auto" as const, bands, limits };
    },
  );
}
