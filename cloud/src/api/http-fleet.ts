/** The fleet by HTTP: how it stands, gateways, the latest value of every series, derived events. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { placeFactsOf } from "@causeway/shared/rules/fleet.ts";
import { z } from "zod";
import type { AuditLine } from "../cli/audit.ts";
import { listDevices, listGateways } from "../devices/device-view.ts";
import type { GatewayAccess } from "../gateways/gateway-access.ts";
import type { QuotaShown } from "../quota/quota-shown.ts";
import type { ViewCounters } from "../views/fleet-view.ts";
import { defaultViewBounds } from "../views/fleet-view.ts";
import type { GatewayShown } from "../views/gateway-shown.ts";
import { findingsOf } from "../views/overview.ts";
import { pageOf } from "../views/paging.ts";
import type { ApiSources } from "./api-sources.ts";
import { firingAlerts, shownGateways } from "./api-sources.ts";
import type { ApiApp, RequestViewer } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import type { LiveFacts } from "./live-stream.ts";
import {
  derivedListSchema,
  gatewayDetailsSchema,
  gatewayStates,
  gatewaysSchema,
  latestSchema,
  overviewSchema,
  statusSchema,
} from "./schemas.ts";

export interface FleetApi {
  readonly sources: ApiSources;
  readonly facts: () => LiveFacts;
  readonly engineMetrics: () => readonly Metric[];
  readonly clock: Clock;
  /** What is committed of a gateway's ledger; undefined where there is none to ask. */
  readonly ledger?: ((gateway: string) => Promise<readonly AuditLine[]>) | undefined;
  /** What it may send and has sent; null where nothing bounds it. */
  readonly quota?: ((gateway: string) => Promise<QuotaShown | null>) | undefined;
  /** By which key it may connect; undefined where that is not known here. */
  readonly access?: ((gateway: string) => GatewayAccess) | undefined;
  readonly troubles?: (() => Troubles) | undefined;
}

/** What is not seen in the view. */
export interface Troubles {
  readonly refusedRules: readonly { readonly source: string; readonly reason: string }[];
  readonly receivers: readonly {
    readonly receiver: string;
    readonly waitingFor?: string | undefined;
  }[];
}

export const own = { scope: "read", sites: "own" } as const;
const whole = { scope: "read", sites: "all" } as const;
const seriesMost = defaultViewBounds.seriesMax;
/** A part of a name. */
export const searchText = z.string().max(128).optional();
export const after = z.string().max(1_024).optional();
export const limitOf = (usual: number, most: number) =>
  z.coerce.number().int().min(1).max(most).default(usual);
const order = z.enum(["asc", "desc"]).default("asc");

const gatewaysQuery = z.object({
  site: searchText,
  state: z.enum(gatewayStates).optional(),
  q: searchText,
  sort: z.enum(["name", "storedAt", "backlog", "alerts"]).default("name"),
  ...{ order, limit: limitOf(100, 1_000), after },
});
const latestQuery = z.object({
  ...{ gateway: searchText, device: searchText, metric: searchText, site: searchText },
  ...{ tag: searchText, limit: limitOf(1_000, seriesMost), after },
});
const derivedQuery = z.object({ limit: limitOf(50, defaultViewBounds.derivedMax) });
const gatewayParams = z.object({ gateway: z.string().max(128) });

/** Of its ledger. */
const epochsShown = 64;
const alertsShown = 100;

export function addFleet(app: ApiApp, parts: FleetApi): void {
  const { sources, facts, engineMetrics } = parts;
  const { view } = sources;

  app.get("/api/status", { schema: { response: { 200: statusSchema } }, config: whole }, () => ({
    ...facts(),
    counters: view.counters(),
    engine: engineMetrics().map((metric) => ({ ...metric })),
  }));

  app.get(
    "/api/overview",
    { schema: { response: { 200: overviewSchema } }, config: own },
    (request) => overviewOf(parts, viewerOf(request)),
  );

  app.get(
    "/api/gateways",
    { schema: { querystring: gatewaysQuery, response: { 200: gatewaysSchema } }, config: own },
    (request) => {
      const { site, state, q, sort, ...page } = request.query;
      const seen = shownGateways(sources, viewerOf(request));
      const wanted = seen.filter(
        (row) => (site === undefined || row.site === site) && holds(q, row.gateway, row.name),
      );
      const found = wanted.filter((row) => state === undefined || row.state === state);
      const { rows, next } = pageOf(found, (row) => placeOf(row, sort), page);
      return { total: found.length, states: statesOf(wanted), gateways: rows, next };
    },
  );

  app.get(
    "/api/gateways/:gateway",
    { schema: { params: gatewayParams, response: { 200: gatewayDetailsSchema } }, config: own },
    (request) => gatewayDetails(parts, viewerOf(request), request.params.gateway),
  );

  app.get(
    "/api/latest",
    { schema: { querystring: latestQuery, response: { 200: latestSchema } }, config: own },
    (request) => {
      const { gateway, device, metric, site, tag, limit, after: from } = request.query;
      const { sees } = viewerOf(request);
      const fleet = sources.fleet();
      const wanted = view
        .latestSeries(seriesMost)
        .filter(
          (row) =>
            (gateway === undefined || row.gateway === gateway) &&
            (device === undefined || row.device === device) &&
            (metric === undefined || row.metric === metric) &&
            sees(row.gateway),
        )
        .map((row) => ({ ...row, ...placeFactsOf(fleet, row.gateway, row.device) }))
        .filter(
          (row) =>
            (site === undefined || row.site === site) &&
            (tag === undefined || row.tags.includes(tag)),
        );
      const place = (row: (typeof wanted)[number]) => ({ value: row.version, id: "" });
      const page = pageOf(wanted, place, { limit, order: "desc", after: from });
      const evicted = view.counters().seriesEvicted;
      return { total: wanted.length, evicted, series: page.rows, next: page.next };
    },
  );

  app.get(
    "/api/derived",
    { schema: { querystring: derivedQuery, response: { 200: derivedListSchema } }, config: own },
    (request) => {
      const { sees } = viewerOf(request);
      const all = view.derived(defaultViewBounds.derivedMax).filter(({ gateway }) => sees(gateway));
      return { derived: all.slice(0, request.query.limit).map((event) => ({ ...event })) };
    },
  );
}

