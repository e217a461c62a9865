/**
 * What operators did: every request that changes something is recorded by its route's `act`, however
 * it ended, and read here. Whoever was not let in at all is no operator.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { OperatorResult, OperatorsEntry } from "../operate/operators-entry.ts";
import { after, limitOf, searchText } from "./http-fleet.ts";
import type { ApiApp } from "./http-guard.ts";
import { operatorsSchema } from "./schemas.ts";

export interface ApiOperators {
  /** Never rejects. */
  readonly keep: (entry: OperatorsEntry) => void;
  readonly read: (query: {
    readonly who?: string | undefined;
    readonly act?: string | undefined;
    readonly limit: number;
    readonly before?: number | undefined;
  }) => Promise<{
    readonly entries: readonly (OperatorsEntry & { readonly sequence: number })[];
    readonly next: number | undefined;
  }>;
}

const listQuery = z.object({
  ...{ who: searchText, act: searchText, limit: limitOf(100, 1_000), after },
});

/** Before the routes, for it looks at all that come after it. */
export function recordOperators(app: ApiApp, { keep }: ApiOperators, clock: Clock): void {
  app.addHook("onResponse", async (request, reply) => {
    const entry = entryOf(request, reply, clock.wallMs());
    if (entry !== undefined) keep(entry);
  });
}

export function addOperators(app: ApiApp, { read }: ApiOperators): void {
  app.get(
    "/api/operators",
    {
      schema: { querystring: listQuery, response: { 200: operatorsSchema } },
      config: { scope: "admin", sites: "all" },
    },
    async (request) => {
      const { after: from, ...query } = request.query;
      const before = from !== undefined && /^[0-9]{1,15}$/.test(from) ? Number(from) : undefined;
      const { entries, next } = await read({ ...query, before });
      return {
        entries: entries.map(({ sequence, ...entry }) => ({ id: `${sequence}`, ...entry })),
        next: next === undefined ? null : `${next}`,
      };
    },
  );
}

function entryOf(
  request: FastifyRequest,
  { statusCode }: FastifyReply,
  at: number,
): OperatorsEntry | undefined {
  const { config } = request.routeOptions;
  const { viewer, told, params, ip: from } = request;
  if (config.act === undefined || viewer === null || statusCode === 429) return undefined;
  const { name: who, scope, how } = viewer;
  const path = Object.values((params ?? {}) as Readonly<Record<string, unknown>>).map(String);
  const { on = path.join(" "), detail = "" } = told;
  const result = resultOf(statusCode);
  const why =
    result === "done" ? detail : [`status ${statusCode}`, detail].filter(Boolean).join(": ");
  return { at, who, scope, how, from, act: actOf(config.act, params), on, result, detail: why };
}

/** Of routes that stand for several acts: `device.retire`. */
function actOf(act: string, params: unknown): string {
  const own = (params as { readonly act?: unknown } | undefined)?.act;
  return typeof own === "string" ? `${act}.${own.slice(0, 16)}` : act;
}

function resultOf(statusCode: number): OperatorResult {
  if (statusCode >= 500) return "failed";
  return statusCode >= 400 ? "refused" : "done";
}
