/**
 * An item that waits for the horizon: a copy, and its JSON
 * [kind, at, id, device, metric, series, value, unit | null, "one digit an input"].
 */
import { isValue } from "./evidence.ts";
import type { Item } from "./operator.ts";
import { isTime } from "./operator.ts";
import { shortened } from "./words.ts";

const kinds = ["reading", "derived", "timer"] as const;

export function keptItem(item: Item, inputs: number): Item {
  const { kind, at, id, device, metric, series, value, unit } = item;
  const fits = Array.from({ length: inputs }, (_, input) => item.fits[input] ?? 0);
  return { kind, at, id, device, metric, series, value: shortened(value), unit, fits };
}

export function encodeItem({
  kind,
  at,
  id,
  device,
  metric,
  series,
  value,
  unit,
  fits,
}: Item): unknown {
  const digits = Array.from(fits).join("");
  return [kinds.indexOf(kind), at, id, device, metric, series, value, unit ?? null, digits];
}

export function decodeItem(json: unknown): Item | undefined {
  if (!Array.isArray(json)) return undefined;
  const [number, at, id, device, metric, series, value, unit, digits] = json as unknown[];
  const kind = typeof number === "number" ? kinds[number] : undefined;
  if (kind === undefined || !isTime(at) || !isTime(series) || !isValue(value)) return undefined;
  if (typeof id !== "string" || typeof device !== "string" || typeof metric !== "string") {
    return undefined;
  }
  if (unit !== null && typeof unit !== "string") return undefined;
  if (typeof digits !== "string" || !/^[012]*$/.test(digits)) return undefined;
  const fits = [...digits].map(Number);
  return { kind, at, id, device, metric, series, value, unit: unit ?? undefined, fits };
}
