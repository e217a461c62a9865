/**
 * Goal: whatever is written, fails, is killed, restarts or is set otherwise when, each reading that a
 * device was acknowledged is sent once, or held, or counted; and what is sent is what filters say.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Reading, ReadingEvent } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import type { DeviceId, MetricName } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { Store } from "../outbox/store.ts";
import { contentsOf } from "../testing/outbox-contents.ts";
import { wide } from "../testing/outbox-life.ts";
import type { Filter } from "./filter-settings.ts";
import { filtersSchema } from "./filter-settings.ts";
import { chooserOf } from "./filter-way.ts";
import { ReadingFilter } from "./reading-filter.ts";

const seeds = Number(process.env["CAUSEWAY_LONG"] === undefined ? 500 : 20_000);
const steps = 50;
const devices = ["d1", "d2", "d3"] as DeviceId[];
const metrics = ["t", "b", "r", "w", "p", "m"] as MetricName[];

const filtering = filtersSchema.parse([
  {
    ...{ name: "band", metrics: ["t", "b"] },
    ...{ deadband: { absolute: 1, previous: true }, heartbeat: "60s" },
  },
  { name: "rate", metrics: ["r"], rateLimit: { every: "20s" } },
  {
    name: "window",
    metrics: ["w"],
    downsample: { window: "30s", keep: ["first", "last", "min", "max", "mean", "count"] },
  },
  { name: "percent", metrics: ["p"], deadband: { percent: 10 }, heartbeat: "off" },
  {
    name: "both",
    metrics: ["m"],
    ...{ deadband: { absolute: 1 }, rateLimit: { every: "10s" }, heartbeat: "40s" },
  },
]);
const [passing] = filtersSchema.parse([{ name: "free", metrics: ["t", "w"], pass: true }]);
const settings: readonly (readonly Filter[])[] = [
  filtering,
  filtering,
  filtering,
  [passing as Filter, ...filtering],
  [],
];

interface Published {
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
  readonly at: number | null;
  /** What filtered it then. */
  readonly filters: readonly Filter[];
  readonly isNeeded: boolean;
}

/** A process's clock: it ends with the process. */
class ProcessClock implements Clock {
  isDead = false;
  readonly #machine: VirtualClock;

  constructor(machine: VirtualClock) {
    this.#machine = machine;
  }

  get bootId() {
    return this.#machine.bootId;
  }

  bootMs() {
    return this.#machine.bootMs();
  }

  wallMs() {
    return this.#machine.wallMs();
  }

  after(delayMs: number, act: () => void) {
    return this.#machine.after(delayMs, () => this.isDead || act());
  }

  soon(act: () => void) {
    this.#machine.soon(() => this.isDead || act());
  }
}

