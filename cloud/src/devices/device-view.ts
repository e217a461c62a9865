/** The registry as it is shown: what was seen, how it stands, and what people said of it. */
import type { DeviceBook, DeviceFacts } from "@causeway/shared/devices/device-facts.ts";
import type { DeviceRow } from "./device-row.ts";
import type { DeviceState, Standing } from "./device-state.ts";
import { ratePerMinute, standingOf } from "./device-state.ts";
import type { GatewayRow, Notice, Registry } from "./registry.ts";

export interface DeviceView extends Standing {
  readonly gateway: string;
  readonly device: string;
  /** What people call it; "" where they gave no name. */
  readonly name: string;
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
  /** Ms since 1970. */
  readonly now: number;
  /** A gateway is silent after so long; undefined: never. */
  readonly silentAfterMs: number | undefined;
}

export interface DeviceQuery {
  readonly gateway?: string | undefined;
  readonly state?: DeviceState | undefined;
  readonly limit: number;
  /** `<gateway>/<device>` of the last one that is known. */
  readonly after?: string | undefined;
}

export interface DeviceList {
  /** Of all that the query selects. */
  readonly total: number;
  readonly states: Readonly<Record<DeviceState, number>>;
  readonly devices: readonly DeviceView[];
  /** To be handed in as `after`; null where that was all. */
  readonly next: string | null;
}

/** In the order of their names; what was forgotten is not there. Of a page alone names are sorted. */
export function listDevices(sources: ViewSources, query: DeviceQuery): DeviceList {
  const states = { online: 0, offline: 0, quiet: 0, unknown: 0, retired: 0 };
  const page: DeviceView[] = [];
  const [afterGateway = "", afterDevice = ""] = placeIn(query.after);
  let [total, isMore] = [0, false];
  const all = [...sources.registry.gateways.values()].sort(byGateway);
  for (const gateway of all) {
    if (query.gateway !== undefined && gateway.gateway !== query.gateway) continue;
    const found: DeviceRow[] = [];
    for (const row of gateway.devices.values()) {
      if (isForgotten(sources, gateway, row)) continue;
      const { state } = standing(sources, gateway, row);
      states[state]++;
      if (query.state === undefined || state === query.state) found.push(row);
    }
    total += found.length;
    if (isMore || gateway.gateway < afterGateway) continue;
    const isSame = gateway.gateway === afterGateway;
    const rest = isSame ? found.filter(({ device }) => device > afterDevice) : found;
    isMore = rest.length > query.limit - page.length;
    for (const row of rest.sort(byDevice).slice(0, query.limit - page.length))
      page.push(viewOf(sources, gateway, row));
  }
  const last = page.at(-1);
  const next = isMore && last !== undefined ? `${last.gateway}/${last.device}` : null;
  return { total, states, devices: page, next };
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
  const { book, now } = sources;
  const place = { gateway: gateway.gateway, device: row.device };
  const { device, family, firmware, firstSeen, lastSeen, events, readings, late, topics } = row;
  return {
    ...place,
    name: book.of(place)?.name ?? "",
    series: book.seriesOf(place, now),
    replacedBy: book.successorOf(place) ?? "",
    ...standing(sources, gateway, row),
    ...{ device, family, firmware, firstSeen, lastSeen, events, readings, late, topics },
    eventsPerMinute: Math.round(ratePerMinute(row, gateway.liveAt) * 100) / 100,
    intervalMs: row.intervals === 0 ? null : Math.round(row.intervalMs),
    sizeMean: Math.round(row.size),
    metrics: row.metrics.length,
  };
}

function saidOf({ act, by, note, at }: DeviceFacts): DeviceDetails["said"] {
  return { act, by, note, at };
}
