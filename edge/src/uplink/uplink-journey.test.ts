/**
 * Goal: over a link that loses, delays and repeats, with flaps, failed reads, restarts that know what
 * the last group commit knew, stale marks, caps, and a cloud that rolls back, everything is taken in
 * order and released in the end, and traffic stays bounded. The cloud here is the plainest one: it
 * takes exactly the next position, nothing else.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import { emptyLogLedger } from "@causeway/shared/mark.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { jumpEveryMs } from "./jump.ts";
import type { Batch, UplinkAction, UplinkEvent } from "./uplink.ts";
import { Uplink } from "./uplink.ts";

const seeds = 300;
const eventBytes = 100;
const blockEvents = 8;
const bounds = {
  windowBytes: 16_000,
  priorityWindowBytes: 4_000,
  batchBytes: 2_000,
  inflightMax: 3,
  gatherMs: 50,
  freshAfterMs: 15_000,
};
/** Faults end here; what is left must arrive without any more of them. */
const troubleMs = 6 * 60_000;
const endMs = 12 * 3_600_000;
const heartbeatMs = 60_000;
const noAnswer = { fault: "no-answer", reason: "timeout" } as const;

/** A replica is so much behind at most, which is less than the uplink doubts. */
const staleMaxMs = 4_000;

type Positions = Record<Log, number>;
type Stored = Record<Log, { position: number; bytes: number }>;
const none = (): Positions => ({ telemetry: 0, priority: 0 });
const nothing = (): Stored => ({
  telemetry: { position: 0, bytes: 0 },
  priority: { position: 0, bytes: 0 },
});

interface Epoch {
  readonly id: EpochId;
  readonly ordinal: number;
  readonly before: { readonly epoch: EpochId; readonly ends: Positions } | undefined;
  readonly last: Positions;
  released: Positions;
  stored: Stored;
}

/** What TLM holds: where a batch says it belongs. */
interface Message {
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly nonce: string;
}

/** The ledger with its commits; a rollback takes it to an earlier one. */
class Cloud {
  commit = 0;
  ledger = new Map<EpochId, Positions>();
  doubts: Doubt[] = [];
  rollbacks = 0;
  cap: number | undefined;
  readonly #history: { commit: number; ledger: Map<EpochId, Positions> }[] = [];
  readonly order: string[] = [];

  receive(message: Message): void {
    const { epoch, log, from, to, nonce } = message;
    const row = { ...(this.ledger.get(epoch) ?? none()) };
    const expected = row[log] + 1;
    if (to < expected) return;
    if (this.commit % 4 === 0) {
      this.#history.push({ commit: this.commit, ledger: new Map(this.ledger) });
    }
    this.commit++;
    if (from > expected) {
      this.doubts = [{ epoch, log, expected, nonce, kind: "expected", reason: "gap" }];
      return;
    }
    this.doubts = [];
    this.order.push(`${log} ${epoch}`);
    row[log] = to;
    this.ledger.set(epoch, row);
  }

  /** Restored from a backup; where the engine is busy its commit number is higher by now. */
  rollBack(random: Random): void {
    const old = this.#history[Math.floor(random.next() * this.#history.length)];
    if (old === undefined) return;
    this.rollbacks++;
    this.ledger = new Map(old.ledger);
    this.commit = random.next() < 0.5 ? old.commit : this.commit + 1;
    this.doubts = [];
  }

  mark(): Mark {
    const epochs = [...this.ledger].map(([epoch, { telemetry, priority }]) => ({
      epoch,
      logs: {
        telemetry: { ...emptyLogLedger, through: telemetry },
        priority: { ...emptyLogLedger, through: priority },
      },
    }));
    const { commit, doubts, cap } = this;
    return { commit, gateway: "gw", run: undefined, epochs, doubts, cap };
  }
}

