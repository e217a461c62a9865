// Goal: a report is made once, of all that belongs into it, whatever is lost or put back meanwhile.
import type { LogFields, Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { encodeMark } from "@causeway/shared/mark.ts";
import { decodeReportMessage } from "@causeway/shared/notify/report-message.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { clockSubject, subjects } from "@causeway/shared/subjects.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { afterEach, expect, test } from "vitest";
import { encodeCheckpoint, noCheckpoint } from "../engine/checkpoint.ts";
import { MemoryEngineStore } from "../engine/memory-engine-store.ts";
import { newestFound } from "../engine/place.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { bootOffset, journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { encodeTick } from "../ticks/tick.ts";
import type { Report } from "./report.ts";
import { reportsSchema } from "./report-settings.ts";
import type { ReportJournal, StoredAlert } from "./report-stage.ts";
import { ReportStage } from "./report-stage.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const reports = reportsSchema.parse([{ name: "daily", at: "00:00", receivers: ["hook"] }]);

class World {
  readonly store = new MemoryEngineStore();
  readonly clock = new VirtualClock(bootOffset);
  readonly logged: LogFields[] = [];
  messages: JournalMessage[] = [];
  alerts: StoredAlert[] = [];
  first = 1;
  retired = 0;
  readonly opened: number[] = [];
  #position = 0;
  #news: (() => void)[] = [];
  readonly #random = seededRandom("reports");
  readonly #stages: ReportStage[] = [];

  /** Before its action of number `dieAt` it stands still for ever. */
  start(own = reports, dieAt = 0): ReportStage {
    let actions = 0;
    const mortal = <Part extends object>(part: Part): Part =>
      new Proxy(part, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== "function" || name === "session" || name === "read")
            return typeof value === "function" ? value.bind(target) : value;
          return (...args: unknown[]) => {
            if (++actions >= dieAt && dieAt > 0) return new Promise(() => {});
            const result: unknown = Reflect.apply(value, target, args);
            return name === "open" ? (result as Promise<object>).then(mortal) : result;
          };
        },
      });
    const log: Logger = { ...silentLogger, error: (fields) => void this.logged.push(fields) };
    const stage = new ReportStage({
      ...{ reports: own, store: mortal(this.store), journal: mortal(this.#journal()) },
      silentMs: 3 * minute,
      ...{ clock: this.clock, random: this.#random, log, fleet: () => emptyFleet },
      isOut: () => false,
    });
    if (dieAt === 0) this.#stages.push(stage); // who is dead cannot be stopped
    stage.start();
    return stage;
  }

  async stop(): Promise<void> {
    const stopped = this.#stages.map((stage) => stage.stop());
    this.#wake();
    await this.clock.advance(10 * minute);
    await Promise.all(stopped);
  }

  #journal(): ReportJournal {
    const range = async () => ({ first: this.first, last: this.messages.length });
    const messageAt = async (sequence: number) => {
      const found = this.messages[sequence - 1];
      if (found === undefined || sequence < this.first) return undefined;
      return { subject: found.subject, nonce: found.header("Cw-Nonce") };
    };
    return {
      range,
      read: (from, signal) => this.#read(Math.max(from, this.first), signal),
      open: async (own) => {
        const from = ((await newestFound(own, messageAt))?.sequence ?? 0) + 1;
        this.opened.push(from);
        return { from, advance: async () => {} };
      },
      retire: async () => void this.retired++,
      alerts: async function* (this: World, after: number) {
        yield* this.alerts.filter(({ sequence }) => sequence > after);
      }.bind(this),
    };
  }

  async *#read(from: number, signal: AbortSignal): AsyncGenerator<JournalMessage> {
    for (let sequence = from; !signal.aborted; ) {
      const message = this.messages[sequence - 1];
      if (message !== undefined) {
        yield message;
        sequence++;
      } else await new Promise<void>((resolve) => this.#news.push(resolve));
    }
  }

  #wake(): void {
    for (const tell of this.#news.splice(0)) tell();
  }

  async send(receivedMs: number): Promise<void> {
    const sequence = this.messages.length + 1;
    const event = readingEvent("d1", "temperature", 20, receivedMs);
    const message = journalMessage(sequence, ++this.#position, [event]);
    await this.#store({ ...message, storedAt: bootOffset + receivedMs });
  }

  /** The engine has taken so many events that the journal does not have. */
  async loseFirst(count: number, coveredUntil: number): Promise<void> {
    this.#position += count;
    const log = { through: count, end: undefined, stretches: [] };
    const logs = { telemetry: log, priority: { ...log, through: 0 } };
    const epochs = [{ epoch: "1-00000001", logs }];
    const mark = { commit: 1, gateway: "g1", run: undefined, epochs, doubts: [], cap: undefined };
    const subject = subjects.mark(3, "g1");
    await this.store.commit([{ subject, data: encodeMark(mark), rollup: true }]);
    await this.engineCommits(coveredUntil);
  }

  async tick(atMs: number): Promise<void> {
    const at = bootOffset + atMs;
    const sequence = this.messages.length + 1;
    const data = Buffer.from(encodeTick({ n: sequence, at, rules: "r", revision: 1 }));
    const header = (name: string) => (name === "Cw-Nonce" ? `tick${sequence}` : undefined);
    await this.#store({ sequence, subject: clockSubject, storedAt: at, data, header });
  }

  async #store(message: JournalMessage): Promise<void> {
    this.messages.push(message);
    this.#wake();
    await this.clock.advance(0);
  }

  /** The engine has committed all that the journal holds of partition 3. */
  async engineCommits(sequence = this.messages.length): Promise<void> {
    const data = encodeCheckpoint({ ...noCheckpoint, sequence, nonce: "engine" });
    await this.store.commit([{ subject: subjects.checkpoint(3), data, rollup: true }]);
  }

  alert(firingMs: number): void {
    const at = bootOffset + firingMs;
    const sequence = this.alerts.length + 1;
    const one = transition({ id: `a${sequence}`, gateway: "g1", at, firingAt: at });
    const text = JSON.stringify({ v: 1, transitions: [one] });
    this.alerts.push({ sequence, subject: "alert.3.g1.too-warm", storedAt: at, text });
  }

  made(): readonly Report[] {
    return this.store.messages
      .filter(({ subject }) => subject === subjects.report("daily"))
      .map(({ text }) => decodeReportMessage(text).notification.report?.figures as never);
  }

  /** Ten readings of a day, then its last tick. */
  async liveThrough(days: number): Promise<void> {
    for (let at = 0; at < 10; at++) await this.send(days * day + at * minute);
    await this.engineCommits();
    await this.tick((days + 1) * day);
    await this.clock.advance(2_000);
  }
}

