/**
 * A receiver's ledger in the outbox's store: "al", its name, 0x00 and the record. One process has
 * the store, so nobody else can have committed; the revision counts all the same.
 */
import type { CodedError } from "@causeway/shared/errors.ts";
import type { LedgerCommit, LedgerStore, StoredRecords } from "@causeway/shared/notify/ledger.ts";
import { decodeHead, encodeHead, headRecord } from "@causeway/shared/notify/plan-codec.ts";
import type { Keeper, Records } from "../outbox/companions.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Change } from "../outbox/store.ts";

export class RecordLedger implements LedgerStore, Keeper {
  readonly #records: Records;
  readonly #prefix: Buffer;
  /** What is durable. */
  readonly #known = new Map<string, string>();
  #revision = 0;
  #isLoaded = false;

  constructor(records: Records, receiver: string) {
    this.#records = records;
    this.#prefix = Buffer.from(`al${receiver}\0`);
    records.keep(this);
  }

  async load(): Promise<StoredRecords> {
    if (!this.#isLoaded) await this.#load();
    return { revision: this.#revision, records: new Map(this.#known) };
  }

  async #load(): Promise<void> {
    const until = Buffer.from(this.#prefix);
    until[until.length - 1] = 1;
    const range = { from: this.#prefix, until, countMax: Number.MAX_SAFE_INTEGER };
    for (const [key, value] of await this.#records.scan(range)) {
      const record = this.#recordIn(Buffer.from(key)) ?? "";
      const { text, revision } = decodeRecord(value, "a receiver's ledger");
      this.#known.set(record, String(text));
      if (record === headRecord) this.#revision = Number(revision);
    }
    // Whoever wrote it is gone: nobody need wait for it.
    const head = this.#known.get(headRecord);
    if (head !== undefined)
      this.#known.set(headRecord, encodeHead({ ...decodeHead(head), writer: "" }));
    this.#isLoaded = true;
  }

  /** L1. */
  async commit({ head, told, state }: LedgerCommit, expected: number): Promise<number | undefined> {
    if (!this.#isLoaded) await this.#load();
    if (expected !== this.#revision) return undefined;
    const revision = expected + 1;
    const records = [...told, ...state, [headRecord, head] as const];
    const failure = await this.#write(
      records.map(([record, text]) => this.#change(record, text, revision)),
    );
    if (failure !== undefined) throw failure;
    for (const [record, text] of records) {
      if (text === "") this.#known.delete(record);
      else this.#known.set(record, text);
    }
    this.#revision = revision;
    return revision;
  }

  seal(): readonly Change[] {
    return [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys.flatMap((key) => {
      const record = this.#recordIn(Buffer.from(key));
      if (record === undefined) return [];
      return [this.#change(record, this.#known.get(record) ?? "", this.#revision)];
    });
  }

  #recordIn(key: Buffer): string | undefined {
    const { length } = this.#prefix;
    return key.subarray(0, length).equals(this.#prefix)
      ? key.subarray(length).toString("utf8")
      : undefined;
  }

  #change(record: string, text: string, revision: number): Change {
    const key = Buffer.concat([this.#prefix, Buffer.from(record)]);
    if (text === "") return { kind: "delete", key };
    return { kind: "put", key, value: encodeRecord({ revision, text }) };
  }

  #write(changes: readonly Change[]): Promise<CodedError | undefined> {
    return new Promise((resolve) => this.#records.write(changes, resolve));
  }
}
