// On LevelDB too, whose size is known only roughly, the bound holds and disk is given back.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { expect, test } from "vitest";
import { contentsOf, kindsOf, readingOf } from "../testing/outbox-contents.ts";
import { openLevelStore } from "./level-store.ts";
import type { WhenFull } from "./outbox.ts";
import { Outbox } from "./outbox.ts";
import { diskSize } from "./system-disk.ts";

const mebibyte = 1_024 * 1_024;
const bytesMax = 2 * mebibyte;
const groupEvents = 500;

test.each<WhenFull>(["thin", "drop-oldest"])(
  "%s: an outage that brings three times what there is room for stays within the bound",
  async (whenFull) => {
    const folder = mkdtempSync(join(tmpdir(), "causeway-relief-"));
    const outbox = await Outbox.open({
      gateway: "gw",
      openStore: () => openLevelStore(join(folder, "outbox")),
      freeBytes: async () => (await diskSize(folder)).freeBytes,
      clock: systemClock(),
      random: systemRandom,
      bounds: {
        ...{ bytesMax, tailBytesMax: mebibyte, pendingBytesMax: 16 * mebibyte },
        ...{ whenFull, diskReserveBytes: mebibyte },
      },
      log: silentLogger,
    });
    let [acked, refused] = [0, 0];
    for (let group = 0; outbox.usage().writtenBytes < 3 * bytesMax; group++) {
      const settled = Array.from({ length: groupEvents }, (_, at) => {
        // As if they came 100 ms apart, so that minutes and hours pass.
        const bootMs = (group * groupEvents + at) * 100;
        return new Promise<void>((resolve) =>
          outbox.append("telemetry", readingOf(at + 0.123, bootMs, `d${at % 5}`), (why) => {
            if (why === undefined) acked++;
            else refused++;
            resolve();
          }),
        );
      });
      await Promise.all(settled);
      // What is refused is sent again by a device, though not at once.
      if (refused > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { run } = outbox;
    const items = await contentsOf(outbox, run, "telemetry");
    expect(items.at(-1)?.to).toBe(acked);
    expect(kindsOf(items)[0]).toMatch(whenFull === "thin" ? /^rollup 1-/ : /^full 1-/);
    expect(outbox.usage().bytes).toBeLessThan(bytesMax);
    await outbox.close();
    const names = readdirSync(join(folder, "outbox"), { encoding: "utf8" });
    const disk = names.reduce((sum, name) => sum + statSync(join(folder, "outbox", name)).size, 0);
    // LevelDB's log holds up to one write buffer besides.
    expect(disk).toBeLessThan(bytesMax + 5 * mebibyte);
    rmSync(folder, { recursive: true });
  },
  120_000,
);
