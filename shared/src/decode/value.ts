/** What a JSON value or a word says as a reading; NaN and "unavailable" are quality, not errors. */
import type { Reading } from "../event.ts";
import type { MetricName } from "../names.ts";

/** Words by which devices of many families say that they have no value now. */
const absentWords = new Set(["unavailable", "unknown", "none", "null", "n/a"]);
const nanWords = new Set(["nan", "+nan", "-nan"]);
const infinityWords = new Set(["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"]);
const numberPattern = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
/** A leading zero marks an identifier: 007 is text, 0.7 is a number. */
const leadingZeroPattern = /^[+-]?0[0-9]/;

export function readingOf(metric: MetricName, value: string | number | boolean | null): Reading {
  if (value === null) return { metric, value: null, quality: "bad", reason: "null" };
  if (typeof value === "number" && !Number.isFinite(value)) {
    return absent(metric, Number.isNaN(value) ? "nan" : "out-of-range");
  }
  if (typeof value === "string") {
    const why = absence(value);
    if (why !== undefined) return absent(metric, why);
  }
  return { metric, value, quality: "good" };
}

/** A number of 32 bits as its shortest decimal: 12.3 is what was meant, not 12.300000190734863. */
export function ofFloat32(value: number): number {
  if (Number.isInteger(value)) return value;
  const near = Math.round(value * 1e4) / 1e4;
  if (Math.fround(near) === value) return near;
  for (const digits of [6, 7, 8]) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

/** A plain payload: number, boolean word, absence word, or text as it stands. */
export function readingOfText(metric: MetricName, text: string): Reading {
  const word = text.trim();
  if (numberPattern.test(word) && !leadingZeroPattern.test(word))
    return readingOf(metric, Number(word));
  if (word === "true" || word === "false") return readingOf(metric, word === "true");
  return readingOf(metric, text);
}

function absent(metric: MetricName, reason: string): Reading {
  return { metric, value: null, quality: "bad", reason };
}

function absence(text: string): string | undefined {
  if (text.length > 12) return undefined;
  const word = text.trim().toLowerCase();
  if (nanWords.has(word)) return "nan";
  if (infinityWords.has(word)) return "infinity";
  return absentWords.has(word) ? word : undefined;
}
