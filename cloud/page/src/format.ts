/** Numbers, times and names as people read them. Pure, but for the browser's own language. */

const whole = new Intl.NumberFormat();
const precise = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
const rough = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
const byNameCollator = new Intl.Collator(undefined, { numeric: true });

export const byName = byNameCollator.compare;
export const wholeText = (value: number): string => whole.format(value);
export const roughText = (value: number): string =>
  Math.abs(value) >= 100 ? whole.format(Math.round(value)) : rough.format(value);
export const compactText = (value: number): string =>
  Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value);
export const preciseText = (value: number): string => precise.format(value);

/** `1 gateway`, `2 gateways`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${whole.format(count)} ${count === 1 ? one : many}`;
}

/** Of today the time alone. */
export function timeText(ms: number, now: number): string {
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date(now).toDateString();
  return (isToday ? timeOfDay : dayAndTime).format(date);
}

export function utcText(ms: number): string {
  return `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

export function agoText(ms: number): string {
  return ms < 1_500 ? "just now" : `${durationText(ms)} ago`;
}

export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3_600)} h`
    : `${whole.format(Math.round(seconds / 86_400))} d`;
}

export function bytesText(bytes: number): string {
  const step = bytes >= 1 ? Math.min(4, Math.floor(Math.log2(bytes) / 10)) : 0;
  const size = bytes / 1_024 ** step;
  const text = step === 0 || size >= 100 ? `${Math.round(size)}` : size.toFixed(1);
  return `${text} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
}

export type Value = number | string | boolean | null;

export function valueText(value: Value): string {
  if (value === null) return "no value";
  if (typeof value === "number") return precise.format(value);
  return typeof value === "boolean" ? (value ? "on" : "off") : value;
}

/** The symbols of the SenML registry as people write them. */
const unitNames: Readonly<Record<string, string>> = {
  Cel: "°C",
  "%RH": "% RH",
  "/": "",
  Ohm: "Ω",
  "m/s2": "m/s²",
  m2: "m²",
  m3: "m³",
};

export function unitText(unit: string | undefined | null): string {
  return unit === undefined || unit === null ? "" : (unitNames[unit] ?? unit);
}

/** Where something happened; `_cloud` and `@site` stand in place of a gateway. */
export function spotText(place: { gateway: string; device: string; metric: string }): string {
  const { gateway, device, metric } = place;
  if (device !== "") return metric === "" ? device : `${device} · ${metric}`;
  if (gateway === "_cloud") return "cloud";
  return gateway.startsWith("@") ? `site ${gateway.slice(1)}` : gateway;
}
