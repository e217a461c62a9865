/** What an outbox on any store knows after a crash of what was published and answered: O7, and U8's memory. */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventOf, wide } from "../testing/outbox-life.ts";
import { Outbox } from "./outbox.ts";
import type { StorePlace } from "./store.contract.ts";

const blockBytes = 1_000;

/** An outbox whose clock moves while it is waited for. */
export class Publisher {
  readonly outbox: Outbox;
  readonly clock: VirtualClock;

  private constructor(outbox: Outbox, clock: VirtualClock) {
    this.outbox = outbox;
    this.clock = clock;
  }

  static async open(place: Pick<StorePlace, "open">, seed = "publisher"): Promise<Publisher> {
    const clock = new VirtualClock();
    const outbox = await Outbox.open({
      gateway: "gw",
      openStore: () => place.open(),
      clock,
      random: seededRandom(seed),
      bounds: wide,
      log: silentLogger,
    });
    return new Publisher(outbox, clock);
  }

  async append(log: Log, count = 1): Promise<void> {
    const settled = Array.from({ length: count }, () => {
      return new Promise<void>((resolve, reject) =>
        this.outbox.append(log, eventOf(1, blockBytes), (why) => (why ? reject(why) : resolve())),
      );
    });
    await this.clock.advance(1);
    await Promise.all(settled);
  }

  /** Resolves once the piece may be published. */
  async publish(epoch: string, log: Log, from: number, to: number): Promise<void> {
    const bytes = (to - from + 1) * blockBytes;
    const free = this.outbox.publishing(epoch, log, { from, to, bytes });
    await this.clock.advance(1);
    await free;
  }

  view(id: string) {
    const found = this.outbox.epochs().find((epoch) => epoch.id === id);
    if (found === undefined) throw new Error(`${id} is not there`);
    return found;
  }
}

export function publishContract(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`what was published is known: ${name}`, () => {
    let place: StorePlace;
    beforeEach(async () => {
      place = await makePlace();
    });
    afterEach(() => place.remove());

    test("O7 over random lives nothing that was published counts as never published", async () => {
      const random = seededRandom("published");
      const between = (from: number, to: number) => from + Math.floor(random.next() * (to - from));
      const published = new Map<string, number>();
      let publishes = 0;
      for (let life = 0; life < 12; life++) {
        const publisher = await Publisher.open(place, `${life}`);
        for (const { id, published: known, last } of publisher.outbox.epochs()) {
          for (const log of logs) {
            const truly = published.get(`${id} ${log}`) ?? 0;
            expect(known[log], `${id} ${log} in life ${life}`).toBeGreaterThanOrEqual(truly);
            if (truly === 0) expect(known[log], "of an epoch that nobody sent").toBe(0);
            expect(known[log]).toBeLessThanOrEqual(last[log]);
          }
        }
        for (let act = between(1, 12); act > 0; act--) {
          const log = random.next() < 0.5 ? "telemetry" : "priority";
          if (random.next() < 0.5) {
            await publisher.append(log, between(1, 20));
            continue;
          }
          const views = publisher.outbox.epochs();
          const view = views[between(0, views.length)];
          const from = (published.get(`${view?.id} ${log}`) ?? 0) + 1;
          if (view === undefined || from > view.last[log]) continue;
          const to = between(from, view.last[log] + 1);
          await publisher.publish(view.id, log, from, to);
          published.set(`${view.id} ${log}`, to);
          publishes++;
        }
        if (random.next() < 0.7) await place.crash();
        else await publisher.outbox.close();
      }
      expect(publishes).toBeGreaterThan(20);
    });

    test("O7 the bound covers more than was asked for, so that the next needs no write", async () => {
      const publisher = await Publisher.open(place);
      await publisher.append("telemetry", 10);
      const { run } = publisher.outbox;
      await publisher.publish(run, "telemetry", 1, 2);
      await place.crash();
      const next = await Publisher.open(place, "next");
      expect(next.view(run).published, "all ten, and not one of the other log").toEqual({
        telemetry: 10,
        priority: 0,
      });
      await next.outbox.close();
    });

    test("U8 what was stored, and the mark that was followed, outlive a crash after a commit", async () => {
      const publisher = await Publisher.open(place);
      await publisher.append("telemetry", 10);
      const { run } = publisher.outbox;
      publisher.outbox.remember(run, "telemetry", { position: 7, bytes: 4_321 });
      publisher.outbox.release(run, "telemetry", 3);
      publisher.outbox.markCommit = 42;
      await publisher.append("priority");
      await place.crash();
      const next = await Publisher.open(place, "next");
      expect(next.outbox.markCommit).toBe(42);
      expect(next.view(run)).toMatchObject({
        released: { telemetry: 3, priority: 0 },
        stored: { telemetry: { position: 7, bytes: 4_321 }, priority: { position: 0, bytes: 0 } },
      });
      await next.outbox.close();
    });

    test("U6 a mark and its releases are kept together or not at all", async () => {
      const publisher = await Publisher.open(place);
      await publisher.append("telemetry", 10);
      const { run } = publisher.outbox;
      publisher.outbox.release(run, "telemetry", 3);
      publisher.outbox.markCommit = 42;
      await publisher.outbox.close();
      const next = await Publisher.open(place, "next");
      expect([next.outbox.markCommit, next.view(run).released.telemetry]).toEqual([42, 3]);
      next.outbox.release(run, "telemetry", 5);
      next.outbox.markCommit = 43;
      await place.crash();
      const last = await Publisher.open(place, "last");
      expect([last.outbox.markCommit, last.view(run).released.telemetry]).toEqual([42, 3]);
      await last.outbox.close();
    });
  });
}
