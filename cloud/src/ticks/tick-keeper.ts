/**
 * Decides when a process writes the next tick. Several may run: one keeps the clock while the
 * others look on, and a look-out takes over once nothing has changed from one look to its next.
 *
 *   K3  A process announces its rules once when it starts, and once each time they change, unless
 *       they are announced already; afterwards it carries on whatever rules the last tick names.
 *       Two that are configured otherwise do not take turns: the last change has its way.
 *   K4  An announcement that a rollback took out of the journal is made again, unless another one
 *       had followed it.
 */
import type { Tick } from "./tick.ts";
import { nextTick } from "./tick.ts";

export interface StoredTick {
  readonly tick: Tick;
  /** Sequence and nonce in the journal: no two ticks have the same, whatever was rolled back. */
  readonly identity: string;
}

type Announcement =
  | { readonly kind: "due" }
  | { readonly kind: "made"; readonly revision: number }
  /** Others have announced theirs since. */
  | { readonly kind: "superseded" };

export interface Decision {
  readonly tick: Tick;
  /** The journal hears of these rules now: they must be kept before. */
  readonly announces: boolean;
}

export class TickKeeper {
  #rules: string;
  #announcement: Announcement = { kind: "due" };
  #known: string | undefined;

  constructor(rules: string) {
    this.#rules = rules;
  }

  /** Name of this process' rules. */
  get rules(): string {
    return this.#rules;
  }

  /** K3 */
  change(rules: string): void {
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#announcement = { kind: "due" };
  }

  /** What to write after `last`, the journal's newest tick; undefined to look on. */
  decide(last: StoredTick | undefined, wallMs: number): Decision | undefined {
    this.#follow(last?.tick);
    const announces = this.#announcement.kind === "due" || last === undefined;
    const isOverdue = this.#known === last?.identity;
    this.#known = last?.identity;
    if (!announces && !isOverdue) return undefined;
    return { tick: nextTick(last?.tick, wallMs, this.#rules, announces), announces };
  }

  wrote({ tick, identity }: StoredTick, announced: boolean): void {
    this.#known = identity;
    // They may have changed while the tick was written: then the new ones are still due.
    if (announced && tick.rules === this.#rules)
      this.#announcement = { kind: "made", revision: tick.revision };
  }

  /** K3, K4. */
  #follow(last: Tick | undefined): void {
    const own = this.#announcement;
    if (last === undefined || own.kind === "superseded") return;
    const isNamed = last.rules === this.#rules;
    if (own.kind === "due" || last.revision < own.revision) {
      this.#announcement = isNamed ? { kind: "made", revision: last.revision } : { kind: "due" };
    } else if (last.revision > own.revision) {
      this.#announcement = isNamed
        ? { kind: "made", revision: last.revision }
        : { kind: "superseded" };
    }
  }
}
