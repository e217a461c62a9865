/** What is done beside the groups: measure, give up tail, give way, look at the backlog. */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Backlog } from "./backlog.ts";
import { backlogOf, Drain, noBacklog } from "./backlog.ts";
import type { GivenWay } from "./given.ts";
import type { ReliefParts } from "./relief.ts";
import { Relief } from "./relief.ts";
import type { Change } from "./store.ts";

export interface UpkeepParts extends ReliefParts {
  readonly isOpen: () => boolean;
  readonly log: Logger;
}

const everyMs = 10_000;
/** Between two turns that something hurries. */
const hurriedMs = 1_000;

export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #clock: Clock;
  readonly #relief: Relief;
  readonly #drain = new Drain();
  #next: Cancel | undefined;
  #running: Promise<void> | undefined;
  #isHurried = false;
  #isClosed = false;
  #endedMs = Number.NEGATIVE_INFINITY;
  /** The last turn could not make enough room: more of them would only cost. */
  #isExhausted = false;
  #backlog = noBacklog;

  constructor(parts: UpkeepParts, given: GivenWay) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#relief = new Relief(parts, given);
    this.#schedule(everyMs);
  }

  get given(): GivenWay {
    return this.#relief.given;
  }

  /** As it was some seconds ago. */
  get backlog(): Backlog {
    return this.#backlog;
  }

  /** Milliseconds until nothing is untaken, as it goes now. */
  get drainMs(): number | undefined {
    return this.#drain.etaMs();
  }

  /** It is tight: the next turn comes soon. */
  hurry(): void {
    if (this.#isHurried || this.#isClosed || this.#running !== undefined) return;
    this.#isHurried = true;
    const apartMs = this.#isExhausted ? everyMs : hurriedMs;
    this.#schedule(Math.max(0, this.#endedMs + apartMs - this.#clock.bootMs()));
  }

  restore(): readonly Change[] {
    return this.#relief.restore();
  }

  restored(): void {
    this.#relief.restored();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#next?.();
    await this.#running;
    this.#relief.restored();
  }

  #schedule(delayMs: number): void {
    this.#next?.();
    this.#next = this.#clock.after(delayMs, () => {
      this.#running = this.#turn()
        .catch((failure) =>
          this.#parts.log.warn({ reason: reasonOf(failure) }, "outbox maintenance failed"),
        )
        .finally(() => {
          this.#running = undefined;
          this.#isHurried = false;
          this.#endedMs = this.#clock.bootMs();
          if (!this.#isClosed) this.#schedule(everyMs);
        });
    });
  }

  async #turn(): Promise<void> {
    const { isOpen, space, store, epochs, ages } = this.#parts;
    if (!isOpen()) return;
    await space.check();
    await space.measure(store());
    await this.#relief.trimTail();
    await this.#relief.dropAged();
    await this.#relief.relieve();
    this.#isExhausted = space.isTight();
    await space.measure(store());
    this.#backlog = await backlogOf(store(), epochs(), ages);
    const { telemetry, priority } = this.#backlog;
    this.#drain.note(this.#clock.bootMs(), telemetry.events + priority.events);
  }
}
