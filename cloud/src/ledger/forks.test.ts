/**
 * Goal: whatever becomes of a gateway's store, everything that was sent whole is taken once, and the
 * user hears of it: once that a store was put back, and of a conflict exactly when two stores that
 * come of one another both bring something new.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Predecessor } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { integer, pick } from "@causeway/shared/testing/random-events.ts";
import { describe, expect, test } from "vitest";
import type { ForkFinding } from "./forks.ts";
import { GatewayLedger } from "./ledger.ts";

interface Sent {
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly before: Predecessor | null;
  /** The branch by the reference: the store that sends it, and where that was copied from. */
  readonly store: Store;
}

interface Life {
  readonly epoch: EpochId;
  readonly before: Predecessor | null;
  readonly last: Record<Log, number>;
}

/** A store as the reference sees it: the epochs on its disk, of which the last one is open. */
interface Store {
  readonly name: number;
  lives: Life[];
}

let random: Random;
const ends = ({ epoch, last }: Life): Predecessor => ({ epoch, ends: { ...last } });

/** An epoch in which nothing was appended leaves no trace on disk. */
function begin(store: Store): void {
  const open = store.lives.at(-1);
  if (open !== undefined && logs.every((log) => open.last[log] === 0)) store.lives.pop();
  const last = store.lives.at(-1);
  const ordinal = Number(last?.epoch.split("-")[0] ?? 0) + 1;
  const epoch = `${ordinal}-${random.hex(8)}`;
  const before = last === undefined ? null : ends(last);
  store.lives.push({ epoch, before, last: { telemetry: 0, priority: 0 } });
}

function append(store: Store): void {
  const life = store.lives.at(-1) as Life;
  life.last[pick(random, logs)] += 1 + integer(random, 5);
}

function copyOf(store: Store, name: number): Store {
  return { name, lives: store.lives.map(({ epoch, before, last }) => copied(epoch, before, last)) };
}

function copied(epoch: EpochId, before: Predecessor | null, last: Life["last"]): Life {
  return { epoch, before, last: { ...last } };
}

/** Everything of a store that the ledger has not, in order, as an uplink sends it. */
function batches(store: Store, ledger: GatewayLedger): Sent[] {
  return store.lives.flatMap(({ epoch, before, last }) =>
    logs.flatMap((log) => {
      const from = ledger.expected(epoch, log);
      return from > last[log] ? [] : [{ epoch, log, from, to: last[log], before, store }];
    }),
  );
}

function take(ledger: GatewayLedger, sent: Sent): ForkFinding[] {
  const { epoch, log, from, to, before } = sent;
  const judged = ledger.judge(epoch, log, from, to);
  if (judged.kind !== "taken") return [];
  ledger.noteBefore(epoch, before);
  const found: ForkFinding[] = [];
  for (let position = judged.from; position <= to; position++) {
    found.push(...[ledger.take(epoch, log, position)].filter((each) => each !== undefined));
  }
  return found;
}

const kinds = (found: readonly ForkFinding[]) => found.map(({ kind }) => kind);

/** A store that has lived, all of it taken. */
function lived(ledger: GatewayLedger, processes = 2): Store {
  const store: Store = { name: 1, lives: [] };
  for (let process = 0; process < processes; process++) {
    begin(store);
    for (const log of logs) (store.lives.at(-1) as Life).last[log] = 10;
    for (const sent of batches(store, ledger)) expect(take(ledger, sent)).toEqual([]);
  }
  return store;
}

function goOn(store: Store, ledger: GatewayLedger, by = 1): ForkFinding[] {
  (store.lives.at(-1) as Life).last.telemetry += by;
  return batches(store, ledger).flatMap((sent) => take(ledger, sent));
}

