/** Alerts by HTTP, and what people say of them: acknowledgements and silences. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Acknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { isAlertId, newAcknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import type { Operations, OperationsView } from "@causeway/shared/operate/operations.ts";
import type { Silence } from "@causeway/shared/operate/silence.ts";
import { newSilence, silenceState } from "@causeway/shared/operate/silence.ts";
import { placeFactsOf } from "@causeway/shared/rules/fleet.ts";
import { severities } from "@causeway/shared/rules/severity.ts";
import { z } from "zod";
import type { AlertShown } from "../views/alert-shown.ts";
import { alertShown, evidenceOf, timelineOf } from "../views/alert-shown.ts";
import type { AlertEntry } from "../views/alert-table.ts";
import { pageOf } from "../views/paging.ts";
import type { ApiSources } from "./api-sources.ts";
import { firingAlerts } from "./api-sources.ts";
import { after, limitOf, own, searchText } from "./http-fleet.ts";
import type { ApiApp, RequestViewer } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import type { Spoken } from "./live-stream.ts";
import {
  acknowledgedSchema,
  alertDetailsSchema,
  alertsSchema,
  silenceSchema,
  silencesSchema,
} from "./schemas.ts";

export interface ApiOperations {
  readonly view: Operations;
  readonly store: OperationsWriter;
  readonly newId: () => string;
}

/** The buckets SILENCES and ACKS. */
export interface OperationsWriter {
  addSilence(silence: Silence): Promise<void>;
  /** Throws SILENCE_UNKNOWN. */
  endSilence(id: string, at: number): Promise<Silence>;
  acknowledge(alert: string, own: Acknowledgement): Promise<void>;
}

export interface AlertsApi {
  readonly sources: ApiSources;
  /** Undefined where nothing can be said here. */
  readonly operations: ApiOperations | undefined;
  readonly clock: Clock;
}

const bodyLimit = 64 * 1_024;
/** Ended ones are listed by the command line. */
const listedMax = 1_000;
const beforeShown = 20;

const listQuery = z.object({
  state: z.enum(["firing", "resolved"]).optional(),
  severity: z.enum(severities).optional(),
  ...{ gateway: searchText, device: searchText, site: searchText, rule: searchText },
  ...{ tag: searchText, limit: limitOf(100, 1_000), after },
});
const idParams = z.object({ id: z.string().max(64) });
/** As docs/alerts.md tells; what it says is checked as a whole. */
const silenceBody = z.strictObject({
  matchers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  startsAt: z.union([z.number(), z.string()]).optional(),
  endsAt: z.union([z.number(), z.string()]).optional(),
  for: z.union([z.string(), z.number()]).optional(),
  recurring: z
    .strictObject({
      cron: z.string(),
      duration: z.union([z.string(), z.number()]),
      zone: z.string().optional(),
    })
    .optional(),
  author: z.string().optional(),
  comment: z.string(),
});
const ackBody = z.strictObject({ by: z.string().optional(), note: z.string().optional() });

export function spokenOf(view: OperationsView & { version: number }, clock: Clock): Spoken {
  return {
    version: () => view.version,
    value: () => ({
      silences: listed(view, clock.wallMs()),
      acknowledgements: Object.fromEntries([...view.acknowledgements].slice(-listedMax)),
    }),
  };
}

function listed({ silences }: OperationsView, now: number) {
  const told = silences.map((silence) => ({ ...silence, state: silenceState(silence, now) }));
  return told.filter(({ state }) => state !== "ended").slice(0, listedMax);
}

export function addAlerts(app: ApiApp, parts: AlertsApi): void {
  const { sources, operations } = parts;

  app.get(
    "/api/alerts",
    { schema: { querystring: listQuery, response: { 200: alertsSchema } }, config: own },
    (request) => alertList(parts, viewerOf(request), request.query),
  );

  app.get(
    "/api/alerts/:id",
    { schema: { params: idParams, response: { 200: alertDetailsSchema } }, config: own },
    (request) => alertDetails(parts, viewerOf(request), request.params.id),
  );

  app.get(
    "/api/silences",
    // They name gateways of any site.
    {
      schema: { response: { 200: silencesSchema } },
      config: { scope: "read", sites: "all" },
    },
    () => ({ silences: listed(sources.operations, parts.clock.wallMs()) }),
  );
  if (operations !== undefined) addActs(app, parts, operations);
}

