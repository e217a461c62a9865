/**
 * What conditions mean, from their definitions: all that ever came is kept, and every millisecond is
 * looked at. It shares nothing with the operators.
 *
 * The instants of a key: at each millisecond from its first item on, each item of that time, then
 * the time itself; after each of them the same time again, until what is momentary, and what its
 * end brings about, has ceased to hold.
 */
import type { Reading } from "../../../event.ts";
import type { Condition, Leaf } from "../../condition.ts";
import { selectorOf } from "../../selector.ts";

export interface Told {
  readonly at: number;
  readonly kind: "reading" | "derived" | "timer";
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
}

interface Instant {
  readonly at: number;
  readonly item: Told | undefined;
}

interface Judged {
  readonly level: readonly boolean[];
  readonly occurred: readonly boolean[];
  readonly isMomentary: boolean;
}

export interface ReferenceRule {
  readonly when: Condition;
  readonly forMs: number;
  readonly keepMs: number;
}

/** `items` in the order of time; up to `end`. */
export function judge({ when, forMs, keepMs }: ReferenceRule, items: readonly Told[], end: number) {
  const instants = instantsOf(items, end);
  const inner = condition(when, instants);
  const root = forMs === 0 ? inner : lasting(inner, instants, forMs);
  const kept = keep(root, instants, root.isMomentary ? Math.max(1, keepMs) : keepMs);
  const occurred = root.isMomentary ? root.level : rises(kept);
  const times = instants.flatMap(({ at }, k) => (occurred[k] ? [at] : []));
  return { level: kept.at(-1) ?? false, occurrences: [...new Set(times)] };
}

function instantsOf(items: readonly Told[], end: number): readonly Instant[] {
  const [first] = items;
  if (first === undefined) return [];
  const instants: Instant[] = [];
  const again = (at: number) => Array.from({ length: 3 }, () => ({ at, item: undefined }));
  const add = (at: number, item?: Told) => instants.push({ at, item }, ...again(at));
  for (let at = first.at; at <= end; at++) {
    for (const item of items) if (item.at === at) add(at, item);
    add(at);
  }
  return instants;
}

const rises = (level: readonly boolean[]) => level.map((now, k) => now && level[k - 1] !== true);

function ofLevel(level: readonly boolean[]): Judged {
  return { level, occurred: rises(level), isMomentary: false };
}

function ofMoments(occurred: readonly boolean[]): Judged {
  return { level: occurred, occurred, isMomentary: true };
}

function condition(when: Condition, instants: readonly Instant[]): Judged {
  const judged = plain(when, instants);
  const { forMs = 0 } = when;
  return forMs === 0 ? judged : lasting(judged, instants, forMs);
}

function lasting({ level }: Judged, instants: readonly Instant[], forMs: number): Judged {
  return ofLevel(
    instants.map(({ at }, k) => {
      for (let s = k; s >= 0 && level[s] === true; s--) {
        if (at - (instants[s]?.at ?? 0) >= forMs) return true;
      }
      return false;
    }),
  );
}

function keep({ level }: Judged, instants: readonly Instant[], keepMs: number): readonly boolean[] {
  return instants.map(({ at }, k) => {
    const last = level.lastIndexOf(true, k);
    if (last < 0 || last === k) return last === k;
    return at - (instants[last + 1]?.at ?? 0) < keepMs;
  });
}

function plain(when: Condition, instants: readonly Instant[]): Judged {
  const parts = (of: readonly Condition[]) => of.map((part) => condition(part, instants));
  const at = (k: number) => instants[k]?.at ?? 0;
  switch (when.kind) {
    case "leaf": {
      const fit = fitsOf(when, instants);
      const judged = ofLevel(instants.map((_, k) => sticky(when.of, fit, instants, k)));
      if (when.of !== "any") return judged;
      return { ...judged, occurred: fit.map((one) => one === true) };
    }
    case "all":
    case "any": {
      const of = parts(when.of);
      const isAll = when.kind === "all";
      const level = instants.map((_, k) => {
        const levels = of.map((part) => part.level[k] === true);
        return isAll ? levels.every(Boolean) : levels.some(Boolean);
      });
      const momentary = of.map(({ isMomentary }) => isMomentary);
      const isMomentary = isAll ? momentary.some(Boolean) : momentary.every(Boolean);
      return { ...ofLevel(level), isMomentary };
    }
    case "not":
      return ofLevel(condition(when.of, instants).level.map((level) => !level));
    case "sequence": {
      const steps = parts(when.steps);
      let usedUntil = Number.NEGATIVE_INFINITY;
      const reaches = (step: number, k: number, last: number): boolean => {
        if (steps[step]?.occurred[k] !== true || at(k) <= usedUntil) return false;
        if (step === 0) return last - at(k) <= when.withinMs;
        return instants.some((_, j) => at(j) < at(k) && reaches(step - 1, j, last));
      };
      return ofMoments(
        instants.map((_, k) => {
          const isMatch = reaches(steps.length - 1, k, at(k));
          if (isMatch) usedUntil = at(k);
          return isMatch;
        }),
      );
    }
    case "absence": {
      const fit = fitsOf(when.leaf, instants);
      return ofLevel(
        instants.map((_, k) => {
          const last = fit.lastIndexOf(true, k);
          return at(k) - at(Math.max(0, last)) > when.afterMs;
        }),
      );
    }
    case "count": {
      const fit = fitsOf(when.leaf, instants);
      return ofLevel(
        instants.map((_, k) => {
          const inside = (j: number) => j <= k && at(j) > at(k) - when.withinMs;
          const found = fit.filter((one, j) => one === true && inside(j)).length;
          if (when.atLeast !== undefined) return found >= when.atLeast;
          return at(k) - at(0) >= when.withinMs && found < (when.fewerThan ?? 0);
        }),
      );
    }
    case "rate": {
      const fit = fitsOf(when.leaf, instants);
      return ofLevel(instants.map((_, k) => isFast(when, fit, instants, k)));
    }
    case "derived":
      return ofMoments(instants.map(({ item }) => item?.kind === "derived"));
    case "schedule":
      return ofMoments(instants.map(({ item }) => item?.kind === "timer"));
    case "after":
      return after(condition(when.since, instants), instants, when.afterMs);
    case "rule":
      throw new Error("verdicts are not part of the reference");
  }
}

