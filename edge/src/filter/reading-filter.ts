/**
 * Keeps back what filters say need not be sent, for each series (filter-series.ts), and keeps on the
 * disk what it holds.
 *
 *   W1  What a publish makes of a series goes to the disk with the PUBACK that answers it, in one
 *       write with what passes, and so does the count of what is suppressed.
 *   W2  What a failed write held is undone: its publishes come again, and are taken as if for the
 *       first time.
 *   W3  What is held, or gathers, is sent when it is due though nothing more comes; over a reboot, at
 *       once with what there is. It has its own time.
 *   W4  A reading that a rule of the gateway looks at passes.
 *   W5  Beyond the bound of series, or bytes, readings pass unfiltered and are counted; a place is
 *       free again once its device was silent for long.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Reading, ReadingEvent } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Route } from "@causeway/shared/mapping/route.ts";
import type { DeviceId } from "@causeway/shared/names.ts";
import type { Keeper } from "../outbox/companions.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Change } from "../outbox/store.ts";
import type { FilterCounts } from "./filter-counts.ts";
import { Counts } from "./filter-counts.ts";
import type { SourceState } from "./filter-record.ts";
import {
  allFilterKeys,
  countsKey,
  decodeSource,
  decodeWays,
  encodeSource,
  encodeWays,
  sourceKey,
  sourceNumber,
  waysKey,
} from "./filter-record.ts";
import type { Series, Told } from "./filter-series.ts";
import { closeAll, closeDue, dueMsOf, heldCount, newSeries, takeReading } from "./filter-series.ts";
import type { RouteFilter } from "./filter-settings.ts";
import type { Source } from "./filter-source.ts";
import { closedEvents, keyOf, newSource, stateOf } from "./filter-source.ts";
import type { Chooser, Way } from "./filter-way.ts";
import { routeChooser } from "./filter-way.ts";
import { hasFigureNames } from "./filter-window.ts";

export interface FilterBounds {
  readonly seriesMax: number;
  /** Of what lies on the disk; in memory it takes some five times that. */
  readonly bytesMax: number;
  /** A device that was silent so long makes room for others. */
  readonly idleMs: number;
}

export const defaultFilterBounds: FilterBounds = {
  seriesMax: 50_000,
  bytesMax: 16 * 1_024 * 1_024,
  idleMs: 3_600_000,
};

export interface FilterParts {
  readonly outbox: Pick<Outbox, "append" | "obstacle" | "bootOffset" | "records">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of what no route filters itself. */
  readonly chooser: Chooser;
  /** The filter that a route has of its own; left out where there are no routes. */
  readonly filterOf?: (route: Route) => RouteFilter | undefined;
  /** Whether a rule of the gateway looks at the series. */
  readonly isNeeded: (device: string, metric: string) => boolean;
  readonly bounds?: FilterBounds;
}

export interface FilterStatus {
  readonly filters: readonly FilterCounts[];
  /** Readings that were never sent, of all filters, since there are any. */
  readonly suppressed: number;
  readonly series: number;
  /** Readings that wait to be sent, or gather in windows. */
  readonly held: number;
  readonly bytes: number;
  /** Readings that passed because a rule of the gateway looks at them, and for want of room. */
  readonly needed: number;
  readonly beyond: number;
}

const readMax = 1_000_000;
/** Longer texts are not compared. */
const textCharactersMax = 1_024;
const sweepEveryMs = 100;
const sweepSourcesMax = 500;
const nextSweepMs = 5;
const retryMs = 1_000;
const wakeMsMax = 3_600_000;
/** The order of use need not be finer. */
const touchEveryMs = 60_000;
const never = Number.POSITIVE_INFINITY;

