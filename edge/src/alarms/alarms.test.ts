/** Goal: whatever ends the process, each alarm of the gateway is on its priority log once, and none is missing. */
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { AlarmTransition, Event, Log } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { defaultPlan } from "@causeway/shared/notify/plan-settings.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { describe, expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import type { OutboxBounds } from "../outbox/outbox.ts";
import { Outbox } from "../outbox/outbox.ts";
import { rulesFrom } from "../rules/gateway-rules.ts";
import { wide } from "../testing/outbox-life.ts";
import { Alarms } from "./alarms.ts";
import { LocalNotifier } from "./local-notifier.ts";
import { ToldAlarms } from "./told-alarms.ts";

const gateway = gatewayId("shed");
const bounds = { seriesPerGatewayMax: 2_000, alertsPerGatewayMax: 500 };

function rulesOf(rules: readonly unknown[]) {
  const document = { rules: rulesSchema.parse(rules), fleet: emptyFleet };
  return rulesFrom(document, "edge.yaml", { gateway, bounds });
}

const tooWarm = { name: "too-warm", detector: "limits", hi: 30, metrics: ["t"], flap: "off" };
const lasting = { ...tooWarm, name: "lasting", for: "20s", keepFiringFor: "10s" };
const ajar = { name: "ajar", when: { after: "30s", since: { metric: "t", is: "value > 25" } } };
const quiet = { name: "quiet", detector: "absence", after: "40s", metrics: ["t"] };
const allRules = [tooWarm, lasting, ajar];

/** One process on a disk that outlives it. */
class Process {
  readonly outbox: Outbox;
  readonly alarms: Alarms;
  readonly clock: VirtualClock;
  notifier: LocalNotifier | undefined;

  private constructor(outbox: Outbox, alarms: Alarms, clock: VirtualClock) {
    this.outbox = outbox;
    this.alarms = alarms;
    this.clock = clock;
    outbox.listen({
      epochOpened: () => {},
      appended: () => alarms.appended(),
      poisoned: () => {},
    });
  }

  static async begin(
    disk: MemoryDisk,
    clock: VirtualClock,
    options: {
      rules?: readonly unknown[] | undefined;
      outbox?: Partial<OutboxBounds>;
      snapshotEveryMs?: number;
      isDated?: boolean;
      presentMs?: () => number;
      isHeard?: boolean;
      isJudging?: boolean;
      /** Called with the key of each notification; false where it is not taken. */
      deliver?: (key: string) => boolean;
    } = {},
  ): Promise<Process> {
    const life = disk.life;
    const outbox = await Outbox.open({
      gateway,
      openStore: async () => {
        if (disk.life !== life) throw new Error("this process is dead");
        return disk.open();
      },
      clock,
      random: seededRandom(`life ${life}`),
      bounds: { ...wide, ...options.outbox },
      log: silentLogger,
    });
    const { rules = allRules, isDated = true, snapshotEveryMs = 60_000 } = options;
    if (isDated) await outbox.fixBootOffset(clock.bootId, clock.wallMs() - clock.bootMs());
    const alarms = new Alarms({
      ...{ gateway, outbox, clock, log: silentLogger, waitMs: 5_000 },
      isHeard: options.isHeard ?? true,
      rules: rules.length === 0 ? undefined : rulesOf(rules),
      presentMs: options.presentMs ?? (() => clock.wallMs()),
      snapshotEveryMs,
    });
    const process = new Process(outbox, alarms, clock);
    if (options.isJudging ?? true) await alarms.start();
    const { deliver } = options;
    if (deliver !== undefined) process.#tell((key) => disk.life === life && deliver(key));
    return process;
  }

