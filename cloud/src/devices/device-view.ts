/** The registry as it is shown: what was seen, how it stands, and what people said of it. */
import type { DeviceBook, DeviceFacts } from "@causeway/shared/devices/device-facts.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import { pageOf } from "../views/paging.ts";
import type { DeviceRow } from "./device-row.ts";
import type { DeviceState, Standing } from "./device-state.ts";
import { ratePerMinute, standingOf } from "./device-state.ts";
import type { GatewayRow, Notice, Registry } from "./registry.ts";

export interface DeviceView extends Standing {
  readonly gateway: string;
  readonly device: string;
  /** What people call it; "" where they gave no name. */
  readonly name: string;
  /** Of its gateway; "" where none is known. */
  readonly site: string;
  /** The device that its readings count as: itself, or one that it replaces. */
  readonly series: string;
  /** The device that goes on as this one; "" where none does. */
  readonly replacedBy: string;
  readonly family: string;
  readonly firmware: string;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly events: number;
  readonly readings: number;
  readonly late: number;
  readonly eventsPerMinute: number;
  /** Mean time between messages; null where it is not known yet. */
  readonly intervalMs: number | null;
  /** Mean characters of a message's readings as JSON. */
  readonly sizeMean: number;
  readonly topics: readonly string[];
  /** Of the routes that its topics have. */
  readonly tags: readonly string[];
  readonly metrics: number;
}

export interface DeviceDetails extends Omit<DeviceView, "metrics"> {
  readonly metrics: readonly {
    readonly metric: string;
    readonly unit: string | null;
    readonly quality: string;
  }[];
  /** Readings of metrics that had no room in the list. */
  readonly beyond: number;
  /** Those of the gateway that name the device. */
  readonly notices: readonly Notice[];
  /** What people said last, and who. */
  readonly said: Pick<DeviceFacts, "act" | "by" | "note" | "at"> | null;
}

export interface GatewayDetails {
  readonly gateway: string;
  readonly name: string;
  readonly state: "online" | "silent" | "retired";
  readonly version: string;
  readonly firstSeen: number;
  /** When the journal stored its newest batch. */
  readonly storedAt: number;
  readonly devices: number;
  readonly events: number;
  readonly readings: number;
  readonly late: number;
  /** Events of devices that had no room. */
  readonly beyond: number;
  readonly notices: readonly Notice[];
}

export interface ViewSources {
  readonly registry: Registry;
  readonly book: DeviceBook;
  /** Where gateways belong; nowhere where nothing is said. */
  readonly fleet?: Pick<Fleet, "gateway">;
  /** Ms since 1970. */
  readonly now: number;
  /** A gateway is silent after so long; undefined: never. */
  readonly silentAfterMs: number | undefined;
}

export interface DeviceQuery {
  readonly gateway?: string | undefined;
  readonly site?: string | undefined;
  readonly state?: DeviceState | undefined;
  readonly family?: string | undefined;
  readonly tag?: string | undefined;
  /** A part of its id or name; capitals do not count. */
  readonly q?: string | undefined;
  readonly sort?: DeviceSort;
  readonly order?: "asc" | "desc";
  readonly limit: number;
  /** The `next` of the page before; of names `<gateway>/<device>` of the last one that is known. */
  readonly after?: string | undefined;
  /** Gateways that are shown; all where nothing is said. */
  readonly sees?: (gateway: string) => boolean;
}

export const deviceSorts = ["name", "lastSeen", "rate", "state"] as const;
export type DeviceSort = (typeof deviceSorts)[number];

export interface DeviceList {
  /** Of all that the query selects. */
  readonly total: number;
  readonly states: Readonly<Record<DeviceState, number>>;
  readonly devices: readonly DeviceView[];
  /** To be handed in as `after`; null where that was all. */
  readonly next: string | null;
}

