/**
 * Goal: the pump does what the uplink decides on a real outbox in memory: batches the cloud can read,
 * marks read when asked for, releases that arrive, and no action after stop.
 */
import type { BatchBody, BatchHead } from "@causeway/shared/batch-codec.ts";
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import { emptyLogLedger } from "@causeway/shared/mark.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { cursorKey, decodeRecord } from "../outbox/layout.ts";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { Link, PublishOutcome } from "./link.ts";
import { Pump } from "./pump.ts";
import type { UplinkLane } from "./uplink.ts";
import { defaultUplinkBounds } from "./uplink.ts";

interface Sent {
  readonly lane: UplinkLane;
  readonly head: BatchHead;
  readonly body: BatchBody;
}

/** A link whose cloud takes what comes next, unless it is told to refuse. */
class FakeLink implements Link {
  readonly sent: Sent[] = [];
  readonly #through = new Map<string, Record<Log, number>>();
  #listener: (state: "up" | "down", reason?: string) => void = () => {};
  #commit = 0;
  answer: PublishOutcome = { kind: "stored" };
  marksRead = 0;
  /** Stores and takes nothing. */
  isSlow = false;
  /** Batches that hold an event of such a name are refused whole. */
  refusedName: string | undefined;
  #doubts: Doubt[] = [];

  listen(listener: (state: "up" | "down", reason?: string) => void): void {
    this.#listener = listener;
  }

  tell(state: "up" | "down"): void {
    this.#listener(state);
  }

  async publish(
    lane: UplinkLane,
    headers: readonly [string, string][],
    bytes: Uint8Array,
  ): Promise<PublishOutcome> {
    const head = decodeHead((name) => headers.find(([known]) => known === name)?.[1]);
    const body = decodeBody(expandBody(bytes));
    this.sent.push({ lane, head, body });
    if (this.answer.kind !== "stored") return this.answer;
    if (this.#refuses(body)) this.#doubt(head);
    else if (!this.isSlow) this.#take(head);
    return this.answer;
  }

  async readMark(): Promise<Mark | undefined> {
    this.marksRead++;
    if (this.#commit === 0) return undefined;
    const epochs = [...this.#through].map(([epoch, { telemetry, priority }]) => ({
      epoch,
      logs: {
        telemetry: { ...emptyLogLedger, through: telemetry },
        priority: { ...emptyLogLedger, through: priority },
      },
    }));
    return {
      commit: this.#commit,
      gateway: "gw",
      run: undefined,
      epochs,
      doubts: this.#doubts,
      cap: undefined,
    };
  }

  #refuses(body: BatchBody): boolean {
    const events = body.blocks.flatMap(({ items }) => items.map(({ event }) => event));
    return events.some((event) => event?.kind === "system" && event.name === this.refusedName);
  }

  #doubt({ epoch, log, nonce }: BatchHead): void {
    const expected = (this.#through.get(epoch)?.[log] ?? 0) + 1;
    this.#through.set(epoch, this.#through.get(epoch) ?? { telemetry: 0, priority: 0 });
    this.#doubts = [{ epoch, log, expected, nonce, kind: "refused", reason: "no" }];
    this.#commit++;
  }

  cuts = 0;
  cut(): void {
    this.cuts++;
    this.#listener("down", "cut");
  }

  async close(): Promise<void> {}

  taken(epoch: string): Record<Log, number> | undefined {
    return this.#through.get(epoch);
  }

  #take({ epoch, log, from, to }: BatchHead): void {
    const row = this.#through.get(epoch) ?? { telemetry: 0, priority: 0 };
    if (from <= row[log] + 1 && to > row[log]) row[log] = to;
    this.#through.set(epoch, row);
    this.#commit++;
  }
}

async function start(disk = new MemoryDisk()) {
  const [clock, link] = [new VirtualClock(), new FakeLink()];
  const outbox = await Outbox.open({
    gateway: "gw",
    openStore: async () => disk.open(),
    clock,
    random: seededRandom("outbox"),
    bounds: { bytesMax: 1e9, tailBytesMax: 0, pendingBytesMax: 1e7 },
    log: silentLogger,
  });
  const pump = new Pump({
    gateway: gatewayId("gw"),
    outbox,
    link,
    clock,
    random: seededRandom("pump"),
    bounds: defaultUplinkBounds,
    notice: () => {},
    log: silentLogger,
  });
  outbox.listen({
    epochOpened: (epoch) => pump.feed({ kind: "epoch-opened", epoch }),
    appended: (epoch, log, last, bytes) => pump.feed({ kind: "appended", epoch, log, last, bytes }),
    poisoned: () => {},
  });
  const append = async (log: Log, count = 1) => {
    for (let index = 0; index < count; index++)
      outbox.append(log, eventAt(clock.bootMs()), () => {});
    await clock.advance(1);
  };
  return { clock, link, outbox, pump, append, disk };
}

