/** The suite of a receiver's ledger in the outbox's store, over any store: L1 of ledger.ts, and what a crash leaves. */
import { silentLogger } from "@causeway/shared/log.ts";
import { encodeHead, headRecord } from "@causeway/shared/notify/plan-codec.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outbox } from "../outbox/outbox.ts";
import type { StorePlace } from "../outbox/store.contract.ts";
import { wide } from "../testing/outbox-life.ts";
import { RecordLedger } from "./record-ledger.ts";

const headOf = (beat: number, writer = "me") =>
  encodeHead({ place: { sequence: beat, identity: `${beat}` }, writer, beat, first: 0, next: 0 });
const none = new Map<string, string>();

export function ledgerContract(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`a receiver's ledger: ${name}`, () => {
    let place: StorePlace;
    let outbox: Outbox;
    let life = 0;
    const open = async () => {
      outbox = await Outbox.open({
        ...{ gateway: "g", openStore: () => place.open(), clock: systemClock() },
        ...{ random: seededRandom(`${++life}`), bounds: wide, log: silentLogger },
      });
      return new RecordLedger(outbox.records, "lamp");
    };
    beforeEach(async () => {
      place = await makePlace();
    });
    afterEach(() => place.remove());

    test("begins with nothing, under revision 0", async () => {
      const ledger = await open();
      expect(await ledger.load()).toEqual({ revision: 0, records: none });
      await outbox.close();
    });

    test("has after a kill what was committed, and no more (L1)", async () => {
      const ledger = await open();
      const told = new Map([["n/0", "first"]]);
      const state = new Map([["s/a", "A"]]);
      expect(await ledger.commit({ head: headOf(1), told, state }, 0)).toBe(1);
      const later = new Map([
        ["n/0", ""],
        ["n/1", "second"],
      ]);
      expect(await ledger.commit({ head: headOf(2), told: later, state: none }, 1)).toBe(2);
      await place.crash();
      const { revision, records } = await (await open()).load();
      expect(revision).toBe(2);
      // Whoever wrote it is gone.
      expect(Object.fromEntries(records)).toEqual({
        [headRecord]: headOf(2, ""),
        "n/1": "second",
        "s/a": "A",
      });
      await outbox.close();
    });

    test("refuses a commit that expects another revision (L1)", async () => {
      const ledger = await open();
      await ledger.commit({ head: headOf(1), told: none, state: none }, 0);
      expect(await ledger.commit({ head: headOf(9), told: none, state: none }, 0)).toBeUndefined();
      expect((await ledger.load()).records.get(headRecord)).toBe(headOf(1));
      await outbox.close();
    });

    test("of one receiver has nothing of another, whose name begins alike", async () => {
      const ledger = await open();
      const other = new RecordLedger(outbox.records, "lamp-2");
      await other.commit({ head: headOf(7), told: none, state: none }, 0);
      expect(await ledger.load()).toEqual({ revision: 0, records: none });
      await outbox.close();
    });
  });
}
