/**
 * One process of the soak: opens the outbox in a folder, builds a backlog or drains what is there, and
 * prints what it cost. `node system-soak-child.ts FOLDER build|drain BYTES TAIL`
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import { writtenToDisk } from "../outbox/system-disk.ts";
import { readingOf } from "./outbox-contents.ts";

const mebibyte = 1_024 * 1_024;
const [folder = "", act, bytesText, tailText] = process.argv.slice(2);
const tailBytesMax = Number(tailText);
const bytesWanted = Number(bytesText);
const textCharacters = 512;
const zeros = "0".repeat(textCharacters / 2);
const batchBytes = 512 * 1_024;

const rss: number[] = [];
let mapped = 0;
const sampling = setInterval(() => {
  rss.push(process.memoryUsage.rss());
  const [, text = "0"] =
    /^RssFile:\s+([0-9]+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  mapped = Math.max(mapped, Number(text) * 1_024);
}, 100);

const beganMs = performance.now();
const outbox = await Outbox.open({
  gateway: "soak",
  openStore: () => openLevelStore(folder),
  clock: systemClock(),
  random: systemRandom,
  bounds: {
    bytesMax: 4_096 * mebibyte,
    tailBytesMax,
    pendingBytesMax: 16 * mebibyte,
    whenFull: "thin",
  },
  log: silentLogger,
});
const openMs = Math.round(performance.now() - beganMs);
const readyMs = Math.round(performance.now());

if (act === "build") await build();
else await drain();
clearInterval(sampling);

const half = rss.length >> 1;
process.stdout.write(
  `${JSON.stringify({
    ...{ act, openMs, readyMs, seconds: Math.round((performance.now() - beganMs) / 1_000) },
    stored: outbox.usage().bytes,
    disk: diskBytes(),
    rssMax: Math.max(...rss),
    // Tables that LevelDB maps into memory count here, and are given back when others need it.
    mapped,
    written: writtenToDisk(),
    blocks: outbox.usage().writtenBytes,
    // Flat: the second half of the run needs no more than the first.
    rssFirst: Math.max(...rss.slice(0, half)),
    rssSecond: Math.max(...rss.slice(half)),
  })}\n`,
);
// A backlog is left as by a kill.
if (act === "build") process.kill(process.pid, "SIGKILL");
await outbox.close();
process.exit(0);

async function build(): Promise<void> {
  let written = 0;
  const noise = systemRandom.hex(mebibyte);
  while (written < bytesWanted) {
    const settled: Promise<void>[] = [];
    for (let at = 0; at < 256; at++) {
      // Half of it can be compressed, as readings can.
      const noiseAt = Math.floor(systemRandom.next() * (mebibyte - textCharacters));
      const text = `${noise.slice(noiseAt, noiseAt + textCharacters)}${zeros}`;
      written += text.length;
      settled.push(
        new Promise((resolve, reject) =>
          outbox.append("telemetry", readingOf(text, at), (why) => (why ? reject(why) : resolve())),
        ),
      );
    }
    await Promise.all(settled);
  }
}

async function drain(): Promise<void> {
  for (const { id, last, released } of outbox.epochs()) {
    for (let from = released.telemetry + 1; from <= last.telemetry; ) {
      const blocks = await outbox.read(id, "telemetry", from, batchBytes);
      const to = blocks.at(-1)?.to ?? 0;
      const bytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0);
      await outbox.publishing(id, "telemetry", { from, to, bytes });
      outbox.release(id, "telemetry", to);
      from = to + 1;
    }
  }
  // The tail and a tenth, and LevelDB's log of one write buffer.
  const diskWanted = tailBytesMax * 1.1 + 2 * mebibyte;
  const untilMs = performance.now() + 60_000;
  while (diskBytes() > diskWanted && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** LevelDB may be at work on its files. */
function diskBytes(): number {
  const sizes = readdirSync(folder).map((name) => {
    return statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}