class World {
  readonly #random: Random;
  readonly #disk = new MemoryDisk();
  #machine = new VirtualClock();
  #clock = new ProcessClock(this.#machine);
  #boots = 1;
  #outbox!: Outbox;
  filter!: ReadingFilter;
  #filters: readonly Filter[] = filtering;
  #needed = new Set<string>();
  /** Killed when its bytes are on the disk, before anybody is told. */
  #diesBehindWrite = false;
  #waiting: Published[] = [];
  readonly durable: Published[] = [];
  #tag = 0;
  #deviceMs = 1_000_000_000_000;
  readonly #walks = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  async begin(): Promise<void> {
    const life = this.#disk.life;
    this.#clock = new ProcessClock(this.#machine);
    const clock = this.#clock;
    this.#outbox = await Outbox.open({
      ...{ gateway: "gw", clock, random: this.#random, bounds: wide, log: silentLogger },
      openStore: async () => {
        if (this.#disk.life !== life) throw new Error("this process is dead");
        return this.#mortal(this.#disk.open());
      },
    });
    this.filter = await ReadingFilter.open({
      ...{ outbox: this.#outbox, clock, log: silentLogger, chooser: chooserOf(this.#filters) },
      isNeeded: (_device, metric) => this.#needed.has(metric),
    });
    this.filter.start();
    const { bootId } = clock;
    if (this.#random.next() < 0.5)
      await this.#outbox.fixBootOffset(bootId, Math.round(clock.wallMs() - clock.bootMs()));
  }

  #mortal(store: Store): Store {
    return {
      write: async (changes, options) => {
        await store.write(changes, options);
        if (!this.#diesBehindWrite || !options.sync) return;
        this.durable.push(...this.#waiting.splice(0));
        this.#die();
        throw new Error("killed");
      },
      get: (key) => store.get(key),
      scan: (range) => store.scan(range),
      size: (from, until) => store.size(from, until),
      compact: (from, until) => store.compact(from, until),
      close: () => store.close(),
    };
  }

  #die(): void {
    this.#clock.isDead = true;
    this.filter.stop();
    this.#disk.crash();
    this.#diesBehindWrite = false;
    this.#waiting = [];
  }

  publish(): void {
    if (this.#outbox.obstacle("telemetry") !== undefined) return;
    const device = this.#pick(devices);
    const isDated = device !== "d3";
    this.#deviceMs += 1;
    const at = isDated ? this.#deviceMs + Math.round(this.#machine.bootMs()) : null;
    const chosen = metrics.filter(() => this.#random.next() < 0.5);
    const readings = chosen.map((metric) => this.#reading(device, metric));
    if (readings.length === 0) return;
    const event: ReadingEvent = {
      ...{ kind: "reading", device, topic: `devices/${device}/telemetry` },
      ...{ bootMs: Math.round(this.#machine.bootMs()), observedAt: at, readings },
    };
    const published = readings.map(({ metric, value }): Published => {
      const isNeeded = this.#needed.has(metric);
      return { device, metric, value, at, filters: this.#filters, isNeeded };
    });
    this.#waiting.push(...published);
    this.#outbox.append("telemetry", this.filter.take(event), (failure) => {
      const isOne = (each: Published) => published.includes(each);
      this.#waiting = this.#waiting.filter((each) => !isOne(each));
      if (failure === undefined) this.durable.push(...published);
    });
  }

  #reading(device: string, metric: MetricName): Reading {
    if (this.#random.next() < 0.05) return { metric, value: null, quality: "bad", reason: "null" };
    if (metric === "b") return { metric, value: this.#random.next() < 0.3, quality: "good" };
    const key = `${device} ${metric}`;
    const walk = (this.#walks.get(key) ?? 20) + (this.#random.next() - 0.5) * 2;
    this.#walks.set(key, walk);
    // No two are the same.
    return { metric, value: Math.round(walk * 10) / 10 + ++this.#tag * 1e-7, quality: "good" };
  }

  async step(): Promise<void> {
    const draw = this.#random.next();
    if (draw < 0.55) return this.publish();
    if (draw < 0.75) return this.advance(Math.round(this.#random.next() * 20_000));
    if (draw < 0.8) return this.#fail();
    if (draw < 0.85) this.#diesBehindWrite = true;
    else if (draw < 0.88) this.#needed = this.#needed.size === 0 ? new Set(["t", "w"]) : new Set();
    else if (draw < 0.95) await this.#restart(false);
    else if (draw < 0.97) await this.#restart(true);
    else await this.advance(100_000);
  }

  async #fail(): Promise<void> {
    this.#disk.failure = new Error("no space left on device");
    this.#disk.failedBytes = this.#random.next() < 0.5 ? "lost" : "appear-later";
    this.publish();
    await this.advance(10);
    this.publish();
    this.#disk.failure = undefined;
    await this.advance(40_000);
  }

  async #restart(isReboot: boolean): Promise<void> {
    if (!this.#clock.isDead) this.#die();
    if (isReboot) this.#machine = new VirtualClock(undefined, `boot${++this.#boots}`);
    this.#filters = this.#pick(settings);
    await this.begin();
  }

  async advance(ms: number): Promise<void> {
    await this.#machine.advance(ms);
    if (this.#clock.isDead) await this.begin();
  }

  async end(): Promise<void> {
    if (this.#clock.isDead) await this.begin();
    await this.advance(120_000);
    await this.advance(120_000);
    expect(this.filter.status().held).toBe(0);
  }

  async log(): Promise<ReadingEvent[]> {
    const events: ReadingEvent[] = [];
    for (const { id } of this.#outbox.epochs())
      for (const { event } of await contentsOf(this.#outbox, id, "telemetry"))
        if (event?.kind === "reading") events.push(event);
    return events;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random.next() * items.length)] as Item;
  }
}

const isFigure = ({ metric }: Reading) => metric.includes(".");

function checkConservation(world: World, log: readonly ReadingEvent[]): void {
  const sent = log.flatMap(({ readings }) => readings.filter((reading) => !isFigure(reading)));
  const numbers = sent.flatMap(({ value }) => (typeof value === "number" ? [value] : []));
  expect(new Set(numbers).size, "no reading twice").toBe(numbers.length);
  const known = new Set(world.durable.map(({ value }) => value));
  expect(numbers.filter((value) => !known.has(value))).toEqual([]);
  const { suppressed, held } = world.filter.status();
  expect(sent.length + suppressed + held).toBe(world.durable.length);
}

/** What was not sent was within the band of what was sent before it. */
function checkBand(world: World, log: readonly ReadingEvent[], device: string): void {
  const isSent = new Set(valuesOf(log, device, "t"));
  let last: (number | null)[] = [];
  for (const { value, filters, isNeeded } of publishedOf(world, device, "t")) {
    if (typeof value !== "number") {
      last = [];
    } else if (isSent.has(value)) {
      last = [value, last[0] ?? value];
    } else {
      expect(filters === filtering && !isNeeded, `${value} is filtered`).toBe(true);
      const nearest = Math.min(...last.map((each) => Math.abs((each ?? 0) - value)));
      expect(nearest).toBeLessThan(1.0001);
    }
  }
}

/** The newest is always told in the end, but where the filter never tells it. */
function checkNewest(world: World, log: readonly ReadingEvent[], device: string): void {
  for (const metric of ["t", "r", "w", "m"]) {
    const newest = publishedOf(world, device, metric).at(-1)?.value;
    if (typeof newest === "number") expect(valuesOf(log, device, metric)).toContain(newest);
  }
}

/** Figures are those of the readings that were not sent themselves, in their order. */
function checkWindows(world: World, log: readonly ReadingEvent[], device: string): void {
  const own = log.filter((event) => event.device === device);
  const isWindow = ({ readings }: ReadingEvent) =>
    readings.some(({ metric }) => metric === "w.count");
  const passed = new Set(own.filter((event) => !isWindow(event)).flatMap(valuesIn("w")));
  const gathered = publishedOf(world, device, "w").filter(
    ({ value }) => typeof value === "number" && !passed.has(value),
  );
  for (const { readings } of own.filter(isWindow)) {
    const figure = (name: string) => readings.find(({ metric }) => metric === name)?.value;
    const some = gathered.splice(0, Number(figure("w.count")));
    const values = some.map(({ value }) => Number(value));
    const [first, last] = [values[0], values.at(-1)];
    const figures = { first: figure("w.first"), last: figure("w") };
    expect(figures).toEqual({ first, last });
    expect(figure("w.min")).toBe(Math.min(...values));
    expect(figure("w.max")).toBe(Math.max(...values));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(figure("w.mean")).toBeCloseTo(mean, 6);
    const windows = new Set(some.map(({ at }) => Math.floor((at ?? 0) / 30_000)));
    expect(windows.size, "one window").toBe(1);
  }
  expect(gathered).toEqual([]);
}

function publishedOf(world: World, device: string, metric: string): Published[] {
  return world.durable.filter((each) => each.device === device && each.metric === metric);
}

const valuesIn =
  (metric: string) =>
  ({ readings }: ReadingEvent) =>
    readings.flatMap((reading) => (reading.metric === metric ? [reading.value] : []));

function valuesOf(log: readonly ReadingEvent[], device: string, metric: string) {
  return log.filter((event) => event.device === device).flatMap(valuesIn(metric));
}

test("each acknowledged reading is sent once, held, or counted, whatever happens", async () => {
  let suppressed = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const world = new World(seededRandom(`filter ${seed}`));
    try {
      await world.begin();
      for (let step = 0; step < steps; step++) await world.step();
      await world.end();
      const log = await world.log();
      checkConservation(world, log);
      for (const device of devices) {
        checkBand(world, log, device);
        checkNewest(world, log, device);
        checkWindows(world, log, device);
      }
    } catch (failure) {
      throw new Error(`seed ${seed}`, { cause: failure });
    }
    suppressed += world.filter.status().suppressed;
  }
  expect(suppressed / seeds).toBeGreaterThan(5);
}, 3_600_000);
