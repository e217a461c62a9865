/**
 * Many gateways in one process: for each a real outbox, in memory, a real uplink and a connection of its
 * own. Their readings flip a limit each time, so an engine that takes each once tells each once.
 */
import { MemoryDisk } from "@causeway/edge/outbox/memory-store.ts";
import { Outbox } from "@causeway/edge/outbox/outbox.ts";
import { NatsLink } from "@causeway/edge/uplink/nats-link.ts";
import { Pump } from "@causeway/edge/uplink/pump.ts";
import { defaultUplinkBounds } from "@causeway/edge/uplink/uplink.ts";
import type { Cancel } from "@causeway/shared/clock.ts";
import type { Event } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import type { MetricName } from "@causeway/shared/names.ts";
import { deviceId, gatewayId } from "@causeway/shared/names.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";

const clock = systemClock();
const mebibyte = 1_024 * 1_024;
/** All of it is kept: whatever is put back, it goes again. */
const bounds = { bytesMax: 256 * mebibyte, tailBytesMax: 64 * mebibyte, pendingBytesMax: mebibyte };
/** Everything goes in its order, as news: what the counting rule says of it depends on that. */
const uplinkBounds = { ...defaultUplinkBounds, freshAfterMs: 24 * 3_600_000 };

export const countingMetric = "count";
/** Each reading of that metric is a transition. */
export const countingRule = `{ name: count, detector: limits, hi: 50, flap: off, metrics: [${countingMetric}] }`;

interface One {
  readonly name: string;
  readonly outbox: Outbox;
  readonly pump: Pump;
  readonly link: NatsLink;
  appended: number;
}

export class ManyGateways {
  readonly #all: readonly One[];
  #next: Cancel = () => {};

  private constructor(all: readonly One[]) {
    this.#all = all;
  }

  static async start(count: number, servers: readonly string[]): Promise<ManyGateways> {
    const all: One[] = [];
    for (let index = 1; index <= count; index++) all.push(await start(`many-${index}`, servers));
    return new ManyGateways(all);
  }

  /** A reading of each, again and again. */
  send(everyMs: number): void {
    for (const one of this.#all) append(one);
    this.#next = clock.after(everyMs, () => this.send(everyMs));
  }

  endSending(): void {
    this.#next();
  }

  /** By gateway, how many readings it has appended. */
  appended(): ReadonlyMap<string, number> {
    return new Map(this.#all.map(({ name, appended }) => [name, appended]));
  }

  /** Those that have not everything taken, in words. */
  waiting(): readonly string[] {
    return this.#all
      .map(({ name, pump }) => ({ name, status: pump.status() }))
      .filter(({ status }) => status.untakenEvents > 0)
      .map(({ name, status }) => `${name}: ${JSON.stringify(status)}`);
  }

  get untaken(): number {
    return this.#all.reduce((sum, { pump }) => sum + pump.status().untakenEvents, 0);
  }

  async stop(): Promise<void> {
    this.endSending();
    for (const { pump, link, outbox } of this.#all) {
      pump.stop();
      await link.close();
      await outbox.close();
    }
  }
}

async function start(name: string, servers: readonly string[]): Promise<One> {
  const disk = new MemoryDisk();
  const log = silentLogger;
  const outbox = await Outbox.open({
    ...{ gateway: name, openStore: async () => disk.open(), clock, random: systemRandom, bounds },
    log,
  });
  await outbox.fixBootOffset(clock.bootId, clock.wallMs() - clock.bootMs());
  const gateway = gatewayId(name);
  const settings = { servers: [...servers], redialMaxMs: 2_000 };
  const link = new NatsLink({ gateway, settings, clock, random: systemRandom, log });
  const pump = new Pump({
    ...{ gateway, outbox, link, clock, random: systemRandom, bounds: uplinkBounds, log },
    notice: () => {},
  });
  outbox.listen({
    epochOpened: (epoch) => pump.feed({ kind: "epoch-opened", epoch }),
    appended: (epoch, log, last, bytes) => pump.feed({ kind: "appended", epoch, log, last, bytes }),
    poisoned: () => {},
  });
  link.start();
  return { name, outbox, pump, link, appended: 0 };
}

function append(one: One): void {
  one.appended += 1;
  const value = one.appended % 2 === 1 ? 60 : 20;
  const event: Event = {
    kind: "reading",
    device: deviceId("counter"),
    topic: "devices/counter/telemetry",
    bootMs: clock.bootMs(),
    observedAt: null,
    readings: [{ metric: countingMetric as MetricName, value, quality: "good" }],
  };
  one.outbox.append("telemetry", event, () => {});
}