let world: World | undefined;
afterEach(() => world?.stop());

async function started(): Promise<World> {
  world = new World();
  world.start();
  await world.clock.advance(0);
  return world;
}

test("a report waits for the engine, so that the alerts of its period are in it (G4)", async () => {
  const own = await started();
  await own.send(minute);
  await own.tick(day);
  await own.clock.advance(10_000);
  expect(own.made()).toEqual([]);
  own.alert(minute);
  await own.engineCommits();
  await own.clock.advance(2_000);
  expect(own.made()).toMatchObject([{ isEngineBehind: false, total: { readings: 1, alerts: 1 } }]);
});

test("it does not wait for ever, and says so (G4)", async () => {
  const own = await started();
  await own.send(minute);
  await own.tick(day);
  await own.clock.advance(130_000);
  expect(own.made()).toMatchObject([{ isEngineBehind: true, total: { readings: 1 } }]);
});

test.each(["refused", "unknown", "lost"] as const)(
  "a commit that is answered by %s makes the report once all the same (G1, G5)",
  async (fault) => {
    const own = await started();
    await own.send(minute);
    await own.engineCommits();
    await own.tick(day);
    own.store.faults.push(fault);
    await own.clock.advance(60_000);
    await own.liveThrough(1);
    await own.clock.advance(60_000);
    expect(own.made().map(({ total }) => total.readings)).toEqual([1, 10]);
    const timers = own.store.messages.filter(({ subject }) => subject.startsWith("derived."));
    expect(timers).toHaveLength(2);
  },
);

