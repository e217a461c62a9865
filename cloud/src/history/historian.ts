/**
 * The historian: every reading that was taken, for as long as it is kept.
 *
 *   H1  Rows, the place in the journal and the ledgers by which they were taken are one transaction:
 *       after any crash what is read again is known, and nothing is there twice or missing.
 *   H2  `begin` raises the fence; a write under a lower one is refused, and changes nothing.
 *   H3  A reading has its place by when it was observed, however late it comes; what was thinned on
 *       the way stands where its window begins.
 *   H4  A series is one metric of one device in one unit; numbers of two units never mix.
 *   H5  Answers come in pieces, and end early where the signal is aborted.
 */
import type { JournalLane, Log, Quality } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import type { Place } from "../engine/place.ts";
import type { TimeQuality } from "../ingest/fold.ts";

export type ReadingValue = number | string | boolean | null;

export interface SeriesName {
  readonly gateway: string;
  /** "" where the gateway itself speaks. */
  readonly device: string;
  readonly metric: string;
  /** "" where none is known. */
  readonly unit: string;
}

/** What the fleet says of a device. */
export interface SeriesFacts {
  readonly site: string;
  readonly tags: readonly string[];
}

export type FactsOf = (gateway: string, device: string) => SeriesFacts;

export interface Series extends SeriesName, SeriesFacts {
  readonly id: number;
}

/** Readings that a gateway summed up before they were ever sent. */
export interface ThinnedWindow {
  readonly ms: number;
  readonly count: number;
  readonly bad: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly last: ReadingValue;
}

export interface Point {
  /** By which it has its place, in ms. */
  readonly time: number;
  readonly receivedAt: number;
  /** As the device said; null where it did not. */
  readonly observedAt: number | null;
  /** Of a window the mean; null where there was no number. */
  readonly value: ReadingValue;
  readonly quality: Quality;
  readonly reason?: string | undefined;
  readonly timeQuality: TimeQuality;
  readonly lane: JournalLane;
  readonly late: boolean;
  readonly window?: ThinnedWindow | undefined;
}

export interface HistoryRow extends SeriesName, Point {}

export interface StoredPoint extends Point {
  /** Id of its series. */
  readonly series: number;
}

/** Positions of which there will be no readings. */
export interface LostStretch {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  /** When it was told, in ms. */
  readonly at: number;
}

export interface HistoryBatch {
  readonly rows: readonly HistoryRow[];
  readonly losses: readonly LostStretch[];
  /** Of the gateways that anything came of. */
  readonly marks: readonly Mark[];
  /** The newest first; undefined where it stays where it is. */
  readonly places: readonly Place[] | undefined;
}

/** Where the historian was when it was left. */
export interface Kept {
  readonly fence: number;
  readonly places: readonly Place[];
  readonly marks: readonly Mark[];
}

/** `*` in a name stands for anything. */
export interface SeriesSelect {
  readonly gateway?: string | undefined;
  readonly device?: string | undefined;
  readonly metric?: string | undefined;
  readonly site?: string | undefined;
  readonly tag?: string | undefined;
  /** Only ids behind this one. */
  readonly after?: number | undefined;
  readonly limit: number;
}

export interface RangeSelect {
  /** Ids of series. */
  readonly series: readonly number[];
  /** In ms; the end is not part of it. */
  readonly from: number;
  readonly to: number;
}

export interface PointSelect extends RangeSelect {
  readonly limit: number;
  /** Of the time; each series for itself, one after the other. */
  readonly order: "ascending" | "descending";
}

export interface BucketSelect extends RangeSelect {
  readonly widthMs: number;
  readonly limit: number;
}

/** What fell into a stretch of time; bad readings count, and are in no figure. */
export interface Bucket {
  readonly series: number;
  readonly time: number;
  readonly count: number;
  readonly bad: number;
  readonly late: number;
  /** Null where there was no number; a yes counts as 1, a no as 0. */
  readonly mean: number | null;
  readonly min: number | null;
  readonly minTime: number | null;
  readonly max: number | null;
  readonly maxTime: number | null;
  readonly last: number | string | null;
  readonly lastTime: number;
}

export interface Maintained {
  /** Rows that went to files of their own. */
  readonly compacted: number;
  /** Rows, or files of rows, that were older than is kept. */
  readonly removed: number;
}

export interface HistorianFigures {
  readonly series: number;
  readonly rows: number;
  /** On disk, with everything that belongs to it. */
  readonly bytes: number;
}

export interface Historian {
  /** H2. */
  begin(): Promise<Kept>;
  /** H1. Throws HISTORY_FENCED. */
  write(fence: number, batch: HistoryBatch): Promise<void>;
  /** What the fleet says of devices is other than before. */
  describe(factsOf: FactsOf): Promise<void>;
  /** In the order of their ids. */
  series(select: SeriesSelect, signal: AbortSignal): Promise<readonly Series[]>;
  /** By series, then by time. */
  points(select: PointSelect, signal: AbortSignal): AsyncIterable<readonly StoredPoint[]>;
  /** Of each series its newest point; by series. */
  latest(series: readonly number[], signal: AbortSignal): AsyncIterable<readonly StoredPoint[]>;
  /** By series, then by time; of nothing there is no bucket. */
  buckets(select: BucketSelect, signal: AbortSignal): AsyncIterable<readonly Bucket[]>;
  losses(select: LossSelect, signal: AbortSignal): Promise<readonly LostStretch[]>;
  /** So much has come that `maintain` should not be waited for. */
  readonly isDue: boolean;
  /** Puts old rows together and removes what is kept no longer. */
  maintain(nowMs: number): Promise<Maintained>;
  figures(): Promise<HistorianFigures>;
  close(): Promise<void>;
}

export interface LossSelect {
  readonly gateway?: string | undefined;
  /** Told then, in ms. */
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}
