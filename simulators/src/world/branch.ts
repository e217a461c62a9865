/**
 * What ENGINE says has happened, by the world's own reckoning. Another copy of ENGINE is another
 * branch: it goes on from the moment at which the copy was made, and knows nothing of what came after.
 */

import type { Place } from "@causeway/cloud/engine/place.ts";
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { GatewayAlerts, GatewayDetection } from "@causeway/shared/alert/alerting.ts";
import type { Log } from "@causeway/shared/event.ts";
import { nameIn } from "./attempts.ts";
import { Lateness } from "./lateness.ts";
import type { Taken } from "./plain-reader.ts";
import { copyOf } from "./plain-reader.ts";
import { alertingOf, firstRules } from "./rules.ts";

/** Positions that a loss stands for. */
export interface TakenLoss {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** Rules that a tick brought into force. */
export interface RuleChange {
  /** Of its message. */
  readonly id: string;
  readonly n: number;
  readonly at: number;
  readonly rules: string;
  /** Among everything that the journal held. */
  order: number;
}

interface Reference {
  rules: string;
  readonly changes: Set<string>;
  detection: GatewayDetection;
  alerts: GatewayAlerts;
}

export class Branch {
  /** The highest position covered, by key. */
  readonly covered: Map<string, number>;
  /** Attempts that took effect, and where. */
  readonly names: Map<string, string>;
  readonly losses: TakenLoss[];
  /** Up to where each partition's commits have read the journal. */
  readonly places: Map<number, Place>;
  /** The last call that took effect, by device and epoch. */
  readonly lastCalls: Map<string, number>;
  /** Ids of the transitions told, with their state. */
  readonly told: Set<string>;
  /** What is known of each gateway's epochs by what took effect. */
  readonly lateness: Map<string, Lateness>;
  /** Gateways of whose events the journal lost some that the detectors need. */
  readonly incomplete: Set<string>;
  /** False once a change of rules is lost. */
  isWhole: boolean;
  readonly #references: Map<string, Reference>;

  constructor(from?: Branch) {
    this.covered = new Map(from?.covered);
    this.names = new Map(from?.names);
    this.losses = [...(from?.losses ?? [])];
    this.places = new Map(from?.places);
    this.lastCalls = new Map(from?.lastCalls);
    this.told = new Set(from?.told);
    this.lateness = copyOf(from?.lateness ?? new Map());
    this.incomplete = new Set(from?.incomplete);
    this.isWhole = from?.isWhole ?? true;
    this.#references = new Map(
      [...(from?.references() ?? [])].map(([gateway, own]) => [
        gateway,
        copyOfReference(own, gateway),
      ]),
    );
  }

  references(): ReadonlyMap<string, Reference> {
    return this.#references;
  }

  /** What an engine tells that takes this event as the next one, without any fault. */
  observe(taken: Taken): readonly AlertTransition[] {
    const { gateway, epoch, log, from, event, receivedAt, late } = taken;
    if (event?.kind !== "reading") return [];
    const { device } = event;
    if (device === null) return [];
    const { rules, detection, alerts } = this.#reference(gateway);
    return event.readings.flatMap((reading, index) => {
      const observation = {
        ...{ id: `${gateway}/${epoch}/${log}/${from}/${index}`, gateway, device, receivedAt, late },
        ...{ metric: reading.metric, value: reading.value },
        ...{ unit: reading.unit, quality: reading.quality },
        observedAt: reading.observedAt ?? event.observedAt,
      };
      const verdicts = alertingOf(rules).observe(detection, observation);
      return alertingOf(rules).advance(alerts, verdicts, observation, detection);
    });
  }

  /** Once. What an engine tells at the tick. */
  change(gateway: string, { id, n, at, rules }: RuleChange): readonly AlertTransition[] {
    const own = this.#reference(gateway);
    if (own.changes.has(id)) return [];
    own.changes.add(id);
    if (rules === own.rules) return [];
    const [before, after] = [alertingOf(own.rules), alertingOf(rules)];
    own.detection = after.decodeDetection(before.encodeDetection(own.detection), gateway);
    own.rules = rules;
    after.rejudge(own.alerts, gateway);
    const moment = { id: `clk/${n}`, gateway, at };
    const verdicts = after.tick(own.detection, moment);
    return after.advanceTick(own.alerts, verdicts, moment, own.detection);
  }

  /** The attempt that takes effect with this; undefined where it is none, or had its effect before. */
  enter(taken: Taken): { readonly name: string; readonly before: string | undefined } | undefined {
    const { gateway, epoch, log, from, to, event, batch } = taken;
    const lateness = this.lateness.get(gateway) ?? new Lateness();
    this.lateness.set(gateway, lateness);
    lateness.meet(batch, batch.lane === "live");
    if (event?.kind === "loss") {
      this.losses.push({ gateway, epoch, log, from, to, reason: event.reason });
    }
    const name = event === undefined ? undefined : nameIn(event);
    if (name === undefined) return undefined;
    const before = this.names.get(name);
    this.names.set(name, `${gateway}/${epoch}/${log}/${from}`);
    return { name, before };
  }

  #reference(gateway: string): Reference {
    const known = this.#references.get(gateway);
    if (known !== undefined) return known;
    const alerting = alertingOf(firstRules);
    const [detection, alerts] = [alerting.detection(gateway), alerting.alerts()];
    const fresh = { rules: firstRules, changes: new Set<string>(), detection, alerts };
    this.#references.set(gateway, fresh);
    return fresh;
  }
}

function copyOfReference(
  { rules, changes, detection, alerts }: Reference,
  gateway: string,
): Reference {
  const alerting = alertingOf(rules);
  return {
    rules,
    changes: new Set(changes),
    detection: alerting.decodeDetection(alerting.encodeDetection(detection), gateway),
    alerts: alerting.decodeAlerts(alerting.encodeAlerts(alerts), gateway),
  };
}
