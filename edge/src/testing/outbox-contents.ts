/** What an outbox holds, item by item, for the tests of giving way. */
import type { Item } from "@causeway/shared/block-codec.ts";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import type { Outbox } from "../outbox/outbox.ts";

/** A reading of `value` by one of some devices. */
export function readingOf(value: number | boolean | string, bootMs: number, device = "d1"): Event {
  const topic = `devices/${device}/telemetry`;
  const readings = [{ metric: "value", value, quality: "good" }];
  return eventSchema.parse({ kind: "reading", device, topic, bootMs, observedAt: null, readings });
}

export function quarantinedOf(name: string, bootMs: number): Event {
  const place = { device: null, topic: name, bootMs, observedAt: null };
  return { kind: "quarantined", ...place, reason: "not-json", detail: name, payload: "", bytes: 0 };
}

/** All items of one log, looked at only; fails where positions are not dense. */
export async function contentsOf(outbox: Outbox, epoch: string, log: Log): Promise<Item[]> {
  // What is only looked at may become a roll-up between two looks; then all is looked at anew.
  for (let looksLeft = 10; ; looksLeft--) {
    const items = await denseItems(outbox, epoch, log);
    if (!(items instanceof Error)) return items;
    if (looksLeft === 0) throw items;
  }
}

async function denseItems(outbox: Outbox, epoch: string, log: Log): Promise<Item[] | Error> {
  const last = outbox.epochs().find(({ id }) => id === epoch)?.last[log] ?? 0;
  const items: Item[] = [];
  for (let next = 1; next <= last; ) {
    const [block] = await outbox.peek(epoch, log, next, 1);
    if (block === undefined) return new Error(`${epoch} ${log}: nothing at ${next}`);
    if (block.from !== next) return new Error(`${epoch} ${log}: ${block.from}, not ${next}`);
    for (const item of decodeBlock(block.bytes).items) {
      if (item.from !== next) return new Error(`${epoch} ${log}: ${item.from}, not ${next}`);
      items.push(item);
      next = item.to + 1;
    }
  }
  return items;
}

/** In words, as `rollup 1-40`, the runs of equal kinds joined. */
export function kindsOf(items: readonly Item[]): string[] {
  const runs: { what: string; from: number; to: number }[] = [];
  for (const { event, from, to } of items) {
    const what = event?.kind === "loss" ? event.reason : (event?.kind ?? "unknown");
    const isOne = what !== "rollup" && what !== "full" && what !== "age";
    const last = runs.at(-1);
    if (last?.what === what && isOne) last.to = to;
    else runs.push({ what, from, to });
  }
  return runs.map(({ what, from, to }) => `${what} ${from}-${to}`);
}