/** What was forgotten is not there. In the order of their names of a page alone names are sorted. */
export function listDevices(sources: ViewSources, query: DeviceQuery): DeviceList {
  const states = { online: 0, offline: 0, quiet: 0, unknown: 0, retired: 0 };
  const all = [...sources.registry.gateways.values()].sort(byGateway);
  const found: GatewayDevices[] = [];
  for (const gateway of all) {
    if (!wantsGateway(sources, query, gateway)) continue;
    const rows: DeviceRow[] = [];
    for (const row of gateway.devices.values()) {
      if (isForgotten(sources, gateway, row) || !wantsDevice(sources, query, gateway, row))
        continue;
      const { state } = standing(sources, gateway, row);
      states[state]++;
      if (query.state === undefined || state === query.state) rows.push(row);
    }
    found.push({ gateway, rows });
  }
  const total = found.reduce((sum, { rows }) => sum + rows.length, 0);
  const isByName = (query.sort ?? "name") === "name" && query.order !== "desc";
  const page = isByName ? pageByName(found, query) : sortedPage(sources, found, query);
  const devices = page.rows.map(({ gateway, row }) => viewOf(sources, gateway, row));
  return { total, states, devices, next: page.next };
}

interface GatewayDevices {
  readonly gateway: GatewayRow;
  readonly rows: readonly DeviceRow[];
}

interface PlacedDevice {
  readonly gateway: GatewayRow;
  readonly row: DeviceRow;
}

function wantsGateway({ fleet }: ViewSources, query: DeviceQuery, { gateway }: GatewayRow) {
  if (query.gateway !== undefined && gateway !== query.gateway) return false;
  if (query.site !== undefined && (fleet?.gateway(gateway).site ?? "") !== query.site) return false;
  return query.sees?.(gateway) ?? true;
}

function wantsDevice(
  { book }: ViewSources,
  { family, tag, q }: DeviceQuery,
  { gateway }: GatewayRow,
  row: DeviceRow,
): boolean {
  if (family !== undefined && row.family !== family) return false;
  if (tag !== undefined && !row.tags.includes(tag)) return false;
  if (q === undefined) return true;
  const { device } = row;
  const name = book.of({ gateway, device })?.name ?? "";
  return `${device}\n${name}`.toLowerCase().includes(q.toLowerCase());
}

function pageByName(found: readonly GatewayDevices[], { limit, after }: DeviceQuery) {
  const rows: PlacedDevice[] = [];
  const [afterGateway = "", afterDevice = ""] = placeIn(after);
  let isMore = false;
  for (const { gateway, rows: own } of found) {
    if (isMore) break;
    if (gateway.gateway < afterGateway) continue;
    const isSame = gateway.gateway === afterGateway;
    const rest = isSame ? own.filter(({ device }) => device > afterDevice) : [...own];
    isMore = rest.length > limit - rows.length;
    for (const row of rest.sort(byDevice).slice(0, limit - rows.length))
      rows.push({ gateway, row });
  }
  const last = rows.at(-1);
  const next = isMore && last !== undefined ? `${last.gateway.gateway}/${last.row.device}` : null;
  return { rows, next };
}

function sortedPage(
  sources: ViewSources,
  found: readonly GatewayDevices[],
  { sort = "name", order = "asc", limit, after }: DeviceQuery,
) {
  const all = found.flatMap(({ gateway, rows }) => rows.map((row) => ({ gateway, row })));
  const sortValue = ({ gateway, row }: PlacedDevice) => {
    if (sort === "lastSeen") return row.lastSeen;
    if (sort === "rate") return ratePerMinute(row, gateway.liveAt);
    return sort === "state" ? standing(sources, gateway, row).state : "";
  };
  const placeOf = (placed: PlacedDevice) => ({
    value: sortValue(placed),
    id: `${placed.gateway.gateway}/${placed.row.device}`,
  });
  return pageOf(all, placeOf, { limit, order, after });
}

/** Gateways have no slash in their names. */
function placeIn(after = ""): readonly string[] {
  const at = after.indexOf("/");
  return at < 0 ? [] : [after.slice(0, at), after.slice(at + 1)];
}

