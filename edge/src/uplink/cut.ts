/**
 * Cuts a batch down, down to one event, for a cloud that refused it whole or a server that finds it too
 * large. An event that is refused alone goes as a quarantined stub at its position, with what it held.
 */
import type { Item } from "@causeway/shared/block-codec.ts";
import { decodeBlock, encodeBlock } from "@causeway/shared/block-codec.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { StoredBlock } from "../outbox/continuity.ts";

/** What a stub keeps of its event's bytes. */
const stubBytesMax = 32 * 1_024;

/** At most `positionsMax` positions from `from` on; an item that spans more stays whole. */
export function cutBlocks(
  blocks: readonly StoredBlock[],
  from: number,
  positionsMax: number,
): StoredBlock[] {
  const cut: StoredBlock[] = [];
  for (const block of blocks) {
    const { bootId, items } = decodeBlock(block.bytes);
    const kept = items
      .filter((item) => item.to >= from && item.from < from + positionsMax)
      .map(readableItem);
    const [first, last] = [kept[0], kept.at(-1)];
    if (first === undefined || last === undefined) continue;
    cut.push({ from: first.from, to: last.to, bytes: encodeBlock(bootId, kept) });
  }
  return cut;
}

/** The one event at `position` as a stub that says why it was refused. */
export function stubOf(
  blocks: readonly StoredBlock[],
  position: number,
  detail: string,
): StoredBlock[] {
  return cutBlocks(blocks, position, 1).map(({ from, to, bytes }) => {
    const { bootId, items } = decodeBlock(bytes);
    const stubs = items.map((item) => ({ ...item, event: stub(item, detail) }));
    return { from, to, bytes: encodeBlock(bootId, stubs) };
  });
}

function stub({ event, from, to }: Item, detail: string): Event {
  const text = Buffer.from(JSON.stringify(event ?? null));
  const place = {
    device: event?.device ?? null,
    topic: event?.topic ?? null,
    bootMs: event?.bootMs ?? 0,
    observedAt: null,
  };
  if (to > from) return { kind: "loss", ...place, to, reason: "refused", count: to - from + 1 };
  return {
    kind: "quarantined",
    ...place,
    reason: "refused",
    detail: detail.slice(0, 1_024),
    payload: text.subarray(0, stubBytesMax).toString("base64"),
    bytes: text.length,
  };
}

/** An item that this build itself cannot read is told as a loss of its positions. */
function readableItem(item: Item): Item {
  if (item.event !== undefined) return item;
  const place = { device: null, topic: null, bootMs: 0, observedAt: null };
  const { from, to } = item;
  const event: Event = { kind: "loss", ...place, to, reason: "unreadable", count: to - from + 1 };
  return { from, to, event };
}
