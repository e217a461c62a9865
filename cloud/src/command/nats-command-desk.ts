/**
 * What the running cloud does for commands: makes a consumer for each gateway that it sees, and folds
 * what gateways tell of commands into their states. A reply event is folded until that is stored;
 * after a restart the journal is read again from its first message, and what was folded before
 * changes nothing.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { ReplyEvent } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { isAhead } from "./command-state.ts";
import type { NatsCommandStore } from "./nats-command-store.ts";

export interface CommandDeskParts {
  readonly store: NatsCommandStore;
  /** Those that are known. */
  readonly gateways: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface CommandDeskStatus {
  /** Reply events that wait to be folded. */
  readonly waiting: number;
  readonly folded: number;
  readonly consumers: number;
}

interface Told {
  readonly gateway: string;
  readonly event: ReplyEvent;
  readonly at: number;
}

const lookEveryMs = 2_000;
const countEveryMs = 30_000;
const retrySchedule = { firstMs: 100, maxMs: 10_000, factor: 2 };

export class NatsCommandDesk {
  readonly #parts: CommandDeskParts;
  /** The furthest that was told of each command. */
  readonly #told = new Map<string, Told>();
  readonly #ensured = new Set<string>();
  readonly #stopping = new AbortController();
  #wake = () => {};
  #folded = 0;
  #countedAt = 0;
  #running: readonly Promise<void>[] = [];
  #next: Cancel | undefined;

  constructor(parts: CommandDeskParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = [this.#foldForEver(), this.#ensureForEver()];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#next?.();
    this.#wake();
    await Promise.all(this.#running);
  }

  status(): CommandDeskStatus {
    const { size: waiting } = this.#told;
    return { waiting, folded: this.#folded, consumers: this.#ensured.size };
  }

  /** Each event that the journal brings. */
  take({ gateway, event, receivedAt }: TakenEvent): void {
    if (event.kind !== "reply" || event.state === "answered") return;
    const key = `${gateway} ${event.command}`;
    const known = this.#told.get(key);
    if (known !== undefined && !isAhead(event, known.event)) return;
    this.#told.set(key, { gateway, event, at: receivedAt });
    this.#wake();
  }

  async #foldForEver(): Promise<void> {
    const { clock, random, log, store } = this.#parts;
    const { signal } = this.#stopping;
    for (let attempt = 0; !signal.aborted; ) {
      const [first] = this.#told;
      if (first === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const [key, told] = first;
      try {
        await store.fold(told.gateway, told.event, told.at);
        if (this.#told.get(key) === told) this.#told.delete(key);
        this.#folded++;
        attempt = 0;
      } catch (failure) {
        log.debug({ reason: reasonOf(failure) }, "a command's state was not stored; trying again");
        await sleep(clock, retryDelayMs(retrySchedule, ++attempt, random), signal);
      }
    }
  }

  async #ensureForEver(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#ensure(signal);
      } catch (failure) {
        log.debug({ reason: reasonOf(failure) }, "a gateway's consumer was not made");
      }
      await sleep(clock, lookEveryMs, signal);
    }
  }

  async #ensure(signal: AbortSignal): Promise<void> {
    const { clock, gateways, store } = this.#parts;
    const isDue = clock.bootMs() - this.#countedAt >= countEveryMs;
    if (isDue && this.#ensured.size > 0) {
      this.#countedAt = clock.bootMs();
      if ((await store.consumerCount()) < this.#ensured.size) this.#ensured.clear();
    }
    for (const gateway of gateways()) {
      if (signal.aborted) return;
      if (this.#ensured.has(gateway)) continue;
      await store.ensureConsumer(gateway);
      this.#ensured.add(gateway);
    }
  }
}
