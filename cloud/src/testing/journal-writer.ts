/** Makes journal messages as a gateway would, for tests. */
import type { BatchHead, BootOffsets } from "@causeway/shared/batch-codec.ts";
import { compressBody, encodeHead, joinBody } from "@causeway/shared/batch-codec.ts";
import { BlockBuilder } from "@causeway/shared/block-codec.ts";
import type { Event, Lane } from "@causeway/shared/event.ts";
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

/** A message holding `events` from position `from` on. */
export function journalMessage(
  sequence: number,
  from: number,
  events: readonly Event[],
  options: WrittenBatch = {},
): JournalMessage {
  const builder = new BlockBuilder("boot1");
  for (const event of events) {
    builder.add(event, event.kind === "loss" ? event.to - from - builder.positions + 1 : 1);
  }
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
