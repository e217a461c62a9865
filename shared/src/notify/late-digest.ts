/**
 * Alerts found in a gateway's history. They are gathered and told together, once its history was
 * taken to the end; never as news, also not when the last of them ends later.
 */
import type { AlertTransition } from "../alert/alert.ts";
import { digestEveryMs, digestQuietMs, digestWaitMs } from "./plan-settings.ts";

export class LateDigest {
  /** To be told, by alert. */
  readonly alerts: Map<string, AlertTransition>;
  /** Told as firing. */
  readonly toldFiring: Set<string>;
  omitted: number;
  /** When the first and the last of those to be told came. */
  sinceAt: number;
  lastAt: number;
  toldAt: number | undefined;
  /** When its history was not taken yet; it need not be kept. */
  askedAt = 0;

  constructor(over: Partial<LateDigest> = {}) {
    this.alerts = over.alerts ?? new Map();
    this.toldFiring = over.toldFiring ?? new Set();
    this.omitted = over.omitted ?? 0;
    this.sinceAt = over.sinceAt ?? 0;
    this.lastAt = over.lastAt ?? 0;
    this.toldAt = over.toldAt;
  }

  knows(id: string): boolean {
    return this.alerts.has(id) || this.toldFiring.has(id);
  }

  add(transition: AlertTransition, now: number, max: number): void {
    if (this.alerts.size === 0) this.sinceAt = now;
    this.lastAt = now;
    const known = this.alerts.get(transition.id);
    if (known?.knownAt !== undefined)
      this.alerts.set(transition.id, { ...transition, knownAt: known.knownAt });
    else if (this.alerts.size < max || known !== undefined)
      this.alerts.set(transition.id, transition);
    else if (transition.state === "firing") this.omitted++;
  }

  /** When it may be told; undefined where there is nothing to tell. */
  dueAt(): number | undefined {
    if (this.alerts.size === 0) return undefined;
    const quietAt = Math.max(this.lastAt, this.askedAt) + digestQuietMs;
    return Math.max(Math.min(quietAt, this.#latestAt()), this.#earliestAt());
  }

  /** For the end of its history. */
  mayWait(now: number): boolean {
    return now < Math.max(this.#latestAt(), this.#earliestAt());
  }

  /** What is to be told, which is then told. */
  take(now: number): { readonly alerts: readonly AlertTransition[]; readonly omitted: number } {
    const taken = { alerts: [...this.alerts.values()], omitted: this.omitted };
    for (const { id, state } of taken.alerts) {
      if (state === "firing") this.toldFiring.add(id);
      else this.toldFiring.delete(id);
    }
    this.alerts.clear();
    this.omitted = 0;
    this.toldAt = now;
    return taken;
  }

  isOver(now: number): boolean {
    if (this.alerts.size > 0 || this.toldFiring.size > 0) return false;
    return this.toldAt === undefined || now >= this.#earliestAt();
  }

  #latestAt(): number {
    return this.sinceAt + digestWaitMs;
  }

  #earliestAt(): number {
    return this.toldAt === undefined ? 0 : this.toldAt + digestEveryMs;
  }
}
