/** The suite that every store passes: S1-S4 of store.ts, and the exact bounds of a scan. */
import { seededRandom } from "@causeway/shared/random.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { discard } from "./discard.ts";
import type { Change, Entry, Range, Store } from "./store.ts";

/** A place that outlives the stores which are opened on it. */
export interface StorePlace {
  open(): Promise<Store>;
  /** What a kill without warning leaves behind; the open store is dead afterwards. */
  crash(): Promise<void>;
  remove(): Promise<void>;
}

const bytes = (text: string) => Buffer.from(text, "latin1");
const put = (key: string, value: string): Change => ({
  kind: "put",
  key: bytes(key),
  value: bytes(value),
});
const remove = (key: string): Change => ({ kind: "delete", key: bytes(key) });
const textOf = (raw: Uint8Array) => Buffer.from(raw).toString("latin1");
const rows = (entries: readonly Entry[]) =>
  entries.map(([key, value]) => [textOf(key), textOf(value)]);
const keys = (entries: readonly Entry[]) => entries.map(([key]) => textOf(key)).join(" ");

export function storeContract(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`the store contract: ${name}`, () => {
    let place: StorePlace;
    let store: Store;
    beforeEach(async () => {
      place = await makePlace();
      store = await place.open();
    });
    afterEach(() => place.remove());

    const write = (...changes: Change[]) => store.write(changes, { sync: true });
    const scan = (
      range: Partial<Omit<Range, "from" | "until">> & { from: string; until: string },
    ) => {
      const { from, until, ...rest } = range;
      return store.scan({ countMax: 1_000, ...rest, from: bytes(from), until: bytes(until) });
    };
    const reopen = async () => {
      await place.crash();
      store = await place.open();
    };

    test("S1 puts and deletes of one write are there together after a crash", async () => {
      await write(put("a", "1"), put("b", "2"));
      await write(remove("a"), put("c", "3"), put("b", "4"));
      await reopen();
      expect(rows(await scan({ from: "a", until: "z" }))).toEqual([
        ["b", "4"],
        ["c", "3"],
      ]);
    });

    test("S1 the last change of a key within one write counts", async () => {
      await write(put("a", "1"), remove("a"), put("b", "1"), put("b", "2"), remove("c"));
      expect(rows(await scan({ from: "a", until: "z" }))).toEqual([["b", "2"]]);
    });

    test("S2 a synced write brings every write before it to the disk", async () => {
      await store.write([put("a", "unsynced")], { sync: false });
      await store.write([remove("b")], { sync: false });
      await write(put("c", "synced"));
      await reopen();
      expect(keys(await scan({ from: "a", until: "z" }))).toBe("a c");
    });

    test("S3 a write is read once it resolved, synced or not", async () => {
      await store.write([put("a", "1")], { sync: false });
      expect(textOf((await store.get(bytes("a"))) ?? bytes("nothing"))).toBe("1");
      await store.write([remove("a")], { sync: false });
      expect(await store.get(bytes("a"))).toBeUndefined();
      expect(await scan({ from: "a", until: "z" })).toEqual([]);
    });

    test("S3 writes that are not awaited are applied in the order of the calls", async () => {
      await Promise.all(Array.from({ length: 50 }, (_, index) => write(put("a", `${index}`))));
      expect(textOf((await store.get(bytes("a"))) ?? bytes(""))).toBe("49");
    });

    test("a key that is not there is undefined, an empty value is not", async () => {
      await write(put("empty", ""));
      expect(await store.get(bytes("none"))).toBeUndefined();
      expect(await store.get(bytes("empty"))).toHaveLength(0);
    });

    test("a value keeps every byte, and is not changed by who wrote or read it", async () => {
      const value = Buffer.from(Array.from({ length: 1_024 }, (_, index) => index & 0xff));
      await store.write([{ kind: "put", key: bytes("k"), value }], { sync: true });
      const before = Buffer.from(value);
      value.fill(0);
      expect(Buffer.from((await store.get(bytes("k"))) ?? [])).toEqual(before);
    });

    test("S4 who reads a value may discard it: the store has it still", async () => {
      const value = "0123456789abcdef".repeat(1_024);
      await write(put("a", value));
      const range = { from: "a", until: "b" };
      const [entry] = await scan(range);
      discard(entry?.[1] ?? bytes(""));
      discard((await store.get(bytes("a"))) ?? bytes(""));
      expect(rows(await scan(range))).toEqual([["a", value]]);
      expect(entry?.[1]).toHaveLength(0);
    });

    test("an empty write is fine", async () => {
      await store.write([], { sync: true });
    });

    describe("scan", () => {
      beforeEach(() =>
        write(...["a", "b", "b\x00", "b\xff", "c", "d"].map((key) => put(key, "12345"))),
      );

      test("from is included, until is not", async () => {
        expect(keys(await scan({ from: "b", until: "d" }))).toBe("b b\x00 b\xff c");
        expect(keys(await scan({ from: "b", until: "b\x00" }))).toBe("b");
        expect(keys(await scan({ from: "b", until: "b" }))).toBe("");
        expect(keys(await scan({ from: "d", until: "b" }))).toBe("");
      });

      test("bounds need not be keys that are there", async () => {
        expect(keys(await scan({ from: "aa", until: "cc" }))).toBe("b b\x00 b\xff c");
        expect(keys(await scan({ from: "x", until: "z" }))).toBe("");
      });

      test("reverse begins below until and ends at from", async () => {
        expect(keys(await scan({ from: "b", until: "d", reverse: true }))).toBe("c b\xff b\x00 b");
        expect(keys(await scan({ from: "a", until: "z", reverse: true, countMax: 1 }))).toBe("d");
      });

      test("at most countMax entries, from the side it begins at", async () => {
        expect(keys(await scan({ from: "a", until: "z", countMax: 2 }))).toBe("a b");
        expect(keys(await scan({ from: "a", until: "z", countMax: 2, reverse: true }))).toBe("d c");
        expect(keys(await scan({ from: "a", until: "z", countMax: 0 }))).toBe("");
      });

      test("it stops after the entry that reaches bytesMax, and gives one at least", async () => {
        expect(keys(await scan({ from: "a", until: "z", bytesMax: 1 }))).toBe("a");
        expect(keys(await scan({ from: "a", until: "z", bytesMax: 10 }))).toBe("a b");
        expect(keys(await scan({ from: "a", until: "z", bytesMax: 11 }))).toBe("a b b\x00");
      });
    });

    test("scans agree with a sorted map over random writes", async () => {
      const random = seededRandom("contract");
      const below = (count: number) => Math.floor(random.next() * count);
      const key = () =>
        String.fromCharCode(...Array.from({ length: 1 + below(2) }, () => 96 + below(5)));
      const model = new Map<string, string>();
      for (let round = 0; round < 60; round++) {
        const changes = Array.from({ length: 1 + below(5) }, () =>
          random.next() < 0.7 ? put(key(), `${below(1_000)}`) : remove(key()),
        );
        for (const change of changes) {
          if (change.kind === "put") model.set(textOf(change.key), textOf(change.value));
          else model.delete(textOf(change.key));
        }
        await store.write(changes, { sync: random.next() < 0.2 });
        const [from = "", until = ""] = [key(), key()].sort();
        const expected = [...model]
          .filter(([k]) => k >= from && k < until)
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const reverse = random.next() < 0.5;
        if (reverse) expected.reverse();
        const countMax = 1 + below(6);
        const found = rows(await scan({ from, until, reverse, countMax }));
        expect(found, `round ${round}`).toEqual(expected.slice(0, countMax));
      }
    });

    test("size grows with what is stored and falls once it is deleted and compacted", async () => {
      const [from, until] = [bytes("b"), bytes("c")];
      const size = () => store.size(from, until);
      await store.compact(from, until);
      const before = await size();
      const random = seededRandom("size");
      for (let index = 0; index < 64; index++) await write(put(`b${index}`, random.hex(65_536)));
      await store.compact(from, until);
      const full = await size();
      expect(full).toBeGreaterThan(before + 1_000_000);
      for (let index = 0; index < 64; index++) await write(remove(`b${index}`));
      await store.compact(from, until);
      expect(await size()).toBeLessThan(full / 10);
    });

    test("a second opener is told that it is locked, and the first goes on", async () => {
      await expect(place.open()).rejects.toMatchObject({ code: "OUTBOX_LOCKED" });
      await write(put("a", "1"));
      await store.close();
      store = await place.open();
      expect(keys(await scan({ from: "a", until: "z" }))).toBe("a");
    });

    test("a closed store refuses, and closing it again does nothing", async () => {
      await store.close();
      await store.close();
      await expect(write(put("a", "1"))).rejects.toThrow();
      await expect(store.get(bytes("a"))).rejects.toThrow();
      await expect(scan({ from: "a", until: "z" })).rejects.toThrow();
    });
  });
}
