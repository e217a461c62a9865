/**
 * Goal: over hours a gateway gets no more than its quota, whatever it sends; nobody is told because it catches up; each
 * message counts once, over take-overs too.
 */
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { Folded } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Quota } from "./gateway-use.ts";
import { GatewayUse } from "./gateway-use.ts";

const tickMs = 5_000;
const dayMs = 24 * 3_600_000;
const noon = Date.parse("2026-05-05T12:00:00Z");
const eventBytes = 50;

function messageOf(sequence: number, storedAt: number, bytes: number): JournalMessage {
  const data = new Uint8Array(bytes);
  return { sequence, storedAt, data, subject: "tlm.0.gw.live", header: () => undefined };
}

function foldedOf(events: number, late: boolean): Folded {
  const taken = Array.from({ length: events }, () => ({ late, effect: true }));
  return { taken, dead: [] } as unknown as Folded;
}

/** A gateway that keeps to what its mark allows, a few seconds late. */
class Sender {
  readonly use = new GatewayUse();
  readonly quota: Quota;
  at = noon;
  sent = 0;
  waiting = 0;
  told: string[] = [];
  capped = 0;
  #sequence = 0;
  #known: number | undefined;

  constructor(quota: Partial<Quota>) {
    this.quota = { eventsPerSecond: undefined, bytesPerDay: undefined, ...quota };
  }

