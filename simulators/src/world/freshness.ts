/**
 * C14: what devices say while the link is up is taken soon, whatever waits in the outbox. It is held
 * where nothing but links and gateways fails; what else may go wrong delays all alike.
 */
import type { Attempt } from "./attempts.ts";
import { nameOf } from "./attempts.ts";
import type { FaultName, Violate } from "./faults.ts";
import type { Wire } from "./lossy-link.ts";
import type { Timeline } from "./timeline.ts";

const calm: ReadonlySet<FaultName> = new Set([
  "link-cut",
  "link-flaps",
  "link-slow",
  "device-cut",
  "device-burst",
  "edge-killed",
  "edge-stopped",
  "edge-power-cut",
  "reader-registered",
  "reader-killed",
  "tail-given-up",
]);
const freshMs = 6_000;

export function isCalm(faults: readonly FaultName[]): boolean {
  return faults.every((name) => calm.has(name));
}

export class Freshness {
  readonly #timeline: Timeline;
  readonly #isHeld: boolean;
  #waiting: { readonly attempt: Attempt; readonly atMs: number; readonly wire: Wire }[] = [];

  constructor(timeline: Timeline, faults: readonly FaultName[]) {
    this.#timeline = timeline;
    this.#isHeld = isCalm(faults);
  }

  acknowledged(attempt: Attempt, wire: Wire): void {
    if (this.#isHeld) this.#waiting.push({ attempt, atMs: this.#timeline.nowMs, wire });
  }

  check(taken: ReadonlyMap<string, string>, violate: Violate): void {
    const overMs = this.#timeline.nowMs - freshMs;
    this.#waiting = this.#waiting.filter(({ attempt, atMs, wire }) => {
      if (taken.has(nameOf(attempt)) || atMs < wire.promptFromMs) return false;
      if (atMs > overMs) return true;
      violate("C14", `${nameOf(attempt)} of ${attempt.machine} is not taken after ${freshMs} ms`);
      return false;
    });
  }
}