export class ReadingFilter implements Keeper {
  readonly #parts: FilterParts;
  readonly #bounds: FilterBounds;
  /** By device and topic, those that were touched longest ago first. */
  readonly #sources = new Map<string, Source>();
  readonly #ofRoutes = new WeakMap<RouteFilter, Chooser>();
  readonly #ways = new Map<number, Way>();
  readonly #counts = new Counts();
  /** Changed, and not yet handed over to be written; being written. */
  readonly #dirty = new Set<Source>();
  #inFlight: readonly Source[] = [];
  #waysAreNew = false;
  #series = 0;
  #bytes = 0;
  #needed = 0;
  #beyond = 0;
  #nextNumber = 1;
  #wakeMs = never;
  #cancel: Cancel | undefined;
  #isStopped = false;

  private constructor(parts: FilterParts) {
    this.#parts = parts;
    this.#bounds = parts.bounds ?? defaultFilterBounds;
  }

  static async open(parts: FilterParts): Promise<ReadingFilter> {
    const filter = new ReadingFilter(parts);
    await filter.#load();
    parts.outbox.records.keep(filter);
    return filter;
  }

  start(): void {
    for (const source of this.#sources.values()) this.#dropClosed(source);
    this.#wake(this.#soonest());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  status(): FilterStatus {
    let held = 0;
    for (const { series } of this.#sources.values())
      for (const one of series.values()) held += heldCount(one);
    return {
      ...{ filters: this.#counts.all(), suppressed: this.#counts.suppressed },
      ...{ series: this.#series, held, bytes: this.#bytes },
      ...{ needed: this.#needed, beyond: this.#beyond },
    };
  }

  /** Whether anything that the device sends on the topic may be kept back. */
  concerns(topic: string, device: DeviceId): boolean {
    return this.#parts.chooser.of(topic, device) !== undefined;
  }

  /**
   * What is to be appended now in place of the event, if anything; only what the outbox admits may
   * be given here (W1).
   */
  take(event: ReadingEvent, route?: Route): readonly ReadingEvent[] {
    const { device, topic } = event;
    if (device === null || topic === null) return [event];
    const chooser = this.#chooserOf(route);
    const isChosen = chooser.of(topic, device) !== undefined;
    if (!isChosen && !this.#sources.has(keyOf(device, topic))) return [event];
    const nowMs = event.bootMs;
    const source = this.#sourceOf(device as DeviceId, topic);
    const told = this.#toldOf(source);
    this.#prepare(source, chooser, nowMs, told);
    const closedBefore = closedEvents(source, told.closed.splice(0), nowMs);
    source.tags = event.tags;
    source.site = event.site;
    const before: ReadingEvent[] = [];
    const passing = event.readings.filter((reading) => {
      return this.#passes(source, reading, event, told, before);
    });
    this.#touched(source, nowMs);
    before.push(...closedBefore, ...closedEvents(source, told.closed, nowMs));
    if (passing.length === event.readings.length) return [...before, event];
    return passing.length === 0 ? before : [...before, { ...event, readings: passing }];
  }

  seal(): readonly Change[] {
    const changes: Change[] = [];
    if (this.#waysAreNew) changes.push(this.#waysChange());
    this.#waysAreNew = false;
    for (const source of this.#dirty) {
      this.#bytes -= source.sealed?.length ?? 0;
      source.sealed = source.series.size === 0 ? undefined : encodeSource(stateOf(source));
      this.#bytes += source.sealed?.length ?? 0;
      changes.push(changeOf(source.number, source.sealed));
    }
    this.#inFlight = [...this.#dirty];
    this.#dirty.clear();
    const counts = this.#counts.seal();
    if (counts !== undefined) changes.push({ kind: "put", key: countsKey, value: counts });
    return changes;
  }

  wrote(isDurable: boolean): void {
    this.#counts.wrote(isDurable);
    if (isDurable) for (const source of this.#inFlight) source.durable = source.sealed;
    else this.#undo();
    this.#inFlight = [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    const own = keys.filter((key) => key[0] === allFilterKeys.from[0]);
    if (own.length === 0) return [];
    const durable = new Map<number, Uint8Array | undefined>();
    for (const { number, durable: bytes } of this.#sources.values()) durable.set(number, bytes);
    return own.map((key): Change => {
      const number = sourceNumber(key);
      if (number !== undefined) return changeOf(number, durable.get(number));
      if (key[1] === waysKey[1]) return this.#waysChange();
      return { kind: "put", key: countsKey, value: this.#counts.encode() };
    });
  }

  /** W2 */
  #undo(): void {
    const undone = new Set([...this.#inFlight, ...this.#dirty]);
    this.#dirty.clear();
    for (const source of undone) this.#forget(source);
    for (const source of undone) {
      this.#bytes += (source.durable?.length ?? 0) - (source.sealed?.length ?? 0);
      source.sealed = source.durable;
      if (source.durable === undefined) continue;
      this.#add(
        source,
        decodeSource(source.durable, (version) => this.#ways.get(version)),
      );
    }
    this.#wake(this.#soonest());
  }

  async #load(): Promise<void> {
    const { outbox, log } = this.#parts;
    const entries = await outbox.records.scan({ ...allFilterKeys, countMax: readMax });
    const unreadable: Change[] = [];
    const others = entries.filter(([key]) => sourceNumber(key) === undefined);
    const sources = entries.filter(([key]) => sourceNumber(key) !== undefined);
    for (const [key, value] of [...others, ...sources]) {
      try {
        this.#loadOne(key, value);
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "what a filter held is unreadable");
        unreadable.push({ kind: "delete", key });
      }
    }
    const used = new Set<number>();
    for (const { series } of this.#sources.values())
      for (const { way } of series.values()) used.add(way.version);
    for (const version of [...this.#ways.keys()])
      if (!used.has(version)) this.#ways.delete(version);
    if (unreadable.length > 0) outbox.records.write(unreadable);
  }

  #loadOne(key: Uint8Array, value: Uint8Array): void {
    const number = sourceNumber(key);
    if (number === undefined) {
      if (key[1] === waysKey[1])
        for (const way of decodeWays(value)) this.#ways.set(way.version, way);
      else this.#counts.load(value);
      return;
    }
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    const state = decodeSource(value, (version) => this.#ways.get(version));
    const source = newSource(number, state.device, state.topic, state.bootId);
    source.durable = source.sealed = value;
    this.#bytes += value.length;
    this.#add(source, state);
  }

  #add(source: Source, { bootId, series, tags, site }: SourceState): void {
    Object.assign(source, { bootId, tags, site });
    source.chooser = undefined;
    source.series = new Map(series.map((one) => [one.metric, one]));
    source.dueMs = this.#dueMsOf(source);
    this.#series += source.series.size;
    this.#sources.set(keyOf(source.device, source.topic), source);
  }

  #forget(source: Source): void {
    this.#series -= source.series.size;
    source.series = new Map();
    const key = keyOf(source.device, source.topic);
    if (this.#sources.get(key) === source) this.#sources.delete(key);
  }

  #chooserOf(route: Route | undefined): Chooser {
    const { chooser, filterOf } = this.#parts;
    const filter = route && filterOf?.(route);
    if (route === undefined || filter === undefined) return chooser;
    const known = this.#ofRoutes.get(filter);
    if (known !== undefined) return known;
    const made = routeChooser(filter, `route-${route.index + 1}`);
    this.#ofRoutes.set(filter, made);
    return made;
  }

  /** Not yet among the others where it is new. */
  #sourceOf(device: DeviceId, topic: string): Source {
    const known = this.#sources.get(keyOf(device, topic));
    return known ?? newSource(this.#nextNumber++, device, topic, this.#parts.clock.bootId);
  }

  /** After a start, a reboot, or with other filters, what was open before is closed. */
  #prepare(source: Source, chooser: Chooser, nowMs: number, told: Told): void {
    if (source.bootId !== this.#parts.clock.bootId) this.#reboot(source, nowMs, told);
    if (source.chooser === chooser) return;
    source.chooser = chooser;
    source.ways = chooser.of(source.topic, source.device);
    for (const one of source.series.values()) {
      const way = source.ways?.(one.metric);
      if (way?.version === one.way.version) continue;
      closeAll(one, nowMs, told);
      if (way === undefined) this.#drop(source, one);
      else one.way = this.#known(way);
      this.#dirty.add(source);
    }
  }

  /** W3 */
  #reboot(source: Source, nowMs: number, told: Told): void {
    for (const one of source.series.values()) {
      closeAll(one, nowMs, told);
      if (one.sent !== undefined) one.sent = { ...one.sent, bootMs: nowMs };
    }
    source.bootId = this.#parts.clock.bootId;
    this.#dirty.add(source);
  }

  #passes(
    source: Source,
    reading: Reading,
    event: ReadingEvent,
    told: Told,
    before: ReadingEvent[],
  ): boolean {
    const { metric, value } = reading;
    const known = source.series.get(metric);
    const way = known?.way ?? source.ways?.(metric);
    if (way === undefined) return true;
    const isNeeded = this.#parts.isNeeded(source.device, metric);
    if (isNeeded || !mayBeTracked(way, reading)) {
      if (isNeeded) this.#needed++;
      else this.#beyond++;
      if (known !== undefined) this.#release(source, known, event.bootMs, told);
      return true;
    }
    const series = known ?? this.#begin(source, reading, way, before);
    if (series === undefined) {
      this.#beyond++;
      return true;
    }
    const at = reading.observedAt ?? event.observedAt;
    const fate = takeReading(series, reading, { value, at, bootMs: event.bootMs }, told);
    if (fate !== "dropped") this.#dirty.add(source);
    source.dueMs = Math.min(source.dueMs, dueMsOf(series));
    if (fate === "passes") this.#counts.passed(way.name);
    return fate === "passes";
  }

  /** W5 */
  #begin(
    source: Source,
    { metric }: Reading,
    way: Way,
    before: ReadingEvent[],
  ): Series | undefined {
    const { seriesMax, bytesMax } = this.#bounds;
    while (this.#series >= seriesMax || this.#bytes >= bytesMax)
      if (!this.#evict(source, before)) return undefined;
    const series = newSeries(metric, this.#known(way));
    source.series.set(metric, series);
    this.#series++;
    this.#sources.set(keyOf(source.device, source.topic), source);
    return series;
  }

  #evict(instead: Source, before: ReadingEvent[]): boolean {
    const nowMs = this.#parts.clock.bootMs();
    const [oldest] = this.#sources.values();
    if (oldest === undefined || oldest === instead) return false;
    if (nowMs - oldest.touchedMs < this.#bounds.idleMs) return false;
    const told = this.#toldOf(oldest);
    for (const one of oldest.series.values()) closeAll(one, nowMs, told);
    before.push(...closedEvents(oldest, told.closed, nowMs));
    this.#forget(oldest);
    this.#dirty.add(oldest);
    return true;
  }

  #release(source: Source, series: Series, nowMs: number, told: Told): void {
    closeAll(series, nowMs, told);
    this.#drop(source, series);
    this.#dirty.add(source);
  }

  #drop(source: Source, { metric }: Series): void {
    if (!source.series.delete(metric)) return;
    this.#series--;
    if (source.series.size > 0) return;
    const key = keyOf(source.device, source.topic);
    if (this.#sources.get(key) === source) this.#sources.delete(key);
  }

  /** What is not filtered any more, where nothing of it is to be sent. */
  #dropClosed(source: Source): void {
    for (const series of source.series.values()) {
      if (heldCount(series) > 0 || !this.#isForeign(source, series)) continue;
      this.#drop(source, series);
      this.#dirty.add(source);
    }
  }

  #touched(source: Source, nowMs: number): void {
    this.#wake(source.dueMs);
    if (nowMs - source.touchedMs < touchEveryMs) return;
    source.touchedMs = nowMs;
    const key = keyOf(source.device, source.topic);
    if (this.#sources.delete(key)) this.#sources.set(key, source);
  }

  /** As it is named in what is written. */
  #known(way: Way): Way {
    const known = this.#ways.get(way.version);
    if (known !== undefined) return known;
    this.#ways.set(way.version, way);
    this.#waysAreNew = true;
    return way;
  }

  #waysChange(): Change {
    return { kind: "put", key: waysKey, value: encodeWays(this.#ways.values()) };
  }

  #toldOf(source: Source): Told {
    const counts = this.#counts;
    return {
      closed: [],
      suppressed: (way, reason, count) => counts.suppress(way.name, reason, count),
      realMs: (bootMs) => {
        const offsetMs = this.#parts.outbox.bootOffset(source.bootId);
        return offsetMs === undefined ? undefined : Math.round(bootMs + offsetMs);
      },
    };
  }

  /** At once where it is of another boot, or may be filtered otherwise now. */
  #dueMsOf(source: Source): number {
    const { bootId } = this.#parts.clock;
    let due = never;
    for (const series of source.series.values()) {
      const isOpen = series.held !== undefined || series.window !== undefined;
      if (isOpen && (source.bootId !== bootId || this.#isForeign(source, series))) return 0;
      due = Math.min(due, dueMsOf(series));
    }
    return due;
  }

  /** Left by a process that had other filters. */
  #isForeign({ chooser, topic, device }: Source, { metric, way }: Series): boolean {
    if (chooser !== undefined) return false;
    if (way.isOfRoute) return this.#parts.filterOf === undefined;
    return this.#parts.chooser.of(topic, device)?.(metric)?.version !== way.version;
  }

  #soonest(): number {
    let soonest = never;
    for (const { dueMs } of this.#sources.values()) soonest = Math.min(soonest, dueMs);
    return soonest;
  }

  #wake(dueMs: number): void {
    if (dueMs >= this.#wakeMs) return;
    const inMs = dueMs - this.#parts.clock.bootMs();
    this.#wakeIn(Math.min(wakeMsMax, Math.max(sweepEveryMs, inMs)), dueMs);
  }

  #wakeIn(delayMs: number, dueMs = 0): void {
    if (this.#isStopped) return;
    this.#cancel?.();
    this.#wakeMs = dueMs;
    this.#cancel = this.#parts.clock.after(delayMs, () => this.#sweep());
  }

  /** W3 */
  #sweep(): void {
    this.#wakeMs = never;
    const nowMs = this.#parts.clock.bootMs();
    let left = sweepSourcesMax;
    for (const source of this.#sources.values()) {
      if (source.dueMs > nowMs) continue;
      if (left-- === 0) return this.#wakeIn(nextSweepMs);
      if (!this.#close(source, nowMs)) return this.#wakeIn(retryMs);
    }
    this.#wake(this.#soonest());
  }

  /** False where the outbox takes nothing now. */
  #close(source: Source, nowMs: number): boolean {
    const { outbox, clock, log } = this.#parts;
    if (outbox.obstacle("telemetry") !== undefined) return false;
    const told = this.#toldOf(source);
    const isForeign = [...source.series.values()].filter((one) => this.#isForeign(source, one));
    for (const one of isForeign) this.#release(source, one, nowMs, told);
    if (source.bootId !== clock.bootId) this.#reboot(source, nowMs, told);
    for (const one of source.series.values()) closeDue(one, nowMs, told);
    source.dueMs = this.#dueMsOf(source);
    if (told.closed.length === 0) return true;
    this.#dirty.add(source);
    outbox.append("telemetry", closedEvents(source, told.closed, nowMs), (failure) => {
      if (failure !== undefined)
        log.warn({ reason: failure.message }, "what a filter held waits for the outbox");
    });
    return true;
  }
}

function mayBeTracked(way: Way, { metric, value }: Reading): boolean {
  if (typeof value === "string" && value.length > textCharactersMax) return false;
  return way.downsample === undefined || hasFigureNames(metric);
}

function changeOf(number: number, value: Uint8Array | undefined): Change {
  const key = sourceKey(number);
  return value === undefined ? { kind: "delete", key } : { kind: "put", key, value };
}
