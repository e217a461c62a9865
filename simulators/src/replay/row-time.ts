/** The time of a row, as people write it in CSV files. */

const dayPattern = "([0-9]{4}-[0-9]{2}-[0-9]{2})";
const clockPattern = "([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)";
const zonePattern = "([zZ]|[+-][0-9]{2}(?::?[0-9]{2})?)";
const isoPattern = new RegExp(`^${dayPattern}(?:[T ]${clockPattern}\\s?${zonePattern}?)?$`);
const numberPattern = /^[0-9]+(?:\.[0-9]+)?$/;
/** Bare numbers from here on are milliseconds since 1970 (1973 on), below it seconds. */
const millisecondsFrom = 100_000_000_000;

/**
 * ms since 1970, or undefined: `2014-01-07 02:00:00` (UTC where no zone is told), ISO 8601, or a
 * number of seconds or milliseconds since 1970.
 */
export function rowTimeMs(text: string): number | undefined {
  const trimmed = text.trim();
  if (numberPattern.test(trimmed)) {
    const number = Number(trimmed);
    return Math.round(number >= millisecondsFrom ? number : number * 1_000);
  }
  const match = isoPattern.exec(trimmed);
  if (match === null) return undefined;
  const [, day = "", clock = "00:00", zone = "Z"] = match;
  const time = Date.parse(`${day}T${clock.replace(",", ".")}${zoneOf(zone)}`);
  return Number.isNaN(time) ? undefined : time;
}

function zoneOf(zone: string): string {
  if (/^z$/i.test(zone)) return "Z";
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
}