function byGateway({ gateway }: GatewayRow, other: GatewayRow): number {
  return gateway < other.gateway ? -1 : 1;
}

function byDevice({ device }: DeviceRow, other: DeviceRow): number {
  return device < other.device ? -1 : 1;
}

/** Undefined where it is not listed. */
export function deviceDetails(
  sources: ViewSources,
  id: string,
  device: string,
): DeviceDetails | undefined {
  const gateway = sources.registry.gateways.get(id);
  const row = gateway?.devices.get(device);
  if (gateway === undefined || row === undefined) return undefined;
  if (isForgotten(sources, gateway, row)) return undefined;
  const facts = sources.book.of({ gateway: id, device });
  const named = JSON.stringify(device);
  return {
    ...viewOf(sources, gateway, row),
    metrics: row.metrics.map(({ metric, unit, quality }) => ({
      metric,
      unit: unit ?? null,
      quality,
    })),
    beyond: row.beyond,
    notices: gateway.notices.filter(({ detail }) => detail.includes(named)),
    said: facts === undefined ? null : saidOf(facts),
  };
}

/** In the order of their names. */
export function listGateways(sources: ViewSources): readonly GatewayDetails[] {
  const { registry, book } = sources;
  return [...registry.gateways.values()]
    .filter(({ gateway, storedAt }) => !book.isForgotten({ gateway, device: "" }, storedAt))
    .sort(byGateway)
    .map((gateway) => gatewayDetails(sources, gateway));
}

function gatewayDetails(
  { book, now, silentAfterMs }: ViewSources,
  row: GatewayRow,
): GatewayDetails {
  const { gateway, version, firstSeen, storedAt, events, readings, late, notices } = row;
  const facts = book.of({ gateway, device: "" });
  const isRetired = facts?.retiredAt !== undefined && storedAt <= facts.retiredAt;
  const isSilent = silentAfterMs !== undefined && now - storedAt >= silentAfterMs;
  return {
    ...{
      gateway,
      name: facts?.name ?? "",
      version,
      firstSeen,
      storedAt,
      devices: row.devices.size,
    },
    state: isRetired ? "retired" : isSilent ? "silent" : "online",
    ...{ events, readings, late, beyond: row.devicesBeyond, notices: notices.toReversed() },
  };
}

function standing(
  { book, now, silentAfterMs }: ViewSources,
  { gateway, storedAt, liveAt, resumedAt }: GatewayRow,
  row: DeviceRow,
): Standing {
  const retiredAt = book.retiredAt({ gateway, device: row.device });
  return standingOf(row, { storedAt, liveAt, resumedAt, now, silentAfterMs, retiredAt });
}

function isForgotten({ book }: ViewSources, { gateway }: GatewayRow, row: DeviceRow): boolean {
  return book.isForgotten({ gateway, device: row.device }, row.storedAt);
}

function viewOf(sources: ViewSources, gateway: GatewayRow, row: DeviceRow): DeviceView {
  const { book, now, fleet } = sources;
  const place = { gateway: gateway.gateway, device: row.device };
  const { device, family, firmware, firstSeen, lastSeen, events, readings, late, topics } = row;
  return {
    ...place,
    name: book.of(place)?.name ?? "",
    site: fleet?.gateway(gateway.gateway).site ?? "",
    series: book.seriesOf(place, now),
    replacedBy: book.successorOf(place) ?? "",
    ...standing(sources, gateway, row),
    ...{ device, family, firmware, firstSeen, lastSeen, events, readings, late, topics },
    tags: row.tags,
    eventsPerMinute: Math.round(ratePerMinute(row, gateway.liveAt) * 100) / 100,
    intervalMs: row.intervals === 0 ? null : Math.round(row.intervalMs),
    sizeMean: Math.round(row.size),
    metrics: row.metrics.length,
  };
}

function saidOf({ act, by, note, at }: DeviceFacts): DeviceDetails["said"] {
  return { act, by, note, at };
}