function eventAt(bootMs: number): Event {
  const kind = "system" as const;
  return { kind, device: null, topic: null, bootMs, observedAt: null, name: "test", detail: "" };
}

test("what was appended while the link was down goes up, is taken, and is released", async () => {
  const { clock, link, outbox, pump, append } = await start();
  await append("telemetry", 100);
  await append("priority", 3);
  await clock.advance(60_000);
  expect(link.sent).toEqual([]);
  link.tell("up");
  await clock.advance(5_000);
  expect(link.taken(outbox.run)).toEqual({ telemetry: 100, priority: 3 });
  expect(pump.status()).toMatchObject({ link: "up", unsentEvents: 0, untakenEvents: 0 });
  expect(outbox.epochs()[0]?.released).toEqual({ telemetry: 100, priority: 3 });
  expect(pump.counters()).toMatchObject({ batches: 2, failures: 0 });
});

test("a batch tells the cloud all that it needs, and its body agrees with its head", async () => {
  const { clock, link, outbox, append, disk } = await start();
  await append("telemetry", 2);
  const first = outbox.run;
  await outbox.close();
  const next = await start(disk);
  await next.outbox.fixBootOffset(next.clock.bootId, 1_700_000_000_000);
  await next.clock.advance(1_000);
  await next.append("telemetry", 5);
  next.link.tell("up");
  await next.clock.advance(1_000);
  const before = { epoch: first, ends: { telemetry: 2, priority: 0 } };
  expect(next.link.sent.map(({ head }) => head)).toMatchObject([
    { epoch: first, log: "telemetry", from: 1, to: 2, end: 2, before: undefined },
    { epoch: next.outbox.run, log: "telemetry", from: 1, to: 5, end: undefined, before },
  ]);
  for (const { lane, head, body } of next.link.sent) {
    expect(lane).toBe("live");
    expect(head.run).toBe(next.outbox.run);
    const { epoch, log, from, to } = head;
    expect(body).toMatchObject({ gateway: "gw", epoch, log, from, to });
    expect(body.boots).toEqual({ virtualboot1: 1_700_000_000_000 });
  }
  expect(next.link.sent[1]?.head.watermark).toBe(1_700_000_001_000);
  expect(clock.bootMs()).toBeGreaterThan(0);
  expect(link.sent).toEqual([]);
});

test("a boot that was never synchronised goes with a null offset and no watermark", async () => {
  const { clock, link, append } = await start();
  link.tell("up");
  await append("telemetry");
  await clock.advance(1_000);
  expect(link.sent[0]?.body.boots).toEqual({ virtualboot1: null });
  expect(link.sent[0]?.head.watermark).toBeUndefined();
});

test("while the cloud is full the pump tries again with back-off, then goes on where it was", async () => {
  const { clock, link, outbox, append } = await start();
  await append("telemetry", 10);
  link.answer = { kind: "failed", fault: "retry", reason: "10077 maximum bytes exceeded" };
  link.tell("up");
  await clock.advance(600_000);
  expect(link.sent.length).toBeGreaterThan(10);
  expect(link.sent.length, "times in ten minutes").toBeLessThan(100);
  link.answer = { kind: "stored" };
  await clock.advance(60_000);
  expect(link.taken(outbox.run)).toEqual({ telemetry: 10, priority: 0 });
});

test("an outbox that is poisoned and reopened is pumped on, each epoch to its end", async () => {
  const { clock, link, outbox, append, disk, pump } = await start();
  await append("telemetry", 5);
  const first = outbox.run;
  disk.failure = new Error("input/output error");
  await append("telemetry", 5);
  link.tell("up");
  await clock.advance(1_000);
  disk.failure = undefined;
  await clock.advance(60_000);
  await append("telemetry", 7);
  await clock.advance(60_000);
  expect([link.taken(first)?.telemetry, link.taken(outbox.run)?.telemetry]).toEqual([5, 7]);
  expect(pump.status().untakenEvents).toBe(0);
});

test("with nothing to do the pump asks nothing for a day", async () => {
  const { clock, link, append } = await start();
  link.tell("up");
  await append("telemetry", 5);
  await clock.advance(10_000);
  const { marksRead, sent } = link;
  await clock.advance(24 * 3_600_000);
  expect([link.marksRead, link.sent.length]).toEqual([marksRead, sent.length]);
});

test("after stop nothing is sent, asked or released", async () => {
  const { clock, link, append, pump } = await start();
  await append("telemetry", 5);
  link.tell("up");
  pump.stop();
  await clock.advance(60_000);
  await append("telemetry", 5);
  link.tell("down");
  link.tell("up");
  await clock.advance(600_000);
  expect(link.sent).toEqual([]);
});

