/**
 * The operators of one rule for one key, stepped together in the order of time (operator.ts, N1–N5).
 * After a step at which a momentary condition holds come others of the same time, until none does:
 * what looks at it sees it rise and fall.
 */
import { assert } from "../../assert.ts";
import type { ShownReading } from "../shown-reading.ts";
import type { Causes } from "./evidence.ts";
import { Evidence } from "./evidence.ts";
import type { KeepOperator } from "./for.ts";
import type { Item, Operator } from "./operator.ts";
import { isTime, misses, never } from "./operator.ts";

/** What a rule's condition is made of, fresh. */
export interface Tree {
  /** Those that are looked at before those that look. */
  readonly operators: readonly Operator[];
  readonly root: KeepOperator;
}

/** The rule has come true, has ceased to hold, or holds after all (timeline.ts, K2). */
export interface Change {
  readonly kind: "occurred" | "ended" | "held";
  /** Time of the key, in ms. */
  readonly at: number;
  readonly reason: string;
  readonly causes: readonly string[];
  /** The readings that made it so, where it holds. */
  readonly shown?: readonly ShownReading[];
  /** No reading and no event brought it about. */
  readonly isTimed: boolean;
}

export const noChanges: readonly Change[] = [];
const causesMax = 16;

export class PatternState {
  readonly #plant: () => Tree;
  readonly #operators: readonly Operator[];
  readonly #timed: readonly Operator[];
  readonly #momentary: readonly Operator[];
  readonly #root: KeepOperator;
  readonly shown = new Evidence();
  /** Up to here time has passed; nothing has come where it is -Infinity. */
  at = Number.NEGATIVE_INFINITY;
  /** The next time to look, though nothing comes. */
  deadline = never;

  constructor(plant: () => Tree) {
    this.#plant = plant;
    const { operators, root } = plant();
    this.#operators = operators;
    this.#root = root;
    this.#timed = operators.filter((operator) => isTimed(operator));
    this.#momentary = operators.filter(({ isMomentary }) => isMomentary);
  }

  get level(): boolean {
    return this.#root.level;
  }

  /** When it began to hold, or ceased to; undefined where it never held. */
  get changedAt(): number | undefined {
    return this.#root.changedAt;
  }

  say(): string {
    return this.#root.say(this.at);
  }

  /** Lets time pass where nothing waits for it; false where something does. Not before `at`. */
  rest(at: number): boolean {
    if (this.deadline !== never) return false;
    this.at = at;
    return true;
  }

  /** Not before `at`. */
  take(item: Item): readonly Change[] {
    const { at } = item;
    const isConcerned = concerns(item);
    const isIdle = !isConcerned && this.deadline > at && this.at !== Number.NEGATIVE_INFINITY;
    if (isIdle) {
      this.at = at;
      return noChanges;
    }
    const before = this.deadline < at ? this.#pass(at, false) : noChanges;
    if (isConcerned > misses) this.#show(item);
    const own = this.#step(at, item, at);
    const after = this.deadline <= at ? this.#pass(at, true) : noChanges;
    this.at = at;
    return joined(joined(before, own), after);
  }

  /** Lets time pass, deadlines at `until` included. */
  pass(until: number): readonly Change[] {
    const changes = this.#pass(until, true);
    this.at = Math.max(this.at, until);
    return changes;
  }

  #pass(until: number, isIncluded: boolean): readonly Change[] {
    let changes = noChanges;
    while (this.deadline < until || (isIncluded && this.deadline === until)) {
      const { deadline } = this;
      changes = joined(changes, this.#step(deadline, undefined, until));
      assert(
        this.deadline > deadline,
        "a deadline that has passed is followed by a later one (N4)",
      );
    }
    return changes;
  }

  /** `until`: up to where what holds now is known to have held. */
  #step(at: number, item: Item | undefined, until: number): readonly Change[] {
    let changes = this.#stepOnce(at, item, until);
    // Its end may bring about another, above it in the tree: no more often than the tree is high.
    while (this.#isMoment()) changes = joined(changes, this.#stepOnce(at, undefined, until));
    let deadline = never;
    for (const operator of this.#timed) {
      if (operator.deadline < deadline) deadline = operator.deadline;
    }
    this.deadline = deadline;
    return changes;
  }

  #isMoment(): boolean {
    for (const { level } of this.#momentary) if (level) return true;
    return false;
  }

  #stepOnce(at: number, item: Item | undefined, until: number): readonly Change[] {
    const root = this.#root;
    const before = root.level;
    for (const operator of this.#operators) operator.step(at, item);
    if (root.occurred) {
      const isTimed = item === undefined || item.kind === "timer";
      const causes = [...this.#causes().keys()].slice(-causesMax);
      const [reason, shown] = [root.say(until), this.shownNow()];
      return [{ kind: "occurred", at, reason, causes, shown, isTimed }];
    }
    if (root.level || !before) return noChanges;
    return [{ kind: "ended", at, reason: "", causes: [], isTimed: item === undefined }];
  }

  /** The readings that make it so; the newest that fitted where nothing but time does. */
  shownNow(): readonly ShownReading[] {
    const found = [...this.#causes().values()].filter((shown) => shown !== undefined);
    const { shown } = this.shown;
    return found.length > 0 || shown === undefined ? found.slice(-causesMax) : [shown];
  }

  #causes(): Causes {
    const causes: Causes = new Map();
    this.#root.tell(causes);
    return causes;
  }

  /** Numbers first: they say more than that a door is open. */
  #show(item: Item): void {
    if (typeof item.value === "number" || typeof this.shown.value !== "number") {
      this.shown.take(item);
    }
  }

  /** What follows is found when time is looked at next. */
  forget(series: number): void {
    if (this.at === Number.NEGATIVE_INFINITY) return;
    for (const operator of this.#operators) operator.forget?.(series);
    this.deadline = Math.min(this.deadline, this.at);
  }

  copy(): PatternState {
    const copy = new PatternState(this.#plant);
    const isRead = copy.decode(this.encode());
    assert(isRead, "a state reads what it wrote");
    return copy;
  }

  encode(): unknown {
    const at = this.at === Number.NEGATIVE_INFINITY ? null : this.at;
    return [at, this.shown.encode(), ...this.#operators.map((operator) => operator.encode())];
  }

  /** To be called on a fresh one; false where `json` is no state of this rule. */
  decode(json: unknown): boolean {
    if (!Array.isArray(json) || json.length !== this.#operators.length + 2) return false;
    const [at, shown, ...rows] = json as unknown[];
    if ((at !== null && !isTime(at)) || !this.shown.decode(shown)) return false;
    const isRead = this.#operators.every((operator, index) => operator.decode(rows[index]));
    if (!isRead) return false;
    this.at = at ?? Number.NEGATIVE_INFINITY;
    this.deadline = Math.min(never, ...this.#timed.map(({ deadline }) => deadline));
    return true;
  }
}

/** Whether its deadline ever changes. */
function isTimed(operator: Operator): boolean {
  const own = Object.getOwnPropertyDescriptor(operator, "deadline");
  return own === undefined || own.writable === true;
}

/** The most that it means to an input: 0 nothing, 1 it misses, 2 it fits. */
function concerns({ fits }: Item): number {
  let most = 0;
  for (let input = 0; input < fits.length; input++) {
    const found = fits[input] ?? 0;
    if (found > most) most = found;
  }
  return most;
}

function joined(left: readonly Change[], right: readonly Change[]): readonly Change[] {
  if (left.length === 0) return right;
  return right.length === 0 ? left : [...left, ...right];
}
