/**
 * What the rules of a gateway keep in the outbox's store, each beside the others:
 *
 *   "ac"                       the commit: { v, place, clock, logged, names, alerts }
 *   "ah"                       the newest whole snapshot: { v, generation, shards, crc, place, clock }
 *   "as" generation shard      a part of a snapshot: 2 + 4 + 2 bytes, big endian
 *   "ao" alarm id              an open alarm: its firing transition, as JSON
 *   "at" number                what one commit told, for local receivers: 2 + 6 bytes, JSON
 *   "ar"                       the last good rules of the file, as text
 *
 *   K1  A commit is one write: the alarm events, what alarms have become, the place up to which
 *       readings were judged, and what receivers are told of.
 *   K2  A snapshot counts once its head is there; the head names the place of a commit that is
 *       written with it, so a commit never lags behind the snapshot.
 */
import { crc32c } from "@causeway/shared/checksum.ts";
import type { AlarmTransition } from "@causeway/shared/event.ts";
import type { Companion, Keeper, Records } from "../outbox/companions.ts";
import { decodeRecord, encodeRecord } from "../outbox/layout.ts";
import type { Settle } from "../outbox/outbox.ts";
import type { Change } from "../outbox/store.ts";

const version = 1;
const shardBytes = 64 * 1_024;
/** More is trimmed, whether or not receivers were told of it. */
export const toldMax = 2_048;
const all = Number.MAX_SAFE_INTEGER;

/** Up to which all was judged; `tick` is the number of the last one. */
export interface JudgedThrough {
  readonly ordinal: number;
  readonly position: number;
  readonly tick: number;
}

/** What rules take a boot's offset to real time for, in ms. */
export interface RuleClock {
  readonly bootId: string;
  readonly offsetMs: number;
}

export interface Committed {
  readonly place: JudgedThrough;
  readonly clock: RuleClock | undefined;
  /** Rules that the cloud was told it is to leave to the gateway. */
  readonly names: readonly string[];
  readonly alerts: string;
  /** Number of the newest "at". */
  readonly logged: number;
}

export interface Snapshot {
  readonly place: JudgedThrough;
  readonly clock: RuleClock | undefined;
  readonly detection: string;
}

interface Head {
  readonly generation: number;
  readonly shards: number;
  readonly crc: number;
  readonly place: JudgedThrough;
  readonly clock: RuleClock | undefined;
}

const commitKey = Buffer.from("ac");
const headKey = Buffer.from("ah");
const rulesKey = Buffer.from("ar");

const openKey = (id: string) => Buffer.from(`ao${id}`);

export function toldKey(number: number): Buffer {
  const key = Buffer.from("at......");
  key.writeUIntBE(number, 2, 6);
  return key;
}

function shardKey(generation: number, shard: number): Buffer {
  const key = Buffer.from("as......");
  key.writeUInt32BE(generation, 2);
  key.writeUInt16BE(shard, 6);
  return key;
}

const put = (key: Buffer, value: Uint8Array): Change => ({ kind: "put", key, value });
const remove = (key: Buffer): Change => ({ kind: "delete", key });

export class AlarmRecords implements Keeper {
  readonly #records: Records;
  #committed: Committed | undefined;
  #head: Head | undefined;
  #rules: string | undefined;
  /** The oldest "at" that is kept, and the newest. */
  #first = 1;
  #logged = 0;
  readonly #open = new Map<string, AlarmTransition>();

  constructor(records: Records) {
    this.#records = records;
    records.keep(this);
  }

  /** What is durable. */
  get committed(): Committed | undefined {
    return this.#committed;
  }

  /** Durable, by id. */
  get open(): ReadonlyMap<string, AlarmTransition> {
    return this.#open;
  }

  get oldestTold(): number {
    return this.#first;
  }

  get newestTold(): number {
    return this.#logged;
  }