  #tell(deliver: (key: string) => boolean): void {
    const { outbox, alarms, clock } = this;
    const told = new ToldAlarms(gateway, alarms.records, clock);
    alarms.listen(() => told.heard());
    const receiver: Receiver = {
      name: "hook",
      deliver: async ({ key }) =>
        deliver(key) ? { kind: "delivered" } : { kind: "retry", reason: "away" },
    };
    const settings = { ...defaultPlan, tell: "each" as const };
    this.notifier = new LocalNotifier({
      ...{ receivers: [{ receiver, settings }], records: outbox.records, alarms: told, clock },
      ...{ fleet: () => emptyFleet, dead: () => {}, random: seededRandom("tell") },
      log: silentLogger,
    });
    this.notifier.start();
  }

  publish(device: string, value: number): void {
    const { clock } = this;
    const event: Event = eventSchema.parse({
      ...{ kind: "reading", device, topic: `devices/${device}/telemetry` },
      ...{ bootMs: clock.bootMs(), observedAt: clock.wallMs() },
      readings: [{ metric: "t", value, quality: "good" }],
    });
    this.outbox.append("telemetry", event, () => {});
  }

  async ended(): Promise<void> {
    const stopping = Promise.all([this.notifier?.stop(), this.alarms.stop()]);
    await this.clock.advance(100);
    await stopping;
  }

  async stop(): Promise<void> {
    await this.ended();
    await this.outbox.close();
  }
}

async function eventsOf(outbox: Outbox, log: Log): Promise<Event[]> {
  const events: Event[] = [];
  for (const { id, last } of outbox.epochs()) {
    for (let next = 1; next <= last[log]; ) {
      const blocks = await outbox.peek(id, log, next, 1_000_000);
      for (const { bytes, to } of blocks) {
        for (const { event } of decodeBlock(bytes).items)
          if (event !== undefined) events.push(event);
        next = to + 1;
      }
    }
  }
  return events;
}

async function alarmsOf(outbox: Outbox): Promise<AlarmTransition[]> {
  const events = await eventsOf(outbox, "priority");
  return events.flatMap((event) => (event.kind === "alarm" ? event.transitions : []));
}

async function rulesTold(outbox: Outbox) {
  const events = await eventsOf(outbox, "priority");
  return events.flatMap((event) => {
    return event.kind === "system" && event.name === "rules" ? [event.fields] : [];
  });
}

const shortOf = ({ rule, device, state, at, id }: AlarmTransition) =>
  `${at} ${rule} ${device} ${state} ${id}`;

const count = (of: readonly string[], what: string) => of.filter((one) => one === what).length;

