/**
 * An operator is one condition of a pattern rule for one key: it holds now or not (its level), and
 * it has moments at which it came true (its occurrences).
 *
 *     readings  ──┬─────┬──────────┬───> time of the key
 *     level     __┌─────┐__________┌───
 *     occurred    ^                ^
 *
 * N1 Steps come in ascending order of time; of one time, readings come in the order of their
 *    arrival, and a deadline after them. Disorder is a matter of timeline.ts alone.
 * N2 An operator steps after those that it looks at.
 * N3 The same steps give the same state; decode(encode()) goes on exactly as the operator itself.
 * N4 A deadline that has passed is followed by a later one or by none, so that time can be passed
 *    by looking at deadlines alone.
 * N5 A momentary operator holds at the step of its occurrence and at no other.
 *
 * Times are whole milliseconds.
 */
import type { Reading } from "../../event.ts";
import type { Causes } from "./evidence.ts";

/** How a reading stands to an input (leaf, derived, rule, schedule) of the rule. */
export const notConcerned = 0;
export const misses = 1;
export const fits = 2;

/** What comes to a key: a reading, a derived event, or the moment of a schedule. */
export interface Item {
  readonly kind: "reading" | "derived" | "timer";
  /** Time of the key, in ms. */
  readonly at: number;
  readonly id: string;
  readonly device: string;
  readonly metric: string;
  /** Its number in the key's table of series; -1 where it belongs to none. */
  readonly series: number;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  /** By the number of the input. */
  readonly fits: ArrayLike<number>;
}

export interface Operator {
  readonly level: boolean;
  /** It came true at this step; of an input that takes any series: a reading fitted. */
  readonly occurred: boolean;
  readonly isMomentary: boolean;
  /** The next time at which it may change though nothing comes; Infinity where it does not. */
  readonly deadline: number;
  /** `item` undefined: only time passes. */
  step(at: number, item: Item | undefined): void;
  /** A clause that a technician understands: why it holds, at a moment not before its last step. */
  say(at: number): string;
  /** From its next step on it is as if nothing of the series had come. */
  forget?(series: number): void;
  /** What made it so, into `causes`. */
  tell(causes: Causes): void;
  /** What `decode` understands, for JSON; it shares nothing with the operator. */
  encode(): unknown;
  /** To be called on a fresh one; false where `json` is none of its states. */
  decode(json: unknown): boolean;
}

export const never = Number.POSITIVE_INFINITY;

export function isTime(json: unknown): json is number {
  return typeof json === "number" && Number.isFinite(json);
}