describe("the story of", () => {
  test.each([
    ["an older image of the same process", 0],
    ["an image from before the last start", 1],
    ["an image from long before", 3],
  ])("a store put back to %s: restored, once", (_what, processesSince) => {
    random = seededRandom("put back");
    const ledger = new GatewayLedger("g1");
    const store = lived(ledger);
    const image = copyOf(store, 2);
    goOn(store, ledger);
    for (let process = 0; process < processesSince; process++) {
      begin(store);
      expect(goOn(store, ledger)).toEqual([]);
    }
    begin(image);
    const [other] = [store.lives[processesSince === 0 ? 1 : 2]?.epoch];
    const [told] = goOn(image, ledger);
    expect(told).toMatchObject({ kind: "restored", epoch: image.lives.at(-1)?.epoch });
    if (processesSince > 0) expect([other, store.lives[1]?.epoch]).toContain(told?.other);
    for (let process = 0; process < 5; process++) {
      begin(image);
      expect(goOn(image, ledger, 7)).toEqual([]);
    }
  });

  test("a store that began anew with the same name: restored, once", () => {
    random = seededRandom("anew");
    const ledger = new GatewayLedger("g1");
    lived(ledger, 3);
    const anew: Store = { name: 2, lives: [] };
    const found = [1, 2, 3, 4].flatMap(() => {
      begin(anew);
      return goOn(anew, ledger);
    });
    expect(kinds(found)).toEqual(["restored"]);
  });

  test("a copied card: a conflict as soon as both have brought something", () => {
    random = seededRandom("card");
    const ledger = new GatewayLedger("g1");
    const store = lived(ledger);
    const clone = copyOf(store, 2);
    begin(clone);
    expect(goOn(clone, ledger)).toEqual([]);
    expect(kinds(goOn(store, ledger))).toEqual(["conflict"]);
    expect(goOn(store, ledger)).toEqual([]);
    expect(kinds(goOn(clone, ledger))).toEqual(["conflict"]);
    begin(store);
    begin(clone);
    expect(kinds([...goOn(clone, ledger), ...goOn(store, ledger)])).toEqual(["conflict"]);
    expect(ledger.mark(1, []).forks).toMatchObject({
      forks: [{ state: "conflict", isAlive: true }],
    });
  });

  test("a clone that states another end: nothing gets stuck, and all of both is taken", () => {
    random = seededRandom("other end");
    const ledger = new GatewayLedger("g1");
    const store = lived(ledger);
    const clone = copyOf(store, 2);
    const shared = store.lives.at(-1) as Life;
    shared.last.telemetry += 40;
    begin(clone);
    goOn(clone, ledger);
    begin(store);
    goOn(store, ledger);
    const row = ledger.epochs().find(({ epoch }) => epoch === shared.epoch);
    expect(row?.logs.telemetry).toMatchObject({ end: 10, through: 50 });
    for (const each of [store, clone]) expect(batches(each, ledger)).toEqual([]);
  });

  test("what two branches share tells nothing: the rest of a common epoch may come from either", () => {
    random = seededRandom("shared");
    const ledger = new GatewayLedger("g1");
    const store = lived(ledger);
    const shared = store.lives.at(-1) as Life;
    shared.last.priority += 5;
    const image = copyOf(store, 2);
    shared.last.telemetry += 1;
    const [lead] = batches(store, ledger).filter(({ log }) => log === "telemetry");
    take(ledger, lead as Sent);
    begin(image);
    (image.lives.at(-1) as Life).last.telemetry += 1;
    const found = batches(image, ledger)
      .reverse()
      .flatMap((sent) => take(ledger, sent));
    expect(kinds(found)).toEqual(["restored"]);
  });

  test("an epoch whose predecessors are not known yet: nothing, it belongs to nobody so far", () => {
    random = seededRandom("unknown");
    const ledger = new GatewayLedger("g1");
    const store = lived(ledger);
    const image = copyOf(store, 2);
    goOn(store, ledger);
    begin(image);
    expect(kinds(goOn(image, ledger))).toEqual(["restored"]);
    for (let process = 0; process < 3; process++) {
      begin(image);
      append(image);
    }
    const newestFirst = batches(image, ledger).reverse();
    expect(newestFirst.flatMap((sent) => take(ledger, sent))).toEqual([]);
  });
});

interface Plan {
  readonly seed: string;
  readonly storesMax: number;
  /** Each store sends its epochs one after the other, as on the lane `live`. */
  readonly isInOrder: boolean;
  /** The engine is killed now and then, and replays. */
  readonly crashes: boolean;
}

