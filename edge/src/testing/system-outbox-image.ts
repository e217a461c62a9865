/** The files of an outbox as a killed process leaves them, what was acknowledged in it, and a judge. */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import { codeOf } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { expect, vi } from "vitest";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import { eventOf, wide } from "./outbox-life.ts";

/** `<epoch> <log> <position>` to the tag that was acknowledged there. */
export type Places = ReadonlyMap<string, number>;

export interface Image {
  readonly base: string;
  readonly folder: string;
  readonly acked: Places;
  /** Epoch to its last positions. */
  readonly ends: ReadonlyMap<string, Readonly<Record<Log, number>>>;
  /** The largest number of events in one write. */
  readonly groupMax: number;
}

export function openOutbox(folder: string, log: Logger = silentLogger): Promise<Outbox> {
  return Outbox.open({
    gateway: "gw",
    openStore: () => openLevelStore(folder, log),
    clock: systemClock(),
    random: systemRandom,
    bounds: wide,
    log,
  });
}

/** In memory where the system has that: what these tests damage need not survive them. */
export const fastFolder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const groupMax = 6;

/** Several lives, each of which leaves its log to the next to make a table of; the last is cut off. */
export async function makeImage(seed: string, lives = 4, groups = 40): Promise<Image> {
  const random = seededRandom(seed);
  const base = mkdtempSync(join(fastFolder, "causeway-image-"));
  const [live, folder] = [join(base, "live"), join(base, "image")];
  const acked = new Map<string, number>();
  const ends = new Map<string, Readonly<Record<Log, number>>>();
  let tag = 0;
  for (let life = 1; life <= lives; life++) {
    const outbox = await openOutbox(live);
    const position = { telemetry: 0, priority: 0 };
    for (let group = 0; group < groups; group++) {
      const count = 1 + Math.floor(random.next() * groupMax);
      const settled = Array.from({ length: count }, () => {
        const log = random.next() < 0.3 ? "priority" : "telemetry";
        acked.set(`${outbox.run} ${log} ${++position[log]}`, ++tag);
        return appended(outbox, tag, log, Math.floor(random.next() * 200));
      });
      await Promise.all(settled);
    }
    ends.set(outbox.run, { ...position });
    if (life === lives) cpSync(live, folder, { recursive: true, filter: isNoLock });
    await outbox.close();
  }
  rmSync(live, { recursive: true });
  return { base, folder, acked, ends, groupMax };
}

export const isNoLock = (path: string) => !path.endsWith("LOCK");

export function appended(outbox: Outbox, tag: number, log: Log, characters = 0): Promise<void> {
  return new Promise((resolve, reject) =>
    outbox.append(log, eventOf(tag, characters), (failure) =>
      failure === undefined ? resolve() : reject(failure),
    ),
  );
}

/** Everything that the outbox has to say, place by place; undefined is a loss that is told. */
export async function contentsOf(outbox: Outbox): Promise<Map<string, number | undefined>> {
  const found = new Map<string, number | undefined>();
  for (const { id, last } of outbox.epochs()) {
    for (const log of logs) {
      for (let next = 1; next <= last[log]; ) {
        const blocks = await outbox.read(id, log, next, 1_000_000);
        expect(blocks[0]?.from, `${id} ${log} at ${next}`).toBe(next);
        for (const { bytes, from, to } of blocks) {
          expect(from, `${id} ${log} follows`).toBe(next);
          for (const { from: at, to: through, event } of decodeBlock(bytes).items) {
            const tag = event?.kind === "system" ? Number(event.name.slice(1)) : undefined;
            for (let place = at; place <= through; place++) found.set(`${id} ${log} ${place}`, tag);
          }
          next = to + 1;
        }
      }
    }
  }
  return found;
}

export interface Verdict {
  /** Acknowledged events that are gone. */
  readonly lost: number;
  /** Those of them which nobody tells of, by their epoch. */
  readonly silent: readonly string[];
  /** What the log said at level error. */
  readonly told: readonly string[];
}

/**
 * Opens a damaged folder as the gateway would and holds it to what must never fail: it opens, goes on
 * under a new epoch, nothing stands at a place that is not its own or twice, no closed epoch has
 * another end, and the next process finds the same.
 */
export async function judge(folder: string, { acked, ends }: Image): Promise<Verdict> {
  const told: string[] = [];
  const say = (fields: Readonly<Record<string, unknown>>, message: string) =>
    void told.push(`${message} ${JSON.stringify(fields)}`);
  const log = { ...silentLogger, error: say };
  // Where LevelDB comes upon rot while it tidies up in the background, the second start mends it.
  const outbox = await openOutbox(folder, log).catch((failure) => {
    expect(codeOf(failure), String(failure)).toBe("OUTBOX_CORRUPT");
    return openOutbox(folder, log);
  });
  const run = outbox.run;
  expect(ends.has(run), "the epoch is new").toBe(false);
  const found = await contentsOf(outbox);
  const tags = [...found.values()].filter((tag) => tag !== undefined);
  expect(new Set(tags).size, "nothing twice").toBe(tags.length);
  for (const [place, tag] of found) {
    if (tag !== undefined && acked.has(place)) expect(tag, place).toBe(acked.get(place));
  }
  const newest = [...ends.keys()].at(-1);
  for (const { id, ordinal, last } of outbox.epochs()) {
    expect(ordinal, "ordinals are never given again").toBeLessThan(epochOrdinal(run) ?? 0);
    const true_ = ends.get(id);
    if (true_ === undefined) continue;
    for (const log of logs)
      expect(last[log], `end of ${id} ${log}`).toBeLessThanOrEqual(true_[log]);
    if (id !== newest) expect(last, `ends of ${id}`).toEqual(true_);
  }
  await vi.waitFor(() => appended(outbox, 1_000_000, "telemetry"), { timeout: 10_000 });
  const goesOn = outbox.run;
  await outbox.close();
  const again = await openOutbox(folder);
  expect(await contentsOf(again), "the next process finds the same").toEqual(
    new Map([...found, [`${goesOn} telemetry 1`, 1_000_000]]),
  );
  await again.close();
  const still = new Set(tags);
  const lost = [...acked].filter(([, tag]) => !still.has(tag));
  const silent = lost.filter(([place]) => !found.has(place)).map(([place]) => place);
  return { lost: lost.length, silent, told };
}