describe("alarms", () => {
  test("are told while nobody listens, with what a cloud would have told", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const process = await Process.begin(disk, clock, { rules: [tooWarm] });
    await clock.advance(1_000);
    const startedAt = clock.wallMs();
    process.publish("pump", 31);
    await clock.advance(1_000);
    process.publish("pump", 20);
    await clock.advance(1_000);
    const [firing, resolved, ...more] = await alarmsOf(process.outbox);
    expect(more).toEqual([]);
    expect(firing).toMatchObject({
      ...{ state: "firing", rule: "too-warm", device: "pump", metric: "t", value: 31 },
      ...{ at: startedAt, firingAt: startedAt },
    });
    expect(firing?.cause).toMatch(/^shed\/1-[0-9a-f]{8}\/telemetry\/1\/0$/);
    expect(resolved).toMatchObject({ state: "resolved", id: firing?.id, at: startedAt + 1_000 });
    expect(await rulesTold(process.outbox)).toEqual([{ names: "too-warm", open: "" }]);
    await process.stop();
  });

  test("of silence, and of time that passes, come though nothing comes", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const process = await Process.begin(disk, clock, { rules: [quiet, ajar] });
    await clock.advance(1_000);
    process.publish("pump", 26);
    await clock.advance(60_000);
    const told = (await alarmsOf(process.outbox)).map(({ rule, state }) => `${rule} ${state}`);
    expect(told).toEqual(["ajar firing", "ajar resolved", "quiet firing"]);
    await process.stop();
  });

  test("cost nothing where no rules are configured", async () => {
    const disk = new MemoryDisk();
    const process = await Process.begin(disk, new VirtualClock(), { rules: [] });
    process.publish("pump", 31);
    await process.clock.advance(60_000);
    expect(process.alarms.status()).toBeUndefined();
    expect(disk.keys().filter((key) => key.startsWith("a"))).toEqual([]);
    await process.stop();
  });

  test("that were open end when the rules are taken away, and nothing is left of them", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const first = await Process.begin(disk, clock);
    first.publish("pump", 31);
    await clock.advance(1_000);
    await first.stop();
    disk.crash();
    const second = await Process.begin(disk, clock, { rules: [], isHeard: false });
    await clock.advance(30_000);
    const told = (await alarmsOf(second.outbox)).map(({ rule, state }) => `${rule} ${state}`);
    expect(told).toEqual(["too-warm firing", "too-warm resolved"]);
    expect((await rulesTold(second.outbox)).at(-1)).toEqual({ names: "", open: "" });
    expect(disk.keys().filter((key) => key.startsWith("a"))).toEqual([]);
    await second.stop();
  });

  test("go on under other rules: those that are the same know what they knew", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const process = await Process.begin(disk, clock, { rules: [tooWarm, lasting] });
    process.publish("pump", 31);
    await clock.advance(10_000);
    process.alarms.change(rulesOf([lasting]));
    await clock.advance(10_000);
    process.publish("pump", 32);
    await clock.advance(6_000);
    const told = (await alarmsOf(process.outbox)).map(({ rule, state }) => `${rule} ${state}`);
    expect(told).toEqual(["too-warm firing", "too-warm resolved", "lasting firing"]);
    expect((await rulesTold(process.outbox)).map((fields) => fields?.["names"])).toEqual([
      "too-warm lasting",
      "lasting",
    ]);
    await process.stop();
  });

  test("wait while the store takes nothing, and come once it does", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const process = await Process.begin(disk, clock, { rules: [tooWarm] });
    await clock.advance(1_000);
    process.publish("pump", 31);
    await clock.advance(1);
    disk.failure = new Error("no space left on device");
    disk.failedBytes = "appear-later";
    await clock.advance(30_000);
    disk.failure = undefined;
    await clock.advance(60_000);
    const told = (await alarmsOf(process.outbox)).map(({ rule, state }) => `${rule} ${state}`);
    expect(told).toEqual(["too-warm firing"]);
    await process.stop();
  });

  test("of readings that were given up unjudged are missing, and that is told", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const first = await Process.begin(disk, clock, { rules: [tooWarm] });
    await clock.advance(1_000);
    await first.ended();
    for (let n = 0; n < 50; n++) first.publish("pump", 40);
    await clock.advance(10);
    first.outbox.release(first.outbox.run, "telemetry", 50);
    await first.outbox.close();
    const given = { isJudging: false, outbox: { tailBytesMax: 0 } };
    const second = await Process.begin(disk, clock, given);
    for (let turn = 0; turn < 6; turn++) await clock.advance(10_000);
    await second.outbox.close();
    const third = await Process.begin(disk, clock, { rules: [tooWarm] });
    await clock.advance(1_000);
    expect(await alarmsOf(third.outbox)).toEqual([]);
    expect(third.alarms.status()).toMatchObject({ behind: 0, missed: 50 });
    const told = await eventsOf(third.outbox, "priority");
    expect(told.at(-1)).toMatchObject({ name: "rules-missed", fields: { count: 50 } });
    await third.stop();
  });
});