/** A random history of stores that append, start again, are copied, and send what may be lost. */
class History {
  readonly stores: Store[] = [{ name: 0, lives: [] }];
  readonly found: ForkFinding[] = [];
  readonly through = new Map<string, number>();
  /** Who brought what only one store has; a letter again only after another one. */
  letters: { readonly store: Store; readonly epoch: EpochId }[] = [];
  ledger = new GatewayLedger("g1");
  readonly #plan: Plan;
  readonly #journal: Sent[] = [];
  #alive = [...this.stores];
  #image: Store | undefined;
  #committed = encodeMark(this.ledger.mark(0, []));
  #told = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    random = seededRandom(plan.seed);
    begin(this.stores[0] as Store);
    const crashes = seededRandom(`${plan.seed} crashes`);
    for (let step = 0; step < 60; step++) {
      this.#step();
      if (integer(crashes, 4) === 0) this.#commit();
      if (integer(crashes, 10) === 0 && plan.crashes) this.#crash();
    }
  }

  deliverAll(): void {
    for (const store of this.stores)
      for (const sent of batches(store, this.ledger)) this.#take(sent);
  }

  #step(): void {
    const store = pick(random, this.#alive);
    const what = integer(random, 8);
    if (what === 0 && this.#image !== undefined) this.#use(this.#image, store);
    else if (what === 0 && this.stores.length < this.#plan.storesMax) {
      this.#image = copyOf(store, this.stores.length);
      this.stores.push(this.#image);
    } else if (what <= 2) begin(store);
    else append(store);
    const waiting = batches(store, this.ledger);
    if (!this.#plan.isInOrder && integer(random, 2) === 0) waiting.reverse();
    const arriving = waiting.slice(0, integer(random, waiting.length + 1));
    for (const sent of arriving) this.#take(sent);
    for (const sent of this.#journal.slice(-1 - integer(random, 3))) this.#take(sent);
  }

  /** Mostly in the place of the store that it is a copy of, or of another one. */
  #use(image: Store, replaced: Store): void {
    begin(image);
    this.#image = undefined;
    if (integer(random, 3) > 0) this.#alive = this.#alive.filter((each) => each !== replaced);
    this.#alive.push(image);
  }

  #take(sent: Sent): void {
    const { epoch, log, to, store } = sent;
    const key = `${epoch} ${log}`;
    const before = this.ledger.expected(epoch, log) - 1;
    this.#journal.push(sent);
    this.found.push(...take(this.ledger, sent));
    const now = this.ledger.expected(epoch, log) - 1;
    expect(now, `${this.#plan.seed}: ${key}`).toBe(Math.max(before, to));
    this.through.set(key, now);
    const owners = this.stores.filter((each) => holds(each, sent)).length;
    const isOnlyHere = this.stores.length > 1 && owners === 1;
    if (now === before || !isOnlyHere || this.letters.at(-1)?.store === store) return;
    this.letters.push({ store, epoch });
  }

  #commit(): void {
    this.#committed = encodeMark(this.ledger.mark(0, []));
    this.#told = this.found.length;
  }

  #crash(): void {
    this.found.length = this.#told;
    this.ledger = new GatewayLedger("g1");
    this.ledger.layFloor(decodeMark(this.#committed));
    for (const sent of this.#journal) this.found.push(...take(this.ledger, sent));
    expect(this.ledger.passFloor()).toEqual([]);
  }
}

function holds({ lives }: Store, { epoch, log, to }: Sent): boolean {
  return lives.some((life) => life.epoch === epoch && life.last[log] >= to);
}

const plan: Omit<Plan, "seed"> = { storesMax: 1, isInOrder: false, crashes: false };
const seeds = Array.from({ length: 200 }, (_, number) => `forks ${number}`);

describe("in any history", () => {
  test("of stores that are copied and lose nothing for ever, all is taken, and once", () => {
    for (const seed of seeds) {
      const history = new History({ ...plan, seed, storesMax: 4, crashes: true });
      history.deliverAll();
      for (const { epoch, last } of history.stores.flatMap(({ lives }) => lives)) {
        for (const log of logs) {
          const through = history.ledger.expected(epoch, log) - 1;
          expect(through, `${seed} ${epoch} ${log}`).toBeGreaterThanOrEqual(last[log]);
        }
      }
    }
  });

  test("of one store nothing is told, in whatever order its epochs come", () => {
    for (const seed of seeds) {
      const history = new History({ ...plan, seed });
      history.deliverAll();
      expect(history.found, seed).toEqual([]);
      expect(history.ledger.mark(1, []).forks).toBeUndefined();
    }
  });

  test("of two stores a conflict is told exactly when both go on, and a put back one once", () => {
    const seen = { restored: 0, conflict: 0, nothing: 0 };
    for (const seed of seeds) {
      const { found, letters, stores } = new History({
        ...plan,
        seed,
        storesMax: 2,
        isInOrder: true,
      });
      const [original, copy] = stores;
      const [first, second] = letters;
      const sharedEpoch = copy?.lives.findLast(({ epoch }) =>
        original?.lives.some((life) => life.epoch === epoch),
      )?.epoch;
      const goesOn = first?.store === copy && second?.epoch === sharedEpoch;
      const isConflict = letters.length > 2 || (letters.length === 2 && goesOn);
      const restored = letters.length < 2 || goesOn ? 0 : 1;
      const context = `${seed}: ${letters.map(({ store }) => store.name).join("")}`;
      expect(kinds(found).includes("conflict"), context).toBe(isConflict);
      expect(
        kinds(found).filter((kind) => kind === "restored"),
        context,
      ).toHaveLength(restored);
      seen[isConflict ? "conflict" : restored > 0 ? "restored" : "nothing"]++;
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
  });

  test("with crashes of the engine the same is told as without, nothing twice", () => {
    for (const seed of seeds) {
      const calm = new History({ ...plan, seed, storesMax: 3 });
      const crashed = new History({ ...plan, seed, storesMax: 3, crashes: true });
      expect(crashed.found, seed).toEqual(calm.found);
      expect(encodeMark(crashed.ledger.mark(1, [])), seed).toBe(
        encodeMark(calm.ledger.mark(1, [])),
      );
    }
  });
});
