/** Whom `scenario kill9` kills when: every program equally often, in an order drawn from the seed. */
import type { Random } from "@causeway/shared/random.ts";

export const victims = ["edge", "cloud", "nats"] as const;
export type Victim = (typeof victims)[number];

export interface Kill {
  readonly victim: Victim;
  /** Under load before the kill. */
  readonly afterMs: number;
  /** Dead for so long. */
  readonly downMs: number;
}

const aliveMs = { least: 200, most: 1_500 };
const downMsMax = 1_000;

/** `rounds` kills of each program. */
export function killPlan(rounds: number, random: Random): readonly Kill[] {
  const order = Array.from({ length: rounds }, () => victims).flat();
  for (let last = order.length - 1; last > 0; last--) {
    const drawn = Math.floor(random.next() * (last + 1));
    const [left, right] = [order[last], order[drawn]];
    if (left !== undefined && right !== undefined) [order[last], order[drawn]] = [right, left];
  }
  return order.map((victim) => ({
    victim,
    afterMs: Math.round(aliveMs.least + random.next() * (aliveMs.most - aliveMs.least)),
    downMs: Math.round(random.next() * downMsMax),
  }));
}
