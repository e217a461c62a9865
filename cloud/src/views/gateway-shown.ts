/** A gateway as it is shown: what came of it, what people say of it, and what follows from both. */
import type { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import type { GatewayRow, Registry } from "../devices/registry.ts";
import type { GatewayView, Heartbeat, Loss } from "./gateway-table.ts";

export type GatewayState = "online" | "silent" | "retired";
export type Trend = "draining" | "growing" | "steady" | "unknown";
export type ClockState = "set" | "behind" | "ahead" | "restored" | "undated" | "unknown";

export interface Backlog {
  readonly events: number;
  readonly bytes: number;
  /** When it was so, in ms. */
  readonly at: number;
  /** Until it is drained at the speed of late; null where that cannot be told. */
  readonly etaMs: number | null;
  readonly trend: Trend;
}

export interface GatewayShown {
  readonly gateway: string;
  readonly name: string;
  readonly site: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: GatewayState;
  readonly version: string;
  readonly epoch: string;
  readonly receivedAt: number;
  readonly storedAt: number;
  readonly firstSeen: number | null;
  readonly events: number;
  readonly readings: number;
  readonly late: number;
  readonly quarantined: number;
  readonly dead: number;
  readonly devices: number | null;
  readonly heartbeat: Heartbeat | null;
  readonly backlog: Backlog | null;
  readonly clock: { readonly state: ClockState; readonly text: string };
  readonly losses: readonly Loss[];
  readonly alertsFiring: number;
}

export interface GatewaySources {
  readonly fleet: Fleet;
  readonly firingOf: (gateway: string) => number;
  readonly now: number;
  /** A gateway is silent after so long; undefined: never. */
  readonly silentAfterMs: number | undefined;
  /** Undefined where there is none. */
  readonly registry?: Registry;
  readonly book?: DeviceBook;
}

export function gatewayShown(view: GatewayView, sources: GatewaySources): GatewayShown {
  const { fleet, firingOf, registry, book } = sources;
  const { gateway, epoch, receivedAt, storedAt, events, readings, late, losses } = view;
  const known = registry?.gateways.get(gateway);
  const { site, labels } = fleet.gateway(gateway);
  return {
    ...{ gateway, name: book?.of({ gateway, device: "" })?.name ?? "", site, labels },
    state: stateOf(view, sources),
    version: versionOf(view, known),
    ...{ epoch, receivedAt, storedAt, firstSeen: known?.firstSeen ?? null },
    ...{ events, readings, late, quarantined: view.quarantined, dead: view.dead },
    ...{ devices: known?.devices.size ?? null, heartbeat: view.heartbeat ?? null },
    ...{ backlog: backlogOf(view), clock: clockOf(view.clock), losses },
    alertsFiring: firingOf(gateway),
  };
}

function stateOf(
  { gateway, storedAt }: GatewayView,
  { book, now, silentAfterMs }: GatewaySources,
): GatewayState {
  const retiredAt = book?.of({ gateway, device: "" })?.retiredAt;
  if (retiredAt !== undefined && storedAt <= retiredAt) return "retired";
  return silentAfterMs !== undefined && now - storedAt >= silentAfterMs ? "silent" : "online";
}

/** The registry outlives what the journal holds of the gateway's last start. */
function versionOf({ version }: GatewayView, known: GatewayRow | undefined): string {
  return version === "" ? (known?.version ?? "") : version;
}

const lookBackMs = 10 * 60_000;
/** What is on its way at any moment. */
const noiseEvents = 50;
const noiseShare = 0.1;

export function backlogOf({
  heartbeat,
  recent,
}: Pick<GatewayView, "heartbeat" | "recent">): Backlog | null {
  if (heartbeat === undefined) return null;
  const { untakenEvents: events, outboxBytes: bytes, receivedAt: at } = heartbeat;
  const around = recent.filter((moment) => at - moment[0] <= lookBackMs);
  const trend = trendOf(around, events);
  const seen = trend === "draining" ? etaOf(around, events) : null;
  // Hours and days that are still to come are known to the gateway alone.
  const etaMs = heartbeat.drainMs === undefined || events === 0 ? seen : heartbeat.drainMs;
  return { events, bytes, at, etaMs, trend };
}

type Moments = GatewayView["recent"];

/** From the highest of late: what grew before that is another story. */
function fromPeak(around: Moments): Moments[number] | undefined {
  return around.reduce<Moments[number] | undefined>(
    (peak, moment) => (peak === undefined || moment[1] >= peak[1] ? moment : peak),
    undefined,
  );
}

function trendOf(around: Moments, events: number): Trend {
  const before = around.at(-2);
  if (before === undefined) return events <= noiseEvents ? "steady" : "unknown";
  const change = events - before[1];
  const noise = Math.max(noiseEvents, noiseShare * Math.min(events, before[1]));
  if (Math.abs(change) <= noise) return "steady";
  return change < 0 ? "draining" : "growing";
}

function etaOf(around: Moments, events: number): number | null {
  const [peak, last] = [fromPeak(around), around.at(-1)];
  if (peak === undefined || last === undefined || last[0] <= peak[0]) return null;
  const perMs = (peak[1] - events) / (last[0] - peak[0]);
  return perMs > 0 ? Math.round(events / perMs) : null;
}

const clockTexts: Readonly<Record<ClockState, string>> = {
  set: "set",
  behind: "behind; events are dated without it",
  ahead: "far ahead; events are dated without it",
  restored: "perhaps that of the last shutdown",
  undated: "not set; events go undated until it is",
  unknown: "not told yet",
};

function clockOf(told: string): GatewayShown["clock"] {
  const word = told.startsWith("undated") ? "undated" : told;
  const state = Object.hasOwn(clockTexts, word) ? (word as ClockState) : "unknown";
  return { state, text: clockTexts[state] };
}
