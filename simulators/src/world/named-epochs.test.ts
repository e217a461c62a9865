/**
 * Goal: a mark that names a few epochs says the same as one that names all. Stores that are copied,
 * put back and started again and again, and a cloud that is put back too, under a mark of two rows:
 * whatever a gateway concludes is true, and in the end it has sent and released everything.
 */
import { defaultLedgerBounds } from "@causeway/cloud/ledger/bounds.ts";
import { GatewayLedger } from "@causeway/cloud/ledger/ledger.ts";
import { follow, followedOf } from "@causeway/edge/uplink/follow.ts";
import { addEpoch, newLane } from "@causeway/edge/uplink/lane.ts";
import { defaultUplinkBounds } from "@causeway/edge/uplink/uplink.ts";
import type { Ends, EpochId } from "@causeway/shared/batch-codec.ts";
import { decodeEpochPage, encodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Predecessor } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { integer, pick } from "@causeway/shared/testing/random-events.ts";
import { describe, expect, test } from "vitest";

const fewRows = { ...defaultLedgerBounds, markRowsMax: 2, owedRowsMax: 4, pageBytesMax: 64 };
const allRows = { ...defaultLedgerBounds, markRowsMax: 100_000, owedRowsMax: 100_000 };
const nothing = { position: 0, bytes: 0 };

type Positions = Record<Log, number>;

interface Life {
  readonly epoch: EpochId;
  readonly before: Predecessor | null;
  readonly last: Positions;
  released: Positions;
}

/** The epochs on one disk, of which the last is open. */
type Store = Life[];

interface Batch {
  readonly epoch: EpochId;
  readonly before: Predecessor | null;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly end: number | undefined;
}

/** The cloud's ledger, and what it has committed. */
class Cloud {
  #ledger: GatewayLedger;
  #commit = 0;
  mark: string | undefined;
  pages: ReadonlyMap<number, string> = new Map();
  readonly #bounds: typeof fewRows;

  constructor(bounds: typeof fewRows) {
    this.#bounds = bounds;
    this.#ledger = new GatewayLedger("g1", bounds);
  }

  /** As the fold does. */
  take({ epoch, before, log, from, to, end }: Batch): void {
    const judged = this.#ledger.judge(epoch, log, from, to);
    if (judged.kind !== "expected") {
      if (end !== undefined) this.#ledger.noteEnd(epoch, log, end);
      this.#ledger.noteBefore(epoch, before);
    }
    if (judged.kind === "taken") this.#ledger.take(epoch, log, to);
    this.#ledger.hear(epoch);
  }

