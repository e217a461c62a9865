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
  const ms = isEpoch
    ? epochMs(Number(time))
    : typeof time === "string"
      ? (timeOf(time) ?? otherTime(time))
      : undefined;
  return ms !== undefined && ms !== null && ms < clockSetMs ? null : ms;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
/** As HTTP has it. */
const httpPattern =
  /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) (?:GMT|UTC)$/;
/** `2024/05/01 04:00`, `2024-05-01 04:00:00,5`, a space before the zone or `UTC` for it. */
const nearIsoPattern = new RegExp(
  String.raw`^(\d{4})([-/])(\d{2})\2(\d{2})[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d+))?` +
    String.raw` ?(?:[zZ]|UTC|GMT|([+-]\d{2}):?(\d{2})?)?$`,
);
const basicPattern = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})([zZ]?)$/;

/** What is not ISO 8601 and can be read in one way only: the day of `05/01/2024` cannot. */
function otherTime(text: string): number | null | undefined {
  if (text.length > 40) return undefined;
  const http = httpPattern.exec(text);
  if (http !== null) {
    const [, day, month = "", year, time] = http;
    const number = String(months.indexOf(month) + 1).padStart(2, "0");
    return timeOf(`${year}-${number}-${day}T${time}Z`);
  }
  const near = nearIsoPattern.exec(text);
  if (near !== null) {
    const [, year, , month, day, time, fraction, hours, minutes = "00"] = near;
    const zone = hours === undefined ? "Z" : `${hours}:${minutes}`;
    const parts = fraction === undefined ? "" : `.${fraction}`;
    const seconds = time?.length === 5 ? ":00" : "";
    return timeOf(`${year}-${month}-${day}T${time}${seconds}${parts}${zone}`);
  }
  const basic = basicPattern.exec(text);
  if (basic === null) return undefined;
  const [, year, month, day, hour, minute, second] = basic;
  return timeOf(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/** The first of the names that has a time, and it; null says nothing, what else is no time is a value. */
export function whenIn(
  json: Readonly<Record<string, unknown>>,
  ...names: readonly string[]
): { readonly observedAt: number | null; readonly skipped: readonly string[] } {
  for (const name of names) {
    if (!Object.hasOwn(json, name)) continue;
    const time = json[name] === null ? null : deviceTimeOf(json[name]);
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
