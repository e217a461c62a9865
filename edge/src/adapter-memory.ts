/**
 * What devices told about themselves (decode/memory.ts), in memory and in the outbox's store: "k" and
 * the key, JSON { key, value }, framed. It is written with the group of the events that it came with,
 * so that a restart finds neither more nor less. At a bound what was told longest ago is given up:
 * devices tell it again with their next birth or when they are asked.
 */
import type { Learnt, Memory } from "@causeway/shared/decode/memory.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Keeper, Records } from "./outbox/companions.ts";
import { decodeRecord, encodeRecord } from "./outbox/layout.ts";
import type { Change } from "./outbox/store.ts";

export interface AdapterMemoryBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export const defaultMemoryBounds: AdapterMemoryBounds = {
  entriesMax: 65_536,
  bytesMax: 32 * 1_024 * 1_024,
};

const allKeys = { from: Buffer.from("k"), until: Buffer.from("l") };
const readMax = 1_000_000;
const numberBytes = 8;
/** A key of the store is bounded; the names in it are hardly ever so long. */
const keyCharactersMax = 1_024;

interface Entry {
  readonly value: unknown;
  readonly bytes: number;
}

export class AdapterMemory implements Memory, Keeper {
  readonly #records: Records;
  readonly #bounds: AdapterMemoryBounds;
  /** In the order of their learning. */
  readonly #entries = new Map<string, Entry>();
  /** Not yet handed over to be written. */
  readonly #changed = new Set<string>();
  #bytes = 0;
  #givenUp = 0;

  constructor(records: Records, bounds = defaultMemoryBounds) {
    this.#records = records;
    this.#bounds = bounds;
    records.keep(this);
  }

  async load(log: Logger): Promise<void> {
    for (const [key, record] of await this.#records.scan({ ...allKeys, countMax: readMax })) {
      try {
        const { key: name, value } = decodeRecord(record, "what a device told of itself");
        if (typeof name === "string" && !this.#entries.has(name)) this.#set(name, value);
      } catch (failure) {
        log.warn(
          { key: nameIn(key), reason: reasonOf(failure) },
          "what a device told is unreadable",
        );
      }
    }
    this.#changed.clear();
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** At a bound. */
  get givenUp(): number {
    return this.#givenUp;
  }

  get(key: string): unknown {
    return this.#entries.get(key)?.value;
  }

  learn(learnt: readonly Learnt[]): void {
    for (const { key, value } of learnt) {
      if (key.length > keyCharactersMax) continue;
      if (value === undefined) this.#delete(key);
      else this.#set(key, value);
    }
    while (this.#entries.size > this.#bounds.entriesMax || this.#bytes > this.#bounds.bytesMax) {
      const [oldest] = this.#entries.keys();
      if (oldest === undefined) return;
      this.#delete(oldest);
      this.#givenUp++;
    }
  }

  /** Writes what was learnt without an event. */
  write(): void {
    this.#records.write(this.seal());
  }

  seal(): readonly Change[] {
    const changes = [...this.#changed].map((key) => this.#change(storeKey(key)));
    this.#changed.clear();
    return changes;
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys.filter((key) => key[0] === allKeys.from[0]).map((key) => this.#change(key));
  }

  #change(key: Uint8Array): Change {
    const name = nameIn(key);
    const entry = this.#entries.get(name);
    if (entry === undefined) return { kind: "delete", key };
    return { kind: "put", key, value: encodeRecord({ key: name, value: entry.value }) };
  }

  #set(key: string, value: unknown): void {
    const known = this.#entries.get(key);
    const bytes =
      key.length + (typeof value === "number" ? numberBytes : JSON.stringify(value).length);
    this.#bytes += bytes - (known?.bytes ?? 0);
    // Counters change with every message, and are as old as what they count for.
    if (known !== undefined && typeof value !== "number") this.#entries.delete(key);
    this.#entries.set(key, { value, bytes });
    this.#changed.add(key);
  }

  #delete(key: string): void {
    const known = this.#entries.get(key);
    if (known === undefined) return;
    this.#bytes -= known.bytes;
    this.#entries.delete(key);
    this.#changed.add(key);
  }
}

function storeKey(name: string): Buffer {
  return Buffer.from(`k${name}`);
}

function nameIn(key: Uint8Array): string {
  return Buffer.from(key).toString("utf8", 1);
}