describe("a clock that is not set", () => {
  test("is waited for; then time goes on from what is known, and moves with the clock once it is set", async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock(Date.UTC(1970, 0, 1));
    const known = Date.UTC(2026, 4, 1);
    const process = await Process.begin(disk, clock, {
      ...{ rules: [{ ...quiet, after: "10m" }, tooWarm], isDated: false },
      presentMs: () => known + clock.bootMs(),
    });
    const event = (value: number) => ({
      ...{ kind: "reading", device: "pump", topic: null, bootMs: clock.bootMs(), observedAt: null },
      readings: [{ metric: "t", value, quality: "good" }],
    });
    process.outbox.append("telemetry", eventSchema.parse(event(31)), () => {});
    await clock.advance(4_000);
    expect(await alarmsOf(process.outbox)).toEqual([]);
    await clock.advance(60_000);
    const [first] = await alarmsOf(process.outbox);
    expect(first).toMatchObject({ rule: "too-warm", at: known });
    const threeDays = 3 * 86_400_000;
    await process.outbox.fixBootOffset(clock.bootId, known + threeDays);
    await clock.advance(60_000);
    expect(await alarmsOf(process.outbox)).toHaveLength(1);
    await clock.advance(600_000);
    const told = await alarmsOf(process.outbox);
    expect(told.map(({ rule, state }) => `${rule} ${state}`)).toEqual([
      "too-warm firing",
      "quiet firing",
    ]);
    expect(told[1]?.at).toBeGreaterThan(known + threeDays);
    await process.stop();
  });
});

interface Crashes {
  readonly random: Random;
  readonly disk: MemoryDisk;
  readonly clock: VirtualClock;
}

/** A life after another, each cut off at some moment; what the last one finds in its outbox. */
async function livesOf(
  { random, disk, clock }: Crashes,
  rules: readonly unknown[],
  deliver: (key: string) => boolean,
) {
  const options = { rules, snapshotEveryMs: 20_000, deliver };
  let process = await Process.begin(disk, clock, options);
  const until = clock.bootMs() + 240_000;
  while (clock.bootMs() < until) {
    const act = random.next();
    if (act < 0.9) {
      const device = `pump-${Math.floor(random.next() * 3)}`;
      process.publish(device, 15 + Math.floor(random.next() * 20));
      await clock.advance(random.next() < 0.3 ? 0 : Math.floor(random.next() * 4_000));
    } else if (act < 0.95) {
      disk.crash();
      process = await Process.begin(disk, clock, options);
    } else if (act < 0.97) {
      await process.stop();
      disk.crash();
      process = await Process.begin(disk, clock, options);
    } else {
      disk.failure = new Error("no space left on device");
      disk.failedBytes = random.next() < 0.5 ? "lost" : "appear-later";
      await clock.advance(Math.floor(random.next() * 50));
      disk.failure = undefined;
    }
  }
  await clock.advance(60_000);
  return process;
}

/** The same readings at the same moments, in one life. */
async function inOneLife(readings: readonly Event[], rules: readonly unknown[], untilMs: number) {
  const clock = new VirtualClock();
  const process = await Process.begin(new MemoryDisk(), clock, { rules });
  for (const reading of readings) {
    await clock.advance(reading.bootMs - clock.bootMs());
    process.outbox.append("telemetry", reading, () => {});
  }
  await clock.advance(untilMs - clock.bootMs());
  return process;
}

const seeds = process.env["CAUSEWAY_LONG"] === undefined ? 12 : 300;

test("after crashes at any moment the alarms are those of one life, and all are told", async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seededRandom(`alarms ${seed}`);
    const clock = new VirtualClock();
    const keys: string[] = [];
    const isTaken = seededRandom(`taken ${seed}`);
    const deliver = (key: string) => {
      keys.push(key);
      return isTaken.next() < 0.8;
    };
    const last = await livesOf({ random, disk: new MemoryDisk(), clock }, allRules, deliver);
    const readings = await eventsOf(last.outbox, "telemetry");
    const expected = await inOneLife(readings, allRules, clock.bootMs());
    const alarms = await alarmsOf(last.outbox);
    const wanted = new Set(alarms.map(({ id, state }) => `${id}/${state}`));
    expect(new Set(keys), `told, seed ${seed}`).toEqual(wanted);
    const told = alarms.map(shortOf).sort();
    expect(told, `seed ${seed}`).toEqual((await alarmsOf(expected.outbox)).map(shortOf).sort());
    expect(Math.max(...told.map((one) => count(told, one)))).toBe(1);
    expect(last.alarms.status()?.missed, `seed ${seed}`).toBe(0);
    await last.stop();
    await expected.stop();
  }
}, 1_200_000);