  /** The last good rules of the file. */
  get rules(): string | undefined {
    return this.#rules;
  }

  /** The newest snapshot, where there is one that can be read. */
  async load(): Promise<Snapshot | undefined> {
    for (const [key, value] of await this.#scan("ac", "as")) {
      if (commitKey.equals(key)) this.#committed = committedOf(value);
      else if (headKey.equals(key)) this.#head = headOf(value);
      else if (rulesKey.equals(key)) this.#rules = textOf(decodeRecord(value, "rules")["text"]);
      else if (key[1] === 0x6f) {
        const transition = JSON.parse(Buffer.from(value).toString("utf8")) as AlarmTransition;
        this.#open.set(transition.id, transition);
      }
    }
    const kept = await this.#scan("at", "au");
    const numbers = kept.map(([key]) => Buffer.from(key).readUIntBE(2, 6));
    this.#logged = Math.max(this.#committed?.logged ?? 0, numbers.at(-1) ?? 0);
    this.#first = numbers[0] ?? this.#logged + 1;
    return this.#snapshot();
  }

  /** K1. For the append of the alarms that it tells of. */
  commit(next: Committed, told: readonly AlarmTransition[], isLogged: boolean): Companion {
    const changes = this.#commitChanges(next);
    for (const transition of told) {
      if (transition.state === "firing")
        changes.push(put(openKey(transition.id), Buffer.from(JSON.stringify(transition))));
      else changes.push(remove(openKey(transition.id)));
    }
    if (isLogged) {
      changes.push(put(toldKey(next.logged), Buffer.from(JSON.stringify(told))));
      for (let number = this.#first; number <= next.logged - toldMax; number++)
        changes.push(remove(toldKey(number)));
    }
    return { join: () => changes };
  }

  /** To be called once it is durable. */
  committedNow(next: Committed, told: readonly AlarmTransition[]): void {
    this.#committed = next;
    this.#logged = next.logged;
    this.#first = Math.max(this.#first, next.logged - toldMax + 1);
    for (const transition of told) {
      if (transition.state === "firing") this.#open.set(transition.id, transition);
      else this.#open.delete(transition.id);
    }
  }

  /** K2. Resolves once it is durable; rejects where it is not. */
  async keepSnapshot(detection: string, committed: Committed): Promise<void> {
    const bytes = Buffer.from(detection);
    const generation = (this.#head?.generation ?? 0) + 1;
    const shards = Math.max(1, Math.ceil(bytes.length / shardBytes));
    for (let shard = 0; shard < shards; shard++) {
      const part = bytes.subarray(shard * shardBytes, (shard + 1) * shardBytes);
      await this.#write([put(shardKey(generation, shard), part)]);
    }
    const { place, clock } = committed;
    const head = { generation, shards, crc: crc32c(bytes), place, clock };
    const former = this.#head;
    await this.#write([...this.#commitChanges(committed), put(headKey, encodeHead(head))]);
    this.#head = head;
    this.#committed = committed;
    if (former !== undefined) await this.#write(shardsOf(former).map(remove));
  }

  /** The gateway judges nothing any more; what receivers have to be told of stays. */
  async forget(isHeard: boolean): Promise<void> {
    const shards = this.#head === undefined ? [] : shardsOf(this.#head);
    const told = isHeard ? [] : await this.#scan("at", "au");
    const open = [...this.#open.keys()].map(openKey);
    const others = [...open, ...shards, ...told.map(([key]) => Buffer.from(key))];
    const keys = [commitKey, headKey, rulesKey, ...others];
    await this.#write(keys.map(remove));
    [this.#committed, this.#head, this.#rules] = [undefined, undefined, undefined];
    this.#open.clear();
  }

  keepRules(text: string): void {
    if (text === this.#rules) return;
    this.#rules = text;
    this.#records.write([put(rulesKey, encodeRecord({ text }))]);
  }

  /** What one commit told; undefined where it is not there. */
  async told(from: number, countMax: number) {
    const range = { from: toldKey(from), until: Buffer.from("au"), countMax };
    return (await this.#records.scan(range)).map(([key, value]) => ({
      number: Buffer.from(key).readUIntBE(2, 6),
      transitions: JSON.parse(Buffer.from(value).toString("utf8")) as readonly AlarmTransition[],
    }));
  }

  seal(): readonly Change[] {
    return [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys.flatMap((unsure) => {
      const key = Buffer.from(unsure);
      if (key[0] !== 0x61) return [];
      const value = this.#valueOf(key);
      if (value !== undefined) return [put(key, value)];
      return isOwn(key) ? [remove(key)] : [];
    });
  }

  /** What was written and failed to be is not told, not open and no part of a snapshot. */
  #valueOf(key: Buffer): Uint8Array | undefined {
    if (commitKey.equals(key)) return this.#committed && encodeCommitted(this.#committed);
    if (headKey.equals(key)) return this.#head && encodeHead(this.#head);
    if (rulesKey.equals(key)) {
      return this.#rules === undefined ? undefined : encodeRecord({ text: this.#rules });
    }
    if (key[1] !== 0x6f) return undefined;
    const open = this.#open.get(key.toString("utf8", 2));
    return open && Buffer.from(JSON.stringify(open));
  }

  #commitChanges(next: Committed): Change[] {
    return [put(commitKey, encodeCommitted(next))];
  }

  async #snapshot(): Promise<Snapshot | undefined> {
    const head = this.#head;
    if (head === undefined) return undefined;
    const { generation, shards, crc, place, clock } = head;
    const range = { from: shardKey(generation, 0), until: shardKey(generation + 1, 0) };
    const found = await this.#records.scan({ ...range, countMax: all });
    const bytes = Buffer.concat(found.map(([, value]) => value));
    const isWhole = found.length === shards && crc32c(bytes) === crc;
    return isWhole ? { place, clock, detection: bytes.toString("utf8") } : undefined;
  }

  #scan(from: string, until: string, countMax = all) {
    const range = { from: Buffer.from(from), until: Buffer.from(until), countMax };
    return this.#records.scan(range);
  }

