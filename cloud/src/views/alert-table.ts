/**
 * Alerts, each in its last state with the moments of its life, bounded: at `openMax` the one that
 * fires longest goes, of resolved ones the last `resolvedMax` stay.
 */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";

export interface AlertEntry {
  /** The transition that began it; the last one where that was not met. */
  readonly first: AlertTransition;
  readonly last: AlertTransition;
}

export interface AlertBounds {
  readonly openMax: number;
  readonly resolvedMax: number;
}

export class AlertTable {
  readonly #bounds: AlertBounds;
  readonly #open = new Map<string, AlertEntry>();
  /** The last resolved at the end. */
  readonly #resolved = new Map<string, AlertEntry>();
  readonly #firing = new Map<string, number>();

  constructor(bounds: AlertBounds) {
    this.#bounds = bounds;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** How many fire of a gateway. */
  firingOf(gateway: string): number {
    return this.#firing.get(gateway) ?? 0;
  }

  /** False where it is known already, as after a rollback. */
  take(transition: AlertTransition): boolean {
    const { id, state } = transition;
    const known = this.get(id);
    if (known !== undefined && known.last.state === state) return false;
    if (known?.last.state === "resolved") return false;
    const entry = { first: known?.first ?? transition, last: transition };
    if (state === "firing") this.#begin(id, entry);
    else this.#end(id, entry);
    return true;
  }

  get(id: string): AlertEntry | undefined {
    return this.#open.get(id) ?? this.#resolved.get(id);
  }

  /** In the order in which they began to fire. */
  open(): readonly AlertEntry[] {
    return [...this.#open.values()];
  }

  /** The last resolved first. */
  resolved(): readonly AlertEntry[] {
    return [...this.#resolved.values()].reverse();
  }

  clear(): void {
    this.#open.clear();
    this.#resolved.clear();
    this.#firing.clear();
  }

  #begin(id: string, entry: AlertEntry): void {
    this.#open.set(id, entry);
    this.#count(entry, 1);
    const [oldest] = this.#open;
    if (this.#open.size > this.#bounds.openMax && oldest !== undefined) this.#drop(oldest[0]);
  }

  #end(id: string, entry: AlertEntry): void {
    this.#drop(id);
    this.#resolved.set(id, entry);
    const [oldest] = this.#resolved.keys();
    if (this.#resolved.size > this.#bounds.resolvedMax && oldest !== undefined)
      this.#resolved.delete(oldest);
  }

  #drop(id: string): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    this.#open.delete(id);
    this.#count(entry, -1);
  }

  #count({ last: { gateway } }: AlertEntry, by: number): void {
    const now = (this.#firing.get(gateway) ?? 0) + by;
    if (now > 0) this.#firing.set(gateway, now);
    else this.#firing.delete(gateway);
  }
}