interface Timed {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

class Journey {
  readonly #random: Random;
  #uplink: Uplink;
  readonly #cloud = new Cloud();
  readonly #epochs: Epoch[] = [];
  /** What a process that starts now would find. */
  #disk: { markCommit: number; epochs: ReadonlyMap<EpochId, Pick<Epoch, "released" | "stored">> };
  #markCommit = 0;
  #process = 1;
  restarts = 0;
  readonly #acked = new Set<string>();
  #rollbacksSeen = 0;
  readonly #found = new Map<number, { from: number; to: number }>();
  readonly #unanswered = new Set<Batch>();
  #marks: { readonly atMs: number; readonly mark: Mark }[] = [];
  #queue: Timed[] = [];
  #order = 0;
  #nowMs = 0;
  #up = false;
  #wake: { readonly atMs: number } | undefined;
  #idleWakes = 0;
  #idleAtMs = -1;
  #sentEvents = 0;
  #appendedEvents = 0;
  /** By lane and generation. */
  readonly #sentOrdinals = new Map<string, number>();
  /** By epoch and log. */
  readonly #sentThrough = new Map<string, { generation: string; to: number }>();
  readonly #times = new Map<string, { readonly last: number; readonly atMs: number }[]>();
  #isLeft = false;
  #leftMs = Number.NEGATIVE_INFINITY;
  jumps = 0;
  faults = 0;
  readonly #mayRollBack: boolean;

  constructor(seed: string, mayRollBack: boolean) {
    this.#random = seededRandom(seed);
    this.#mayRollBack = mayRollBack;
    this.#uplink = new Uplink(bounds, this.#random, { epochs: [], markCommit: 0 });
    this.#disk = { markCommit: 0, epochs: new Map() };
  }

  run(): number {
    this.#openEpoch();
    this.#at(0, () => this.#linkUp());
    this.#at(0, () => this.#heartbeat());
    this.#at(0, () => this.#devices());
    this.#at(0, () => this.#trouble());
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      if (next.atMs >= endMs) throw new Error(`the journey never ends: ${this.#story()}`);
      this.#nowMs = next.atMs;
      next.act();
      if (this.#nowMs > troubleMs && this.#isDone()) return this.#sentEvents / this.#appendedEvents;
    }
    throw new Error(`the journey stands still: ${this.#story()}`);
  }

  checkTaken(): void {
    for (const { id, last, released } of this.#epochs) {
      expect(this.#cloud.ledger.get(id) ?? none(), id).toEqual(last);
      expect(released, `released of ${id}`).toEqual(last);
    }
    if (this.#cloud.rollbacks === 0)
      expect(this.#rollbacksSeen, "rollbacks that never were").toBe(0);
  }

  #take(): Timed | undefined {
    let first: Timed | undefined;
    for (const timed of this.#queue) {
      const sooner = first === undefined || timed.atMs < first.atMs;
      if (sooner || (timed.atMs === first?.atMs && timed.order < first.order)) first = timed;
    }
    this.#queue = this.#queue.filter((timed) => timed !== first);
    return first;
  }

  #at(delayMs: number, act: () => void): void {
    this.#queue.push({ atMs: this.#nowMs + delayMs, order: this.#order++, act });
  }

  #chance(share: number): boolean {
    const hit = this.#nowMs < troubleMs && this.#random.next() < share;
    if (hit) this.faults++;
    return hit;
  }

  #between(from: number, to: number): number {
    return from + Math.floor(this.#random.next() * (to - from));
  }

