/** What the planted bugs have in common. */
import { expect } from "vitest";
import type { FaultName } from "../faults.ts";
import { faultNames } from "../faults.ts";
import { drain } from "../system-drain.ts";
import type { WorldPlant } from "../world.ts";
import { runWorld } from "../world.ts";

/** A bug put in on purpose: a small wrapper around a real part. */
export interface Planted {
  /** The promise that it breaks. */
  readonly name: string;
  readonly plant?: () => WorldPlant;
  readonly patch?: () => void;
  /** Checks one of which must find it. */
  readonly finds: readonly string[];
  readonly faults?: readonly FaultName[];
  readonly sure?: readonly FaultName[];
}

/** Where everything goes through to the inner one but what `own` replaces. */
export function around<Part extends object>(inner: Part, own: Partial<Part>): Part {
  return new Proxy(inner, {
    get(target, name) {
      const replaced = Reflect.get(own, name);
      if (replaced !== undefined) return replaced;
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

const seedsMax = 80;

/** The seeds that it took. */
export async function findPlanted(planted: Planted): Promise<number> {
  const { plant = () => ({}), patch, finds, faults = faultNames, sure = [] } = planted;
  patch?.();
  for (let seed = 1; seed <= seedsMax; seed++) {
    const plan = { seed: `${seed}`, minutes: 3, faults, sure, traceLinesMax: 1, plant: plant() };
    const { violations } = await runWorld(plan, drain);
    const [first] = violations;
    if (first === undefined) continue;
    expect(finds, first).toContain(first.split(":")[0]);
    return seed;
  }
  return expect.unreachable(`not found within ${seedsMax} seeds`);
}
