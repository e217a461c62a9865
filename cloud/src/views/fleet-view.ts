/**
 * The fleet as it is now: counters, the latest value of every series, the gateways, the alerts.
 * Pure, and bounded in memory. Every change gets the next version, so that a reader who names the
 * version it has is handed just what came after it. Each table gives up its oldest at its bound.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { DevicePlace } from "@causeway/shared/devices/device-facts.ts";
import type { DeadNotification } from "@causeway/shared/notify/dead-notification.ts";
import type { DerivedEvent } from "@causeway/shared/rules/derived-event.ts";
import type { LetterGroup } from "../dead/letter-pages.ts";
import type { Folded, TakenEvent } from "../ingest/fold.ts";
import type { Gap } from "../ingest/journal-reader.ts";
import { gapReason } from "../ingest/journal-reader.ts";
import type { AlertEntry } from "./alert-table.ts";
import { AlertTable } from "./alert-table.ts";
import type { DeadGroup } from "./dead-table.ts";
import { DeadTable } from "./dead-table.ts";
import type { GatewayView } from "./gateway-table.ts";
import { GatewayTable } from "./gateway-table.ts";
import type { KeptSeries, SeriesBounds, SeriesView } from "./series-table.ts";
import { SeriesTable } from "./series-table.ts";

export interface ViewBounds extends SeriesBounds {
  readonly gatewaysMax: number;
  readonly openAlertsMax: number;
  readonly resolvedAlertsMax: number;
  readonly transitionsMax: number;
  readonly derivedMax: number;
}

export const defaultViewBounds: ViewBounds = {
  seriesMax: 20_000,
  gatewaysMax: 10_000,
  openAlertsMax: 10_000,
  resolvedAlertsMax: 2_000,
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

/** What came from the journal, as it is kept; of one instant. */
export interface EventsState {
  readonly counts: typeof noCounts;
  readonly seriesEvicted: number;
  readonly gateways: readonly GatewayView[];
  /** Oldest change first. */
  readonly series: readonly KeptSeries[];
}

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
  readonly #gateways: GatewayTable;
  readonly #alerts: AlertTable;
  /** Open ones of each gateway, as its engine has them. */
  readonly #letters = new Map<string, readonly DeadGroup[]>();
  /** What receivers gave up. */
  readonly #dead = new DeadTable();
  #transitions: AlertView[] = [];
  #derived: DerivedView[] = [];
  #counts = { ...noCounts };
  #version = 0;
  #sequence = 0;
  #generation = 1;

  constructor(bounds: ViewBounds = defaultViewBounds, said: SaidOfDevices = nothingSaid) {
    this.#bounds = bounds;
    this.#said = said;
    this.#series = new SeriesTable(bounds);
    this.#gateways = new GatewayTable(bounds.gatewaysMax);
    const { openAlertsMax: openMax, resolvedAlertsMax: resolvedMax } = bounds;
    this.#alerts = new AlertTable({ openMax, resolvedMax });
  }

  /** Changes when the view was emptied: versions of another generation mean nothing. */
  get generation(): number {
    return this.#generation;
  }

  get version(): number {
    return this.#version;
  }

  /** To be told before what the message brings: changes are of it. */
  reach(sequence: number): void {
    this.#sequence = sequence;
  }

  /** What one journal message brought; `storedAt` is when the server stored it, in ms. */
  applyFolded({ source, taken, dead, doubt }: Omit<Folded, "findings">, storedAt: number): void {
    this.#counts.dead += dead.length;
    if (doubt !== undefined) this.#counts.doubts++;
    else if (taken.length === 0 && dead.length === 0) this.#counts.repeats++;
    for (const event of taken) this.apply(event);
    this.#gateways.stored(source.gateway, source.partition, storedAt, dead.length);
  }

  apply(taken: TakenEvent): void {
    const { event } = taken;
    const gateway = this.#gateways.take(taken);
    this.#counts.events++;
    if (taken.late) this.#counts.late++;
    switch (event.kind) {
      case "reading": {
        this.#counts.readings += event.readings.length;
        gateway.readings += event.readings.length;
        if (event.device === null) return;
        const { gateway: id, receivedAt } = taken;
        const device = this.#said.seriesOf({ gateway: id, device: event.device }, receivedAt);
        for (const reading of event.readings) {
          const moment = { version: this.#version + 1, sequence: this.#sequence };
          if (this.#series.put(taken, device, reading, moment)) this.#version++;
        }
        return;
      }
      case "quarantined": {
        this.#counts.quarantined++;
        gateway.quarantined++;
        return;
      }
      case "loss":
        this.#counts.lost += event.count;
        return;
      case "system":
      case "presence":
      case "alarm":
      case "reply":
      case "rollup":
        return;
    }
  }

  /** What the journal lost of a gateway, though it was taken. */
  applyGap({ gateway, from, to }: Gap, at: number): void {
    this.#counts.lost += to - from + 1;
    this.#gateways.lost(gateway, gapReason, to - from + 1, at);
  }

  /** A transition that is known already, as after a rollback, changes nothing. */
  applyAlert(transition: AlertTransition): void {
    if (!this.#alerts.take(transition)) return;
    this.#transitions.push({ version: ++this.#version, transition });
    if (this.#transitions.length > this.#bounds.transitionsMax) this.#transitions.shift();
  }

  applyDerived(event: DerivedEvent): void {
    this.#derived.push({ version: ++this.#version, event });
    if (this.#derived.length > this.#bounds.derivedMax) this.#derived.shift();
  }

  applyDeadNotification({ receiver, reason, at, notification }: DeadNotification): void {
    const { firing, resolved, omitted, key } = notification;
    const first = firing[0] ?? resolved[0];
    const text = JSON.stringify(notification);
    this.#dead.add(
      { kind: "notification", gateway: null, receiver, reason },
      {
        ...{ id: key, at, device: first?.device || null, topic: null },
        detail: `${firing.length + resolved.length + omitted} alerts: ${first?.reason ?? ""}`,
        bytes: Buffer.byteLength(text),
        payload: Buffer.from(text).toString("base64"),
      },
    );
  }

  /** Forgets what came from the journal. */
  resetEvents(): void {
    this.#series.clear();
    this.#gateways.clear();
    this.#counts = { ...noCounts };
    this.#sequence = 0;
    this.#generation++;
  }

  /** Forgets the alerts. */
  resetAlerts(): void {
    this.#alerts.clear();
    this.#transitions = [];
    this.#generation++;
  }

  /** Forgets what rules have emitted. */
  resetDerived(): void {
    this.#derived = [];
    this.#generation++;
  }

  /** Those of a gateway that are open from now on. */
  applyLetters(gateway: string, groups: readonly LetterGroup[]): void {
    const shown = { gateway, receiver: null, samples: [] };
    if (groups.length === 0) this.#letters.delete(gateway);
    else
      this.#letters.set(
        gateway,
        groups.map((group) => ({ ...group, ...shown })),
      );
  }

  resetDead(): void {
    this.#dead.clear();
    this.#letters.clear();
  }

  /** What came from the journal, to be kept. */
  eventsState(): EventsState {
    return {
      counts: { ...this.#counts },
      seriesEvicted: this.#series.evicted,
      gateways: this.#gateways.all().map((gateway) => ({ ...gateway })),
      series: this.#series.state(),
    };
  }

  /** In place of what came from the journal so far, up to a message. */
  restoreEvents(state: EventsState, sequence: number): void {
    this.resetEvents();
    this.#counts = { ...state.counts };
    this.reach(sequence);
    for (const gateway of state.gateways) this.#gateways.restore(gateway);
    for (const row of state.series) this.#series.restore(row, ++this.#version);
    this.#series.evicted = state.seriesEvicted;
  }

  counters(): ViewCounters {
    return {
      ...this.#counts,
      gateways: this.#gateways.size,
      series: this.#series.size,
      seriesEvicted: this.#series.evicted,
      alertsOpen: this.#alerts.openCount,
    };
  }

  /** Undefined where it is not known, or was forgotten. */
  gateway(id: string): GatewayView | undefined {
    const row = this.#gateways.get(id);
    return row === undefined || this.#isForgotten(row) ? undefined : { ...row };
  }

  /** The newest heard of first, at most `limit`; none that was forgotten. */
  gateways(limit: number): readonly GatewayView[] {
    const all = this.#gateways
      .all()
      .filter((row) => !this.#isForgotten(row))
      .sort((a, b) => b.storedAt - a.storedAt);
    return all.slice(0, limit).map((gateway) => ({ ...gateway }));
  }

  #isForgotten({ gateway, storedAt }: GatewayView): boolean {
    return this.#said.isForgotten({ gateway, device: "" }, storedAt);
  }

  /** Series that changed after `version`, oldest change first, at most `limit`. */
  seriesSince(version: number, limit: number): readonly SeriesView[] {
    return this.#series.since(version, limit);
  }

  /** The version up to which nothing is newer than that message of the journal. */
  versionAt(sequence: number): number {
    return this.#series.versionAt(sequence);
  }

  /** The most recently updated series, oldest change first; of no device that was forgotten. */
  latestSeries(limit: number): readonly SeriesView[] {
    const isShown = (row: SeriesView) => !this.#said.isForgotten(row, row.receivedAt);
    return this.#series.latest(limit).filter(isShown);
  }

  /** All of them that are wanted, oldest change first. */
  selectSeries(wants: (row: SeriesView) => boolean): readonly SeriesView[] {
    return this.latestSeries(this.#bounds.seriesMax).filter(wants);
  }

  /** Those of a device. */
  seriesOf(gateway: string, device: string): readonly SeriesView[] {
    return this.#series.select((row) => row.gateway === gateway && row.device === device);
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
      open: this.#alerts.open().map(({ last }) => last),
      recent: this.#transitions.map(({ transition }) => transition).reverse(),
    };
  }

  /** Each in its last state. */
  get alertTable(): Pick<AlertTable, "open" | "resolved" | "get" | "firingOf"> {
    return this.#alerts;
  }

  alert(id: string): AlertEntry | undefined {
    return this.#alerts.get(id);
  }

  /** The last heard of first. */
  deadGroups(): readonly DeadGroup[] {
    const all = [...[...this.#letters.values()].flat(), ...this.#dead.all()];
    return all.sort((a, b) => b.lastAt - a.lastAt);
  }

  deadGroup(id: string): DeadGroup | undefined {
    return this.#dead.get(id) ?? this.deadGroups().find((group) => group.id === id);
  }
}
