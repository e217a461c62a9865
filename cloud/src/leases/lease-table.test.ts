// Who should hold which lease: every worker decides for itself, and all of them decide alike.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { Holders, Member } from "./lease-table.ts";
import {
  claimable,
  decodeHolders,
  encodeHolders,
  heldBy,
  leaseName,
  sharesOf,
  surplus,
  withHolder,
  without,
} from "./lease-table.ts";

const engine = { name: "engine", count: 64 };
const sites = { name: "sites", count: 1 };
const none: Holders = new Map();

function members(...workers: string[]): Member[] {
  return workers.map((worker) => ({ worker, groups: ["engine", "sites"] }));
}

/** Every worker claims and gives up by what it finds, until nobody has anything to do. */
function settled(start: Holders, alive: readonly Member[]): Holders {
  let holders = start;
  for (let round = 0; round < 4; round++) {
    const found = holders;
    for (const { worker } of alive) {
      for (const group of [engine, sites]) {
        const named = (numbers: readonly number[]) => numbers.map((n) => leaseName(group.name, n));
        holders = without(holders, named(surplus(group, alive, found, worker)), worker);
        const claims = claimable(group, alive, found, worker);
        for (const lease of named(claims)) {
          const before = found.get(lease);
          expect(before === undefined || !alive.some((member) => member.worker === before)).toBe(
            true,
          );
        }
        holders = withHolder(holders, named(claims), worker);
      }
    }
  }
  return holders;
}

const counts = (holders: Holders, alive: readonly Member[]) =>
  alive.map(({ worker }) => heldBy(holders, engine, worker).length);

test("one worker takes everything, and three of them end with shares that differ by one", () => {
  const one = settled(none, members("a"));
  expect(counts(one, members("a"))).toEqual([64]);
  const three = settled(one, members("a", "b", "c"));
  expect(counts(three, members("a", "b", "c")).toSorted()).toEqual([21, 21, 22]);
});

test("what a worker that is gone held goes to the others, and what these held stays theirs", () => {
  const three = settled(none, members("a", "b", "c"));
  const two = settled(three, members("a", "c"));
  expect(counts(two, members("a", "c"))).toEqual([32, 32]);
  for (const worker of ["a", "c"]) {
    const kept = heldBy(three, engine, worker).filter((number) =>
      heldBy(two, engine, worker).includes(number),
    );
    expect(kept).toEqual(heldBy(three, engine, worker));
  }
});

test("a lease of which there is one stays with its holder, whoever comes", () => {
  const one = settled(none, members("b"));
  const two = settled(one, members("a", "b"));
  expect(heldBy(two, sites, "b")).toEqual([0]);
  expect(heldBy(settled(two, members("a")), sites, "a")).toEqual([0]);
});

test("a worker that does not run a stage has none of its leases", () => {
  const alive: Member[] = [...members("a"), { worker: "b", groups: ["sites"] }];
  expect(counts(settled(none, alive), alive)).toEqual([64, 0]);
  expect(sharesOf(engine, alive, none).get("b")).toBeUndefined();
});

test("whatever comes and goes, everything is held by somebody alive, by nobody twice, in even shares", () => {
  const random = seededRandom("leases");
  let holders = none;
  for (let turn = 0; turn < 200; turn++) {
    const alive = ["a", "b", "c", "d", "e", "f", "g"].filter(() => random.next() < 0.5);
    if (alive.length === 0) continue;
    const before = holders;
    holders = settled(holders, members(...alive));
    const shares = counts(holders, members(...alive));
    expect(shares.reduce((sum, count) => sum + count, 0)).toBe(64);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    const moved = [...before].filter(
      ([lease, holder]) => alive.includes(holder) && holders.get(lease) !== holder,
    );
    const most = Math.ceil(64 / alive.length);
    const beyond = alive.reduce(
      (sum, worker) => sum + Math.max(0, heldBy(before, engine, worker).length - most),
      0,
    );
    expect(moved.length).toBeLessThanOrEqual(beyond + alive.length); // only what is beyond a share
  }
});

test("the table is read back as it was written, and one of another version is refused", () => {
  const holders = withHolder(none, ["engine.3", "sites.0"], "a");
  expect(decodeHolders(encodeHolders(holders))).toEqual(holders);
  expect(() => decodeHolders('{"v":2,"holders":{}}')).toThrow("version 2");
  expect(() => decodeHolders('{"v":1,"holders":{"a":7}}')).toThrow("cannot be read");
});