test("what is read again after the journal was put back is counted once (G3)", async () => {
  const own = await started();
  for (let at = 0; at < 5; at++) await own.send(at * minute);
  await own.clock.advance(60_000);
  await own.tick(6 * minute); // the book is kept
  await own.stop();
  const [tick] = own.messages.splice(5);
  if (tick === undefined) throw new Error("no tick");
  own.messages.push({ ...tick, header: () => "another" }); // a rollback, and another message there
  own.start();
  await own.clock.advance(60_000);
  for (let at = 5; at < 10; at++) await own.send(at * minute);
  await own.engineCommits();
  await own.tick(day);
  await own.clock.advance(2_000);
  expect(own.opened.at(-1)).toBeLessThan(6);
  expect(own.made()).toMatchObject([{ total: { readings: 10 } }]);
});

test("one that dies before any of its actions leaves to another what it did not do (G1, G3)", async () => {
  const lived = async (dieAt: number) => {
    const own = new World();
    own.start(reports, dieAt);
    await own.clock.advance(0);
    for (let at = 0; at < 3; at++) {
      own.alert(at * day);
      await own.liveThrough(at);
      await own.tick((at + 1) * day + minute);
      await own.clock.advance(20_000);
      if (at === 1 && dieAt > 0) {
        own.start();
        await own.clock.advance(50_000);
      }
    }
    await own.clock.advance(60_000);
    const made = own.made();
    await own.stop();
    return made.map(({ madeAt: _madeAt, ...report }) => report);
  };
  const expected = await lived(0);
  expect(expected.map(({ total }) => [total.readings, total.alerts])).toEqual([
    [10, 1],
    [10, 1],
    [10, 1],
  ]);
  for (let dieAt = 2; dieAt < 40; dieAt++) {
    const made = await lived(dieAt);
    // What was over before it was taken over for the first time is nobody's.
    expect(made.slice(-2), `${dieAt}`).toEqual(expected.slice(-2));
    expect(new Set(made.map(({ id }) => id)).size).toBe(made.length);
  }
});

test("a stage that comes after another goes on with its book, once that stands still (G2)", async () => {
  const own = await started();
  await own.send(minute);
  await own.clock.advance(31_000);
  await own.send(2 * minute); // kept
  const second = own.start();
  await own.clock.advance(5_000);
  expect(second.status()).toMatchObject({ phase: "waiting", takeOvers: 0 });
  await own.clock.advance(60_000); // nothing comes: it looks as though the first were gone
  expect(second.status()).toMatchObject({ phase: "running", takeOvers: 1 });
  await own.engineCommits();
  await own.tick(day);
  await own.clock.advance(60_000);
  expect(own.made()).toMatchObject([{ total: { readings: 2 } }]);
});

test("a journal that no longer has what comes next is counted anew, without a loss in the report", async () => {
  const own = await started();
  await own.send(minute);
  await own.send(2 * minute);
  await own.stop();
  for (let at = 3; at < 6; at++) await own.send(at * minute);
  own.first = 5;
  own.start();
  await own.clock.advance(60_000);
  await own.tick(6 * minute);
  await own.engineCommits();
  await own.tick(day);
  await own.clock.advance(2_000);
  const since = bootOffset + 5 * minute;
  expect(own.made()).toMatchObject([{ since, total: { lost: 0 } }]);
});

test("a report waits for what stands behind a hole of the journal, and tells the hole (J1)", async () => {
  world = new World();
  await world.loseFirst(10, 5);
  await world.send(minute);
  await world.tick(day);
  await world.send(day + minute);
  await world.tick(day + 2 * minute);
  await world.send(day + 3 * minute); // up to here the engine has committed
  world.start();
  await world.clock.advance(10_000);
  expect(world.made()).toEqual([]);
  await world.tick(day + 4 * minute);
  await world.clock.advance(2_000);
  expect(world.made()).toMatchObject([{ total: { readings: 1, lost: 0 } }]);
  await world.engineCommits();
  await world.tick(2 * day);
  await world.clock.advance(2_000);
  expect(world.made().at(-1)).toMatchObject({ total: { readings: 2, lost: 10 } });
});

test("a book that cannot be read is told, and the counting begins anew", async () => {
  const own = await started();
  await own.send(minute);
  await own.stop();
  own.store.damage("report.state.");
  own.start();
  await own.clock.advance(60_000);
  expect(own.logged).toHaveLength(1);
  await own.liveThrough(0);
  expect(own.made()).toMatchObject([{ total: { readings: 11 } }]);
});

test("where nothing is reported the journal is not kept for it", async () => {
  world = new World();
  world.start([]);
  await world.clock.advance(0);
  expect(world.retired).toBe(1);
  expect(world.opened).toEqual([]);
});
