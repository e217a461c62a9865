/**
 * Occurrences in an order of time.
 *
 *     a            x     x
 *     b                     x        x
 *     a, b                  ^            not the second: a match uses up what came before it
 *                        ├──┤  at most `within`, from the first to the last
 *
 * Occurrences of one moment have no order, so one reading is never two steps. Between the steps
 * anything may come, as under "skip till any match" of SASE (Agrawal et al., SIGMOD 2008) and in
 * Cayuga's event algebra; a match then begins the search anew, as Esper's `every (a -> b)` does.
 *
 * Of partial matches of k steps the one that began last is as good as all others together, since
 * `within` is the only bound: kept is one for each step, and the one of before the newest moment,
 * for what comes at this moment. Bound: 16 steps, 2 partial matches each, 16 causes a match.
 */
import type { ShownReading } from "../shown-reading.ts";
import type { Causes } from "./evidence.ts";
import { isValue } from "./evidence.ts";
import type { Item, Operator } from "./operator.ts";
import { isTime, never } from "./operator.ts";
import { duration } from "./words.ts";

const stepsMax = 16;

/** With an empty id where nothing but time was. */
interface Cause {
  readonly id: string;
  readonly shown: ShownReading | undefined;
}

/** The first steps, done: a partial match. */
interface Chain {
  /** Of its first step, in ms. */
  readonly begin: number;
  /** Of its last one. */
  readonly end: number;
  /** Of each step, the newest cause. */
  readonly causes: readonly Cause[];
}

interface Reached {
  /** With its end at the newest moment of the step. */
  newest: Chain | undefined;
  /** With its end before that. */
  before: Chain | undefined;
}

export class SequenceOperator implements Operator {
  level = false;
  occurred = false;
  readonly isMomentary = true;
  readonly deadline = never;
  readonly #steps: readonly Operator[];
  readonly #withinMs: number;
  /** By step, without the last. */
  #reached: Reached[];
  #usedUntil = Number.NEGATIVE_INFINITY;
  #match: Chain | undefined;

  constructor(steps: readonly Operator[], withinMs: number) {
    this.#steps = steps;
    this.#withinMs = withinMs;
    this.#reached = steps.slice(1).map(nothingReached);
  }

  step(at: number, _item: Item | undefined): void {
    this.occurred = false;
    this.level = false;
    let index = -1;
    for (const operator of this.#steps) {
      index += 1;
      if (operator.occurred && at > this.#usedUntil) this.#take(index, operator, at);
    }
  }

  #take(index: number, operator: Operator, at: number): void {
    const earlier = this.#reached[index - 1];
    const start =
      earlier?.newest !== undefined && earlier.newest.end < at ? earlier.newest : earlier?.before;
    if (index > 0 && (start === undefined || at - start.begin > this.#withinMs)) return;
    const causes: Causes = new Map();
    operator.tell(causes);
    const [id = "", shown] = [...causes].at(-1) ?? [];
    const cause = { id, shown };
    const done = { begin: start?.begin ?? at, end: at, causes: [...(start?.causes ?? []), cause] };
    if (index === this.#steps.length - 1) {
      this.#match = done;
      this.#usedUntil = at;
      this.#reached = this.#steps.slice(1).map(nothingReached);
      this.level = true;
      this.occurred = true;
      return;
    }
    const reached = this.#reached[index];
    if (reached === undefined) return;
    if (reached.newest !== undefined && reached.newest.end < at) reached.before = reached.newest;
    reached.newest = done;
  }

  say(at: number): string {
    const steps = this.#steps.map((operator) => operator.say(at)).join(", then ");
    const { begin, end } = this.#match ?? { begin: at, end: at };
    return `${steps}, within ${duration(end - begin)}; ${duration(this.#withinMs)} count`;
  }

  tell(causes: Causes): void {
    for (const { id, shown } of this.#match?.causes ?? []) if (id !== "") causes.set(id, shown);
  }

  encode(): unknown {
    const used = this.#usedUntil === Number.NEGATIVE_INFINITY ? null : this.#usedUntil;
    const reached = this.#reached.map(({ newest, before }) => [row(newest), row(before)]);
    return [used, row(this.#match), reached];
  }

  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [used, match, reached] = json as unknown[];
    if (used !== null && !isTime(used)) return false;
    if (!Array.isArray(reached) || reached.length !== this.#reached.length) return false;
    const pairs = reached.map((pair: unknown) => (Array.isArray(pair) ? pair.map(partialOf) : []));
    if (pairs.some((pair) => pair.length !== 2 || pair.includes(null))) return false;
    const known = partialOf(match);
    if (known === null) return false;
    this.#usedUntil = used ?? Number.NEGATIVE_INFINITY;
    this.#match = known;
    this.#reached = pairs.map(([newest, before]) => ({
      newest: newest ?? undefined,
      before: before ?? undefined,
    }));
    return true;
  }
}

function nothingReached(): Reached {
  return { newest: undefined, before: undefined };
}

function row(partial: Chain | undefined): unknown {
  if (partial === undefined) return 0;
  return [partial.begin, partial.end, ...partial.causes.map(causeRow)];
}

/** Its id alone, as it was of old, or [id, at, device, metric, value, unit | null]. */
function causeRow({ id, shown }: Cause): unknown {
  if (shown === undefined) return id;
  const { at, device, metric, value, unit } = shown;
  return [id, at, device, metric, value, unit ?? null];
}

function causeOf(json: unknown): Cause | undefined {
  if (typeof json === "string") return { id: json, shown: undefined };
  if (!Array.isArray(json)) return undefined;
  const [id, at, device, metric, value, unit] = json as unknown[];
  if (typeof id !== "string" || !isTime(at) || !isValue(value)) return undefined;
  if (typeof device !== "string" || typeof metric !== "string") return undefined;
  const shown = { at, device, metric, value };
  return { id, shown: typeof unit === "string" ? { ...shown, unit } : shown };
}

/** Undefined where there is none, null where `json` is no partial match. */
function partialOf(json: unknown): Chain | undefined | null {
  if (json === 0) return undefined;
  if (!Array.isArray(json)) return null;
  const [begin, end, ...rows] = json as unknown[];
  if (!isTime(begin) || !isTime(end) || rows.length > stepsMax) return null;
  const causes = rows.map(causeOf);
  return causes.every((cause) => cause !== undefined) ? { begin, end, causes } : null;
}