/** Capitals do not count. */
export function holds(part: string | undefined, ...texts: readonly string[]): boolean {
  if (part === undefined) return true;
  const wanted = part.toLowerCase();
  return texts.some((text) => text.toLowerCase().includes(wanted));
}

function placeOf(row: GatewayShown, sort: "name" | "storedAt" | "backlog" | "alerts") {
  const values = {
    name: row.gateway,
    storedAt: row.storedAt,
    backlog: row.backlog?.events ?? 0,
    alerts: row.alertsFiring,
  };
  return { value: values[sort], id: row.gateway };
}

function statesOf(rows: readonly GatewayShown[]) {
  const states = { online: 0, silent: 0, retired: 0 };
  for (const { state } of rows) states[state]++;
  return states;
}

function overviewOf({ sources, facts, clock, troubles }: FleetApi, viewer: RequestViewer) {
  const { view } = sources;
  const { ready, reasons, version } = facts();
  const gateways = shownGateways(sources, viewer);
  const alerts = firingAlerts(sources, viewer, clock.wallMs());
  const isWhole = viewer.sites === null;
  const { refusedRules = [], receivers = [] } = (isWhole ? troubles?.() : undefined) ?? {};
  const deadGroups = view
    .deadGroups()
    .filter(({ gateway }) => (gateway === null ? isWhole : viewer.sees(gateway)));
  const now = clock.wallMs();
  const findings = findingsOf({
    ...{ reasons, gateways, alerts, deadGroups, refusedRules, receivers, now },
    hasEvicted: isWhole && view.counters().seriesEvicted > 0,
  });
  const states = statesOf(gateways);
  const bySeverity = { critical: 0, warning: 0, info: 0 };
  for (const { severity } of alerts) bySeverity[severity]++;
  return {
    ...{ version, ready, reasons, ...findings },
    gateways: { total: gateways.length, ...states },
    backlogEvents: gateways.reduce((sum, { backlog }) => sum + (backlog?.events ?? 0), 0),
    devices: devicesOf(sources, viewer),
    alerts: {
      firing: alerts.length,
      acknowledged: alerts.filter(({ acknowledged }) => acknowledged !== undefined).length,
      silenced: alerts.filter(({ silencedBy }) => silencedBy !== undefined).length,
      bySeverity,
    },
    counters: isWhole ? view.counters() : countersOf(gateways, alerts.length),
  };
}

/** Of one's own gateways; what is counted for all together is nothing for who sees some. */
function countersOf(gateways: readonly GatewayShown[], alertsOpen: number): ViewCounters {
  const sum = (of: (row: GatewayShown) => number) =>
    gateways.reduce((total, row) => total + of(row), 0);
  return {
    events: sum(({ events }) => events),
    readings: sum(({ readings }) => readings),
    quarantined: sum(({ quarantined }) => quarantined),
    dead: sum(({ dead }) => dead),
    late: sum(({ late }) => late),
    ...{ repeats: 0, doubts: 0, lost: 0, series: 0, seriesEvicted: 0 },
    ...{ gateways: gateways.length, alertsOpen },
  };
}

function devicesOf({ devices }: ApiSources, viewer: RequestViewer) {
  if (devices === undefined) return null;
  const { total, states } = listDevices(devices(), { limit: 0, sees: viewer.sees });
  return { total, states };
}

async function gatewayDetails(
  { sources, clock, ledger, quota, access }: FleetApi,
  viewer: RequestViewer,
  id: string,
) {
  const unknown = () =>
    new CodedError("DEVICE_UNKNOWN", `gateway ${id.slice(0, 64)}: nothing came of it`);
  const [shown] = isGatewayId(id) && viewer.sees(id) ? shownGateways(sources, viewer, id) : [];
  if (shown === undefined) throw unknown();
  const devices = sources.devices?.();
  const known = devices && listGateways(devices).find(({ gateway }) => gateway === id);
  const said = devices?.book.of({ gateway: id, device: "" });
  const lines = (await ledger?.(id)) ?? [];
  const epochs = [...new Set(lines.map(({ epoch }) => epoch))].slice(-epochsShown);
  const alerts = firingAlerts(sources, viewer, clock.wallMs()).filter(
    ({ gateway }) => gateway === id,
  );
  return {
    ...shown,
    recent: sources.view.gateway(id)?.recent ?? [],
    quota: (await quota?.(id)) ?? null,
    access: accessShown(access?.(id)),
    ledger: lines
      .filter(({ epoch }) => epochs.includes(epoch))
      .toReversed()
      .map(({ epoch, log, through, end, state, stretches }) => {
        return { epoch, log, through, end, state, stretches };
      }),
    notices: known?.notices ?? [],
    said: said === undefined ? null : { act: said.act, by: said.by, note: said.note, at: said.at },
    alerts: alerts.slice(0, alertsShown),
  };
}

function accessShown(access: GatewayAccess | undefined) {
  if (access === undefined) return null;
  const { access: state, key, said } = access;
  return { state, key, said };
}
