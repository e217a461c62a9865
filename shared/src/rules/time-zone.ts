/** The time of day that a clock on a wall shows, wherever the program runs. */

/** Offsets from UTC change only at these steps, in every zone since 1972. */
const stepMs = 15 * 60_000;
/** What formatters give for times outside of it is of no use to a rule. */
const timeMsMax = Date.UTC(9_999, 0, 1);
export const zonesMax = 64;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  step: number;
  offsetMs: number;
}

const zones = new Map<string, Zone>();

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The moment at which a clock in UTC shows what one in `zone` shows at `timeMs`. */
export function localMs(timeMs: number, zone: string): number {
  const found = zones.get(zone) ?? remember(zone);
  const step = Math.floor(timeMs / stepMs);
  if (step !== found.step) {
    found.step = step;
    found.offsetMs = offsetMs(found.format, Math.min(Math.max(step * stepMs, 0), timeMsMax));
  }
  return timeMs + found.offsetMs;
}

function remember(zone: string): Zone {
  if (zones.size >= zonesMax) zones.clear();
  const made = { format: formatOf(zone), step: Number.NaN, offsetMs: 0 };
  zones.set(zone, made);
  return made;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const digits = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
  const clock = {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  } as const;
  return new Intl.DateTimeFormat("en-US", { timeZone, ...digits, ...clock });
}

function offsetMs(format: Intl.DateTimeFormat, timeMs: number): number {
  const parts = new Map(
    format.formatToParts(timeMs).map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const shown = Date.UTC(
    ...([part("year"), part("month") - 1, part("day")] as const),
    ...([part("hour"), part("minute"), part("second")] as const),
  );
  return shown - Math.floor(timeMs / 1_000) * 1_000;
}
