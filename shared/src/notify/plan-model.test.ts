// Whatever fires, is silenced, acknowledged and restarted in whatever order: receivers are told what
// a simple reference says they may be told, and know in the end how it stands. A failure names its seed.

import { expect, test } from "vitest";
import type { AlertTransition } from "../alert/alert.ts";
import { seededRandom } from "../random.ts";
import type { Notification } from "./notification.ts";
import { defaultPlan } from "./plan-settings.ts";
import { Planned, silence } from "./testing/planned.ts";

const [second, minute, hour] = [1_000, 60_000, 3_600_000];
const runs = process.env["CAUSEWAY_LONG"] === undefined ? 150 : 5_000;
const fingerprints = ["f0", "f1", "f2", "f3", "f4"];

/** What is so, and what a reader of the notifications believes. */
class Reference {
  /** Alerts that fire, by fingerprint. */
  readonly firing = new Map<string, string>();
  /** As told, by fingerprint. */
  readonly believed = new Map<string, string>();
  readonly toldAt = new Map<string, number[]>();

  hear({ firing, resolved, reason, at }: Notification): void {
    for (const { fingerprint, id } of resolved)
      if (this.believed.get(fingerprint) === id) this.believed.delete(fingerprint);
    for (const { fingerprint, id } of firing) this.believed.set(fingerprint, id);
    if (reason === "repeat") return;
    const named = new Set([...firing, ...resolved].map(({ fingerprint }) => fingerprint));
    for (const fingerprint of named) this.#count(fingerprint, at);
  }

  #count(fingerprint: string, at: number): void {
    this.toldAt.set(fingerprint, [...(this.toldAt.get(fingerprint) ?? []), at]);
  }
}

function ruleOf(fingerprint: string): string {
  return Number(fingerprint.slice(1)) % 2 === 0 ? "even" : "odd";
}

function play(seed: string, restarts: boolean): Planned {
  const random = seededRandom(seed);
  const crashes = seededRandom(`crashes of ${seed}`);
  const plan = new Planned();
  const reference = new Reference();
  const chance = (share: number) => random.next() < share;
  const pick = <Item>(items: readonly Item[]) =>
    items[Math.floor(random.next() * items.length)] as Item;
  const silenced = (fingerprint: string) =>
    plan.silences.some(({ matchers, endsAt }) => {
      return plan.now < (endsAt ?? 0) && matchers["device"]?.includes(fingerprint);
    });
  let heard = 0;
  let occurrence = 0;
  const listen = () => {
    for (const one of plan.told.slice(heard)) {
      for (const { fingerprint, id, state } of one.firing) {
        expect(silenced(fingerprint), `${seed}: ${id} was told while it is silent`).toBe(false);
        expect(plan.acknowledgements.has(id), `${seed}: ${id} is known`).toBe(false);
        expect(state).toBe("firing");
      }
      reference.hear(one);
    }
    heard = plan.told.length;
  };
  const change = (fingerprint: string) => {
    const own = { fingerprint, device: fingerprint, rule: ruleOf(fingerprint) };
    const open = reference.firing.get(fingerprint);
    const over: Partial<AlertTransition> =
      open === undefined ? { id: `a${occurrence++}` } : { id: open, state: "resolved" };
    if (open === undefined) reference.firing.set(fingerprint, over.id ?? "");
    else reference.firing.delete(fingerprint);
    plan.take({ ...own, ...over });
    listen();
  };
  const wait = (ms: number) => {
    for (const until = plan.now + ms; plan.now < until; ) {
      plan.advance(Math.min(second, until - plan.now));
      listen();
    }
  };
  for (let act = 0; act < 60; act++) {
    const fingerprint = pick(fingerprints);
    if (chance(0.6)) change(fingerprint);
    else if (chance(0.3)) {
      const endsAt = plan.now + random.next() * hour;
      plan.silences.push(silence({ matchers: { device: [fingerprint] }, endsAt }));
    } else if (chance(0.5)) {
      const open = reference.firing.get(fingerprint);
      if (open !== undefined)
        plan.acknowledgements.set(open, { by: "ann", note: "", at: plan.now });
    }
    if (restarts && crashes.next() < 0.3) plan.restart();
    wait(pick([0, 100, 2 * second, minute, 5 * minute]) * random.next());
  }
  plan.silences.length = 0;
  wait(2 * hour);
  for (const fingerprint of fingerprints) {
    const isSo = reference.firing.get(fingerprint);
    const told = reference.believed.get(fingerprint);
    if (isSo === undefined || !plan.acknowledgements.has(isSo))
      expect(told, `${seed}: ${fingerprint} in the end`).toBe(isSo);
  }
  for (const [fingerprint, times] of reference.toldAt) {
    for (const from of times) {
      const within = times.filter((at) => at >= from && at < from + defaultPlan.flap.quiet);
      expect(within.length, `${seed}: ${fingerprint} too often`).toBeLessThanOrEqual(3);
    }
  }
  const byGroup = Map.groupBy(plan.told, ({ group }) => group["rule"]);
  for (const [rule, told] of byGroup) {
    for (const [index, { at }] of told.entries()) {
      const before = told[index - 1]?.at ?? 0;
      expect(at - before, `${seed}: ${rule}`).toBeGreaterThanOrEqual(defaultPlan.groupInterval);
    }
  }
  expect(new Set(plan.told.map(({ key }) => key)).size, `${seed}: keys`).toBe(plan.told.length);
  return plan;
}

test("what is told agrees with the reference, and ends as it stands", () => {
  for (let run = 0; run < runs; run++) play(`plan ${run}`, false);
}, 600_000);

test("a plan that is read back from its records at any moment tells the same", () => {
  for (let run = 0; run < runs; run++) {
    const seed = `restart ${run}`;
    expect(play(seed, true).told).toEqual(play(seed, false).told);
  }
}, 600_000);
