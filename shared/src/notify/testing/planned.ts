/** A plan in virtual time: what one receiver is told, for tests. */

import type { AlertTransition } from "../../alert/alert.ts";
import type { Acknowledgement } from "../../operate/acknowledgement.ts";
import type { Silence } from "../../operate/silence.ts";
import { compileFleet } from "../../rules/fleet.ts";
import type { Notification } from "../notification.ts";
import type { PlanEvent } from "../plan.ts";
import { nextDueAt, step } from "../plan.ts";
import { decodeState, encodeRecord } from "../plan-codec.ts";
import type { PlanSettings } from "../plan-settings.ts";
import { defaultPlan } from "../plan-settings.ts";
import { PlanState } from "../plan-state.ts";
import { transition } from "./transition.ts";

export const startMs = Date.UTC(2026, 0, 5);

export class Planned {
  readonly told: Notification[] = [];
  readonly silences: Silence[] = [];
  readonly acknowledgements = new Map<string, Acknowledgement>();
  now = startMs;
  room = 64;
  /** Gateways whose history is still on its way. */
  readonly drains = new Set<string>();
  state = new PlanState();
  readonly #settings: PlanSettings;
  readonly #records = new Map<string, string>();
  readonly #fleet = compileFleet({
    gateways: [{ match: ["hall-*"], site: "hall", labels: { floor: "1" } }],
    devices: [],
  });

  constructor(settings: Partial<PlanSettings> = {}) {
    this.#settings = { ...defaultPlan, ...settings };
  }

  step(event: PlanEvent): readonly Notification[] {
    const { silences, acknowledgements, now, room } = this;
    const circumstances = { silences, acknowledgements, fleet: this.#fleet };
    const told = step(this.state, event, {
      settings: this.#settings,
      circumstances,
      now,
      room,
      historyTaken: { has: (gateway) => !this.drains.has(gateway) },
    });
    for (const record of this.state.changed)
      this.#records.set(record, encodeRecord(this.state, record));
    this.state.changed.clear();
    this.told.push(...told);
    return told;
  }

  /** As the process that reads the ledger after a crash. */
  restart(): void {
    this.state = decodeState(this.#records);
  }

  take(...transitions: readonly Partial<AlertTransition>[]): readonly Notification[] {
    const at = this.now;
    return this.step({
      kind: "transitions",
      transitions: transitions.map((over) => transition({ at, firingAt: at, ...over })),
    });
  }

  /** Tells what falls due meanwhile. */
  advance(byMs: number): void {
    const until = this.now + byMs;
    for (;;) {
      const dueAt = nextDueAt(this.state) ?? Number.POSITIVE_INFINITY;
      if (dueAt > until) break;
      this.now = Math.max(this.now, dueAt);
      this.step({ kind: "time" });
    }
    this.now = until;
  }

  /** `reason firing-ids/resolved-ids` of each notification. */
  lines(): readonly string[] {
    const ids = (alerts: readonly AlertTransition[]) => alerts.map(({ id }) => id).join(",");
    return this.told.map((one) => `${one.reason} ${ids(one.firing)}/${ids(one.resolved)}`);
  }
}

export function silence(over: Partial<Silence> = {}): Silence {
  const people = { author: "ann", comment: "works", createdAt: startMs };
  const span = { startsAt: startMs, endsAt: startMs + 3_600_000 };
  return { id: "s1", matchers: { rule: ["*"] }, ...span, ...people, ...over };
}