function addActs(app: ApiApp, { sources, clock }: AlertsApi, operations: ApiOperations): void {
  const { store, newId } = operations;

  app.post(
    "/api/alerts/:id/ack",
    {
      bodyLimit,
      schema: { params: idParams, body: ackBody, response: { 201: acknowledgedSchema } },
      config: { scope: "operate", sites: "own", act: "alert.ack", invalid: "OPERATION_INVALID" },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      const { id } = request.params;
      const { last } = entryOf(sources, viewer, id);
      const { by = viewer.name, note = "" } = request.body;
      const said = newAcknowledgement({ by, note }, clock.wallMs());
      request.told = { on: `${last.rule} ${last.gateway} ${last.device} ${id}`, detail: said.note };
      await store.acknowledge(id, said);
      return reply.code(201).send({ id, ...said });
    },
  );

  app.post(
    "/api/silences",
    {
      bodyLimit,
      schema: { body: silenceBody, response: { 201: silenceSchema } },
      // It may keep anything quiet.
      config: { scope: "operate", sites: "all", act: "silence.add", invalid: "OPERATION_INVALID" },
    },
    async (request, reply) => {
      const { author = viewerOf(request).name, ...body } = request.body;
      const silence = newSilence({ ...body, author }, clock.wallMs(), newId());
      const labels = Object.entries(silence.matchers).map(([name, own]) => `${name}=${own.join()}`);
      request.told = { on: `${silence.id} ${labels.join(" ")}`, detail: silence.comment };
      await store.addSilence(silence);
      return reply.code(201).send(silence);
    },
  );

  app.delete(
    "/api/silences/:id",
    {
      schema: { params: idParams, response: { 200: silenceSchema } },
      config: { scope: "operate", sites: "all", act: "silence.end" },
    },
    (request) => store.endSilence(request.params.id, clock.wallMs()),
  );
}

/** Throws ALERT_UNKNOWN. */
function entryOf({ view }: ApiSources, viewer: RequestViewer, id: string): AlertEntry {
  const entry = isAlertId(id) ? view.alert(id) : undefined;
  if (entry !== undefined && viewer.sees(entry.last.gateway)) return entry;
  throw new CodedError("ALERT_UNKNOWN", `there is no alert ${id}`);
}

/** Those that fire first, the newest of each kind first. */
function alertList(
  { sources, clock }: AlertsApi,
  viewer: RequestViewer,
  query: z.output<typeof listQuery>,
) {
  const { state, tag, limit, after: from, ...wanted } = query;
  const { view, fleet } = sources;
  const keys = Object.keys(wanted) as (keyof typeof wanted)[];
  const compiled = fleet();
  const isTagged = ({ gateway, device }: AlertShown) =>
    tag === undefined || placeFactsOf(compiled, gateway, device).tags.includes(tag);
  const fits = (alert: AlertShown) =>
    keys.every((key) => wanted[key] === undefined || alert[key] === wanted[key]) && isTagged(alert);
  const firing = firingAlerts(sources, viewer, clock.wallMs()).filter(fits);
  const resolved = view.alertTable
    .resolved()
    .filter(({ last }) => viewer.sees(last.gateway))
    .map((entry) => alertShown(entry, compiled))
    .filter(fits);
  const bySeverity = { critical: 0, warning: 0, info: 0 };
  for (const { severity } of firing) bySeverity[severity]++;
  const all = [...(state === "resolved" ? [] : firing), ...(state === "firing" ? [] : resolved)];
  const { rows, next } = pageOf(all, placeOf, { limit, order: "desc", after: from });
  const counts = { firing: firing.length, resolved: resolved.length, bySeverity };
  return { total: all.length, counts, alerts: rows, next };
}

function placeOf({ state, firingAt, resolvedAt, id }: AlertShown) {
  const at = String(Math.max(0, Math.round(resolvedAt ?? firingAt))).padStart(16, "0");
  return { value: `${state === "firing" ? 1 : 0} ${at}`, id };
}

function alertDetails({ sources, clock }: AlertsApi, viewer: RequestViewer, id: string) {
  const entry = entryOf(sources, viewer, id);
  const { view, fleet, fleetDocument, operations, tellingsOf } = sources;
  const now = clock.wallMs();
  const compiled = fleet();
  const firing = firingAlerts(sources, viewer, now).find((alert) => alert.id === id);
  const { fingerprint } = entry.last;
  const before = view.alertTable
    .resolved()
    .filter(({ last }) => last.fingerprint === fingerprint && last.id !== id)
    .slice(0, beforeShown)
    .map((each) => alertShown(each, compiled));
  return {
    ...(firing ?? alertShown(entry, compiled)),
    evidence: evidenceOf(entry),
    timeline: timelineOf(entry, {
      ...{ circumstances: circumstancesOf(operations, fleetDocument()), now },
      tellings: tellingsOf(id),
    }),
    before,
  };
}
