/**
 * What of a day's bytes is used up, in the outbox's store.
 *
 *   "u"    JSON { day, bytes: { priority, live, history, other }, aheadBytes, isTold }, framed
 */
import { z } from "zod";
import type { Keeper, Records } from "../outbox/companions.ts";
import { soundRecord } from "../outbox/found-epochs.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Change } from "../outbox/store.ts";
import type { BudgetSettings, DayUse } from "./budget.ts";
import { noUse } from "./budget.ts";

const useKey = Buffer.from("u");

const bytes = z.number().min(0);
const useSchema = z.object({
  day: z.number().nullable(),
  bytes: z.object({ priority: bytes, live: bytes, history: bytes, other: bytes }),
  aheadBytes: bytes,
  isTold: z.boolean(),
});

export class BudgetRecord implements Keeper {
  readonly settings: BudgetSettings;
  readonly #records: Records;
  #use: DayUse;

  private constructor(settings: BudgetSettings, records: Records, use: DayUse) {
    this.settings = settings;
    this.#records = records;
    this.#use = use;
    records.keep(this);
  }

  static async open(settings: BudgetSettings, records: Records): Promise<BudgetRecord> {
    const range = { from: useKey, until: Buffer.from("v"), countMax: 1 };
    const [entry] = await records.scan(range);
    return new BudgetRecord(settings, records, decodeUse(entry?.[1]));
  }

  get use(): DayUse {
    return this.#use;
  }

  keep(use: DayUse): void {
    this.#use = use;
    this.#records.write([this.#change()]);
  }

  seal(): readonly Change[] {
    return [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys.some((key) => useKey.equals(key)) ? [this.#change()] : [];
  }

  #change(): Change {
    const { day, ...use } = this.#use;
    return { kind: "put", key: useKey, value: encodeRecord({ day: day ?? null, ...use }) };
  }
}

/** One that rotted counts as none: a new day would forget it, too. */
function decodeUse(record: Uint8Array | undefined): DayUse {
  const sound = record === undefined ? undefined : soundRecord(record);
  if (sound === undefined) return noUse;
  const read = useSchema.safeParse(decodeRecord(sound, "the day's bytes"));
  return read.success ? { ...read.data, day: read.data.day ?? undefined } : noUse;
}
