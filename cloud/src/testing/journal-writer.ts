/** Makes journal messages as a gateway would, for tests. */
import type { BatchHead, BootOffsets } from "@causeway/shared/batch-codec.ts";
import { compressBody, encodeHead, joinBody } from "@causeway/shared/batch-codec.ts";
import { BlockBuilder } from "@causeway/shared/block-codec.ts";
import type { Event, Lane } from "@causeway/shared/event.ts";
import { eventSchema, spanOf } from "@causeway/shared/event.ts";
import { deviceId } from "@causeway/shared/names.ts";
import type { JournalMessage } from "../ingest/journal.ts";

export const bootOffset = Date.UTC(2026, 0, 1);

export interface WrittenBatch {
  readonly gateway?: string;
  readonly partition?: number;
  readonly lane?: Lane;
  readonly head?: Partial<BatchHead>;
  readonly boots?: BootOffsets;
  readonly body?: Uint8Array;
}

export function readingEvent(device: string, metric: string, value: number, bootMs = 1_000): Event {
  const name = deviceId(device);
  const [reading] = [{ metric, value, quality: "good" as const }];
  const topic = `devices/${device}/telemetry`;
  return {
    kind: "reading",
    device: name,
    topic,
    bootMs,
    observedAt: null,
    readings: [reading],
  } as Event;
}

/** A message on `plant/<source>/up` that its gateway could not read. */
export function quarantinedEvent(source: string, text: string, bootMs: number): Event {
  return eventSchema.parse({
    ...{ kind: "quarantined", device: null, topic: `plant/${source}/up`, bootMs },
    ...{ observedAt: null, reason: "not-understood", detail: "no adapter", bytes: text.length },
    payload: Buffer.from(text).toString("base64"),
  });
}

/** Six readings of one minute and one of the next, up to position `to`. */
export function rollupEvent(to: number): Event {
  const windows = [
    [5, 6, 1, 22, 20, 23, 21.5],
    [6, 1, 0, 24, 24, 24, 24],
  ];
  const series = {
    device: "d1",
    metric: "temperature",
    unit: "Cel",
    time: "boot",
    windows,
  } as const;
  const place = { device: null, topic: null, bootMs: 301_000, observedAt: null };
  return eventSchema.parse({ kind: "rollup", ...place, to, windowMs: 60_000, series: [series] });
}

/** A message holding `events` from position `from` on. */
export function journalMessage(
  sequence: number,
  from: number,
  events: readonly Event[],
  options: WrittenBatch = {},
): JournalMessage {
  const builder = new BlockBuilder("boot1");
  for (const event of events) builder.add(event, spanOf(event, from + builder.positions));
  const epoch = options.head?.epoch ?? "1-00000001";
  const head: BatchHead = {
    run: epoch,
    epoch,
    log: "telemetry",
    from,
    to: from + builder.positions - 1,
    end: undefined,
    before: undefined,
    nonce: `1.${sequence}`,
    watermark: undefined,
    ...options.head,
  };
  const gateway = options.gateway ?? "g1";
  const headers = new Map(encodeHead(head));
  const blocks = events.length > 0 ? [builder.finish(from)] : [];
  const body = joinBody(gateway, head, options.boots ?? { boot1: bootOffset }, blocks);
  return {
    sequence,
    subject: `tlm.${options.partition ?? 3}.${gateway}.${options.lane ?? "live"}`,
    storedAt: bootOffset + 60_000,
    data: options.body ?? compressBody(body),
    header: (name) => headers.get(name),
  };
}
