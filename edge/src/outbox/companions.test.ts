// Goal: what is kept beside the events is on the disk with its append, or never was (C1, C2).
import { expect, test } from "vitest";
import { eventOf, failure, Life } from "../testing/outbox-life.ts";
import type { Keeper } from "./companions.ts";
import { MemoryDisk } from "./memory-store.ts";
import type { Change } from "./store.ts";

const put = (name: string): Change => ({
  kind: "put",
  key: Buffer.from(`qz${name}`),
  value: Buffer.from(name),
});
const names = { from: Buffer.from("qz"), until: Buffer.from("q{"), countMax: 100 };

/** Notes a name beside each event, and knows which of them count. */
class Names implements Keeper {
  readonly known = new Set<string>();

  seal(): readonly Change[] {
    return [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys.map((key): Change => {
      const name = Buffer.from(key).toString("latin1").slice(2);
      return this.known.has(name) ? put(name) : { kind: "delete", key };
    });
  }

  async append(life: Life, name: string): Promise<void> {
    const settle = (why: unknown) => {
      if (why === undefined) this.known.add(name);
    };
    life.outbox.append("telemetry", eventOf(1, 0), settle, { join: () => [put(name)] });
    await life.clock.advance(1);
  }
}

async function onDisk(life: Life): Promise<string[]> {
  const found = await life.outbox.records.scan(names);
  return found.map(([, value]) => Buffer.from(value).toString());
}

async function begin(disk: MemoryDisk) {
  const life = await Life.begin(disk);
  life.outbox.listen({ epochOpened() {}, appended() {}, poisoned() {} });
  const kept = new Names();
  life.outbox.records.keep(kept);
  return { life, kept };
}

test("what goes with an append is there when its event is, after a power cut too (C1)", async () => {
  const disk = new MemoryDisk();
  const { life, kept } = await begin(disk);
  await kept.append(life, "one");
  disk.crash();
  expect(await onDisk(await Life.begin(disk))).toEqual(["one"]);
});

test.each(["lost", "appear-later"] as const)(
  "the bytes of a failed write are %s: the disk says what the keeper knows (C2)",
  async (fate) => {
    const disk = new MemoryDisk();
    disk.failedBytes = fate;
    const { life, kept } = await begin(disk);
    await kept.append(life, "one");
    disk.failure = failure;
    await kept.append(life, "two");
    disk.failure = undefined;
    await life.clock.advance(60_000);
    expect([...kept.known]).toEqual(["one"]);
    expect(await onDisk(life)).toEqual(["one"]);
    await kept.append(life, "three");
    disk.crash();
    expect((await onDisk(await Life.begin(disk))).toSorted()).toEqual(["one", "three"]);
  },
);
