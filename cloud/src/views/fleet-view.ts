/**
 * The fleet as it is now: counters, the latest value of every series, the gateways, the alerts.
 * Pure, and bounded in memory. Every change gets the next version, so that a reader who names the
 * version it has is handed just what came after it. Each table gives up its oldest at its bound.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { DevicePlace } from "@causeway/shared/devices/device-facts.ts";
import type { DerivedEvent } from "@causeway/shared/rules/derived-event.ts";
import type { Folded, TakenEvent } from "../ingest/fold.ts";
import type { SeriesBounds, SeriesView } from "./series-table.ts";
import { SeriesTable } from "./series-table.ts";

export interface ViewBounds extends SeriesBounds {
  readonly gatewaysMax: number;
  readonly openAlertsMax: number;
  readonly transitionsMax: number;
  readonly derivedMax: number;
}

export const defaultViewBounds: ViewBounds = {
  seriesMax: 20_000,
  gatewaysMax: 10_000,
  openAlertsMax: 10_000,
  transitionsMax: 200,
  derivedMax: 200,
  recentMax: 48,
  textMax: 256,
};

/** Since the start of the journal that the view has read. */
export interface ViewCounters {
  readonly events: number;
  readonly readings: number;
  readonly quarantined: number;
  readonly dead: number;
  /** Batches that brought nothing new. */
  readonly repeats: number;
  /** Batches that came too early or could not be read, and will come again. */
  readonly doubts: number;
  /** Events that a gateway states as lost. */
  readonly lost: number;
  readonly late: number;
  readonly gateways: number;
  readonly series: number;
  /** Series that were given up at the bound. */
  readonly seriesEvicted: number;
  readonly alertsOpen: number;
}

export interface GatewayView {
  readonly gateway: string;
  /** The newest epoch that came by `live` or `priority`. */
  readonly epoch: string;
  /** When the gateway received its newest event, in ms. */
  readonly receivedAt: number;
  /** When the journal stored its newest batch, in ms: it was connected then. */
  readonly storedAt: number;
  readonly events: number;
  readonly readings: number;
  readonly quarantined: number;
  readonly heartbeat: Heartbeat | undefined;
}

/** What a gateway last said of itself. */
export interface Heartbeat {
  readonly receivedAt: number;
  readonly untakenEvents: number;
  readonly outboxBytes: number;
  readonly appended: number;
  readonly quarantined: number;
  /** Null while the cloud never took anything. */
  readonly takenAgoMs: number | null;
}

export interface AlertView {
  readonly version: number;
  readonly transition: AlertTransition;
}

export interface AlertsView {
  /** In the order in which they began to fire. */
  readonly open: readonly AlertTransition[];
  /** The last transitions, the newest first. */
  readonly recent: readonly AlertTransition[];
}

interface DerivedView {
  readonly version: number;
  readonly event: DerivedEvent;
}

export interface ViewSnapshot {
  readonly generation: number;
  readonly version: number;
  readonly counters: ViewCounters;
  readonly gateways: readonly GatewayView[];
  readonly series: readonly SeriesView[];
  readonly alerts: AlertsView;
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

const noCounts = {
  events: 0,
  readings: 0,
  quarantined: 0,
  dead: 0,
  repeats: 0,
  doubts: 0,
  lost: 0,
  late: 0,
};

/** What people have said of devices that changes what is shown; `at` in ms. */
export interface SaidOfDevices {
  /** The device that readings of the time count as. */
  seriesOf(place: DevicePlace, at: number): string;
  /** It was forgotten then, or later. */
  isForgotten(place: DevicePlace, at: number): boolean;
}

const nothingSaid: SaidOfDevices = { seriesOf: ({ device }) => device, isForgotten: () => false };

export class FleetView {
  readonly #bounds: ViewBounds;
  readonly #said: SaidOfDevices;
  readonly #series: SeriesTable;
  readonly #gateways = new Map<string, Mutable<GatewayView>>();
  readonly #open = new Map<string, AlertTransition>();
  #transitions: AlertView[] = [];
  #derived: DerivedView[] = [];
  #counts = { ...noCounts };
  #version = 0;
  #generation = 1;

  constructor(bounds: ViewBounds = defaultViewBounds, said: SaidOfDevices = nothingSaid) {
    this.#bounds = bounds;
    this.#said = said;
    this.#series = new SeriesTable(bounds);
  }

  /** Changes when the view was emptied: versions of another generation mean nothing. */
  get generation(): number {
    return this.#generation;
  }

  get version(): number {
    return this.#version;
  }

  /** What one journal message brought; `storedAt` is when the server stored it, in ms. */
  applyFolded({ source, taken, dead, doubt }: Omit<Folded, "findings">, storedAt: number): void {
    this.#counts.dead += dead.length;
    if (doubt !== undefined) this.#counts.doubts++;
    else if (taken.length === 0 && dead.length === 0) this.#counts.repeats++;
    for (const event of taken) this.apply(event);
    const gateway = this.#gateways.get(source.gateway);
    if (gateway !== undefined) gateway.storedAt = Math.max(gateway.storedAt, storedAt);
  }

