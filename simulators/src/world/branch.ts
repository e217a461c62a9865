/**
 * What ENGINE says has happened, by the world's own reckoning. Another copy of ENGINE is another
 * branch: it goes on from the moment at which the copy was made, and knows nothing of what came after.
 */
import type { AlertTransition } from "@causeway/cloud/alert/alert.ts";
import type { GatewayAlerts, GatewayDetection } from "@causeway/cloud/alert/alerting.ts";
import type { Log } from "@causeway/shared/event.ts";
import { nameIn } from "./attempts.ts";
import type { Taken } from "./plain-reader.ts";
import { worldAlerting } from "./rules.ts";

/** Positions that a loss stands for. */
export interface TakenLoss {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

interface Reference {
  detection: GatewayDetection;
  alerts: GatewayAlerts;
}

export class Branch {
  /** The highest position covered, by key. */
  readonly covered: Map<string, number>;
  /** Attempts that took effect, and where. */
  readonly names: Map<string, string>;
  readonly losses: TakenLoss[];
  /** The last call that took effect, by device and epoch. */
  readonly lastCalls: Map<string, number>;
  /** Ids of the transitions told, with their state. */
  readonly told: Set<string>;
  /** Gateways of whose events the journal lost some that the detectors need. */
  readonly incomplete: Set<string>;
  readonly #references: Map<string, Reference>;

  constructor(from?: Branch) {
    this.covered = new Map(from?.covered);
    this.names = new Map(from?.names);
    this.losses = [...(from?.losses ?? [])];
    this.lastCalls = new Map(from?.lastCalls);
    this.told = new Set(from?.told);
    this.incomplete = new Set(from?.incomplete);
    this.#references = new Map(
      [...(from?.references() ?? [])].map(([gateway, { detection, alerts }]) => [
        gateway,
        {
          detection: worldAlerting.decodeDetection(worldAlerting.encodeDetection(detection)),
          alerts: worldAlerting.decodeAlerts(worldAlerting.encodeAlerts(alerts)),
        },
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
    const { detection, alerts } = this.#reference(gateway);
    return event.readings.flatMap((reading, index) => {
      const observation = {
        ...{ id: `${gateway}/${epoch}/${log}/${from}/${index}`, gateway, device, receivedAt, late },
        ...{ metric: reading.metric, value: reading.value },
        ...{ unit: reading.unit, quality: reading.quality },
        observedAt: reading.observedAt ?? event.observedAt,
      };
      const verdicts = worldAlerting.observe(detection, observation);
      return worldAlerting.advance(alerts, verdicts, observation);
    });
  }

  /** The attempt that takes effect with this; undefined where it is none, or had its effect before. */
  enter(taken: Taken): { readonly name: string; readonly before: string | undefined } | undefined {
    const { gateway, epoch, log, from, to, event } = taken;
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
    const fresh = { detection: worldAlerting.detection(), alerts: worldAlerting.alerts() };
    this.#references.set(gateway, fresh);
    return fresh;
  }
}
