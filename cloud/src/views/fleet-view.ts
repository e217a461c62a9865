/**
 * The fleet as it is now: counters, the latest value of every series, the gateways, the alerts.
 * Pure, and bounded in memory. Every change gets the next version, so that a reader who names the
 * version it has is handed just what came after it.
 *
 *   V1  A series never moves back: what came by `live` in the gateway's newest epoch is the newest;
 *       anything else counts only where it was received later than what is shown.
 *   V2  A table at its bound gives up the row that was updated longest ago, and counts it.
 */
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Quality, Reading } from "@causeway/shared/event.ts";
import type { AlertTransition } from "../alert/alert.ts";
import type { Folded, TakenEvent, TimeQuality } from "../ingest/fold.ts";

export interface ViewBounds {
  readonly seriesMax: number;
  readonly gatewaysMax: number;
  readonly openAlertsMax: number;
  readonly transitionsMax: number;
  /** Values kept per series for its small curve. */
  readonly recentMax: number;
  /** Characters of a text value that are kept. */
  readonly textMax: number;
}

export const defaultViewBounds: ViewBounds = {
  seriesMax: 20_000,
  gatewaysMax: 10_000,
  openAlertsMax: 10_000,
  transitionsMax: 200,
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

export interface SeriesView {
  readonly version: number;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  readonly quality: Quality;
  readonly qualityReason: string | undefined;
  /** The device's own time in ms, where it tells one. */
  readonly observedAt: number | null;
  /** The gateway's, in ms. */
  readonly receivedAt: number;
  readonly timeQuality: TimeQuality;
  readonly late: boolean;
  /** Id of the event that holds it. */
  readonly event: string;
  /** The last numbers, oldest first; the newest is `value`. */
  readonly recent: readonly number[];
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

export interface ViewSnapshot {
  readonly generation: number;
  readonly version: number;
  readonly counters: ViewCounters;
  readonly gateways: readonly GatewayView[];
  readonly series: readonly SeriesView[];
  readonly alerts: AlertsView;
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** Holds no more of its event than is shown: events are large. */
interface Row extends Mutable<Omit<SeriesView, "recent">> {
  /** Of the epoch. */
  ordinal: number;
  /** The reading's own time, not its event's. */
  ownObservedAt: number | undefined;
  readonly recent: number[];
}

const emptyCounts = { events: 0, readings: 0, quarantined: 0, dead: 0, repeats: 0, doubts: 0 };
type Counts = typeof emptyCounts & { lost: number; late: number; seriesEvicted: number };
const noCounts: Counts = { ...emptyCounts, lost: 0, late: 0, seriesEvicted: 0 };

export class FleetView {
  readonly #bounds: ViewBounds;
  /** By version: an updated row moves to the end (V2). */
  readonly #series = new Map<string, Row>();
  readonly #gateways = new Map<string, Mutable<GatewayView>>();
  readonly #open = new Map<string, AlertTransition>();
  #transitions: AlertView[] = [];
  #counts: Counts = { ...noCounts };
  #version = 0;
  #generation = 1;

  constructor(bounds: ViewBounds = defaultViewBounds) {
    this.#bounds = bounds;
  }

  /** Changes when the view was emptied: versions of another generation mean nothing. */
  get generation(): number {
    return this.#generation;
  }

  get version(): number {
    return this.#version;
  }

  /** What one journal message brought; `storedAt` is when the server stored it, in ms. */
  applyFolded({ source, taken, dead, doubt }: Folded, storedAt: number): void {
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
      case "reading":
        this.#counts.readings += event.readings.length;
        gateway.readings += event.readings.length;
        if (event.device === null) return;
        for (const reading of event.readings) this.#applyReading(taken, event.device, reading);
        return;
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
    evictOldest(this.#open, this.#bounds.openAlertsMax);
    this.#transitions.push({ version: ++this.#version, transition });
    if (this.#transitions.length > this.#bounds.transitionsMax) this.#transitions.shift();
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

  counters(): ViewCounters {
    return {
      ...this.#counts,
      gateways: this.#gateways.size,
      series: this.#series.size,
      alertsOpen: this.#open.size,
    };
  }

  /** The newest heard of first, at most `limit`. */
  gateways(limit: number): readonly GatewayView[] {
    const all = [...this.#gateways.values()].sort((a, b) => b.storedAt - a.storedAt);
    return all.slice(0, limit).map((gateway) => ({ ...gateway }));
  }

  /** Series that changed after `version`, oldest change first, at most `limit`. */
  seriesSince(version: number, limit: number): readonly SeriesView[] {
    const changed: SeriesView[] = [];
    for (const row of this.#series.values()) {
      if (row.version <= version) continue;
      if (changed.length >= limit) break;
      changed.push(seriesView(row));
    }
    return changed;
  }

  /** The most recently updated series, oldest change first. */
  latestSeries(limit: number): readonly SeriesView[] {
    const rows = [...this.#series.values()];
    return rows.slice(Math.max(0, rows.length - limit)).map(seriesView);
  }

  /** Transitions that came after `version`, oldest first. */
  transitionsSince(version: number): readonly AlertView[] {
    return this.#transitions.filter((alert) => alert.version > version);
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
    const gateway = known ?? {
      gateway: taken.gateway,
      epoch: taken.epoch,
      receivedAt: taken.receivedAt,
      storedAt: 0,
      events: 0,
      readings: 0,
      quarantined: 0,
      heartbeat: undefined,
    };
    this.#gateways.delete(taken.gateway);
    this.#gateways.set(taken.gateway, gateway);
    evictOldest(this.#gateways, this.#bounds.gatewaysMax);
    return gateway;
  }

  #applyReading(taken: TakenEvent, device: string, reading: Reading): void {
    const { metric, value } = reading;
    const key = `${taken.gateway}\n${device}\n${metric}`;
    const known = this.#series.get(key);
    if (known !== undefined && !isNewer(known, taken, reading)) return;
    const fields = rowFields(taken, device, reading, this.#bounds.textMax);
    const row = { ...fields, version: ++this.#version, recent: known?.recent ?? [] };
    if (typeof value === "number") {
      row.recent.push(value);
      if (row.recent.length > this.#bounds.recentMax) row.recent.shift();
    }
    this.#series.delete(key);
    this.#series.set(key, row);
    this.#counts.seriesEvicted += evictOldest(this.#series, this.#bounds.seriesMax);
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

/** V1. */
function isNewer(row: Row, taken: TakenEvent, reading: Reading): boolean {
  if (row.event === taken.id) return !isObservedBefore(reading, row.ownObservedAt);
  if (!taken.late && ordinalOf(taken) >= row.ordinal) return true;
  // Without a clock `receivedAt` is when the journal stored it, which says nothing of its age.
  if (taken.late && taken.timeQuality === "unsynchronised") return false;
  return taken.receivedAt >= row.receivedAt;
}

/** One event may hold several values of a metric, in any order, each with its own time. */
function isObservedBefore({ observedAt }: Reading, other: number | undefined): boolean {
  return observedAt !== undefined && other !== undefined && observedAt < other;
}

function ordinalOf(taken: TakenEvent): number {
  return epochOrdinal(taken.epoch) ?? 0;
}

function rowFields(
  taken: TakenEvent,
  device: string,
  reading: Reading,
  textMax: number,
): Omit<Row, "version" | "recent"> {
  const { gateway, receivedAt, timeQuality, late, id, event } = taken;
  return {
    gateway,
    device,
    metric: reading.metric,
    value: typeof reading.value === "string" ? shortened(reading.value, textMax) : reading.value,
    unit: reading.unit,
    quality: reading.quality,
    qualityReason: reading.reason,
    observedAt: reading.observedAt ?? event.observedAt,
    receivedAt,
    timeQuality,
    late,
    event: id,
    ordinal: ordinalOf(taken),
    ownObservedAt: reading.observedAt,
  };
}

/** A copy: a slice would keep the whole text in memory. */
function shortened(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const head = Buffer.from(text.slice(0, charactersMax - 1), "utf16le").toString("utf16le");
  return `${head}…`;
}

function seriesView({ ordinal: _ordinal, ownObservedAt: _own, ...row }: Row): SeriesView {
  return { ...row, recent: [...row.recent] };
}

function evictOldest(table: Map<string, unknown>, sizeMax: number): number {
  let evicted = 0;
  for (const key of table.keys()) {
    if (table.size <= sizeMax) break;
    table.delete(key);
    evicted++;
  }
  return evicted;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