  send(events: number, late = false): void {
    if (events === 0) return;
    const message = messageOf(++this.#sequence, this.at, events * eventBytes);
    this.use.count(message, foldedOf(events, late), "UTC");
    this.sent += events;
  }

  /** So many come to wait in each second, and go as fast as the cap lets them. */
  pass(ms: number, perSecond: number, late = false): void {
    for (const until = this.at + ms; this.at < until; ) {
      this.at += 1_000;
      this.waiting += perSecond;
      const most = this.#known === undefined ? 100_000 : this.#known / eventBytes;
      const goes = Math.min(this.waiting, Math.floor(most));
      this.send(goes, late);
      this.waiting -= goes;
      if (this.at % tickMs === 0) this.tick();
      if (this.use.cap !== undefined) this.capped += 1_000;
      if (this.at % 15_000 === 0) this.#known = this.use.cap;
    }
  }

  tick(): void {
    const { events, bytes } = this.use.judge(this.quota, this.at, "UTC");
    for (const over of [events, bytes]) if (over?.isNews) this.told.push(over.text);
  }
}

test("who sends twice the quota for hours gets the quota, and people are told", () => {
  const sender = new Sender({ eventsPerSecond: 100 });
  sender.pass(6 * 3_600_000, 200);
  expect(sender.sent / (6 * 3_600)).toBeLessThan(100);
  expect(sender.sent / (6 * 3_600)).toBeGreaterThan(85);
  expect(sender.told[0]).toMatch(
    /^it sends \d+ events a second, 100 are its quota: until that is made up for it may send \d+ bytes a second$/,
  );
  expect(sender.use.told().quotaCap).toBeGreaterThan(60 * eventBytes);
});

test("who keeps to the quota is never slowed down, and a minute's burst is free", () => {
  const sender = new Sender({ eventsPerSecond: 100 });
  sender.pass(3_600_000, 99);
  sender.send(2_900);
  sender.pass(600_000, 50);
  expect([sender.capped, sender.told]).toEqual([0, []]);
});

test("to catch up after an outage is slowed down, and nobody is told; then it ends", () => {
  const sender = new Sender({ eventsPerSecond: 100 });
  sender.pass(1_000, 60_000, true);
  sender.pass(3_600_000, 20, true);
  expect(sender.told).toEqual([]);
  expect(sender.capped).toBeGreaterThan(60_000);
  expect(sender.capped).toBeLessThan(1_000_000);
  expect(sender.use.cap).toBeUndefined();
});

test("a day's bytes beyond the quota leave the pace of an even day, until midnight", () => {
  const sender = new Sender({ bytesPerDay: 8_640_000 });
  sender.send(8_640_000 / eventBytes);
  sender.tick();
  expect(sender.use.cap).toBeUndefined();
  sender.send(1);
  sender.tick();
  expect(sender.use.cap).toBe(100);
  expect(sender.told).toEqual([
    "8.6 MB came of it since midnight (UTC), 8.6 MB are its quota for a day: " +
      "it may send 100 bytes a second until the next midnight",
  ]);
  sender.pass(dayMs / 2 - tickMs, 0);
  expect(sender.use.cap).toBe(100);
  sender.pass(tickMs, 0);
  expect([sender.use.cap, sender.use.told().bytes]).toEqual([undefined, 0]);
});

test("of the stream's cap and the quota's the lower one is in force, and each ends alone", () => {
  const sender = new Sender({ bytesPerDay: 8_640_000 });
  sender.send(200_000);
  expect(sender.use.capStream(32_768)).toBe(true);
  sender.tick();
  expect(sender.use.cap).toBe(100);
  expect(sender.use.capStream(50)).toBe(true);
  expect(sender.use.capStream(32_768)).toBe(true);
  expect(sender.use.capStream(16_384), "the quota's is lower").toBe(false);
  const after = new GatewayUse();
  after.restore(sender.use.told(), sender.use.cap);
  expect(after.judge(undefined, sender.at, "UTC").isChanged, "the quota is taken away").toBe(true);
  expect(after.cap).toBe(16_384);
  expect(after.capStream(undefined)).toBe(true);
  expect(after.cap).toBeUndefined();
});

test("a mark of before there were quotas keeps its cap until somebody decides", () => {
  const use = new GatewayUse();
  use.restore(undefined, 32_768);
  expect([use.cap, use.isOver]).toEqual([32_768, false]);
});

test("over take-overs at any moment each message counts once", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(`use ${seed}`);
    const quota = { eventsPerSecond: 5, bytesPerDay: 40_000 };
    const steps: ((use: GatewayUse) => void)[] = [];
    const [whole, ticks] = [new GatewayUse(), [] as number[]];
    let [use, at, kept, keptStep] = [new GatewayUse(), noon, undefined as string | undefined, 0];
    for (let step = 0; step < 100; step++) {
      at += Math.floor(random.next() * 60_000);
      const [now, isTick] = [at, random.next() < 0.3];
      const events = Math.floor(random.next() * 400);
      const [message, folded] = [
        messageOf(step + 1, now, 1 + events * 10),
        foldedOf(events, random.next() < 0.5),
      ];
      if (isTick) ticks.push(step);
      const act = (one: GatewayUse) => {
        if (isTick) one.judge(quota, now, "UTC");
        else one.count(message, folded, "UTC");
      };
      steps.push(act);
      act(whole);
      act(use);
      if (random.next() < 0.2) [kept, keptStep] = [marked(use), step + 1];
      if (random.next() > 0.05) continue;
      // The snapshot is older than the mark; ticks that the mark has seen judge nothing.
      use = new GatewayUse();
      const found = kept === undefined ? undefined : decodeMark(kept);
      use.restore(found?.use, found?.cap);
      const from = Math.floor(random.next() * (keptStep + 1));
      for (let again = kept === undefined ? 0 : from; again <= step; again++) {
        if (again < keptStep && ticks.includes(again)) continue;
        steps[again]?.(use);
      }
      const { eventBytes: _mean, quotaCap: _cap, ...exact } = whole.told();
      expect(use.told(), `seed ${seed}, step ${step}`).toMatchObject({
        ...exact,
        level: expect.closeTo(exact.level, 0),
        liveLevel: expect.closeTo(exact.liveLevel, 0),
        perSecond: expect.closeTo(exact.perSecond, 0),
      });
    }
    expect(use.told().isOver).toBe(whole.told().isOver);
  }
});

function marked(use: GatewayUse): string {
  const rest = { gateway: "gw", run: undefined, epochs: [], doubts: [] };
  return encodeMark({ commit: 1, ...rest, cap: use.cap, use: use.told() });
}
