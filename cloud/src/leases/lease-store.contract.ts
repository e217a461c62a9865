/** The suite that every store of leases passes. */
import { beforeEach, describe, expect, test } from "vitest";
import type { LeaseStore, Worker } from "./lease-store.ts";

const worker = (name: string): Worker => ({
  ...{ worker: name, name: `${name}:7`, machine: "m", pid: 7, groups: ["engine", "sites"] },
});

export function leaseStoreContract(name: string, make: () => Promise<LeaseStore>): void {
  describe(`the lease store's contract: ${name}`, () => {
    let store: LeaseStore;
    beforeEach(async () => {
      store = await make();
    });

    test("a worker is there from its first beat until it leaves, each beat with another revision", async () => {
      expect(await store.workers()).toEqual([]);
      await store.beat(worker("a"));
      await store.beat(worker("b"));
      const before = await store.workers();
      expect(before.map((found) => found.worker).toSorted()).toEqual(["a", "b"]);
      expect(before.find((found) => found.worker === "a")).toMatchObject(worker("a"));
      await store.beat(worker("a"));
      const after = await store.workers();
      const revisions = (of: string) =>
        [before, after].map((all) => all.find((found) => found.worker === of)?.revision);
      expect(new Set(revisions("a")).size).toBe(2);
      expect(new Set(revisions("b")).size).toBe(1);
      await store.leave("a");
      expect((await store.workers()).map((found) => found.worker)).toEqual(["b"]);
    });

    test("of two that write the table after the same look, one is refused and changes nothing", async () => {
      expect(await store.table()).toEqual({ text: undefined, revision: 0 });
      expect(await store.write("one", 0)).toBe(true);
      expect(await store.write("two", 0)).toBe(false);
      const { text, revision } = await store.table();
      expect(text).toBe("one");
      expect(await store.write("three", revision)).toBe(true);
      expect(await store.write("four", revision)).toBe(false);
      expect((await store.table()).text).toBe("three");
    });
  });
}
