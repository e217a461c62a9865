/** Goal: what a day has used is on the disk before it is sent, whatever becomes of process, disk or record. */
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { MemoryLink } from "../testing/memory-link.ts";
import { eventOf, failure, Life } from "../testing/outbox-life.ts";
import { BudgetRecord } from "./budget-record.ts";
import { Pump } from "./pump.ts";
import { defaultUplinkBounds } from "./uplink.ts";

const settings = { bytesPerDay: 1_000_000, zone: "UTC" };

async function begin(disk: MemoryDisk) {
  const life = await Life.begin(disk);
  const { outbox, clock } = life;
  await outbox.fixBootOffset(clock.bootId, clock.wallMs() - clock.bootMs());
  const budget = await BudgetRecord.open(settings, outbox.records);
  const link = new MemoryLink();
  const pump = new Pump({
    ...{ gateway: gatewayId("gw"), outbox, link, clock, budget, log: silentLogger },
    ...{ random: seededRandom("pump"), bounds: defaultUplinkBounds, notice: () => {} },
  });
  outbox.listen({
    epochOpened: (epoch) => pump.feed({ kind: "epoch-opened", epoch }),
    appended: (epoch, log, last, bytes) => pump.feed({ kind: "appended", epoch, log, last, bytes }),
    poisoned: () => {},
  });
  const send = async (events: number) => {
    for (let event = 0; event < events; event++) {
      outbox.append("telemetry", eventOf(event, 100), () => {});
      await clock.advance(1_000);
    }
  };
  const used = () => pump.status().budget.day?.usedBytes ?? 0;
  return { life, pump, link, send, used, budget };
}

test("a power cut at any moment gives nothing of the day anew", async () => {
  const disk = new MemoryDisk();
  let sent = 0;
  for (let life = 0; life < 20; life++) {
    const { link, send, used } = await begin(disk);
    expect(used(), `life ${life}`).toBeGreaterThanOrEqual(sent);
    link.tell("up");
    await send(1 + 7 * life);
    sent = used();
    disk.crash();
  }
  expect(sent).toBeGreaterThan(50_000);
});

test("after a stop it is exact", async () => {
  const disk = new MemoryDisk();
  const { life, link, send, used, pump } = await begin(disk);
  link.tell("up");
  await send(50);
  const before = used();
  pump.stop();
  await life.outbox.close();
  expect((await begin(disk)).used()).toBe(before);
});

test("what is kept while the disk fails is on it once it is well again", async () => {
  const disk = new MemoryDisk();
  const { life, budget, send } = await begin(disk);
  disk.failure = failure;
  await send(1);
  budget.keep({ ...budget.use, bytes: { ...budget.use.bytes, live: 12_345 } });
  disk.failure = undefined;
  await life.clock.advance(60_000);
  disk.crash();
  expect((await begin(disk)).used()).toBe(12_345);
});

test("a rotten record is begun anew", async () => {
  const disk = new MemoryDisk();
  const next = await begin(disk);
  next.link.tell("up");
  await next.send(10);
  const rotten = { kind: "put", key: Buffer.from("u"), value: Buffer.from("rot") } as const;
  next.life.outbox.records.write([rotten]);
  await next.life.clock.advance(2_000);
  disk.crash();
  expect((await begin(disk)).used()).toBe(0);
});
