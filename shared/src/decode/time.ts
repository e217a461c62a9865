/** When a device says that it was, in ms since 1970. A time without zone is taken for UTC. */
import { timeMsMax } from "../event.ts";

const isoPattern =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:[zZ]|([+-]\d{2}):?(\d{2})?)?)?$/;

/** ms since 1970; null where there is none, undefined where it cannot be read. */
export function timeOf(ts: unknown): number | null | undefined {
  if (ts === undefined || ts === null) return null;
  if (typeof ts === "number")
    return Number.isFinite(ts) && Math.abs(ts) <= timeMsMax ? Math.round(ts) : undefined;
  const match = typeof ts === "string" ? isoPattern.exec(ts) : null;
  if (match === null) return undefined;
  const [, day = "", time = "00:00", zoneHours, zoneMinutes = "00"] = match;
  // Date.parse takes 30 February for 2 March.
  const midnight = Date.parse(`${day}T00:00Z`);
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return undefined;
  const zone = zoneHours === undefined ? "Z" : `${zoneHours}:${zoneMinutes}`;
  const parsed = Date.parse(`${day}T${time}${zone}`);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Nobody measured before: a clock that was never set counts from 1970 or from 2000. */
const clockSetMs = Date.UTC(2001, 0);
const decimal = /^-?\d{1,20}(?:\.\d{1,20})?$/;

/**
 * ISO 8601, or an epoch in s, ms, us or ns, which its size tells, also as text; undefined where it
 * is none, null where the device's clock was not set.
 */
export function deviceTimeOf(time: unknown): number | null | undefined {
  const isEpoch = typeof time === "number" || (typeof time === "string" && decimal.test(time));
  const ms = isEpoch ? epochMs(Number(time)) : typeof time === "string" ? timeOf(time) : undefined;
  return ms !== undefined && ms !== null && ms < clockSetMs ? null : ms;
}

/** The first of the names that has a time, and it; what is no time is a value like others. */
export function whenIn(
  json: Readonly<Record<string, unknown>>,
  ...names: readonly string[]
): { readonly observedAt: number | null; readonly skipped: readonly string[] } {
  for (const name of names) {
    const time = Object.hasOwn(json, name) ? deviceTimeOf(json[name]) : undefined;
    if (time !== undefined) return { observedAt: time, skipped: [name] };
  }
  return { observedAt: null, skipped: [] };
}

/** As s until 5138, as ms from 1973 on, and so on. */
function epochMs(epoch: number): number | undefined {
  const size = Math.abs(epoch);
  const ms =
    size < 1e11 ? epoch * 1e3 : size < 1e14 ? epoch : size < 1e17 ? epoch / 1e3 : epoch / 1e6;
  return msOf(ms);
}

/** Whole milliseconds, where a date can be so far. */
export function msOf(ms: number): number | undefined {
  return Math.abs(ms) <= timeMsMax ? Math.round(ms) : undefined;
}