  /** What the uplink began; it ends with its process. */
  #later(delayMs: number, act: () => void): void {
    const process = this.#process;
    this.#at(delayMs, () => {
      if (process === this.#process) act();
    });
  }

  #step(event: UplinkEvent): void {
    const actions = this.#uplink.step(event, this.#nowMs);
    const acts = actions.filter(({ kind }) => kind !== "wake");
    const idle = event.kind === "wake" && acts.length === 0 && this.#idleAtMs === this.#nowMs;
    this.#idleWakes = idle ? this.#idleWakes + 1 : 0;
    this.#idleAtMs = this.#nowMs;
    if (this.#idleWakes >= 10) throw new Error(`wakes without end: ${this.#story()}`);
    for (const action of actions) this.#act(action);
  }

  #act(action: UplinkAction): void {
    switch (action.kind) {
      case "ask-mark":
        return this.#askMark();
      case "read":
        return this.#read(action);
      case "publish":
        return this.#publish(action.readId, action.batch);
      case "release":
        return this.#release(action.epoch, action.log, action.through);
      case "wake":
        expect(action.atMs).toBeGreaterThanOrEqual(this.#nowMs);
        return this.#wakeAt(action.atMs);
      case "marked":
        this.#markCommit = action.commit;
        return;
      case "remember":
        return this.#remember(action);
      case "redial":
        this.#up = false;
        this.#step({ kind: "link-down" });
        return this.#later(this.#between(1, 1_000), () => this.#linkUp());
      case "leave-epoch":
        return this.#leave();
      case "report":
        if (action.what === "rollback") this.#rollbacksSeen++;
        return;
      case "hold-tail":
        return;
    }
  }

  /** U8: all of it was acknowledged. */
  #remember({
    epoch: id,
    log,
    position,
    bytes,
  }: Extract<UplinkAction, { kind: "remember" }>): void {
    const epoch = this.#epochOf(id);
    for (let next = epoch.released[log] + 1; next <= position; next++) {
      if (this.#acked.has(`${id} ${log} ${next}`)) continue;
      throw new Error(`${id} ${log} ${next} is remembered, and nobody acknowledged it`);
    }
    epoch.stored = { ...epoch.stored, [log]: { position, bytes } };
  }

  #epochOf(id: EpochId): Epoch {
    const epoch = this.#epochs.find((candidate) => candidate.id === id);
    if (epoch === undefined) throw new Error(`${id} is not there`);
    return epoch;
  }

  /** A group commit takes along what the cursors say. */
  #sync(): void {
    const epochs = new Map(
      this.#epochs.map(({ id, released, stored }) => [id, { released, stored }]),
    );
    this.#disk = { markCommit: this.#markCommit, epochs };
  }

  #restart(): void {
    this.restarts++;
    this.#process++;
    this.#up = false;
    this.#wake = undefined;
    this.#unanswered.clear();
    this.#found.clear();
    this.#sentOrdinals.clear();
    this.#sentThrough.clear();
    this.#isLeft = false;
    this.#leftMs = Number.NEGATIVE_INFINITY;
    const { markCommit, epochs } = this.#disk;
    for (const epoch of this.#epochs) {
      const { released, stored } = epochs.get(epoch.id) ?? { released: none(), stored: nothing() };
      Object.assign(epoch, { released, stored });
    }
    this.#markCommit = markCommit;
    const facts = this.#epochs.map((epoch) => {
      return { ...epoch, last: { ...epoch.last }, ends: { ...epoch.last } };
    });
    this.#uplink = new Uplink(bounds, this.#random, { epochs: facts, markCommit });
    this.#openEpoch();
    this.#later(this.#between(1, 60_000), () => this.#linkUp());
  }

  /** One timer, as the pump has it: an earlier wake takes the place of a later one. */
  #wakeAt(atMs: number): void {
    if (this.#wake !== undefined && this.#wake.atMs <= atMs) return;
    const wake = { atMs };
    this.#wake = wake;
    this.#later(atMs - this.#nowMs, () => {
      if (this.#wake !== wake) return;
      this.#wake = undefined;
      this.#step({ kind: "wake" });
    });
  }

  #askMark(): void {
    const newest = { atMs: this.#nowMs, mark: this.#cloud.mark() };
    this.#marks = [...this.#marks.filter(({ atMs }) => atMs > this.#nowMs - 10_000), newest];
    const isStale = this.#chance(0.1);
    const { mark } =
      this.#marks.find(({ atMs }) => isStale && atMs >= this.#nowMs - staleMaxMs) ?? newest;
    const lost = !this.#up || this.#chance(0.05);
    this.#later(lost ? 10_000 : this.#between(1, 200), () =>
      this.#step(lost ? { kind: "mark-failed", ...noAnswer } : { kind: "mark", mark }),
    );
  }

  #read(action: Extract<UplinkAction, { kind: "read" }>): void {
    const epoch = this.#epochs.find(({ id }) => id === action.epoch);
    const last = epoch?.last[action.log] ?? 0;
    const failed = this.#chance(0.02) || action.from > last;
    const from = action.from - ((action.from - 1) % blockEvents);
    const wanted = from + Math.max(blockEvents, Math.ceil(action.bytesMax / eventBytes)) - 1;
    const to = Math.min(last, wanted + blockEvents - 1 - ((wanted - 1) % blockEvents));
    this.#later(this.#between(0, 20), () => {
      const bytes = (to - from + 1) * eventBytes;
      const ageMs = this.#nowMs - this.#appendedMs(action.epoch, action.log, from);
      const found = failed ? undefined : { from, to, bytes, ageMs };
      if (found !== undefined) this.#found.set(action.readId, found);
      this.#step({ kind: "read", readId: action.readId, found });
    });
  }

  #publish(readId: number, batch: Batch): void {
    const { epoch, log, from, to, nonce } = batch;
    expect(this.#found.get(readId), "publishes what was read").toMatchObject({ from, to });
    this.#checkOrder(batch);
    this.#sentEvents += to - from + 1;
    this.#unanswered.add(batch);
    this.#checkInFlight(batch);
    const message = { epoch, log, from, to, nonce };
    const lost = !this.#up || this.#chance(0.05);
    const unheard = this.#chance(0.03);
    const delayMs = this.#between(1, 100);
    if (!lost) this.#at(delayMs, () => this.#arrive(message));
    this.#step({ kind: "sent", batchId: batch.id, bytes: (to - from + 1) * (eventBytes / 5) });
    this.#later(lost || unheard ? 10_000 : delayMs + 1, () => {
      this.#unanswered.delete(batch);
      const answer = lost || unheard ? "failed" : "stored";
      if (answer === "stored") {
        for (let next = from; next <= to; next++) this.#acked.add(`${epoch} ${log} ${next}`);
      }
      if (answer === "stored") this.#step({ kind: "stored", batchId: batch.id });
      else this.#step({ kind: "failed", batchId: batch.id, ...noAnswer });
    });
  }

  /** U4: unanswered batches since the last go-back; one that the mark covers is answered. */
  #checkInFlight({ lane, log, nonce }: Batch): void {
    const [generation] = nonce.split(".");
    const waiting = [...this.#unanswered].filter((other) => {
      const released = this.#epochs.find(({ id }) => id === other.epoch)?.released[log] ?? 0;
      return other.lane === lane && other.nonce.startsWith(`${generation}.`) && other.to > released;
    });
    expect(waiting.length, "U4").toBeLessThanOrEqual(bounds.inflightMax);
  }

  #arrive(message: Message): void {
    if (this.#chance(0.01)) return; // stored, then lost with TLM's last second
    this.#cloud.receive(message);
    if (this.#chance(0.02)) this.#at(this.#between(1, 30_000), () => this.#cloud.receive(message));
  }

  /** U1: within a go-back generation positions only go on, without a gap that no mark covers. */
  #checkOrder({ lane, epoch, log, from, to, nonce }: Batch): void {
    const generation = `${lane} ${nonce.split(".")[0]}`;
    const ordinal = Number(epoch.split("-")[0]);
    const before = this.#sentThrough.get(`${epoch} ${log}`);
    const { released, stored } = this.#epochOf(epoch);
    const through = Math.max(released[log], stored[log].position);
    const isSame = before?.generation === generation;
    // U13: what goes by history goes on where it was.
    const goesOn = isSame || (lane === "history" && before?.generation.startsWith("live"));
    const after = goesOn ? (before?.to ?? 0) : 0;
    if (isSame) expect(to, this.#story()).toBeGreaterThan(after);
    expect(from, "no gap").toBeLessThanOrEqual(Math.max(after, through) + 1);
    // A rollback may bring back what is older than what history has come to.
    const last = lane === "history" ? 0 : (this.#sentOrdinals.get(generation) ?? 0);
    expect(ordinal, this.#story()).toBeGreaterThanOrEqual(last);
    this.#sentOrdinals.set(generation, ordinal);
    this.#sentThrough.set(`${epoch} ${log}`, { generation, to });
  }

  /** U13. The next append begins a new epoch. */
  #leave(): void {
    expect(this.#nowMs - this.#leftMs, "once a minute").toBeGreaterThanOrEqual(jumpEveryMs);
    this.#leftMs = this.#nowMs;
    this.#isLeft = true;
    this.jumps++;
  }

  #appendedMs(epoch: EpochId, log: Log, position: number): number {
    const times = this.#times.get(`${epoch} ${log}`) ?? [];
    return times.find(({ last }) => last >= position)?.atMs ?? this.#nowMs;
  }

  #release(id: EpochId, log: Log, through: number): void {
    const epoch = this.#epochOf(id);
    // U2: some mark said so.
    const told = this.#marks.some(
      ({ mark: { epochs } }) =>
        (epochs.find(({ epoch: e }) => e === id)?.logs[log].through ?? 0) >= through,
    );
    expect(told, `released ${id} ${log} ${through}`).toBe(true);
    epoch.released = { ...epoch.released, [log]: through };
  }

  #linkUp(): void {
    if (this.#up) return;
    this.#up = true;
    this.#step({ kind: "link-up" });
  }

  #heartbeat(): void {
    this.#append("priority", 1);
    this.#at(heartbeatMs, () => this.#heartbeat());
  }

  #devices(): void {
    if (this.#nowMs > troubleMs) return;
    this.#append("telemetry", this.#between(1, 20));
    if (this.#chance(0.01)) this.#openEpoch();
    if (this.#chance(0.01)) this.#restart();
    this.#at(this.#between(10, 6_000), () => this.#devices());
  }

  #trouble(): void {
    if (this.#nowMs > troubleMs) {
      this.#cloud.cap = undefined;
      return;
    }
    if (this.#up && this.#chance(0.4)) {
      this.#up = false;
      this.#step({ kind: "link-down" });
      this.#at(this.#between(1, 60_000), () => this.#linkUp());
    }
    if (this.#mayRollBack && this.#chance(0.05)) this.#cloud.rollBack(this.#random);
    this.#cloud.cap = this.#chance(0.2) ? this.#between(100, 5_000) : undefined;
    this.#at(this.#between(1_000, 120_000), () => this.#trouble());
  }

  #append(log: Log, count: number): void {
    if (this.#isLeft) this.#openEpoch();
    const epoch = this.#epochs.at(-1);
    if (epoch === undefined) return;
    epoch.last[log] += count;
    const times = this.#times.get(`${epoch.id} ${log}`) ?? [];
    times.push({ last: epoch.last[log], atMs: this.#nowMs });
    this.#times.set(`${epoch.id} ${log}`, times);
    this.#appendedEvents += count;
    const last = epoch.last[log];
    this.#sync();
    this.#step({ kind: "appended", epoch: epoch.id, log, last, bytes: count * eventBytes });
  }

  #openEpoch(): void {
    this.#isLeft = false;
    const previous = this.#epochs.at(-1);
    const ordinal = this.#epochs.length + 1;
    const id = `${ordinal}-${this.#random.hex(8)}`;
    const before =
      previous === undefined ? undefined : { epoch: previous.id, ends: { ...previous.last } };
    const epoch = { id, ordinal, before, last: none(), released: none(), stored: nothing() };
    this.#epochs.push(epoch);
    const facts = { ...epoch, last: none(), ends: undefined };
    this.#step({ kind: "epoch-opened", epoch: facts });
  }

  /** The newest heartbeat may still be on its way. */
  #isDone(): boolean {
    const { untakenEvents } = this.#uplink.status(this.#nowMs);
    const agreed = this.#epochs.every(({ id, last, released }) =>
      logs.every((log) => {
        const through = this.#cloud.ledger.get(id)?.[log] ?? 0;
        return through === last[log] && released[log] === last[log];
      }),
    );
    return untakenEvents === 0 && agreed && this.#nowMs > troubleMs + 2 * heartbeatMs;
  }

  #story(): string {
    return JSON.stringify({
      nowMs: this.#nowMs,
      status: this.#uplink.status(this.#nowMs),
      up: this.#up,
    });
  }
}

test(`over ${seeds} journeys through trouble everything is taken in order and released`, () => {
  let [sum, most, faults, restarts, jumps] = [0, 0, 0, 0, 0];
  for (let seed = 1; seed <= seeds; seed++) {
    const journey = new Journey(`journey ${seed}`, seed % 2 === 0);
    try {
      const traffic = journey.run();
      journey.checkTaken();
      sum += traffic;
      most = Math.max(most, traffic);
      faults += journey.faults;
      restarts += journey.restarts;
      jumps += journey.jumps;
    } catch (failure) {
      throw new Error(`seed "journey ${seed}": ${String(failure)}`, { cause: failure });
    }
  }
  expect(faults / seeds, "faults a journey, or the test tests nothing").toBeGreaterThan(20);
  expect(restarts / seeds, "restarts a journey").toBeGreaterThan(0.5);
  expect(jumps / seeds, "jumps a journey").toBeGreaterThan(0.5);
  expect(sum / seeds, "events sent for each appended").toBeLessThan(2.2);
  expect(most, "in the worst journey, a fault every ten seconds").toBeLessThan(6);
});