  apply(taken: TakenEvent): void {
    const { event } = taken;
    const gateway = this.#gateway(taken);
    this.#counts.events++;
    gateway.events++;
    if (taken.late) this.#counts.late++;
    else gateway.epoch = taken.epoch;
    gateway.receivedAt = Math.max(gateway.receivedAt, taken.receivedAt);
    switch (event.kind) {
      case "reading": {
        this.#counts.readings += event.readings.length;
        gateway.readings += event.readings.length;
        if (event.device === null) return;
        const { gateway: id, receivedAt } = taken;
        const device = this.#said.seriesOf({ gateway: id, device: event.device }, receivedAt);
        for (const reading of event.readings) {
          if (this.#series.put(taken, device, reading, this.#version + 1)) this.#version++;
        }
        return;
      }
      case "quarantined":
        this.#counts.quarantined++;
        gateway.quarantined++;
        return;
      case "loss":
        this.#counts.lost += event.count;
        return;
      case "system":
        if (event.name === "heartbeat") this.#applyHeartbeat(gateway, taken, event.fields ?? {});
        return;
      case "presence":
      case "alarm":
      case "reply":
      case "rollup":
        return;
    }
  }

  /** A transition that is known already, as after a rollback, changes nothing. */
  applyAlert(transition: AlertTransition): void {
    const { id, state } = transition;
    if (this.#transitions.some(({ transition: own }) => own.id === id && own.state === state)) {
      return;
    }
    if (state === "firing") this.#open.set(id, transition);
    else this.#open.delete(id);
    const [oldest] = this.#open.keys();
    if (this.#open.size > this.#bounds.openAlertsMax && oldest !== undefined) {
      this.#open.delete(oldest);
    }
    this.#transitions.push({ version: ++this.#version, transition });
    if (this.#transitions.length > this.#bounds.transitionsMax) this.#transitions.shift();
  }

  applyDerived(event: DerivedEvent): void {
    this.#derived.push({ version: ++this.#version, event });
    if (this.#derived.length > this.#bounds.derivedMax) this.#derived.shift();
  }

  /** Forgets what came from the journal. */
  resetEvents(): void {
    this.#series.clear();
    this.#gateways.clear();
    this.#counts = { ...noCounts };
    this.#generation++;
  }

  /** Forgets the alerts. */
  resetAlerts(): void {
    this.#open.clear();
    this.#transitions = [];
    this.#generation++;
  }

  /** Forgets what rules have emitted. */
  resetDerived(): void {
    this.#derived = [];
    this.#generation++;
  }

  counters(): ViewCounters {
    return {
      ...this.#counts,
      gateways: this.#gateways.size,
      series: this.#series.size,
      seriesEvicted: this.#series.evicted,
      alertsOpen: this.#open.size,
    };
  }

  /** The newest heard of first, at most `limit`; none that was forgotten. */
  gateways(limit: number): readonly GatewayView[] {
    const all = [...this.#gateways.values()]
      .filter(({ gateway, storedAt }) => {
        return !this.#said.isForgotten({ gateway, device: "" }, storedAt);
      })
      .sort((a, b) => b.storedAt - a.storedAt);
    return all.slice(0, limit).map((gateway) => ({ ...gateway }));
  }

  /** Series that changed after `version`, oldest change first, at most `limit`. */
  seriesSince(version: number, limit: number): readonly SeriesView[] {
    return this.#series.since(version, limit);
  }

  /** The most recently updated series, oldest change first; of no device that was forgotten. */
  latestSeries(limit: number): readonly SeriesView[] {
    const isShown = (row: SeriesView) => !this.#said.isForgotten(row, row.receivedAt);
    return this.#series.latest(limit).filter(isShown);
  }

  /** Transitions that came after `version`, oldest first. */
  transitionsSince(version: number): readonly AlertView[] {
    return this.#transitions.filter((alert) => alert.version > version);
  }

  /** What rules emitted after `version`, oldest first. */
  derivedSince(version: number): readonly DerivedView[] {
    return this.#derived.filter((derived) => derived.version > version);
  }

  /** What rules emitted last, the newest first, at most `limit`. */
  derived(limit: number): readonly DerivedEvent[] {
    return this.#derived
      .slice(-limit)
      .map(({ event }) => event)
      .reverse();
  }

  alerts(): AlertsView {
    return {
      open: [...this.#open.values()],
      recent: this.#transitions.map(({ transition }) => transition).reverse(),
    };
  }

  snapshot(limit: number): ViewSnapshot {
    return {
      generation: this.#generation,
      version: this.#version,
      counters: this.counters(),
      gateways: this.gateways(limit),
      series: this.latestSeries(limit),
      alerts: this.alerts(),
    };
  }

  #gateway(taken: TakenEvent): Mutable<GatewayView> {
    const known = this.#gateways.get(taken.gateway);
    if (known !== undefined) return known;
    if (this.#gateways.size >= this.#bounds.gatewaysMax) this.#evictGateway();
    const gateway: Mutable<GatewayView> = {
      gateway: taken.gateway,
      epoch: taken.epoch,
      receivedAt: taken.receivedAt,
      storedAt: 0,
      events: 0,
      readings: 0,
      quarantined: 0,
      heartbeat: undefined,
    };
    this.#gateways.set(taken.gateway, gateway);
    return gateway;
  }

  /** The one that was not heard of for the longest time. */
  #evictGateway(): void {
    let oldest: GatewayView | undefined;
    for (const gateway of this.#gateways.values()) {
      if (oldest === undefined || gateway.storedAt < oldest.storedAt) oldest = gateway;
    }
    if (oldest !== undefined) this.#gateways.delete(oldest.gateway);
  }

  /** Heartbeats travel by `priority` and may overtake; an older one is not news. */
  #applyHeartbeat(
    gateway: Mutable<GatewayView>,
    taken: TakenEvent,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    const { receivedAt } = taken;
    if (gateway.heartbeat !== undefined && gateway.heartbeat.receivedAt > receivedAt) return;
    gateway.heartbeat = {
      receivedAt,
      untakenEvents: numberOf(fields["untakenEvents"]) ?? 0,
      outboxBytes: numberOf(fields["outboxBytes"]) ?? 0,
      appended: numberOf(fields["appended"]) ?? 0,
      quarantined: numberOf(fields["quarantined"]) ?? 0,
      takenAgoMs: numberOf(fields["takenAgoMs"]),
    };
  }
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
