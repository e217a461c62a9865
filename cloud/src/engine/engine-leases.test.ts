// Several engines share the partitions by leases: in virtual time, over memory's stores.
import type { AlertMessage } from "@causeway/shared/alert/alert.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { partitionCount } from "@causeway/shared/subjects.ts";
import { beforeEach, expect, test } from "vitest";
import type { LeaseStore } from "../leases/lease-store.ts";
import type { GroupLeases } from "../leases/leases.ts";
import { Leases } from "../leases/leases.ts";
import { MemoryLeaseStore } from "../leases/memory-lease-store.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import type { Engine } from "./engine.ts";
import { EngineWorld } from "./testing/engine-world.ts";

/** A detector that counts: each reading is a transition. */
const counting = rulesSchema.parse([{ name: "hot", detector: "limits", hi: 50, flap: "off" }]);
const group = { name: "engine", count: partitionCount };

interface Process {
  readonly engine: Engine;
  /** Without leases it goes on as it did, as one that does not know what others decided. */
  blind(isBlind: boolean): void;
  stop(): Promise<void>;
}

class Workers {
  readonly world = new EngineWorld();
  readonly #leases = new MemoryLeaseStore();
  readonly #positions = new Map<number, number>();
  #started = 0;

  start(): Process {
    const own = { isBlind: false };
    const store = blindable(this.#leases, () => own.isBlind);
    const worker = `w${++this.#started}`;
    const self = { worker, name: worker, machine: "", pid: 1, groups: [group.name] };
    const leases = new Leases({
      ...{ store, self, groups: [group], clock: this.world.clock, log: silentLogger },
    });
    leases.start();
    const engine = this.world.engine(counting, { leases: leases.of(group.name) });
    return {
      engine,
      blind: (isBlind) => {
        own.isBlind = isBlind;
      },
      stop: async () => {
        const stopped = engine.stop();
        await this.pass(1_000);
        await stopped;
        await leases.stop();
      },
    };
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) await this.world.clock.advance(100);
  }

  /** Each gateway is one partition's; every second reading is hot, so each one is a transition. */
  reading(partition: number): void {
    const position = (this.#positions.get(partition) ?? 0) + 1;
    this.#positions.set(partition, position);
    const { messages } = this.world.journal;
    const sequence = (messages.at(-1)?.sequence ?? 0) + 1;
    const value = position % 2 === 1 ? 60 : 20;
    const event = readingEvent("d1", "temperature", value, position);
    const gateway = `g${partition}`;
    const nonce = `1.${sequence}`;
    const head = { gateway, partition, head: { nonce } };
    this.world.journal.append(journalMessage(sequence, position, [event], head));
  }

  /** What is wrong with what was committed: nothing, in the end. */
  faults(): string[] {
    const through = new Map<string, number>();
    const told = new Map<string, string[]>();
    for (const { subject, text } of this.world.store.messages) {
      const [kind, , gateway = ""] = subject.split(".");
      if (kind === "mark")
        through.set(gateway, decodeMark(text).epochs[0]?.logs.telemetry.through ?? 0);
      if (kind !== "alert") continue;
      const { transitions } = JSON.parse(text) as AlertMessage;
      const known = told.get(gateway) ?? [];
      told.set(gateway, [...known, ...transitions.map(({ id, state }) => `${id} ${state}`)]);
    }
    return [...this.#positions].flatMap(([partition, sent]) => {
      const gateway = `g${partition}`;
      const own = told.get(gateway) ?? [];
      const taken = through.get(gateway) ?? 0;
      return [
        ...(taken === sent ? [] : [`${gateway}: through ${taken} of ${sent}`]),
        ...(own.length === sent ? [] : [`${gateway}: ${own.length} transitions of ${sent}`]),
        ...(new Set(own).size === own.length ? [] : [`${gateway}: told twice`]),
      ];
    });
  }
}

/** Leases of one that is never told otherwise. */
function believing(wanted: ReadonlySet<number>): GroupLeases {
  return {
    wanted: () => wanted,
    isFresh: () => true,
    inUse: () => {},
    done: () => {},
    onChange: () => () => {},
  };
}

