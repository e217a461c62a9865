/** The suite that every store of readers passes, and what a registered reader does on it. */
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { beforeEach, describe, expect, test } from "vitest";
import type { MessageIdentity, Place } from "../engine/place.ts";
import type { ReaderState, ReaderStore } from "./reader-store.ts";
import { RegisteredReader, retireReader } from "./registered-reader.ts";

const state = (sequence: number): ReaderState => ({
  places: [place(sequence), { sequence: 1, identity: { subject: "clk", nonce: undefined } }],
  at: 1_767_225_600_000,
  kind: "historian",
  generation: 2,
  writer: "c0ffee",
});

function place(sequence: number, life = "a"): Place {
  return { sequence, identity: { subject: "tlm.3.g1.live", nonce: `${life}.${sequence}` } };
}

export function readerStoreContract(name: string, make: () => Promise<ReaderStore>): void {
  describe(`the reader store's contract: ${name}`, () => {
    let store: ReaderStore;
    beforeEach(async () => {
      store = await make();
    });

    test("what was written is read back, alone and in the list, by name", async () => {
      expect(await store.list()).toEqual([]);
      expect(await store.load("history")).toBeUndefined();
      const second = await store.write("route-7", state(9), 0);
      const first = await store.write("history", state(7), 0);
      if (first.kind === "refused" || second.kind === "refused") expect.unreachable();
      const history = { name: "history", revision: first.revision, state: state(7) };
      expect(await store.load("history")).toEqual(history);
      const route = { name: "route-7", revision: second.revision, state: state(9) };
      expect(await store.list()).toEqual([history, route]);
    });

    test("a write that expects another revision is refused, and changes nothing", async () => {
      const first = await store.write("history", state(7), 0);
      if (first.kind === "refused") expect.unreachable();
      expect(await store.write("history", state(8), 0)).toEqual({ kind: "refused" });
      const second = await store.write("history", state(9), first.revision);
      expect(second.kind).toBe("written");
      expect(await store.write("history", state(10), first.revision)).toEqual({ kind: "refused" });
      expect((await store.load("history"))?.state).toEqual(state(9));
    });

    test("one that was removed is gone, and can be registered anew", async () => {
      await store.write("history", state(7), 0);
      await store.write("other", state(7), 0);
      expect(await store.remove("history")).toBe(true);
      expect(await store.remove("history")).toBe(false);
      expect((await store.list()).map((reader) => reader.name)).toEqual(["other"]);
      expect((await store.write("history", state(8), 0)).kind).toBe("written");
    });
  });

  describe(`a registered reader on ${name}`, () => {
    let store: ReaderStore;
    let random: Random;
    const journal = new Map<number, MessageIdentity>();
    const clock = new VirtualClock();
    const open = (own?: readonly Place[]) =>
      RegisteredReader.open(
        { store, messageAt: async (sequence) => journal.get(sequence), clock, random },
        { name: "history", kind: "historian" },
        own,
      );
    const registered = async () => (await store.load("history"))?.state?.places[0]?.sequence ?? 0;
    const fill = (to: number, life = "a") => {
      for (let sequence = 1; sequence <= to; sequence++)
        journal.set(sequence, place(sequence, life).identity);
    };

    beforeEach(async () => {
      store = await make();
      random = seededRandom("reader");
      journal.clear();
      fill(1_000);
    });

    test("is registered before it reads, and goes on where it was", async () => {
      const first = await open();
      expect([first.from, await registered()]).toEqual([1, 0]);
      await first.advance(place(40));
      await first.advance(place(70));
      expect(await registered()).toBe(70);
      expect((await open()).from).toBe(71);
    });

    test("reads from its newest anchor that the journal still has, and holds it from there", async () => {
      const reader = await open();
      for (let sequence = 10; sequence <= 900; sequence += 10)
        await reader.advance(place(sequence));
      for (let sequence = 501; sequence <= 1_000; sequence++)
        journal.set(sequence, place(sequence, "b").identity);
      const again = await open();
      expect(again.from).toBeLessThanOrEqual(501);
      expect(again.from).toBeGreaterThan(1);
      expect(await registered()).toBe(again.from - 1);
    });

    test("reads another journal from its first message", async () => {
      await (await open()).advance(place(900));
      fill(1_000, "b");
      expect((await open()).from).toBe(1);
      expect(await registered()).toBe(0);
    });

    test("goes by the places that it keeps with its effects, where it keeps any", async () => {
      await (await open()).advance(place(900));
      const restored = await open([place(300), place(20)]);
      expect([restored.from, await registered()]).toEqual([301, 300]);
    });

    test("under the name of another the later one goes on, and the earlier one finds out", async () => {
      const earlier = await open();
      await earlier.advance(place(40));
      const later = await open();
      expect(later.generation).toBe(earlier.generation + 1);
      await later.advance(place(50));
      await expect(earlier.advance(place(60))).rejects.toThrow("READER_TAKEN");
      await later.advance(place(70));
      expect(await registered()).toBe(70);
    });

    test("is retired only where it stands still, and is not once it is gone", async () => {
      const reader = await open();
      await reader.advance(place(10));
      const now = clock.wallMs();
      await expect(retireReader(store, "history", now + 60_000)).rejects.toThrow("READER_RUNNING");
      await retireReader(store, "history", now + 120_000);
      const again = retireReader(store, "history", undefined);
      await expect(again).rejects.toThrow("READER_NAME_UNKNOWN: history; registered are: none");
    });

    test("that was retired finds out, and is not registered by what it writes", async () => {
      const reader = await open();
      await store.remove("history");
      await expect(reader.advance(place(10))).rejects.toThrow("READER_TAKEN");
      expect(await store.list()).toEqual([]);
    });

    test("goes on after a write of its own that went unanswered", async () => {
      const reader = await open();
      await reader.advance(place(10));
      const found = await store.load("history");
      if (found?.state === undefined) expect.unreachable();
      const unanswered = { ...found.state, places: [place(20)] };
      await store.write("history", unanswered, found.revision);
      await reader.advance(place(30));
      expect(await registered()).toBe(30);
    });
  });
}
