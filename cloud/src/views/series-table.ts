/**
 * The latest value of every series, bounded, ordered by update. The order is a linked list: a map
 * that is deleted from and added to at each of millions of readings spends its time rehashing.
 *
 *   V1  A series never moves back: what came by `live` in the gateway's newest epoch is the newest;
 *       anything else counts only where it was received later than what is shown.
 *   V2  At its bound the table gives up the series that was updated longest ago, and counts it.
 */
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Quality, Reading } from "@causeway/shared/event.ts";
import type { TakenEvent, TimeQuality } from "../ingest/fold.ts";

export interface SeriesBounds {
  readonly seriesMax: number;
  /** Values kept per series for its small curve. */
  readonly recentMax: number;
  /** Characters of a text value that are kept. */
  readonly textMax: number;
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

/** A series as it is kept: without its version, which is of a process. */
export interface KeptSeries extends Omit<SeriesView, "version"> {
  /** Of the journal's message that changed it last. */
  readonly sequence: number;
  readonly ordinal: number;
  readonly ownObservedAt: number | undefined;
}

/** When a change came. */
export interface Moment {
  /** Grows from call to call. */
  readonly version: number;
  /** Of the journal's message. */
  readonly sequence: number;
}

/** Holds no more of its event than is shown: events are large. */
class Row {
  older: Row | undefined;
  newer: Row | undefined;
  version = 0;
  sequence = 0;
  readonly key: string;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  value: Reading["value"] = null;
  unit: string | undefined;
  quality: Quality = "good";
  qualityReason: string | undefined;
  observedAt: number | null = null;
  /** The reading's own time, not its event's. */
  ownObservedAt: number | undefined;
  receivedAt = 0;
  timeQuality: TimeQuality = "synchronised";
  late = false;
  event = "";
  /** Of the epoch. */
  ordinal = 0;
  readonly recent: number[] = [];

  constructor(key: string, gateway: string, device: string, metric: string) {
    this.key = key;
    this.gateway = gateway;
    this.device = device;
    this.metric = metric;
  }
}

export class SeriesTable {
  readonly #bounds: SeriesBounds;
  readonly #rows = new Map<string, Row>();
  #oldest: Row | undefined;
  #newest: Row | undefined;
  /** Of the epoch that came last: asked for with every reading. */
  #epoch = { id: "", ordinal: 0 };
  evicted = 0;