function blindable(store: LeaseStore, isBlind: () => boolean): LeaseStore {
  const see = () => {
    if (isBlind()) throw new Error("blind");
    return store;
  };
  return {
    beat: async (worker) => see().beat(worker),
    leave: async (worker) => see().leave(worker),
    workers: async () => see().workers(),
    table: async () => see().table(),
    write: async (text, expected) => see().write(text, expected),
  };
}

const held = ({ engine }: Process) => engine.status().partitions;

let workers: Workers;

beforeEach(() => {
  workers = new Workers();
});

async function busy(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    for (const partition of [0, 7, 21, 22, 40, 63]) workers.reading(partition);
    await workers.pass(1_000);
  }
}

test("a second engine gets its half within 10 s while readings go on, and each has its effect once", async () => {
  const first = workers.start();
  await busy(5);
  expect(held(first)).toBe(64);
  const second = workers.start();
  await busy(10);
  expect([held(first), held(second)]).toEqual([32, 32]);
  expect(workers.faults()).toEqual([]);
  expect(first.engine.status().takeOvers).toBe(1); // what it keeps it was never without
  await first.stop();
  await busy(3);
  expect(held(second)).toBe(64);
  await workers.pass(1_000);
  expect(workers.faults()).toEqual([]);
  // What was handed over needs no replay.
  expect(second.engine.status().replayed).toBe(0);
});

test("an engine that did not know that it lost partitions drops those alone, and the others go on", async () => {
  const { world } = workers;
  const all = new Set(Array.from({ length: partitionCount }, (_, partition) => partition));
  const first = world.engine(counting, { leases: believing(all) });
  await busy(5);
  const others = new Set([...all].filter((partition) => partition >= 30));
  const second = world.engine(counting, { leases: believing(others) });
  await busy(5);
  expect(first.status()).toMatchObject({ phase: "running", partitions: 30, takeOvers: 1 });
  expect(second.status()).toMatchObject({ phase: "running", partitions: 34, takeOvers: 1 });
  await workers.pass(500);
  expect(workers.faults()).toEqual([]);
  await Promise.all([first.stop(), second.stop(), workers.pass(1_000)]);
});

test("two that both believe they hold everything do not fence each other in turn", async () => {
  const first = workers.start();
  await busy(3);
  first.blind(true);
  const second = workers.start();
  await busy(30);
  expect(held(second)).toBe(64);
  const before = [first, second].map(({ engine }) => engine.status().takeOvers);
  await busy(30);
  expect([first, second].map(({ engine }) => engine.status().takeOvers)).toEqual(before);
  expect(workers.faults()).toEqual([]);
});

test("whatever comes, goes and is blind, every reading has its effect once", async () => {
  for (const seed of ["a", "b", "c", "d"]) {
    workers = new Workers();
    const random = seededRandom(`leases ${seed}`);
    let all = [workers.start()];
    for (let turn = 0; turn < 40; turn++) {
      const one = all[Math.floor(random.next() * all.length)];
      const dice = random.next();
      if (dice < 0.2 && all.length < 4) all.push(workers.start());
      else if (dice < 0.35 && all.length > 1 && one !== undefined) {
        all = all.filter((other) => other !== one);
        one.blind(false);
        await one.stop();
      } else if (dice < 0.5) one?.blind(true);
      else if (dice < 0.6) one?.blind(false);
      else if (dice < 0.7) workers.world.journal.interrupt();
      else if (dice < 0.75) workers.world.store.faults.push("lost");
      await busy(1 + Math.floor(random.next() * 3));
    }
    for (const process of all) process.blind(false);
    await busy(30);
    await workers.pass(2_000);
    expect(workers.faults(), seed).toEqual([]);
    const shares = all.map(held);
    expect(
      shares.reduce((sum, count) => sum + count),
      seed,
    ).toBe(64);
    expect(Math.max(...shares) - Math.min(...shares), seed).toBeLessThanOrEqual(1);
    await Promise.all(all.map((process) => process.stop()));
  }
});
