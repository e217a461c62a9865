/**
 * Goal: on a machine without a clock that runs while it is off, events are dated right or not at all,
 * are never dated anew, and never change places, however its clock begins and jumps.
 */
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { describe, expect, test } from "vitest";
import { Gateway } from "../gateway.ts";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { Arrived } from "../testing/memory-link.ts";
import { MemoryLink } from "../testing/memory-link.ts";
import { wide } from "../testing/outbox-life.ts";
import { defaultUplinkBounds } from "../uplink/uplink.ts";

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];
const beginMs = Date.UTC(2026, 8, 1);
const waitMs = 30 * second;

/** A machine through its boots; true time goes on whatever its clock says. */
class Machine {
  readonly #disk = new MemoryDisk();
  /** When the machine was switched on, in true time. */
  #bootedAtMs = beginMs;
  #boots = 0;
  #lives = 0;
  #outbox: Outbox | undefined;
  #gateway: Gateway | undefined;
  #clock = new VirtualClock();
  readonly link = new MemoryLink(() => this.#tellCloudTime());
  #tag = 0;
  #storedAtMs = 0;
  #storedCommit = 0;
  isNtpSynchronised = false;
  hardwareIsRight = false;
  readonly acknowledged: { readonly tag: number; readonly atMs: number }[] = [];

  get trueMs(): number {
    return this.#bootedAtMs + this.#clock.bootMs();
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error("no process runs");
    return this.#gateway;
  }

  get arrived(): readonly Arrived[] {
    return this.link.arrived;
  }

  boot(wallMs: number): Promise<void> {
    this.#bootedAtMs = this.trueMs;
    this.#clock = new VirtualClock(wallMs, `boot${++this.#boots}`);
    this.isNtpSynchronised = false;
    return this.start();
  }

  async start(): Promise<void> {
    const clock = this.#clock;
    const outbox = await this.#step(
      Outbox.open({
        gateway: "gw",
        openStore: async () => this.#disk.open(),
        clock,
        random: seededRandom(`life ${++this.#lives}`),
        bounds: wide,
        log: silentLogger,
      }),
    );
    const isNtpSynchronised = () => this.isNtpSynchronised;
    const hardwareMs = () => (this.hardwareIsRight ? this.trueMs : undefined);
    this.#outbox = outbox;
    this.#gateway = new Gateway({
      gateway: gatewayId("gw"),
      version: "0.0.0-test",
      outbox,
      link: this.link,
      clock,
      time: { source: { isNtpSynchronised, hardwareMs }, waitMs },
      random: seededRandom(`gateway ${this.#lives}`),
      // However long it waited, all comes in its order.
      uplinkBounds: { ...defaultUplinkBounds, freshAfterMs: Number.POSITIVE_INFINITY },
      heartbeatMs: minute,
      log: silentLogger,
    });
    await this.#step(this.#gateway.start());
  }

  async stop(): Promise<void> {
    this.gateway.stop();
    if (this.#outbox !== undefined) await this.#step(this.#outbox.close());
    this.#gateway = undefined;
    this.#disk.release();
  }

  /** Whether by SIGKILL or by a power cut, what was not synced is lost. */
  async kill(): Promise<void> {
    this.gateway.stop();
    this.#gateway = undefined;
    this.#disk.crash();
  }

  /** The machine is off. */
  off(forMs: number): void {
    this.#bootedAtMs += forMs;
  }

  /** Sets the clock right, as NTP does. */
  setClock(): void {
    this.#clock.jump(this.trueMs - this.#clock.wallMs());
  }

  failWrites(reason: string | undefined): void {
    this.#disk.failure = reason === undefined ? undefined : new Error(reason);
  }

  jumpClock(byMs: number): void {
    this.#clock.jump(byMs);
  }

  wait(forMs: number): Promise<void> {
    return this.#clock.advance(forMs);
  }

  /** Publishes once each `everyMs`. */
  async publish(count: number, everyMs: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const tag = ++this.#tag;
      const atMs = this.trueMs;
      const payload = Buffer.from(String(tag));
      const topic = "devices/d1/telemetry/tag";
      this.gateway.publish({ client: "d1", topic, payload, qos: 1 }, (failure) => {
        if (failure === undefined) this.acknowledged.push({ tag, atMs });
      });
      await this.wait(everyMs);
    }
  }

  /** Lets what begins settle, timers of the next moment included. */
  async #step<Value>(begun: Promise<Value>): Promise<Value> {
    let isDone = false;
    const done = begun.finally(() => {
      isDone = true;
    });
    for (let turn = 0; !isDone && turn < 1_000; turn++) await this.#clock.advance(0);
    return done;
  }

  #tellCloudTime(): void {
    // Stored when it was written, which is the first time it is asked for here.
    if (this.link.commit !== this.#storedCommit) this.#storedAtMs = this.trueMs;
    this.#storedCommit = this.link.commit;
    this.#gateway?.cloudTime(this.#storedAtMs);
  }
}

function tagsOf(machine: Machine) {
  return machine.arrived.flatMap(({ event, receivedAt, ...place }) =>
    event.kind === "reading" ? [{ tag: event.readings[0]?.value, receivedAt, ...place }] : [],
  );
}

