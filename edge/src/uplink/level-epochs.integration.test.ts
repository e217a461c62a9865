// A gateway that was restarted 10,000 times is ready soon.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlockBuilder } from "@causeway/shared/block-codec.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { randomItems } from "@causeway/shared/testing/random-events.ts";
import { afterEach, expect, test } from "vitest";
import { cursorChange, epochChange, newEpoch } from "../outbox/epoch.ts";
import { blockKey } from "../outbox/layout.ts";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { Change } from "../outbox/store.ts";
import { defaultUplinkBounds, Uplink } from "./uplink.ts";

const bounds = { bytesMax: 2 ** 32, tailBytesMax: 2 ** 32, pendingBytesMax: 2 ** 24 };
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const idOf = (ordinal: number) => `${ordinal}-${ordinal.toString(16).padStart(8, "0")}`;

function block(): Uint8Array {
  const builder = new BlockBuilder("boot1");
  const [item] = randomItems(seededRandom("block"), 1, 1);
  if (item?.event === undefined) throw new Error("no event");
  builder.add(item.event, 1);
  return builder.finish(1);
}

/** One event in each epoch, all of them released; the tail keeps every one. */
function epochChanges(ordinal: number, own: Uint8Array): Change[] {
  const ends = { telemetry: 1, priority: 0 };
  const before = ordinal === 1 ? undefined : { epoch: idOf(ordinal - 1), ends };
  const epoch = newEpoch({ id: idOf(ordinal), ordinal, before, ends }, true);
  Object.assign(epoch.released, ends);
  Object.assign(epoch.published, ends);
  const key = blockKey("telemetry", ordinal, 1);
  return [epochChange(epoch.record), cursorChange(epoch), { kind: "put", key, value: own }];
}

async function folderWith(epochs: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-epochs-"));
  folders.push(folder);
  const store = await openLevelStore(folder);
  const own = block();
  for (let from = 1; from <= epochs; from += 1_000) {
    const ordinals = Array.from({ length: Math.min(1_000, epochs) }, (_, at) => from + at);
    const changes = ordinals.flatMap((ordinal) => epochChanges(ordinal, own));
    await store.write(changes, { sync: false });
  }
  await store.close();
  return folder;
}

/** CPU time, since other work on the machine must not count. */
async function startMs(folder: string, epochs: number): Promise<number> {
  const clock = systemClock();
  const begun = process.cpuUsage();
  const openStore = () => openLevelStore(folder);
  const parts = { gateway: "gw", openStore, clock, random: systemRandom, bounds };
  const outbox = await Outbox.open({ ...parts, log: silentLogger });
  const start = { epochs: outbox.epochs(), markCommit: outbox.markCommit };
  const uplink = new Uplink(defaultUplinkBounds, systemRandom, start);
  const { user, system } = process.cpuUsage(begun);
  expect(start.epochs).toHaveLength(epochs);
  expect(uplink.status(0)).toMatchObject({ untakenEvents: 0, unsentEvents: 0 });
  await outbox.close();
  return (user + system) / 1_000;
}

test("with 10,000 epochs and their tail it starts in less than a second of CPU time", async () => {
  await startMs(await folderWith(10), 10);
  const ms = await startMs(await folderWith(10_000), 10_000);
  expect(ms).toBeLessThan(1_000);
});
