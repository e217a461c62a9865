/** What a store should hold and cannot read: ranges of positions per epoch and log. */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { readable } from "./continuity.ts";
import type { Epoch } from "./epoch.ts";
import { findEpochs } from "./found-epochs.ts";
import { logRange } from "./layout.ts";
import type { Store } from "./store.ts";

export interface Missing {
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
}

const pageBytes = 4 * 1_024 * 1_024;
const pageBlocksMax = 1_000;

export async function findMissing(store: Store): Promise<Missing[]> {
  const { epochs } = await findEpochs(store);
  const missing: Missing[] = [];
  for (const epoch of epochs) {
    for (const log of logs) missing.push(...(await missingOf(store, epoch, log)));
  }
  return missing;
}

async function missingOf(store: Store, epoch: Epoch, log: Log): Promise<Missing[]> {
  const missing: Missing[] = [];
  const { id, ordinal } = epoch.record;
  let { from, until } = logRange(log, ordinal);
  let next = epoch.kept[log];
  for (;;) {
    const page = await store.scan({ from, until, countMax: pageBlocksMax, bytesMax: pageBytes });
    for (const entry of page) {
      const block = readable(entry);
      if (block === undefined) continue;
      if (block.from > next) missing.push({ epoch: id, log, from: next, to: block.from - 1 });
      next = Math.max(next, block.to + 1);
    }
    const last = page.at(-1);
    if (last === undefined) break;
    from = Buffer.concat([last[0], Buffer.of(0)]);
  }
  const end = epoch.last[log];
  if (next <= end) missing.push({ epoch: id, log, from: next, to: end });
  return missing;
}