  #write(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle: Settle = (failure) => (failure === undefined ? resolve() : reject(failure));
      this.#records.write(changes, settle);
    });
  }
}

function isOwn(key: Buffer): boolean {
  return "chorst".includes(String.fromCharCode(key[1] ?? 0));
}

function shardsOf({ generation, shards }: Head): Buffer[] {
  return Array.from({ length: shards }, (_, shard) => shardKey(generation, shard));
}

function encodeCommitted({ place, clock, names, alerts, logged }: Committed): Buffer {
  return encodeRecord({ v: version, place, clock: clock ?? null, names, alerts, logged });
}

function encodeHead({ generation, shards, crc, place, clock }: Head): Buffer {
  return encodeRecord({ v: version, generation, shards, crc, place, clock: clock ?? null });
}

/** Undefined where another build has written it. */
function committedOf(value: Uint8Array): Committed | undefined {
  const record = decodeRecord(value, "the commit of local rules");
  if (record["v"] !== version) return undefined;
  const { place, clock, names, alerts, logged } = record;
  return {
    place: place as JudgedThrough,
    clock: (clock as RuleClock | null) ?? undefined,
    names: names as readonly string[],
    alerts: textOf(alerts) ?? "",
    logged: Number(logged),
  };
}

function headOf(value: Uint8Array): Head | undefined {
  const record = decodeRecord(value, "the snapshot of local rules");
  if (record["v"] !== version) return undefined;
  const { generation, shards, crc, place, clock } = record;
  const numbers = { generation: Number(generation), shards: Number(shards), crc: Number(crc) };
  const known = (clock as RuleClock | null) ?? undefined;
  return { ...numbers, place: place as JudgedThrough, clock: known };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
