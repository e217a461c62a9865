/** Rules by HTTP: shown, checked, tried over the journal, and changed. */
import type { Clock } from "@causeway/shared/clock.ts";
import { modes } from "@causeway/shared/rules/rule.ts";
import type { PlacedFault } from "@causeway/shared/settings.ts";
import { rulesTextBytesMax } from "@causeway/shared/streams.ts";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { BacktestOrder, BacktestResult } from "../backtest/system-backtest.ts";
import type { CheckedRules, ShownRules } from "../rules/nats-rules-desk.ts";
import type { HistoryLine } from "../rules/rules-list.ts";
import type { RulesRevision } from "../rules/rules-revision.ts";
import { noteCharactersMax } from "../rules/rules-revision.ts";
import type { ApiApp } from "./http-guard.ts";
import { Refused } from "./problem.ts";
import {
  backtestSchema,
  revisionSchema,
  rulesCheckSchema,
  rulesHistorySchema,
  rulesRevisionSchema,
  rulesSchema,
} from "./schemas.ts";

export interface ApiRules {
  readonly desk: RulesDesk;
  readonly backtest: (
    order: Omit<BacktestOrder, "settings">,
    signal: AbortSignal,
  ) => Promise<BacktestResult>;
}

/** As in nats-rules-desk.ts. */
export interface RulesDesk {
  shown(): Promise<ShownRules>;
  check(text: string): CheckedRules;
  put(text: string, note: string, expected: number | undefined): Promise<number>;
  remove(note: string, expected: number | undefined): Promise<number>;
  setMode(name: string, mode: (typeof modes)[number], note: string): Promise<number>;
  history(): Promise<readonly HistoryLine[]>;
  revision(wanted: number): Promise<RulesRevision>;
}

export const backtestMsMax = 60_000;
const backtestAlertsMax = 500;
/** As JSON, each character escaped. */
const bodyLimit = 2 * rulesTextBytesMax;

/** They look at all gateways, so they are for those who may see all. */
const reading = { scope: "read", sites: "all" } as const;
const trying = { scope: "operate", sites: "all" } as const;
const changing = (act: string) => ({ scope: "admin", sites: "all", act }) as const;
const text = z.string().max(rulesTextBytesMax);
const note = z.string().trim().max(noteCharactersMax).default("");
const textBody = z.strictObject({ text });
const putBody = z.strictObject({ text, note });
const noteBody = z.strictObject({ note }).default({ note: "" });
const modeBody = z.strictObject({ mode: z.enum(modes), note });
const backtestBody = z.strictObject({
  text,
  from: z.number().min(0).default(0),
  to: z.number().min(0).optional(),
  shadow: z.boolean().default(true),
});

export function addRules(app: ApiApp, { desk, backtest }: ApiRules, clock: Clock): void {
  let isTrying = false;

  app.get("/api/rules", { schema: { response: { 200: rulesSchema } }, config: reading }, () =>
    desk.shown(),
  );

  app.post(
    "/api/rules/check",
    {
      bodyLimit,
      schema: { body: textBody, response: { 200: rulesCheckSchema } },
      config: trying,
    },
    (request) => {
      const { faults, failures, ...checked } = desk.check(request.body.text);
      return { ...checked, faults: faults.map(placed), failures: failures.map(placed) };
    },
  );

  app.post(
    "/api/rules/backtest",
    {
      bodyLimit,
      schema: { body: backtestBody, response: { 200: backtestSchema } },
      config: trying,
    },
    async (request, reply) => {
      const now = clock.wallMs();
      const { text: tried, from, to = now, shadow } = request.body;
      if (from >= to) throw new Refused(400, `from ${from} is not before to ${to}`);
      const [fault] = desk.check(tried).faults;
      if (fault !== undefined)
        throw new Refused(422, `${fault.place} ${fault.path}: ${fault.message}`);
      if (isTrying) throw new Refused(429, "another backtest runs: try again when it has ended");
      isTrying = true;
      const ended = new AbortController();
      const cancel = clock.after(backtestMsMax, () => ended.abort());
      reply.raw.once("close", () => ended.abort());
      try {
        const order = { text: tried, from, to, shadow, alertsMax: backtestAlertsMax };
        const { alerts, ...found } = await backtest(order, ended.signal);
        const told = alerts.map(({ in: side, alert }) => ({ in: side, ...alert }));
        return { from, to, ...found, alerts: told };
      } catch (failure) {
        if (!ended.signal.aborted) throw failure;
        const cure = "try a part of it by causeway-cloud backtest";
        throw new Refused(503, `it took longer than ${backtestMsMax / 1_000} s: ${cure}`);
      } finally {
        cancel();
        isTrying = false;
      }
    },
  );

  app.put(
    "/api/rules",
    {
      bodyLimit,
      schema: { body: putBody, response: { 200: revisionSchema } },
      config: changing("rules.put"),
    },
    async (request) => {
      const { text: wanted, note: why } = request.body;
      request.told = { detail: why };
      const revision = await desk.put(wanted, why, expectedIn(request));
      request.told = { on: `revision ${revision}`, detail: why };
      return { revision };
    },
  );

  app.delete(
    "/api/rules",
    {
      schema: { body: noteBody, response: { 200: revisionSchema } },
      config: changing("rules.remove"),
    },
    async (request) => {
      const { note: why } = request.body;
      request.told = { detail: why };
      return { revision: await desk.remove(why, expectedIn(request)) };
    },
  );

  app.post(
    "/api/rules/:name/mode",
    {
      schema: {
        params: z.object({ name: z.string().max(128) }),
        body: modeBody,
        response: { 200: revisionSchema },
      },
      config: changing("rules.mode"),
    },
    async (request) => {
      const { name } = request.params;
      const { mode, note: why } = request.body;
      request.told = { on: `${name} ${mode}`, detail: why };
      return { revision: await desk.setMode(name, mode, why) };
    },
  );

  app.get(
    "/api/rules/history",
    { schema: { response: { 200: rulesHistorySchema } }, config: reading },
    async () => ({ revisions: await desk.history() }),
  );

  app.get(
    "/api/rules/history/:revision",
    {
      schema: {
        params: z.object({ revision: z.coerce.number().int().min(1) }),
        response: { 200: rulesRevisionSchema },
      },
      config: reading,
    },
    async (request) => {
      const { kind: what, ...found } = await desk.revision(request.params.revision);
      return { ...found, what };
    },
  );
}

/** `If-Match: "12"`; undefined where any revision will do. */
function expectedIn({ headers }: FastifyRequest): number | undefined {
  const wanted = headers["if-match"]?.trim();
  if (wanted === undefined || wanted === "*") return undefined;
  const found = /^(?:W\/)?"([0-9]{1,15})"$/.exec(wanted)?.[1];
  if (found === undefined) throw new Refused(400, 'if-match: write the revision, such as "12"');
  return Number(found);
}

/** `rules:7:5` apart. */
function placed({ place, path, message }: PlacedFault) {
  const [, line, column] = /:(\d+):(\d+)$/.exec(place) ?? [];
  const at = (digits: string | undefined) => (digits === undefined ? null : Number(digits));
  return { line: at(line), column: at(column), path, message };
}