function toldBy(machine: Machine, name: string) {
  return machine.arrived.flatMap(({ event }) =>
    event.kind === "system" && event.name === name ? [event.fields] : [],
  );
}

/** All that was acknowledged came, in its order; the tag of the first that came dated right. */
function expectInOrder(machine: Machine): number | undefined {
  const came = tagsOf(machine);
  expect(came.map(({ tag }) => tag)).toEqual(machine.acknowledged.map(({ tag }) => tag));
  const dated = came.filter(({ receivedAt }) => receivedAt !== undefined);
  for (const { tag, receivedAt } of dated) {
    const atMs = machine.acknowledged.find((one) => one.tag === tag)?.atMs ?? Number.NaN;
    expect(Math.abs((receivedAt ?? 0) - atMs), `tag ${tag}`).toBeLessThanOrEqual(5 * second);
  }
  return Number(dated[0]?.tag ?? Number.NaN);
}

describe("a boot in 1970", () => {
  test("that is set after an hour offline dates all that it kept, and changes no place", async () => {
    const machine = new Machine();
    await machine.boot(0);
    await machine.publish(60, minute);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "behind", isDated: false });
    machine.setClock();
    await machine.publish(1, 10 * second);
    machine.link.tell("up");
    await machine.publish(10, second);
    await machine.wait(minute);
    expect(expectInOrder(machine)).toBe(1);
    expect(toldBy(machine, "clock-synced")).toEqual([{ by: "clock", offsetMs: beginMs }]);
  });

  test("waits for NTP where the link is first, and sends nothing undated then", async () => {
    const machine = new Machine();
    await machine.boot(0);
    await machine.publish(60, minute);
    machine.link.tell("up");
    await machine.publish(1, 20 * second);
    expect(machine.arrived).toEqual([]);
    expect(machine.gateway.status().uplink.troubles).toEqual([
      expect.stringMatching(/waits for the clock, 10 s at most/),
    ]);
    machine.setClock();
    await machine.publish(1, 7 * second);
    expect(machine.arrived.length, "and no longer than that").toBeGreaterThan(60);
    await machine.wait(minute);
    expect(expectInOrder(machine)).toBe(1);
  });

  test("waits once in a boot and not for long; what was sent then stays undated", async () => {
    const machine = new Machine();
    await machine.boot(0);
    machine.link.tell("up");
    await machine.publish(1, waitMs - second);
    expect(machine.arrived).toEqual([]);
    await machine.publish(1, 2 * second);
    expect(tagsOf(machine).map(({ tag, receivedAt }) => [tag, receivedAt])).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    await machine.wait(2 * second);
    await machine.kill();
    await machine.start();
    machine.link.tell("up");
    await machine.publish(1, second);
    expect(tagsOf(machine).at(-1), "no process of this boot waits again").toMatchObject({ tag: 3 });
    machine.setClock();
    await machine.publish(1, 20 * second);
    await machine.publish(1, second);
    await machine.wait(minute);
    expect(expectInOrder(machine), "what comes after it is dated").toBe(5);
    await machine.stop();
    await machine.boot(0);
    machine.link.tell("up");
    await machine.publish(1, 20 * second);
    expect(tagsOf(machine).at(-1), "the next boot waits").toMatchObject({ tag: 5 });
  });

  test("is dated by the cloud's marks where no NTP comes, within seconds", async () => {
    const machine = new Machine();
    await machine.boot(0);
    machine.link.tell("up");
    await machine.publish(400, second);
    const clock = machine.gateway.status().clock;
    expect(clock).toMatchObject({ quality: "behind", isDated: true });
    expect(Math.abs(clock.wallAheadMs + beginMs)).toBeLessThanOrEqual(5 * second);
    expect(expectInOrder(machine)).toBeGreaterThan(100);
    expect(toldBy(machine, "clock-synced")).toMatchObject([{ by: "cloud" }]);
  });
});

test("a clock that jumps forth and back moves no event, and each jump is told", async () => {
  const machine = new Machine();
  await machine.boot(beginMs);
  machine.link.tell("up");
  await machine.publish(10, second);
  machine.jumpClock(3 * day);
  await machine.publish(60, second);
  machine.jumpClock(-5 * day);
  await machine.publish(60, second);
  await machine.wait(minute);
  expect(expectInOrder(machine)).toBe(1);
  expect(toldBy(machine, "clock-jump")).toEqual([{ byMs: 3 * day }, { byMs: -5 * day }]);
  const { clock } = machine.gateway.status();
  expect(clock).toMatchObject({ quality: "behind", wallAheadMs: -2 * day, jumps: 2 });
  await machine.stop();
  await machine.start();
  machine.link.tell("up");
  await machine.publish(5, second);
  await machine.wait(minute);
  expect(expectInOrder(machine), "the offset of a boot is kept over processes").toBe(1);
});

test("a clock that is wrong for a moment only has not jumped", async () => {
  const machine = new Machine();
  await machine.boot(beginMs);
  await machine.wait(9 * second);
  machine.jumpClock(hour);
  await machine.wait(2 * second);
  machine.jumpClock(-hour);
  await machine.wait(minute);
  expect(machine.gateway.status().clock.jumps).toBe(0);
});