  constructor(bounds: SeriesBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** V1. False where what is shown is newer. */
  put(taken: TakenEvent, device: string, reading: Reading, moment: Moment): boolean {
    const key = `${taken.gateway}\n${device}\n${reading.metric}`;
    const ordinal = this.#ordinalOf(taken.epoch);
    const known = this.#rows.get(key);
    if (known !== undefined && !isNewer(known, taken, ordinal, reading)) return false;
    const row = known ?? this.#add(key, taken.gateway, device, reading.metric);
    update(row, taken, reading, this.#bounds);
    row.ordinal = ordinal;
    row.version = moment.version;
    row.sequence = moment.sequence;
    this.#moveToEnd(row);
    return true;
  }

  #ordinalOf(epoch: string): number {
    if (epoch !== this.#epoch.id) this.#epoch = { id: epoch, ordinal: epochOrdinal(epoch) ?? 0 };
    return this.#epoch.ordinal;
  }

  /** Those that changed after `version`, oldest change first, at most `limit`. */
  since(version: number, limit: number): readonly SeriesView[] {
    let first: Row | undefined;
    for (let row = this.#newest; row !== undefined && row.version > version; row = row.older) {
      first = row;
    }
    return take(first, limit);
  }

  /** The most recently updated, oldest change first. */
  latest(limit: number): readonly SeriesView[] {
    let first = this.#newest;
    for (let count = 1; count < limit && first?.older !== undefined; count++) first = first.older;
    return take(first, limit);
  }

  /** The version up to which no series is newer than the message; the first change if all are. */
  versionAt(sequence: number): number {
    for (let row = this.#newest; row !== undefined; row = row.older) {
      if (row.sequence <= sequence) return row.version;
    }
    return 0;
  }

  select(wants: (row: Pick<SeriesView, "gateway" | "device" | "metric">) => boolean) {
    return [...this.#rows.values()].filter(wants).map(viewOf);
  }

  /** Oldest change first. */
  state(): readonly KeptSeries[] {
    const kept: KeptSeries[] = [];
    for (let row = this.#oldest; row !== undefined; row = row.newer) kept.push(keptOf(row));
    return kept;
  }

  /** What was kept, in its order. */
  restore(kept: KeptSeries, version: number): void {
    const { gateway, device, metric, recent, ...fields } = kept;
    const key = `${gateway}\n${device}\n${metric}`;
    if (this.#rows.has(key)) return;
    const row = this.#add(key, gateway, device, metric);
    Object.assign(row, fields, { version });
    row.recent.push(...recent);
    this.#moveToEnd(row);
  }

  clear(): void {
    this.#rows.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.evicted = 0;
  }

  /** V2. */
  #add(key: string, gateway: string, device: string, metric: string): Row {
    if (this.#rows.size >= this.#bounds.seriesMax && this.#oldest !== undefined) {
      this.#rows.delete(this.#oldest.key);
      this.#unlink(this.#oldest);
      this.evicted++;
    }
    const row = new Row(key, gateway, device, metric);
    this.#rows.set(key, row);
    return row;
  }

  #moveToEnd(row: Row): void {
    if (this.#newest === row) return;
    this.#unlink(row);
    row.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = row;
    else this.#newest.newer = row;
    this.#newest = row;
  }

  /** Also of a row that is not in the list yet. */
  #unlink(row: Row): void {
    const { older, newer } = row;
    if (older !== undefined) older.newer = newer;
    else if (this.#oldest === row) this.#oldest = newer;
    if (newer !== undefined) newer.older = older;
    else if (this.#newest === row) this.#newest = older;
    row.older = undefined;
    row.newer = undefined;
  }
}

/** V1. */
function isNewer(row: Row, taken: TakenEvent, ordinal: number, reading: Reading): boolean {
  if (row.event === taken.id) return !isObservedBefore(reading, row.ownObservedAt);
  if (!taken.late && ordinal >= row.ordinal) return true;
  // Without a clock `receivedAt` is when the journal stored it, which says nothing of its age.
  if (taken.late && taken.timeQuality === "unsynchronised") return false;
  return taken.receivedAt >= row.receivedAt;
}

/** One event may hold several values of a metric, in any order, each with its own time. */
function isObservedBefore({ observedAt }: Reading, other: number | undefined): boolean {
  return observedAt !== undefined && other !== undefined && observedAt < other;
}

function update(row: Row, taken: TakenEvent, reading: Reading, bounds: SeriesBounds): void {
  const { value } = reading;
  row.value = typeof value === "string" ? shortened(value, bounds.textMax) : value;
  row.unit = reading.unit;
  row.quality = reading.quality;
  row.qualityReason = reading.reason;
  row.observedAt = reading.observedAt ?? taken.event.observedAt;
  row.ownObservedAt = reading.observedAt;
  row.receivedAt = taken.receivedAt;
  row.timeQuality = taken.timeQuality;
  row.late = taken.late;
  row.event = taken.id;
  if (typeof value !== "number") return;
  row.recent.push(value);
  if (row.recent.length > bounds.recentMax) row.recent.shift();
}

/** A copy: a slice would keep the whole text in memory. */
function shortened(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const head = Buffer.from(text.slice(0, charactersMax - 1), "utf16le").toString("utf16le");
  return `${head}…`;
}

function take(first: Row | undefined, limit: number): readonly SeriesView[] {
  const taken: SeriesView[] = [];
  for (let row = first; row !== undefined && taken.length < limit; row = row.newer) {
    taken.push(viewOf(row));
  }
  return taken;
}

function viewOf(row: Row): SeriesView {
  const { older: _older, newer: _newer, key: _key, ordinal: _ordinal, ...shown } = row;
  const { ownObservedAt: _own, sequence: _sequence, ...view } = shown;
  return { ...view, recent: [...row.recent] };
}

function keptOf(row: Row): KeptSeries {
  const { older: _older, newer: _newer, key: _key, version: _version, ...kept } = row;
  return { ...kept, recent: [...row.recent] };
}
