/** One engine after the other at one place; two places may hold two engines at once. */

import type { EngineParts } from "@causeway/cloud/engine/engine.ts";
import { Engine } from "@causeway/cloud/engine/engine.ts";
import type { EngineStore } from "@causeway/cloud/engine/engine-store.ts";
import type { TakeOverParts } from "@causeway/cloud/engine/take-over.ts";
import { defaultLedgerBounds } from "@causeway/cloud/ledger/bounds.ts";
import type { JournalSession } from "@causeway/cloud/retention/journal-session.ts";
import { Retention } from "@causeway/cloud/retention/retention.ts";
import { Ticker } from "@causeway/cloud/ticks/ticker.ts";
import type { AlertSubjects } from "@causeway/shared/alert/deployment-alert.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { JournalWayParts } from "./journal-way.ts";
import { JournalWay } from "./journal-way.ts";
import { EngineStreamClient } from "./memory-engine-stream.ts";
import { ProcessClock } from "./process-clock.ts";
import { alertingOf, firstRules } from "./rules.ts";
import type { Trace } from "./trace.ts";

export interface EnginePlant {
  readonly engineStore?: (store: EngineStore) => EngineStore;
  readonly messageAt?: (ask: TakeOverParts["messageAt"]) => TakeOverParts["messageAt"];
  readonly journal?: (read: EngineParts["journal"]) => EngineParts["journal"];
  readonly rules?: (named: string) => string;
  readonly session?: (open: () => Promise<JournalSession>) => () => Promise<JournalSession>;
}

/** So small that epochs leave the marks all the time. */
const ledgerBounds = { ...defaultLedgerBounds, markRowsMax: 3, pageBytesMax: 256 };
/** Short, so that there is something to purge. */
const replayMs = 3_000;
const slowDownBytesPerSecond = 4_096;
const smallQuota = { eventsPerSecond: 2, bytesPerDay: 200_000 };

export interface EngineProcessParts extends Omit<JournalWayParts, "clock" | "store"> {
  readonly name: string;
  readonly seed: string;
  /** Announced at each start, where there is a clock. */
  readonly rules: string;
  readonly alerts: AlertSubjects;
  readonly trace: Trace;
  readonly onInvariant: (text: string) => void;
  readonly plant: EnginePlant;
}

export class EngineProcess {
  readonly #parts: EngineProcessParts;
  #clock: ProcessClock | undefined;
  #engine: Engine | undefined;
  /** Stops what runs beside the engine. */
  #aside: (() => Promise<void>)[] = [];
  #starts = 0;
  readonly #all: Engine[] = [];

  constructor(parts: EngineProcessParts) {
    this.#parts = parts;
  }

  get isRunning(): boolean {
    return this.#clock !== undefined;
  }

  start(): void {
    if (this.#clock !== undefined) return;
    const { name, seed, timeline, dice, journal, stream, isServerUp, plant } = this.#parts;
    const id = `${name}${++this.#starts}`;
    const clock = new ProcessClock(timeline, { id, atMs: timeline.nowMs, wrongByMs: 0 });
    const client = new EngineStreamClient({ timeline, clock, stream, dice, isServerUp });
    const way = new JournalWay({ ...this.#parts, clock, store: client });
    const log = this.#parts.trace.logger(name, this.#parts.onInvariant);
    const random = seededRandom(`${seed} ${id}`);
    const messageAt = (sequence: number) => way.messageAt(sequence);
    const read: EngineParts["journal"] = (from, signal) => journal.read(from, signal, clock);
    const rulesOf = plant.rules ?? ((named) => named);
    this.#clock = clock;
    const engine = new Engine({
      store: plant.engineStore?.(client) ?? client,
      journal: plant.journal?.(read) ?? read,
      messageAt: plant.messageAt?.(messageAt) ?? messageAt,
      firstSequence: () => way.firstSequence(),
      ledgerBounds,
      quotaOf: dice.has("quota-small") ? () => smallQuota : undefined,
      ruleSets: { own: firstRules, alertingOf: async (named) => alertingOf(rulesOf(named)) },
      clock,
      random,
      log,
    });
    this.#engine = engine;
    this.#all.push(engine);
    this.#parts.trace.note(name, "starts");
    engine.start();
    if (dice.has("journal-small")) this.#retain(engine, way, clock, log);
    if (dice.has("ticks")) this.#tick(way, clock, random, log);
  }

  #retain(engine: Engine, way: JournalWay, clock: ProcessClock, log: Logger): void {
    const open = () => way.openSession();
    const retention = new Retention({
      open: this.#parts.plant.session?.(open) ?? open,
      engine,
      tell: async () => undefined,
      clock,
      log,
      replayMs,
      slowDownBytesPerSecond,
    });
    retention.start();
    this.#aside.push(() => retention.stop());
  }

  #tick(way: JournalWay, clock: ProcessClock, random: Random, log: Logger): void {
    const ticker = new Ticker({
      journal: way.ticks(),
      alerts: this.#parts.alerts,
      rules: this.#parts.rules,
      keepRules: async () => {},
      checkConnection: () => way.ask(() => {}),
      clock,
      random,
      log,
    });
    ticker.start();
    this.#aside.push(() => ticker.stop());
  }

  kill(): void {
    this.#clock?.kill();
    this.#clock = undefined;
    this.#engine = undefined;
    this.#aside = [];
  }

  /** The world is over: Node keeps every engine whose signals were never aborted. */
  forget(): void {
    this.kill();
    for (const engine of this.#all) engine.stop().catch(() => {});
  }

  pause(): void {
    this.#clock?.pause();
  }

  resume(): void {
    this.#clock?.resume();
  }

  async stop(): Promise<void> {
    const [clock, engine] = [this.#clock, this.#engine];
    if (clock === undefined || engine === undefined) return;
    try {
      await Promise.all(this.#aside.map((stop) => stop()));
      await engine.stop();
    } catch (failure) {
      this.#parts.onInvariant(`the engine's stop failed: ${reasonOf(failure)}`);
    }
    if (this.#clock === clock) this.kill();
  }
}