describe("a boot at the time of the last shutdown", () => {
  async function shutDownAndBoot(machine: Machine, offMs: number): Promise<void> {
    await machine.boot(beginMs);
    machine.link.tell("up");
    await machine.publish(5, minute);
    const shutdownMs = machine.trueMs;
    await machine.stop();
    machine.off(offMs);
    await machine.boot(shutdownMs + 8 * second);
  }

  test("is not believed; it is dated once NTP has set the clock forward", async () => {
    const machine = new Machine();
    await shutDownAndBoot(machine, 10 * hour);
    await machine.publish(30, minute);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "restored", isDated: false });
    machine.setClock();
    await machine.publish(1, 10 * second);
    machine.link.tell("up");
    await machine.publish(5, minute);
    expect(expectInOrder(machine)).toBe(1);
  });

  test("that was short is dated once something has set the clock forward", async () => {
    const machine = new Machine();
    await shutDownAndBoot(machine, 40 * second);
    await machine.publish(5, second);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "restored", isDated: false });
    machine.setClock();
    await machine.publish(1, 10 * second);
    machine.link.tell("up");
    await machine.publish(5, second);
    await machine.wait(minute);
    expect(expectInOrder(machine)).toBe(1);
    expect(tagsOf(machine).every(({ receivedAt }) => receivedAt !== undefined)).toBe(true);
  });

  test("was quick where NTP or a clock with a battery says so", async () => {
    for (const witness of ["isNtpSynchronised", "hardwareIsRight"] as const) {
      const machine = new Machine();
      await shutDownAndBoot(machine, 8 * second);
      expect(machine.gateway.status().clock).toMatchObject({ quality: "restored" });
      machine[witness] = true;
      await machine.publish(5, second);
      machine.link.tell("up");
      await machine.wait(minute);
      expect(machine.gateway.status().clock).toMatchObject({ quality: "set", isDated: true });
      expect(expectInOrder(machine)).toBe(1);
    }
  });

  test("is found right by the cloud's marks, and then dates what comes", async () => {
    const machine = new Machine();
    await shutDownAndBoot(machine, 8 * second);
    machine.link.tell("up");
    await machine.publish(200, second);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "set", wallAheadMs: 0 });
    expectInOrder(machine);
  });
});

describe("the newest time known is a floor", () => {
  test("over a power cut: a clock behind it is not believed", async () => {
    const machine = new Machine();
    await machine.boot(beginMs);
    await machine.publish(10, minute);
    await machine.kill();
    machine.off(hour);
    await machine.boot(beginMs + 5 * minute);
    await machine.wait(minute);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "behind", isDated: false });
    const floorMs = machine.gateway.floorOfDoubtedClock() ?? 0;
    expect(floorMs).toBeGreaterThan(beginMs + 9 * minute);
    expect(floorMs).toBeLessThanOrEqual(machine.trueMs);
    machine.setClock();
    await machine.wait(minute);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "set", isDated: true });
    expect(machine.gateway.floorOfDoubtedClock()).toBeUndefined();
  });

  test("over boots that were never set: it goes on with their time", async () => {
    const machine = new Machine();
    await machine.boot(beginMs);
    await machine.wait(10 * minute);
    await machine.stop();
    for (let boot = 0; boot < 3; boot++) {
      await machine.boot(0);
      await machine.wait(hour);
      await machine.stop();
    }
    await machine.boot(0);
    const floorMs = machine.gateway.floorOfDoubtedClock() ?? 0;
    expect(floorMs).toBeGreaterThan(beginMs + 3 * hour);
    expect(floorMs).toBeLessThanOrEqual(machine.trueMs);
  });

  test("that came from a clock far ahead gives way to NTP", async () => {
    const machine = new Machine();
    await machine.boot(beginMs + 4_000 * day);
    await machine.wait(10 * minute);
    await machine.stop();
    await machine.boot(machine.trueMs);
    await machine.wait(minute);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "behind", isDated: false });
    machine.isNtpSynchronised = true;
    await machine.wait(minute);
    expect(machine.gateway.status().clock).toMatchObject({ quality: "set", isDated: true });
    await machine.stop();
    machine.off(day);
    await machine.boot(machine.trueMs);
    expect(machine.gateway.status().clock.isDated, "and is right again for later boots").toBe(true);
  });
});

test("a clock that holds garbage from far ahead is not believed", async () => {
  const machine = new Machine();
  await machine.boot(Date.UTC(2099, 0, 1));
  expect(machine.gateway.status().clock).toMatchObject({ quality: "ahead", isDated: false });
});

test("an offset that could not be written is not used, and is written later", async () => {
  const machine = new Machine();
  await machine.boot(0);
  machine.setClock();
  machine.failWrites("full");
  await machine.wait(5 * second);
  expect(machine.gateway.status().clock.isDated).toBe(false);
  machine.failWrites(undefined);
  await machine.wait(minute);
  expect(machine.gateway.status().clock.isDated).toBe(true);
});
