/**
 * When a device says that it was, in the format and the zone that its route names:
 *
 *   auto                    ISO 8601, or an epoch in s, ms, us or ns, which its size tells
 *   iso, s, ms, us, ns      one of these alone
 *   DD.MM.YYYY HH:mm:ss     parts of a date where they stand: YYYY, YY, MM, DD, HH, mm, ss, SSS
 *
 * A time without zone is of the route's zone, or UTC; one before 2001 is of a clock that was not set.
 */
import { deviceTimeOf } from "../decode/time.ts";
import { timeMsMax } from "../event.ts";
import { localMs } from "../rules/time-zone.ts";

const perUnit = { s: 1_000, ms: 1, us: 1 / 1_000, ns: 1 / 1_000_000 } as const;
type Unit = keyof typeof perUnit;

const clockSetMs = Date.UTC(2001, 0);
const partPattern = /YYYY|YY|MM|DD|HH|mm|ss|SSS/g;
const zoned = /(?:[zZ]|[+-]\d{2}(?::?\d{2})?)$/;

/** ms since 1970; null where the device's clock was not set, undefined where it is no time. */
export type ReadTime = (value: unknown) => number | null | undefined;

/** How times are read, or what is wrong with the format. */
export function timeReader(format: string, zone: string): ReadTime | string {
  if (format === "auto" || format === "iso") return textReader(format === "iso", zone);
  if (Object.hasOwn(perUnit, format)) return epochReader(perUnit[format as Unit]);
  return patternReader(format, zone);
}

function textReader(isText: boolean, zone: string): ReadTime {
  return (value) => {
    const isIso = typeof value === "string" && value.includes("-");
    if (isText && !isIso) return undefined;
    const time = deviceTimeOf(value);
    if (!isIso || typeof time !== "number" || zoned.test(value.trim())) return time;
    return inZone(time, zone);
  };
}

function epochReader(msPerUnit: number): ReadTime {
  return (value) => {
    const epoch =
      typeof value === "string" && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
    return typeof epoch === "number" ? believed(epoch * msPerUnit) : undefined;
  };
}

function patternReader(format: string, zone: string): ReadTime | string {
  const names: string[] = [];
  let after = 0;
  let pattern = "^";
  for (const { 0: part, index } of format.matchAll(partPattern)) {
    if (names.includes(part)) return `${part} stands there twice`;
    names.push(part);
    pattern += `${literally(format.slice(after, index))}(\\d{${part.length}})`;
    after = index + part.length;
  }
  const needed = [["YYYY", "YY"], ["MM"], ["DD"]].find(
    (ways) => !ways.some((way) => names.includes(way)),
  );
  if (needed !== undefined)
    return `a format has ${needed[0]}: write one such as DD.MM.YYYY HH:mm:ss, or auto, iso, s, ms, us, ns`;
  const whole = new RegExp(`${pattern}${literally(format.slice(after))}$`);
  return (value) => {
    const text = typeof value === "number" ? `${value}` : value;
    const found = typeof text === "string" ? whole.exec(text) : null;
    if (found === null) return undefined;
    const part = (name: string) => Number(found[names.indexOf(name) + 1] ?? 0);
    const of = (name: string) => (names.includes(name) ? part(name) : 0);
    const year = names.includes("YYYY") ? part("YYYY") : 2_000 + part("YY");
    const [month, day] = [part("MM"), part("DD")];
    const midnight = Date.UTC(year, month - 1, day);
    // Date.UTC takes 30 February for 2 March.
    const date = new Date(midnight);
    if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
    const [hour, minute, second] = [of("HH"), of("mm"), of("ss")];
    if (hour > 23 || minute > 59 || second > 60) return undefined;
    const ms = midnight + ((hour * 60 + minute) * 60 + second) * 1_000 + of("SSS");
    return believed(inZone(ms, zone));
  };
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}

/** The moment at which a clock in the zone shows what one in UTC shows at `ms`. */
function inZone(ms: number, zone: string): number {
  if (zone === "UTC") return ms;
  const near = ms - (localMs(ms, zone) - ms);
  // Over a change of the clocks the offset of the answer decides.
  return ms - (localMs(near, zone) - near);
}

function believed(ms: number): number | null | undefined {
  if (!Number.isFinite(ms) || Math.abs(ms) > timeMsMax) return undefined;
  return ms < clockSetMs ? null : Math.round(ms);
}
