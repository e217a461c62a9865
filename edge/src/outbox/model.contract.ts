/**
 * Random lives of an outbox against a model that shares no code with it: what was acknowledged is
 * readable at its place, or told there by a loss or a roll-up that the policy allows; what was sent
 * stays as it was sent; positions are dense.
 */
import { isDeepStrictEqual } from "node:util";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Event, Log, RollupEvent } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect } from "vitest";
import { contentsOf, quarantinedOf, readingOf } from "../testing/outbox-contents.ts";
import { eventOf, failure, Life } from "../testing/outbox-life.ts";
import { MemoryDisk } from "./memory-store.ts";
import type { OutboxBounds } from "./outbox.ts";
import { whenFullPolicies } from "./space.ts";
import type { StorePlace } from "./store.contract.ts";

/** How often each thing happened, so that a test can tell that it tested something. */
export type Seen = Record<
  "acked" | "refused" | "poisonings" | "crashes" | "sent" | "released" | "rollups" | "losses",
  number
>;

export const nothingSeen = (): Seen => ({
  ...{ acked: 0, refused: 0, poisonings: 0, crashes: 0 },
  ...{ sent: 0, released: 0, rollups: 0, losses: 0 },
});

type Place = Pick<StorePlace, "open" | "crash">;

interface Known {
  readonly tag: number;
  readonly event: Event;
}

interface LogModel {
  /** By position. */
  readonly events: Map<number, Known>;
  /** Blocks as they were sent, by their first position. */
  readonly sent: Map<number, Uint8Array>;
  sentTo: number;
  released: number;
}

const hourMs = 3_600_000;

export async function randomLives(
  place: Place,
  seed: string,
  seen: Seen,
  disk?: MemoryDisk,
): Promise<void> {
  const run = new RandomLives(place, seed, seen, disk);
  await run.all();
}

class RandomLives {
  readonly #place: Place;
  readonly #random: Random;
  readonly #seed: string;
  readonly #seen: Seen;
  readonly #disk: MemoryDisk | undefined;
  readonly #model = new Map<string, LogModel>();
  readonly #attempts = new Map<number, Event>();
  readonly #policies = new Set<string>();
  #tag = 0;

  constructor(place: Place, seed: string, seen: Seen, disk: MemoryDisk | undefined) {
    this.#place = place;
    this.#random = seededRandom(seed);
    this.#seed = seed;
    this.#seen = seen;
    this.#disk = disk;
  }

