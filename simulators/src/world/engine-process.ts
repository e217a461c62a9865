/** One engine after the other at one place; two places may hold two engines at once. */
import type { Alerting } from "@causeway/cloud/alert/alerting.ts";
import { Engine } from "@causeway/cloud/engine/engine.ts";
import type { EngineStore } from "@causeway/cloud/engine/engine-store.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { Dice } from "./faults.ts";
import type { MemoryEngineStream } from "./memory-engine-stream.ts";
import { EngineStreamClient } from "./memory-engine-stream.ts";
import type { MemoryJournal } from "./memory-journal.ts";
import { ProcessClock } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

export interface EnginePlant {
  readonly engineStore?: (store: EngineStore) => EngineStore;
}

export interface EngineProcessParts {
  readonly name: string;
  readonly seed: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly journal: MemoryJournal;
  readonly stream: MemoryEngineStream;
  readonly alerting: Alerting;
  readonly isServerUp: () => boolean;
  readonly trace: Trace;
  readonly onInvariant: (text: string) => void;
  readonly plant: EnginePlant;
}

export class EngineProcess {
  readonly #parts: EngineProcessParts;
  #clock: ProcessClock | undefined;
  #engine: Engine | undefined;
  #starts = 0;

  constructor(parts: EngineProcessParts) {
    this.#parts = parts;
  }

  get isRunning(): boolean {
    return this.#clock !== undefined;
  }

  start(): void {
    if (this.#clock !== undefined) return;
    const { name, seed, timeline, dice, journal, stream, isServerUp } = this.#parts;
    const id = `${name}${++this.#starts}`;
    const clock = new ProcessClock(timeline, { id, atMs: timeline.nowMs, wrongByMs: 0 });
    const client = new EngineStreamClient({ timeline, clock, stream, dice, isServerUp });
    this.#clock = clock;
    this.#engine = new Engine({
      store: this.#parts.plant.engineStore?.(client) ?? client,
      journal: (from, signal) => journal.read(from, signal, clock),
      messageAt: (sequence) =>
        this.#ask(clock, () => {
          const found = journal.at(sequence);
          return found && { subject: found.subject, nonce: found.header("Cw-Nonce") };
        }),
      firstSequence: () => this.#ask(clock, () => journal.first),
      ruleSets: { own: "world", alertingOf: async () => this.#parts.alerting },
      clock,
      random: seededRandom(`${seed} ${id}`),
      log: this.#parts.trace.logger(name, this.#parts.onInvariant),
    });
    this.#parts.trace.note(name, "starts");
    this.#engine.start();
  }

  kill(): void {
    this.#clock?.kill();
    this.#clock = undefined;
    this.#engine = undefined;
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
      await engine.stop();
    } catch (failure) {
      this.#parts.onInvariant(`the engine's stop failed: ${reasonOf(failure)}`);
    }
    if (this.#clock === clock) this.kill();
  }

  #ask<Answer>(clock: ProcessClock, read: () => Answer): Promise<Answer> {
    const { timeline, dice, isServerUp } = this.#parts;
    const fails = dice.hit("load-failed");
    return new Promise((resolve, reject) => {
      clock.after(10_000, () => reject(new Error("timeout")));
      timeline.after(dice.between(1, 10), () => {
        if (fails || !isServerUp()) return;
        const answer = read();
        clock.after(dice.between(1, 10), () => resolve(answer));
      });
    });
  }
}
