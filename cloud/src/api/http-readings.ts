/**
 * The history by HTTP: `/api/series` finds series by their names, `/api/readings` gives what they said.
 * Answers are streamed, and broken off when the one who asked is gone.
 */
import { Readable } from "node:stream";
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { parquetAnswer } from "../history/duckdb-parquet.ts";
import type { Series } from "../history/historian.ts";
import { csvAnswer, jsonAnswer, linesAnswer, selectSeries } from "../history/history-answer.ts";
import type { HistoryDesk } from "../history/history-desk.ts";
import { planOf, readingsQuerySchema, seriesQuery } from "../history/history-query.ts";
import type { ApiApp } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";

const own = { scope: "read", sites: "own" } as const;
const listQuery = z.object({
  ...seriesQuery,
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
  after: z.string().max(64).optional(),
});
const seriesSchema = z.object({
  ...{ id: z.number(), gateway: z.string(), device: z.string(), metric: z.string() },
  ...{ unit: z.string(), site: z.string(), tags: z.array(z.string()) },
});
const listSchema = z.object({
  series: z.array(seriesSchema),
  /** To be handed in as `after`; null at the end. */
  next: z.string().nullable(),
});

export function addReadings(app: ApiApp, desk: HistoryDesk, clock: Clock): void {
  app.get(
    "/api/series",
    { schema: { querystring: listQuery, response: { 200: listSchema } }, config: own },
    async (request, reply) => {
      const { limit, after, ...select } = request.query;
      const { sees } = viewerOf(request);
      const signal = endOf(reply);
      const from = Number(after ?? 0);
      if (!Number.isSafeInteger(from) || from < 0)
        throw new CodedError("HISTORY_QUERY_REFUSED", `after: take it from next`);
      for await (const found of desk.ask(signal, (historian) =>
        once(historian.series({ ...select, after: from, limit }, signal)),
      )) {
        const last = found.length === limit ? found.at(-1) : undefined;
        const series = found.filter(({ gateway }) => sees(gateway)).map(toList);
        return { series, next: last === undefined ? null : `${last.id}` };
      }
      return { series: [], next: null };
    },
  );

  app.get(
    "/api/readings",
    { schema: { querystring: readingsQuerySchema }, config: own },
    async (request, reply) => {
      const plan = planOf(request.query, clock.wallMs());
      const { gateway, device, metric, site, tag } = request.query;
      const { sees } = viewerOf(request);
      const ended = endOf(reply);
      const pieces = desk.ask(ended, async function* (historian, signal) {
        const filter = { gateway, device, metric, site, tag, sees };
        const series = await selectSeries(historian, filter, signal);
        yield* answers[plan.format](historian, series, plan, signal);
      });
      // What is refused is known before the first piece: then the answer has a status of its own.
      const first = await pieces.next();
      const body = Readable.from(joined(first, pieces), { objectMode: false });
      return reply.type(types[plan.format]).send(body);
    },
  );
}

const answers = {
  json: jsonAnswer,
  ndjson: linesAnswer,
  csv: csvAnswer,
  parquet: parquetAnswer,
};
const types = {
  json: "application/json; charset=utf-8",
  ndjson: "application/x-ndjson",
  csv: "text/csv; charset=utf-8",
  parquet: "application/vnd.apache.parquet",
};

function toList({ tags, ...series }: Series) {
  return { ...series, tags: [...tags] };
}

async function* once<Result>(answer: Promise<Result>): AsyncGenerator<Result> {
  yield await answer;
}

async function* joined<Piece>(
  first: IteratorResult<Piece, unknown>,
  rest: AsyncGenerator<Piece>,
): AsyncGenerator<Piece> {
  try {
    if (first.done !== true) yield first.value;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** Aborted when the one who asked is gone, or has everything. */
export function endOf({ raw }: FastifyReply): AbortSignal {
  const ended = new AbortController();
  raw.once("close", () => ended.abort());
  return ended.signal;
}