  commit(): void {
    this.#ledger.settle();
    const pages = new Map(this.pages);
    for (const page of this.#ledger.takePages()) pages.set(page.number, encodeEpochPage(page));
    this.pages = pages;
    this.mark = encodeMark(this.#ledger.mark(++this.#commit, []));
  }

  /** Takes over what is committed. */
  restart(): void {
    this.#ledger = new GatewayLedger("g1", this.#bounds);
    const pages = [...this.pages.values()].map(decodeEpochPage);
    if (this.mark !== undefined) this.#ledger.layFloor(decodeMark(this.mark), pages);
    this.#ledger.passFloor();
  }

  through(epoch: EpochId, log: Log): number {
    return this.#ledger.expected(epoch, log) - 1;
  }
}

/** One cloud twice, by what its marks may hold. */
class Clouds {
  readonly few = new Cloud(fewRows);
  readonly #all = new Cloud(allRows);
  #copy: readonly (readonly [string | undefined, ReadonlyMap<number, string>])[] = [];

  get #both() {
    return [this.few, this.#all];
  }

  take(batch: Batch): void {
    for (const cloud of this.#both) cloud.take(batch);
  }

  commit(): void {
    for (const cloud of this.#both) cloud.commit();
  }

  restart(): void {
    for (const cloud of this.#both) cloud.restart();
  }

  copy(): void {
    this.#copy = this.#both.map(({ mark, pages }) => [mark, pages] as const);
  }

  /** To the copy, or to nothing where none was made. */
  rollBack(): void {
    for (const [at, cloud] of this.#both.entries()) {
      [cloud.mark, cloud.pages] = this.#copy[at] ?? [undefined, new Map()];
    }
    this.restart();
  }

  /** What is taken, told by the cloud that names everything. */
  through(epoch: EpochId, log: Log): number {
    return this.#all.through(epoch, log);
  }

  agree(stores: readonly Store[]): void {
    for (const { epoch } of stores.flat()) {
      for (const log of logs) {
        const [few, all] = [this.few.through(epoch, log), this.through(epoch, log)];
        if (few !== all) expect(few, `${epoch} ${log}`).toBe(all);
      }
    }
  }
}

function begin(store: Store, random: Random): void {
  const last = store.at(-1);
  const ordinal = Number.parseInt(last?.epoch ?? "0", 10) + 1;
  const before = last === undefined ? null : { epoch: last.epoch, ends: { ...last.last } };
  const none = { telemetry: 0, priority: 0 };
  const released = { ...none };
  store.push({ epoch: `${ordinal}-${random.hex(8)}`, before, last: { ...none }, released });
  append(store, random);
}

function append(store: Store, random: Random): void {
  const open = store.at(-1);
  if (open !== undefined) open.last[pick(random, logs)] += 1 + integer(random, 3);
}

function copyOf(store: Store): Store {
  return store.map((life) => ({
    ...life,
    last: { ...life.last },
    released: { ...life.released },
  }));
}

function endsOf(store: Store, at: number): Ends | undefined {
  return store[at + 1] === undefined ? undefined : (store[at] as Life).last;
}

/** Follows the mark as the uplink does. What moves up must be true. */
function read(store: Store, clouds: Clouds): void {
  for (const log of logs) {
    const lane = newLane(log === "priority" ? "priority" : "live", log, defaultUplinkBounds);
    for (const [at, { epoch, before, last, released }] of store.entries()) {
      addEpoch(lane, {
        id: epoch,
        ordinal: Number.parseInt(epoch, 10),
        before: before ?? undefined,
        ends: endsOf(store, at),
        last,
        released,
        stored: { telemetry: nothing, priority: nothing },
      });
    }
    const { mark } = clouds.few;
    follow(lane, followedOf(mark === undefined ? undefined : decodeMark(mark), lane), []);
    for (const life of store) {
      const through = lane.byEpoch.get(life.epoch)?.through ?? 0;
      const taken = clouds.through(life.epoch, log);
      if (through > Math.max(taken, life.released[log])) {
        expect(through, `${life.epoch} ${log} is released`).toBeLessThanOrEqual(taken);
      }
      life.released[log] = through;
    }
  }
}

/** Sends what is not released, oldest first; `share` of it arrives. Answers how much was sent. */
function send(store: Store, clouds: Clouds, random: Random, share: number): number {
  let sent = 0;
  for (const [at, { epoch, before, last, released }] of store.entries()) {
    for (const log of logs) {
      if (released[log] >= last[log]) continue;
      sent += last[log] - released[log];
      if (random.next() > share) continue;
      const [from, to] = [released[log] + 1, last[log]];
      clouds.take({ epoch, before, log, from, to, end: endsOf(store, at)?.[log] });
    }
  }
  clouds.commit();
  return sent;
}

function isDone(store: Store, clouds: Clouds): boolean {
  return store.every(({ epoch, last, released }) =>
    logs.every((log) => released[log] === last[log] && clouds.through(epoch, log) >= last[log]),
  );
}

/** Heartbeats go on; nothing else fails any more. The rounds it took. */
function settle(store: Store, clouds: Clouds, random: Random): number {
  const roundsMax = 4 * store.length + 10;
  for (let round = 0; round < roundsMax; round++) {
    read(store, clouds);
    if (isDone(store, clouds)) return round;
    append(store, random);
    send(store, clouds, random, 1);
  }
  return Number.POSITIVE_INFINITY;
}

function live(seed: string, { copies, rollbacks }: { copies: boolean; rollbacks: boolean }) {
  const random = seededRandom(seed);
  const clouds = new Clouds();
  const stores: Store[] = [[]];
  let image: Store = [];
  for (let step = 0; step < 60; step++) {
    const store = pick(random, stores);
    const dice = integer(random, 100);
    if (store.length === 0 || dice < 40) begin(store, random);
    else append(store, random);
    if (dice % 3 > 0) {
      read(store, clouds);
      send(store, clouds, random, 0.8);
    }
    if (dice % 10 === 1) clouds.restart();
    if (rollbacks && dice % 20 === 2) clouds.copy();
    if (rollbacks && dice % 25 === 3) clouds.rollBack();
    if (copies && dice % 15 === 4) image = copyOf(store);
    if (copies && dice % 20 === 5) stores.splice(stores.indexOf(store), 1, copyOf(image));
    if (copies && dice % 30 === 6 && stores.length < 3) stores.push(copyOf(image));
  }
  clouds.agree(stores);
  for (const store of stores) {
    if (store.length === 0) begin(store, random);
    expect(settle(store, clouds, random), `seed ${seed}`).toBeLessThan(Number.POSITIVE_INFINITY);
  }
  clouds.agree(stores);
}

describe("under a mark of two rows, over 150 lives", () => {
  test.each([
    ["of one store", { copies: false, rollbacks: false }],
    ["of one store and a cloud that is put back", { copies: false, rollbacks: true }],
    ["of stores that are copied and put back", { copies: true, rollbacks: false }],
    ["of such stores and a cloud that is put back", { copies: true, rollbacks: true }],
  ])("%s all is taken and released, and nothing that was not taken", (what, trouble) => {
    for (let seed = 0; seed < 150; seed++) live(`${what} ${seed}`, trouble);
  });
});
