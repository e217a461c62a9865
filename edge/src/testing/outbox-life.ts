/** Processes living on a memory disk, for the tests of the outbox. */
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { CodedError } from "@causeway/shared/errors.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect } from "vitest";
import type { MemoryDisk } from "../outbox/memory-store.ts";
import type { OutboxBounds } from "../outbox/outbox.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { FreeBytes } from "../outbox/space.ts";
import type { Change, Store } from "../outbox/store.ts";

export const mebibyte = 1_024 * 1_024;
export const wide: OutboxBounds = {
  bytesMax: 1_024 * mebibyte,
  tailBytesMax: 1_024 * mebibyte,
  pendingBytesMax: 16 * mebibyte,
};

export function eventOf(tag: number, characters = 0): Event {
  const detail = "x".repeat(characters);
  return {
    kind: "system",
    device: null,
    topic: null,
    bootMs: 1,
    observedAt: null,
    name: `n${tag}`,
    detail,
  };
}

/** One process's life on a disk: settled appends with their positions, from the listener. */
export class Life {
  readonly clock = new VirtualClock();
  readonly outbox: Outbox;
  readonly settled: { tag: number; failure: CodedError | undefined }[] = [];
  readonly acked: { tag: number; epoch: string; log: Log; position: number }[] = [];
  readonly #waiting: Record<Log, number[]> = { telemetry: [], priority: [] };
  readonly #last = new Map<string, number>();
  readonly told: string[] = [];

  private constructor(outbox: Outbox, clock: VirtualClock) {
    this.clock = clock;
    this.outbox = outbox;
    outbox.listen({
      epochOpened: ({ id }) => this.told.push(`opened ${id}`),
      appended: (epoch, log, last) => {
        const from = (this.#last.get(`${epoch} ${log}`) ?? 0) + 1;
        this.#last.set(`${epoch} ${log}`, last);
        for (let position = from; position <= last; position++) {
          const tag = this.#waiting[log].shift();
          if (tag === undefined) throw new Error("a position that no append asked for");
          this.acked.push({ tag, epoch, log, position });
        }
      },
      poisoned: ({ code }) => this.told.push(`poisoned ${code}`),
    });
  }

  static async begin(
    disk: MemoryDisk,
    options: {
      bounds?: Partial<OutboxBounds>;
      openStore?: () => Promise<Store>;
      gateway?: string;
      seed?: string;
      freeBytes?: FreeBytes;
      clock?: VirtualClock;
    } = {},
  ): Promise<Life> {
    const clock = options.clock ?? new VirtualClock();
    const life = disk.life;
    const outbox = await Outbox.open({
      gateway: options.gateway ?? "gw",
      openStore:
        options.openStore ??
        (async () => {
          if (disk.life !== life) throw new Error("this process is dead");
          return disk.open();
        }),
      clock,
      random: seededRandom(options.seed ?? `life ${life}`),
      bounds: { ...wide, ...options.bounds },
      ...(options.freeBytes && { freeBytes: options.freeBytes }),
      log: silentLogger,
    });
    return new Life(outbox, clock);
  }

  append(tag: number, log: Log = "telemetry", characters = 0): void {
    this.appendEvent(tag, log, eventOf(tag, characters));
  }

  appendEvent(tag: number, log: Log, event: Event): void {
    this.outbox.append(log, event, (failure) => {
      this.settled.push({ tag, failure });
      if (failure === undefined) this.#waiting[log].push(tag);
    });
  }

  async appendAll(tags: readonly number[], log: Log = "telemetry"): Promise<void> {
    for (const tag of tags) this.append(tag, log);
    await this.clock.advance(1);
  }

  /** One turn of maintenance; its many reads take more than one settling of the clock. */
  async maintained(): Promise<void> {
    await this.clock.advance(10_000);
    for (let turn = 0; turn < 50; turn++) await this.clock.advance(0);
  }

  codes(): (string | undefined)[] {
    return this.settled.map(({ failure }) => failure?.code);
  }

  async tags(epoch: string, log: Log): Promise<Map<number, number>> {
    return tagsOf(this.outbox, epoch, log);
  }

  get epochs() {
    return this.outbox.epochs();
  }
}

/** Everything readable of one log: position to tag; fails on a gap. */
export async function tagsOf(
  outbox: Outbox,
  epoch: string,
  log: Log,
): Promise<Map<number, number>> {
  const last = outbox.epochs().find(({ id }) => id === epoch)?.last[log] ?? 0;
  const tags = new Map<number, number>();
  for (let next = 1; next <= last; ) {
    const blocks = await outbox.read(epoch, log, next, 4_096);
    expect(blocks[0]?.from, `${epoch} ${log} at ${next}`).toBe(next);
    for (const { bytes, from, to } of blocks) {
      expect(from).toBe(next);
      for (const item of decodeBlock(bytes).items) {
        if (item.event?.kind !== "system") throw new Error(`unreadable at ${item.from}`);
        tags.set(item.from, Number(item.event.name.slice(1)));
      }
      next = to + 1;
    }
  }
  expect(tags.size).toBe(last);
  return tags;
}

/** A disk whose writes can be counted, held and looked at. */
export function watched(disk: MemoryDisk) {
  const writes: { changes: readonly Change[]; sync: boolean }[] = [];
  const gate = { held: Promise.resolve(), release: () => {} };
  const openStore = async (): Promise<Store> => {
    const store = disk.open();
    return {
      write: async (changes, options) => {
        await gate.held;
        writes.push({ changes, sync: options.sync });
        await store.write(changes, options);
      },
      get: (key) => store.get(key),
      scan: (range) => store.scan(range),
      size: (from, until) => store.size(from, until),
      compact: (from, until) => store.compact(from, until),
      close: () => store.close(),
    };
  };
  const hold = () => {
    gate.held = new Promise((resolve) => {
      gate.release = resolve;
    });
  };
  return { openStore, writes, hold, release: () => gate.release() };
}

export const failure = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