function after(since: Judged, instants: readonly Instant[], afterMs: number): Judged {
  const at = (k: number) => instants[k]?.at ?? 0;
  const begins = since.isMomentary ? since.level : rises(since.level);
  let last = -1;
  return ofMoments(
    instants.map((_, k) => {
      const from = begins.findIndex((begin, r) => {
        if (!begin || r <= last || r > k) return false;
        return since.isMomentary || since.level.slice(r, k + 1).every(Boolean);
      });
      const isNow = from >= 0 && at(k) - at(from) >= afterMs;
      if (isNow) last = k;
      return isNow;
    }),
  );
}

/** Undefined where an instant is none of the leaf's. */
function fitsOf(leaf: Leaf, instants: readonly Instant[]): readonly (boolean | undefined)[] {
  const [devices, metrics] = [selectorOf(leaf.devices), selectorOf(leaf.metrics)];
  return instants.map(({ item }) => {
    if (item?.kind !== "reading" || !devices(item.device) || !metrics(item.metric))
      return undefined;
    const { predicate } = leaf;
    if (predicate === undefined) return true;
    const { value } = item;
    const types = { number: "number", text: "string", boolean: "boolean" } as const;
    if (predicate.wants !== "any" && typeof value !== types[predicate.wants]) return undefined;
    return predicate.source === "on" ? value === true : Number(value) > limitOf(predicate.source);
  });
}

/** Of `value > 5`, the one comparison that the reference knows. */
function limitOf(source: string): number {
  return Number(source.replace("value > ", ""));
}

function seriesOf(item: Told | undefined): string {
  return item === undefined ? "" : `${item.device} ${item.metric}`;
}

function sticky(
  of: Leaf["of"],
  fit: readonly (boolean | undefined)[],
  instants: readonly Instant[],
  k: number,
): boolean {
  const newest = new Map<string, boolean>();
  for (let j = 0; j <= k; j++) {
    const said = fit[j];
    if (said !== undefined) newest.set(seriesOf(instants[j]?.item), said);
  }
  const yes = [...newest.values()].filter(Boolean).length;
  if (of === "any") return yes > 0;
  return of === "every" ? yes > 0 && yes === newest.size : yes >= of;
}

function isFast(
  { overMs, perMs, above, below }: Extract<Condition, { kind: "rate" }>,
  fit: readonly (boolean | undefined)[],
  instants: readonly Instant[],
  k: number,
): boolean {
  const isSample = (item: Told | undefined, j: number) =>
    fit[j] === true && typeof item?.value === "number";
  const samples = instants.slice(0, k + 1).filter(({ item }, j) => isSample(item, j));
  return [...new Set(samples.map(({ item }) => seriesOf(item)))].some((series) => {
    const own = samples.filter(({ item }) => seriesOf(item) === series);
    const newest = own.at(-1);
    if (newest === undefined || (instants[k]?.at ?? 0) - newest.at > overMs) return false;
    const begin = own.findLastIndex(({ at }, j) => at - (own[j - 1]?.at ?? at) > overMs);
    const unbroken = own.slice(Math.max(0, begin));
    const oldest = unbroken.findLast(({ at }) => at <= newest.at - overMs) ?? unbroken[0];
    if (oldest === undefined || oldest.at === newest.at) return false;
    const change = Number(newest.item?.value) - Number(oldest.item?.value);
    const rate = (change / Math.max(newest.at - oldest.at, overMs)) * perMs;
    return (above !== undefined && rate > above) || (below !== undefined && rate < below);
  });
}
