/** The series of one device on one topic, as a filter knows them. */
import type { Reading, ReadingEvent } from "@causeway/shared/event.ts";
import { readingsPerEventMax } from "@causeway/shared/event.ts";
import type { DeviceId } from "@causeway/shared/names.ts";
import type { SourceState } from "./filter-record.ts";
import type { Series } from "./filter-series.ts";
import type { Chooser, MetricWays } from "./filter-way.ts";

export interface Source {
  readonly number: number;
  readonly device: DeviceId;
  readonly topic: string;
  /** What the route says of its readings. */
  tags: string[] | undefined;
  site: string | undefined;
  bootId: string;
  series: Map<string, Series>;
  /** Where they were chosen; undefined after a start. */
  chooser: Chooser | undefined;
  ways: MetricWays | undefined;
  /** Nothing of it is due before. */
  dueMs: number;
  touchedMs: number;
  /** As it lies on the disk, and as it is being written. */
  durable: Uint8Array | undefined;
  sealed: Uint8Array | undefined;
}

export function keyOf(device: string, topic: string): string {
  return `${device}\n${topic}`;
}

export function newSource(number: number, device: DeviceId, topic: string, bootId: string): Source {
  const dueMs = Number.POSITIVE_INFINITY;
  return {
    ...{ number, device, topic, bootId, series: new Map() },
    ...{ chooser: undefined, ways: undefined, dueMs, touchedMs: 0 },
    ...{ durable: undefined, sealed: undefined, tags: undefined, site: undefined },
  };
}

export function stateOf({ series, ...source }: Source): SourceState {
  return { ...source, series: [...series.values()] };
}

export function closedEvents(
  { device, topic, tags, site }: Source,
  readings: readonly Reading[],
  bootMs: number,
): ReadingEvent[] {
  const said = { ...(tags && { tags }), ...(site === undefined ? {} : { site }) };
  const events: ReadingEvent[] = [];
  for (let from = 0; from < readings.length; from += readingsPerEventMax) {
    const some = readings.slice(from, from + readingsPerEventMax);
    events.push({
      kind: "reading",
      device,
      topic,
      bootMs,
      observedAt: null,
      ...said,
      readings: some,
    });
  }
  return events;
}
