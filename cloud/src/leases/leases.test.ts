// Leases in virtual time: memory's store, and workers that come, die and hang.
import { silentLogger } from "@causeway/shared/log.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leaseStoreContract } from "./lease-store.contract.ts";
import type { Worker } from "./lease-store.ts";
import { Leases, leaseMs } from "./leases.ts";
import { MemoryLeaseStore } from "./memory-lease-store.ts";

leaseStoreContract("memory", async () => new MemoryLeaseStore());

const groups = [
  { name: "engine", count: 8 },
  { name: "sites", count: 1 },
];

let clock: VirtualClock;
let store: MemoryLeaseStore;
let all: Begun[];

beforeEach(() => {
  clock = new VirtualClock();
  store = new MemoryLeaseStore();
  all = [];
});

afterEach(async () => {
  store.isAway = false;
  for (const begun of all) begun.hang(false);
  await Promise.all(all.map(({ leases }) => leases.stop()));
});

interface Begun {
  readonly leases: Leases;
  /** Answers nothing and asks for nothing, as a process that was stopped or killed. */
  hang(isHung: boolean): void;
  readonly engine: () => number[];
}

function begin(worker: string, isGone: (other: Worker) => boolean = () => false): Begun {
  const own = { isHung: false };
  const waiting: (() => void)[] = [];
  const proxied = new Proxy(store, {
    get(target, name: keyof MemoryLeaseStore) {
      const found = target[name];
      if (typeof found !== "function") return found;
      return async (...given: never[]) => {
        if (own.isHung) await new Promise<void>((resolve) => waiting.push(resolve));
        return (found as (...all: never[]) => unknown).apply(target, given);
      };
    },
  });
  const self = { worker, name: worker, machine: "", pid: 1, groups: ["engine", "sites"] };
  const leases = new Leases({ store: proxied, self, groups, isGone, clock, log: silentLogger });
  leases.start();
  const begun: Begun = {
    leases,
    hang(isHung) {
      own.isHung = isHung;
      if (!isHung) for (const go of waiting.splice(0)) go();
    },
    engine: () => [...leases.of("engine").wanted()],
  };
  all.push(begun);
  return begun;
}

/** Whatever is no longer wanted is done with at once. */
function obeying(begun: Begun): Begun {
  const engine = begun.leases.of("engine");
  engine.inUse(() => engine.wanted());
  engine.onChange(() => engine.done());
  return begun;
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) await clock.advance(100);
}

test("the first worker has everything at once; a second one gets its half within seconds", async () => {
  const a = obeying(begin("a"));
  await pass(100);
  expect(a.engine()).toHaveLength(8);
  const b = obeying(begin("b"));
  await pass(3_000);
  expect([a.engine().length, b.engine().length]).toEqual([4, 4]);
  expect(new Set([...a.engine(), ...b.engine()]).size).toBe(8);
  expect(a.leases.of("sites").wanted().size).toBe(1);
});

test("what is beyond the share is not another's before it is released", async () => {
  const a = begin("a");
  let inUse = new Set([0, 4, 5, 6, 7]);
  a.leases.of("engine").inUse(() => inUse);
  await pass(100);
  const b = begin("b");
  await pass(3_000);
  expect(a.engine()).toHaveLength(4);
  expect(b.engine()).toEqual([]);
  inUse = new Set([0, 7]);
  a.leases.of("engine").done();
  await pass(1_500);
  expect(b.engine()).toEqual([4, 5, 6]);
  inUse = new Set();
  await pass(3_000);
  expect(b.engine()).toEqual([4, 5, 6, 7]);
});

test("a worker that hangs loses its leases to the others, and knows it once it goes on", async () => {
  const a = obeying(begin("a"));
  const b = obeying(begin("b"));
  await pass(3_000);
  b.hang(true);
  await pass(leaseMs + 2_000);
  expect(a.engine()).toHaveLength(8);
  expect(b.leases.of("engine").isFresh()).toBe(false);
  b.hang(false);
  await pass(3_000);
  expect([a.engine().length, b.engine().length]).toEqual([4, 4]);
});

test("one that is known to have ended is not waited for, nor is one that leaves", async () => {
  const gone = new Set<string>();
  const a = obeying(begin("a", ({ worker }) => gone.has(worker)));
  const b = obeying(begin("b"));
  await pass(3_000);
  b.hang(true);
  gone.add("b");
  await pass(1_100);
  expect(a.engine()).toHaveLength(8);
  b.hang(false);
  gone.delete("b");
  await pass(3_000);
  await b.leases.stop();
  await pass(1_100);
  expect(a.engine()).toHaveLength(8);
});

test("while no answer comes everybody keeps what it has, and afterwards has time to be seen", async () => {
  const a = obeying(begin("a"));
  const b = obeying(begin("b"));
  await pass(3_000);
  const before = [a.engine(), b.engine()];
  store.isAway = true;
  await pass(60_000);
  expect([a.engine(), b.engine()]).toEqual(before);
  expect(a.leases.of("engine").isFresh()).toBe(false);
  expect(a.leases.status().fault).toBe("no answer");
  store.isAway = false;
  await pass(1_500);
  b.hang(true); // it did not come back
  await pass(leaseMs - 2_500);
  expect([a.engine(), b.engine()]).toEqual(before);
  await pass(3_500);
  expect(a.engine()).toHaveLength(8);
});

test("a store that its server has lost is made anew, and the leases are held again", async () => {
  let made = 0;
  const prepare = async () => {
    made += 1;
    store.isAway = false;
  };
  const self = { worker: "a", name: "a", machine: "", pid: 1, groups: ["engine", "sites"] };
  const leases = new Leases({ store, self, groups, prepare, clock, log: silentLogger });
  leases.start();
  await clock.advance(2 * leaseMs);
  expect(made).toBe(0);
  store.isAway = true;
  await clock.advance(2 * leaseMs);
  expect(made).toBe(1);
  expect(leases.status()).toMatchObject({ fault: undefined });
  expect(leases.of("engine").wanted().size).toBe(8);
  await leases.stop();
});
