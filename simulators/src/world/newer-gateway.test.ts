// Goal: a gateway that is newer than its cloud loses nothing, and neither does its neighbour: real outboxes,
// uplinks and a real partition; only the version that a gateway writes is another one.
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { deviceId, gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { Partition } from "../../../cloud/src/engine/partition.ts";
import { noCounts } from "../../../cloud/src/engine/partition-counters.ts";
import { MemoryDisk } from "../../../edge/src/outbox/memory-store.ts";
import { Outbox } from "../../../edge/src/outbox/outbox.ts";
import type { Link, PublishOutcome } from "../../../edge/src/uplink/link.ts";
import { Pump } from "../../../edge/src/uplink/pump.ts";
import { defaultUplinkBounds } from "../../../edge/src/uplink/uplink.ts";

/** The engine and its journal, without the servers between. */
class Cloud {
  readonly counters = noCounts();
  readonly #clock: VirtualClock;
  readonly #partition: Partition;
  readonly #marks = new Map<string, Mark>();
  #sequence = 0;
  #commits = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    const rules = { name: "none", alerting: createAlerting(compileRules([])) };
    this.#partition = new Partition(3, rules, 0, this.counters);
  }

  take(gateway: GatewayId, lane: string, headers: ReadonlyMap<string, string>, data: Uint8Array) {
    this.#partition.take({
      sequence: ++this.#sequence,
      subject: `tlm.3.${gateway}.${lane}`,
      storedAt: this.#clock.wallMs(),
      data,
      header: (name) => headers.get(name),
    });
    for (const { subject, data: text } of this.#partition.collect(++this.#commits, 400).messages) {
      if (subject === `mark.3.${gateway}`) this.#marks.set(gateway, decodeMark(String(text)));
    }
  }

  markOf(gateway: string): Mark | undefined {
    return this.#marks.get(gateway);
  }
}

class DirectLink implements Link {
  readonly #cloud: Cloud;
  readonly #gateway: GatewayId;
  #listener: (state: "up" | "down", reason?: string) => void = () => {};
  /** What the gateway's batches say of themselves; undefined is what this build writes. */
  version: string | undefined;
  published = 0;

  constructor(cloud: Cloud, gateway: GatewayId) {
    this.#cloud = cloud;
    this.#gateway = gateway;
  }

  listen(listener: (state: "up" | "down", reason?: string) => void): void {
    this.#listener = listener;
  }

  up(): void {
    this.#listener("up");
  }

  async publish(
    lane: string,
    written: readonly [string, string][],
    body: Uint8Array,
  ): Promise<PublishOutcome> {
    const headers = new Map(written);
    if (this.version !== undefined) headers.set("Cw-Version", this.version);
    this.published++;
    this.#cloud.take(this.#gateway, lane, headers, body);
    return { kind: "stored" };
  }

  async readMark(): Promise<Mark | undefined> {
    return this.#cloud.markOf(this.#gateway);
  }

  cut(): void {}

  async close(): Promise<void> {}
}

async function gatewayAt(cloud: Cloud, clock: VirtualClock, name: string) {
  const gateway = gatewayId(name);
  const link = new DirectLink(cloud, gateway);
  const disk = new MemoryDisk();
  const outbox = await Outbox.open({
    gateway,
    openStore: async () => disk.open(),
    clock,
    random: seededRandom(`outbox ${name}`),
    bounds: { bytesMax: 1e9, tailBytesMax: 0, pendingBytesMax: 1e7 },
    log: silentLogger,
  });
  const random = seededRandom(`pump ${name}`);
  const bounds = defaultUplinkBounds;
  const parts = { gateway, outbox, link, clock, random, bounds, log: silentLogger };
  const pump = new Pump({ ...parts, notice: () => {} });
  outbox.listen({
    epochOpened: (epoch) => pump.feed({ kind: "epoch-opened", epoch }),
    appended: (epoch, log, last, bytes) => pump.feed({ kind: "appended", epoch, log, last, bytes }),
    poisoned: () => {},
  });
  link.up();
  const append = async (count: number) => {
    for (let index = 0; index < count; index++) {
      const device = deviceId("d1");
      const reading = { metric: "temperature", value: 20 + index, quality: "good" } as const;
      const place = { device, topic: "devices/d1/telemetry", observedAt: null };
      const event = { kind: "reading", ...place, bootMs: clock.bootMs(), readings: [reading] };
      outbox.append("telemetry", event as never, () => {});
      await clock.advance(200);
    }
  };
  return { pump, link, append };
}

test("it waits with words, beside an older one that goes on, and goes on itself after the upgrade", async () => {
  const clock = new VirtualClock();
  const cloud = new Cloud(clock);
  const [old, newer] = [
    await gatewayAt(cloud, clock, "old"),
    await gatewayAt(cloud, clock, "newer"),
  ];
  await newer.append(5);
  await clock.advance(5_000);
  expect(newer.pump.status().untakenEvents).toBe(0);
  newer.link.version = "2";
  await Promise.all([old.append(50), newer.append(50)]);
  await clock.advance(10 * 60_000);
  expect(old.pump.status()).toMatchObject({ untakenEvents: 0, troubles: [] });
  expect(newer.pump.status().untakenEvents).toBe(50);
  expect(newer.pump.status().troubles.join()).toContain("the cloud is older than this gateway");
  expect(cloud.counters).toMatchObject({ events: 55, dead: 0 });
  expect(newer.link.published, "asked seldom").toBeLessThan(40);
  newer.link.version = undefined; // what an upgraded cloud would read is what this one reads
  await clock.advance(2 * 60_000 + 5_000);
  expect(newer.pump.status()).toMatchObject({ untakenEvents: 0, troubles: [] });
  expect(cloud.counters).toMatchObject({ events: 105, dead: 0 });
});
