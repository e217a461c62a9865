/** The values of command line flags, checked; commander tells which flag a refusal is about. */
import { InvalidArgumentError } from "commander";
import type { DurationUnit } from "./duration.ts";
import { durationMs } from "./duration.ts";

/** A whole number of at least `least` and at most `most`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** Milliseconds; `bareUnit` is meant where no unit is written. */
export function duration(
  bareUnit: DurationUnit,
  leastMs: number,
  mostMs: number,
): (text: string) => number {
  return (text) => {
    const value = durationMs(text, bareUnit);
    if (value !== undefined && value >= leastMs && value <= mostMs) return value;
    throw new InvalidArgumentError(
      `Give a time from ${leastMs} ms to ${mostMs / 1_000} s, as 250ms, 5s, 2m or 1h.`,
    );
  };
}

/** `0` and `max` are as fast as acknowledged: Infinity. */
export function speed(text: string): number {
  const value = text === "max" ? 0 : Number(text);
  if (text === "" || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError("Give max, or how many times faster than recorded, as 1 or 60.");
  }
  return value === 0 ? Infinity : value;
}

export function oneCharacter(text: string): string {
  const character = text === "\\t" || text === "tab" ? "\t" : text;
  if (character.length === 1 && character !== '"') return character;
  throw new InvalidArgumentError("Give one character, or tab.");
}

/** Gathers a flag that may be repeated and may hold a comma list. */
export function gatherList(text: string, gathered: readonly string[] | undefined): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.includes("")) throw new InvalidArgumentError("An item of the list is empty.");
  return [...(gathered ?? []), ...items];
}

export function brokerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["mqtt:", "mqtts:", "ws:", "wss:"].includes(url.protocol)) {
    throw new InvalidArgumentError("Give mqtt://, mqtts://, ws:// or wss:// and host:port.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new InvalidArgumentError("Credentials go to --username and --password-file.");
  }
  return text;
}

/** The device that a recording is of: its file name without folder and endings. */
export function deviceNameOf(fileName: string): string {
  const base = fileName.slice(fileName.lastIndexOf("/") + 1);
  return base.replace(/\.gz$/i, "").replace(/\.[^.]+$/, "");
}