  async all(): Promise<void> {
    for (let lives = this.#between(2, 4); lives > 0; lives--) await this.#life(`${lives}`);
    const last = await this.#begin("last", {});
    await this.#check(last);
    await last.outbox.close();
  }

  #between(from: number, to: number): number {
    return from + Math.floor(this.#random.next() * (to - from));
  }

  async #begin(name: string, bounds: Partial<OutboxBounds>): Promise<Life> {
    if (this.#disk !== undefined) {
      this.#disk.failure = undefined;
      this.#disk.failedBytes = this.#random.next() < 0.5 ? "lost" : "appear-later";
    }
    const clock = new VirtualClock(Date.UTC(2026, 0, 1) + this.#tag * 1_000, `boot${name}`);
    const openStore = () => this.#place.open();
    const seed = `${this.#seed} ${name}`;
    const life = await Life.begin(new MemoryDisk(), { bounds, seed, clock, openStore });
    await life.outbox.fixBootOffset(clock.bootId, clock.wallMs() - clock.bootMs());
    await this.#adopt(life);
    return life;
  }

  async #life(name: string): Promise<void> {
    const whenFull = whenFullPolicies[this.#between(0, 3)] ?? "reject";
    const ages = this.#random.next() < 0.3;
    this.#policies.add(whenFull);
    if (ages) this.#policies.add("age");
    const life = await this.#begin(name, {
      bytesMax: this.#between(4, 16) * 1_024,
      tailBytesMax: this.#between(0, 6) * 1_024,
      pendingBytesMax: this.#between(2, 40) * 1_024,
      whenFull,
      ...(ages && { ageMaxMs: this.#between(60_000, hourMs / 4) }),
    });
    for (let acts = this.#between(3, 13); acts > 0; acts--) await this.#act(life);
    this.#learn(life);
    if (this.#disk === undefined || this.#disk.failure === undefined) {
      // A store that is being opened again is no place to look at.
      if (life.outbox.usage().poisonings > 0) await life.clock.advance(40_000);
      await this.#check(life);
    }
    this.#seen.poisonings += life.outbox.usage().poisonings;
    if (this.#random.next() < 0.3) {
      await life.outbox.close().catch((why) => expect(why).toBe(failure));
    } else {
      this.#seen.crashes++;
      await this.#place.crash();
    }
  }

  async #act(life: Life): Promise<void> {
    const roll = this.#random.next();
    if (roll < 0.5) return this.#append(life);
    if (roll < 0.65) return this.#send(life);
    if (roll < 0.75) return this.#release(life);
    if (roll < 0.95 || this.#disk === undefined) {
      const longer = this.#random.next() < 0.1 ? hourMs / 4 : 12_000;
      return life.clock.advance(this.#between(1, longer));
    }
    this.#disk.failure = this.#disk.failure === undefined ? failure : undefined;
  }

  async #append(life: Life): Promise<void> {
    const log = this.#random.next() < 0.2 ? "priority" : "telemetry";
    const apart = this.#between(0, 20_000);
    const appended = this.#between(1, 30);
    for (let count = appended; count > 0; count--) {
      const tag = ++this.#tag;
      const event = this.#eventOf(tag, life.clock.bootMs(), log);
      this.#attempts.set(tag, event);
      life.appendEvent(tag, log, event);
      if (this.#random.next() < 0.7) await life.clock.advance(Math.floor(apart / 10));
    }
    await life.clock.advance(1);
    // Real disks take real time, and a crash on them is a copy of the files: nothing may be under way.
    while (this.#disk === undefined && life.settled.length < appended) await life.clock.advance(0);
    this.#learn(life);
  }

  #eventOf(tag: number, bootMs: number, log: Log): Event {
    const roll = this.#random.next();
    if (roll < 0.1) return quarantinedOf(`${tag}`, bootMs);
    if (log === "priority") return { ...eventOf(tag), bootMs };
    return readingOf(tag, bootMs, roll < 0.5 ? "d1" : "d2");
  }

  /** What is told to be durable, and what was not admitted. */
  #learn(life: Life): void {
    for (const { tag, epoch, log, position } of life.acked.splice(0)) {
      const { events } = this.#of(epoch, log);
      if (events.has(position)) throw new Error(`${epoch} ${log} ${position} is given twice`);
      events.set(position, { tag, event: this.#attempts.get(tag) as Event });
      this.#seen.acked++;
    }
    const refused = life.settled
      .splice(0)
      .filter(({ failure: why }) => why?.code === "OUTBOX_FULL");
    this.#seen.refused += refused.length;
  }

  #of(epoch: string, log: Log): LogModel {
    const known = this.#model.get(`${epoch} ${log}`);
    if (known !== undefined) return known;
    const fresh = { events: new Map(), sent: new Map(), sentTo: 0, released: 0 };
    this.#model.set(`${epoch} ${log}`, fresh);
    return fresh;
  }

  /** What was under way when a process died may be there although nobody was told. */
  async #adopt(life: Life): Promise<void> {
    for (const { id, last } of life.epochs) {
      for (const log of logs) {
        const { events } = this.#of(id, log);
        const known = Math.max(0, ...events.keys());
        if (last[log] <= known) continue;
        for (const { from, event } of await contentsOf(life.outbox, id, log)) {
          const tag = event === undefined ? undefined : tagOf(event);
          if (from <= known || tag === undefined) continue;
          events.set(from, { tag, event: this.#attempts.get(tag) as Event });
        }
      }
    }
  }

  async #send(life: Life): Promise<void> {
    const views = life.epochs;
    const view = views[this.#between(0, views.length)];
    const log = this.#random.next() < 0.2 ? "priority" : "telemetry";
    if (view === undefined) return;
    const model = this.#of(view.id, log);
    const from = model.sentTo + 1;
    const bytesMax = this.#between(1, 3_000);
    const reading = life.outbox.read(view.id, log, from, bytesMax);
    // What gives way meanwhile must not touch what is read here.
    if (this.#random.next() < 0.3) await this.#append(life);
    await life.clock.advance(1);
    let blocks = await this.#within(life, reading);
    blocks = blocks?.slice(0, this.#between(1, 10));
    const [first, last] = [blocks?.[0], blocks?.at(-1)];
    if (blocks === undefined || first === undefined || last === undefined) return;
    expect(first.from, "what was sent is read again whole").toBe(from);
    if (this.#random.next() < 0.3) await life.clock.advance(this.#between(1, 12_000));
    const bytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0);
    const piece = { from: first.from, to: last.to, bytes };
    const free = life.outbox.publishing(view.id, log, piece).then(() => true);
    if (!(await this.#within(life, free))) return;
    for (const block of blocks) model.sent.set(block.from, block.bytes);
    model.sentTo = last.to;
    this.#seen.sent++;
  }

  /** Undefined where the store is closed for now. */
  async #within<Value>(life: Life, promise: Promise<Value>): Promise<Value | undefined> {
    const settled: { value?: Value | undefined } = {};
    promise.then(
      (value) => {
        settled.value = value;
      },
      () => {
        settled.value = undefined;
      },
    );
    const isReal = this.#disk === undefined;
    for (let turn = 0; (isReal || turn < 20) && !("value" in settled); turn++) {
      await life.clock.advance(isReal ? 0 : 1);
    }
    return settled.value;
  }

  async #release(life: Life): Promise<void> {
    for (const { id } of life.epochs) {
      for (const log of logs) {
        const model = this.#of(id, log);
        if (model.sentTo === 0) continue;
        // Now and then the cloud goes back.
        const through = this.#between(
          this.#random.next() < 0.1 ? 0 : model.released,
          model.sentTo + 1,
        );
        life.outbox.release(id, log, through);
        model.released = Math.max(model.released, through);
        this.#seen.released++;
      }
    }
  }

  async #check(life: Life): Promise<void> {
    for (const { id, last } of life.epochs) {
      for (const log of logs) {
        const model = this.#of(id, log);
        const newest = Math.max(0, ...model.events.keys());
        expect(last[log], `${id} ${log} ends where it did`).toBeGreaterThanOrEqual(newest);
        for (const { from, to, event } of await contentsOf(life.outbox, id, log)) {
          this.#checkItem(`${id} ${log} ${from}-${to}`, model, from, to, event);
        }
        await this.#checkSent(life, id, log, model);
      }
    }
  }

  #checkItem(where: string, model: LogModel, from: number, to: number, event?: Event): void {
    if (event?.kind === "loss" && event.reason === "not-kept") {
      return expect(to, where).toBeLessThanOrEqual(model.released);
    }
    if (event?.kind !== "loss" && event?.kind !== "rollup") {
      const known = model.events.get(from)?.event;
      if (!isDeepStrictEqual(event, known)) expect(event, where).toEqual(known);
      return;
    }
    const known: Event[] = [];
    for (let at = from; at <= to; at++) {
      const one = model.events.get(at)?.event;
      if (one !== undefined) known.push(one);
    }
    expect(known.length, where).toBe(to - from + 1);
    if (event.kind === "rollup") {
      this.#seen.rollups++;
      expect(this.#policies, where).toContain("thin");
      return checkRollup(where, event, known);
    }
    this.#seen.losses++;
    const policy = event.reason === "age" ? "age" : undefined;
    if (policy !== undefined) expect(this.#policies, where).toContain(policy);
    else expect(event.reason, where).toBe("full");
    expect(event.count, where).toBe(to - from + 1);
    const kinds = new Set(known.map(({ kind }) => kind));
    if (event.reason === "full" && where.includes("priority")) {
      expect(kinds, where).toEqual(new Set(["system"]));
    } else if (event.reason === "full") expect(this.#policies, where).toContain("drop-oldest");
  }

  /** O9. */
  async #checkSent(life: Life, id: string, log: Log, { sent }: LogModel): Promise<void> {
    for (const [from, bytes] of sent) {
      const [now] = await life.outbox.peek(id, log, from, 1);
      const [item] = now === undefined ? [] : decodeBlock(now.bytes).items;
      if (item?.event?.kind === "loss" && item.event.reason === "not-kept") continue;
      if (now !== undefined && Buffer.compare(now.bytes, bytes) === 0) continue;
      throw new Error(`${id} ${log} at ${from} is not what was sent`);
    }
  }
}

function checkRollup(where: string, rollup: RollupEvent, known: readonly Event[]): void {
  const values = known.map((event) => {
    if (event.kind !== "reading") throw new Error(`${where} covers a ${event.kind}`);
    return Number(event.readings[0]?.value);
  });
  const windows = rollup.series.flatMap((series) => series.windows);
  const count = windows.reduce((sum, window) => sum + window[1], 0);
  const sum = windows.reduce((all, window) => all + window[1] * (window[6] ?? Number.NaN), 0);
  expect(count, where).toBe(values.length);
  expect(Math.min(...windows.map((window) => window[4] ?? Infinity)), where).toBe(
    Math.min(...values),
  );
  expect(Math.max(...windows.map((window) => window[5] ?? -Infinity)), where).toBe(
    Math.max(...values),
  );
  expect(sum, where).toBeCloseTo(
    values.reduce((all, value) => all + value, 0),
    3,
  );
}

function tagOf(event: Event): number | undefined {
  if (event.kind === "reading") return Number(event.readings[0]?.value);
  if (event.kind === "quarantined") return Number(event.detail);
  return event.kind === "system" ? Number(event.name.slice(1)) : undefined;
}
