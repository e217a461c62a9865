/**
 * Alerts found in a gateway's history. They are gathered and told together, once no more have come
 * for a while; never as news, also not when the last of them ends later.
 */
import type { AlertTransition } from "../alert/alert.ts";
import { digestEveryMs, digestQuietMs } from "./plan-settings.ts";

export class LateDigest {
  /** To be told, by alert. */
  readonly alerts: Map<string, AlertTransition>;
  /** Told as firing. */
  readonly toldFiring: Set<string>;
  omitted: number;
  lastAt: number;
  toldAt: number | undefined;

  constructor(over: Partial<LateDigest> & { readonly lastAt: number }) {
    this.alerts = over.alerts ?? new Map();
    this.toldFiring = over.toldFiring ?? new Set();
    this.omitted = over.omitted ?? 0;
    this.lastAt = over.lastAt;
    this.toldAt = over.toldAt;
  }

  knows(id: string): boolean {
    return this.alerts.has(id) || this.toldFiring.has(id);
  }

  add(transition: AlertTransition, now: number, max: number): void {
    this.lastAt = now;
    if (this.alerts.size < max || this.alerts.has(transition.id))
      this.alerts.set(transition.id, transition);
    else if (transition.state === "firing") this.omitted++;
  }

  /** When it is to be told; undefined where there is nothing to tell. */
  dueAt(): number | undefined {
    if (this.alerts.size === 0) return undefined;
    const earliest = this.toldAt === undefined ? 0 : this.toldAt + digestEveryMs;
    return Math.max(this.lastAt + digestQuietMs, earliest);
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
    return this.toldAt === undefined || now >= this.toldAt + digestEveryMs;
  }
}
