/**
 * Alerts that some rules would have given beside those that were given.
 *
 *   C1  Two are the same alert where they have one fingerprint and overlap in time; each is the same
 *       as one other at most, so a rule that alarms three times in place of once differs twice.
 *   C2  What began to fire in the range is told, what had only its partner there is too. Its end is
 *       shown where it lies before the range's end, so that the same range always reads the same.
 */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { fingerprintOf } from "@causeway/shared/alert/fingerprint.ts";
import type { AlertLine } from "../cli/alert-list.ts";
import { alertLines, alertText } from "../cli/alert-list.ts";
import type { Chart, Extent } from "../plot/chart.ts";

/** `both` holds the one of the new rules. */
export interface Compared {
  readonly in: "new" | "old" | "both";
  readonly alert: AlertLine;
}

/** What a backtest found. */
export interface Found {
  readonly compared: readonly Compared[];
  /** Whether a rule has looked at anything. */
  readonly hasJudged: boolean;
  chart(): Promise<Chart>;
}

/** In the order in which they began to fire. */
export function compare(
  now: readonly AlertTransition[],
  before: readonly AlertTransition[],
  range: Extent,
): readonly Compared[] {
  const [ours, theirs] = [byFingerprint(now), byFingerprint(before)];
  const found = [...new Set([...ours.keys(), ...theirs.keys()])].flatMap((fingerprint) =>
    paired(ours.get(fingerprint) ?? [], theirs.get(fingerprint) ?? []),
  );
  return found
    .filter(({ mine, other }) => [mine, other].some((alert) => isIn(range, alert)))
    .flatMap(({ mine, other }): Compared[] => {
      const alert = mine ?? other;
      if (alert === undefined) return [];
      const side = mine === undefined ? "old" : other === undefined ? "new" : "both";
      return [{ in: side, alert: clipped(alert, range.to) }];
    })
    .sort(byTime);
}

function byFingerprint(transitions: readonly AlertTransition[]): Map<string, AlertLine[]> {
  const lines = alertLines(transitions).toSorted((left, right) => left.firingAt - right.firingAt);
  return Map.groupBy(lines, (line) => fingerprintOf(line));
}

interface Pair {
  readonly mine?: AlertLine | undefined;
  readonly other?: AlertLine | undefined;
}

/** C1, over those of one fingerprint, each in the order of time. */
function paired(ours: readonly AlertLine[], theirs: readonly AlertLine[]): readonly Pair[] {
  const pairs: Pair[] = [];
  for (let [at, from] = [0, 0]; at < ours.length || from < theirs.length; ) {
    const [mine, other] = [ours[at], theirs[from]];
    const isBefore = mine !== undefined && (other === undefined || endOf(mine) < other.firingAt);
    const isAfter = other !== undefined && (mine === undefined || endOf(other) < mine.firingAt);
    pairs.push(isBefore ? { mine } : isAfter ? { other } : { mine, other });
    if (!isAfter) at += 1;
    if (!isBefore) from += 1;
  }
  return pairs;
}

function endOf({ resolvedAt }: AlertLine): number {
  return resolvedAt ?? Number.POSITIVE_INFINITY;
}

function isIn({ from, to }: Extent, alert: AlertLine | undefined): boolean {
  return alert !== undefined && alert.firingAt >= from && alert.firingAt <= to;
}

/** C2. */
function clipped(alert: AlertLine, to: number): AlertLine {
  return endOf(alert) <= to ? alert : { ...alert, state: "firing", resolvedAt: null };
}

function byTime({ alert: left }: Compared, { alert: right }: Compared): number {
  if (left.firingAt !== right.firingAt) return left.firingAt - right.firingAt;
  const [one, other] = [left, right].map((alert) => `${fingerprintOf(alert)} ${alert.id}`);
  return (one ?? "") < (other ?? "") ? -1 : 1;
}

const signs = { new: "+", old: "-", both: " " } as const;

export function comparedText({ in: side, alert }: Compared): string {
  return `${signs[side]} ${alertText(alert)}`;
}

/** For people, below the lines. */
export function summaryText(compared: readonly Compared[]): string {
  const count = (side: Compared["in"]) => compared.filter((each) => each.in === side).length;
  return `${count("both")} alerts as they were, ${count("new")} more (+), ${count("old")} less (-)`;
}

export function isDifference({ in: side }: Compared): boolean {
  return side !== "both";
}
