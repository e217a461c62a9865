/**
 * How a device stands, told from what was seen of it:
 *
 *   D1  `offline` is what was said of it, until it is heard of after that.
 *   D2  `quiet` is a device whose usual interval is known and long over. Time passes for it with its
 *       gateway: while the gateway has no link, and for what it had missed then, nobody is quiet.
 *   D3  Of a gateway that is silent nothing is known: its devices are `unknown`.
 *   D4  `retired` is what an operator took out of service, until it is heard of after that.
 */
import type { DeviceRow } from "./device-row.ts";
import { rateTauMs } from "./device-row.ts";

export const deviceStates = ["online", "offline", "quiet", "unknown", "retired"] as const;
export type DeviceState = (typeof deviceStates)[number];

export interface Standing {
  readonly state: DeviceState;
  readonly reason: string;
  /** In ms; null where it is not known. */
  readonly since: number | null;
}

/** What a device's standing depends on beside itself. */
export interface Surroundings {
  /** When the journal stored the gateway's newest batch, in ms. */
  readonly storedAt: number;
  /** When the gateway received its newest live event, in ms. */
  readonly liveAt: number;
  /** When live events came again after the gateway's own silence, in ms. */
  readonly resumedAt: number;
  /** Ms since 1970, of the one who asks. */
  readonly now: number;
  /** A gateway is silent after so long; undefined: never. */
  readonly silentAfterMs: number | undefined;
  /** When it was retired, it or its gateway; undefined where it is in service. */
  readonly retiredAt: number | undefined;
}

/** D2: before so many intervals none is usual. */
const intervalsMin = 4;
const quietMinMs = 60_000;

/** D2, in ms; undefined where no interval is known. */
export function quietAfterMs({
  intervals,
  intervalMs,
  deviationMs,
}: DeviceRow): number | undefined {
  if (intervals < intervalsMin) return undefined;
  return Math.max(quietMinMs, 3 * intervalMs, intervalMs + 8 * deviationMs);
}

export function standingOf(row: DeviceRow, around: Surroundings): Standing {
  const { retiredAt, storedAt, now, silentAfterMs, liveAt, resumedAt } = around;
  const { lastSeen, presenceAt, isOnline, presenceReason } = row;
  if (retiredAt !== undefined && row.storedAt <= retiredAt)
    return { state: "retired", reason: "taken out of service", since: retiredAt };
  if (silentAfterMs !== undefined && now - storedAt >= silentAfterMs)
    return { state: "unknown", reason: "the gateway is silent", since: storedAt };
  if (isOnline === false && presenceAt >= lastSeen)
    return { state: "offline", reason: presenceReason, since: presenceAt };
  const after = quietAfterMs(row);
  if (after !== undefined && liveAt - Math.max(lastSeen, resumedAt) > after) {
    const reason = `usually heard of every ${inSeconds(row.intervalMs)} s`;
    return { state: "quiet", reason, since: lastSeen };
  }
  if (isOnline) return { state: "online", reason: presenceReason, since: presenceAt };
  return { state: "online", reason: "heard of", since: null };
}

function inSeconds(ms: number): number {
  return ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1_000);
}

/** Live events a minute, of late; `now` is the gateway's time. */
export function ratePerMinute({ weight, weightAt, firstSeen }: DeviceRow, now: number): number {
  if (weight === 0) return 0;
  const decayed = weight * Math.exp(-Math.max(0, now - weightAt) / rateTauMs);
  // What has been known for a short time only has not had the time to weigh much.
  const ageMs = Math.max(now - firstSeen, 60_000);
  const full = rateTauMs * (1 - Math.exp(-ageMs / rateTauMs));
  return (decayed / full) * 60_000;
}