test("a batch that is refused shrinks to the one event at fault, which goes as a stub", async () => {
  const { clock, link, outbox, pump, append } = await start();
  await append("telemetry", 60);
  const poison: Event = { ...eventAt(clock.bootMs()), name: "poison" } as Event;
  outbox.append("telemetry", poison, () => {});
  await append("telemetry", 40);
  link.refusedName = "poison";
  link.tell("up");
  await clock.advance(30 * 60_000);
  expect(link.taken(outbox.run)?.telemetry).toBe(101);
  expect(pump.status()).toMatchObject({ unsentEvents: 0, untakenEvents: 0 });
  const stubs = link.sent
    .flatMap(({ body }) => body.blocks.flatMap(({ items }) => items))
    .filter(({ event }) => event?.kind === "quarantined");
  expect(stubs).toMatchObject([{ from: 61, to: 61, event: { reason: "refused", detail: "no" } }]);
});

test("a batch that is refused shrinks although a loss at its end spans more than is asked for", async () => {
  const { clock, link, outbox, pump, append, disk } = await start();
  const poison: Event = { ...eventAt(clock.bootMs()), name: "poison" } as Event;
  outbox.append("telemetry", poison, () => {});
  await append("telemetry", 2);
  await append("telemetry", 5);
  const key = disk.keys().findLast((known) => known.startsWith("b")) ?? "";
  disk.corrupt(Buffer.from(key, "latin1"), Buffer.from("rotten"));
  link.refusedName = "poison";
  link.tell("up");
  await clock.advance(30 * 60_000);
  expect(link.taken(outbox.run)?.telemetry).toBe(8);
  expect(pump.status()).toMatchObject({ unsentEvents: 0, untakenEvents: 0 });
  const items = link.sent.flatMap(({ body }) => body.blocks.flatMap((block) => block.items));
  expect(items.filter(({ event }) => event?.kind === "quarantined")).toMatchObject([{ to: 1 }]);
  expect(items.at(-1)).toMatchObject({ from: 4, to: 8, event: { reason: "unreadable" } });
});

test("no position is published before it is synced that it may be", async () => {
  const { clock, link, outbox, append, disk } = await start();
  const bounds: number[] = [];
  const publish = link.publish.bind(link);
  link.publish = async (lane, headers, body) => {
    const head = decodeHead((name) => headers.find(([known]) => known === name)?.[1]);
    bounds.push((await syncedBound(disk, head.epoch, head.log)) - head.to);
    return publish(lane, headers, body);
  };
  link.tell("up");
  for (let round = 0; round < 20; round++) {
    await append("telemetry", 50);
    await append("priority", 1);
    await clock.advance(500);
  }
  expect(link.taken(outbox.run)).toEqual({ telemetry: 1_000, priority: 20 });
  expect(bounds.length).toBeGreaterThan(20);
  expect(Math.min(...bounds)).toBeGreaterThanOrEqual(0);
});

/** What a power cut now would leave as the bound. */
async function syncedBound(disk: MemoryDisk, epoch: string, log: Log): Promise<number> {
  const ordinal = Number(epoch.split("-")[0]);
  const copy = new MemoryDisk();
  copy.apply(disk.syncedChanges(), true);
  const found = await copy.open().get(cursorKey(ordinal));
  if (found === undefined) return 0;
  const { published } = decodeRecord(found, "a cursor") as { published: Record<Log, number> };
  return published[log];
}

test("what was stored is not sent again by the next process, though the cloud was slow to take it", async () => {
  const { link, outbox, append, disk, clock } = await start();
  await append("telemetry", 20);
  link.tell("up");
  link.isSlow = true;
  await clock.advance(1_000);
  await append("priority");
  expect(link.sent.length).toBeGreaterThan(0);
  await outbox.close();
  const next = await start(disk);
  next.link.tell("up");
  next.link.isSlow = true;
  await next.clock.advance(30_000);
  expect(next.link.sent.filter(({ head }) => head.log === "telemetry")).toEqual([]);
  expect(next.pump.status().untakenEvents).toBeGreaterThanOrEqual(20);
  await next.clock.advance(60_000);
  const again = next.link.sent.filter(({ head }) => head.log === "telemetry");
  expect(again, "nothing taken for a minute").toMatchObject([{ head: { from: 1, to: 20 } }]);
});

test("a link on which nothing is taken for minutes is broken, and the pump goes on with the next", async () => {
  const { link, append, clock } = await start();
  link.isSlow = true;
  await append("telemetry", 5);
  link.tell("up");
  await clock.advance(10 * 60_000);
  expect(link.cuts).toBe(1);
  link.isSlow = false;
  link.tell("up");
  await append("telemetry", 5);
  await clock.advance(20 * 60_000);
  expect([...link.sent].at(-1)?.head.to).toBe(10);
});
