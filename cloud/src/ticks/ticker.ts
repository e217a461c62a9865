/**
 * Keeps the clock of the journal: a tick every 5 s, written by one of the processes that run, and
 * an alert where none comes for 30 s. The alert is raised here and not by detection, which stands
 * still without ticks.
 */

import type { AlertSubjects } from "@causeway/shared/alert/deployment-alert.ts";
import { tellDeployment } from "@causeway/shared/alert/deployment-alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { Tick } from "./tick.ts";
import type { StoredTick } from "./tick-keeper.ts";
import { TickKeeper } from "./tick-keeper.ts";
import { noTickMs, TickWatch } from "./tick-watch.ts";

/** Subject `clk` of stream TLM; nats-tick-journal.ts is the real one. */
export interface TickJournal {
  /** The newest tick, from the leader. */
  last(): Promise<JournalTick | undefined>;
  /** Undefined where `clk`'s last sequence is another one than expected. */
  append(tick: Tick, nonce: string, expectedLast: number): Promise<JournalTick | undefined>;
}

export interface JournalTick extends StoredTick {
  readonly sequence: number;
}

export interface TickerParts {
  readonly journal: TickJournal;
  readonly alerts: AlertSubjects;
  /** Name of the rules that this process begins with. */
  readonly rules: string;
  /** Whether another process is to keep the clock, which is then only looked at; never: undefined. */
  readonly looksOnly?: (() => boolean) | undefined;
  /** Resolves once this process' rules are where every engine can load them. */
  readonly keepRules: () => Promise<void>;
  /** Rejects where the server cannot be reached. */
  readonly checkConnection: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export const tickEveryMs = 5_000;
/** A process that looks on waits longer than the one that writes, so that they do not alternate. */
const lookEveryMs = 7_500;
/** What was told is looked at again so often: another process may have told otherwise. */
const tellEveryMs = 60_000;
const announceAttemptsMax = 5;
/** A tick's time may be so far ahead of this machine's before the log says so. */
const aheadMsMax = 60_000;

export interface TickerStatus {
  readonly number: number;
  readonly written: number;
  /** For how long the newest tick has been the newest, as far as this process knows. */
  readonly silentMs: number;
  readonly isOverdue: boolean;
  /** How far the newest tick is ahead of this machine's clock; negative where it is behind. */
  readonly aheadMs: number;
  readonly rules: string | undefined;
  readonly lastFault: string | undefined;
}

export class Ticker {
  readonly #parts: TickerParts;
  readonly #keeper: TickKeeper;
  readonly #watch: TickWatch;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #wake = () => {};
  #newest: Tick | undefined;
  #written = 0;
  #lastFault: string | undefined;
  #told: { readonly isWrong: boolean; readonly atMs: number } | undefined;

  constructor(parts: TickerParts) {
    this.#parts = parts;
    this.#keeper = new TickKeeper(parts.rules);
    this.#watch = new TickWatch(parts.clock.bootMs());
  }

  /** Waits for nothing: JetStream may be away. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  /** The clock may be this process' to keep now. */
  wake(): void {
    this.#wake();
  }

  /** To be called when this process' rules change; its next round announces them. */
  change(rules: string): void {
    this.#keeper.change(rules);
  }

  status(): TickerStatus {
    const { clock } = this.#parts;
    const nowMs = clock.bootMs();
    return {
      number: this.#newest?.n ?? 0,
      written: this.#written,
      silentMs: this.#watch.silentMs(nowMs),
      isOverdue: this.#watch.isOverdue(nowMs),
      aheadMs: this.#newest === undefined ? 0 : this.#newest.at - clock.wallMs(),
      rules: this.#newest?.rules,
      lastFault: this.#lastFault,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const pause = new AbortController();
      this.#wake = () => pause.abort();
      const waitMs = await this.#round(signal);
      if (!signal.aborted) await sleep(this.#parts.clock, waitMs, pause.signal);
    }
  }

  /** The time to wait before the next. */
  async #round(signal: AbortSignal): Promise<number> {
    const { clock, log, checkConnection } = this.#parts;
    try {
      await checkConnection(signal);
    } catch {
      this.#watch.disconnected(clock.bootMs());
      return tickEveryMs;
    }
    let hasWritten = false;
    try {
      hasWritten = await this.#tick();
      this.#lastFault = undefined;
    } catch (failure) {
      this.#lastFault = reasonOf(failure);
      log.debug({ reason: this.#lastFault }, "a tick could not be written");
    }
    if (this.#parts.looksOnly?.() !== true) await this.#tell();
    return hasWritten || this.#lastFault !== undefined ? tickEveryMs : lookEveryMs;
  }

  /** True where this process wrote the tick. An announcement does not wait for its next turn. */
  async #tick(): Promise<boolean> {
    for (let attempt = 1; attempt <= announceAttemptsMax; attempt++) {
      const outcome = await this.#tickOnce();
      if (outcome !== "outrun") return outcome === "written";
    }
    return false;
  }

  async #tickOnce(): Promise<"written" | "looked on" | "outrun"> {
    const { journal, clock, random, keepRules } = this.#parts;
    const last = await journal.last();
    this.#note(last);
    if (this.#parts.looksOnly?.() === true) return "looked on";
    const decision = this.#keeper.decide(last, clock.wallMs());
    if (decision === undefined) return "looked on";
    if (decision.announces) {
      await keepRules();
      // Others than those that the tick would name may have been kept.
      if (this.#keeper.rules !== decision.tick.rules) return "outrun";
    }
    const written = await journal.append(decision.tick, random.hex(16), last?.sequence ?? 0);
    if (written === undefined) return decision.announces ? "outrun" : "looked on";
    this.#keeper.wrote(written, decision.announces);
    this.#note(written);
    this.#written++;
    if (decision.announces) this.#parts.log.info({ ...written.tick }, "rules announced");
    return "written";
  }

  #note(found: JournalTick | undefined): void {
    const { clock, log } = this.#parts;
    this.#watch.found(found?.identity, clock.bootMs());
    const isNew = found !== undefined && found.tick.n !== this.#newest?.n;
    this.#newest = found?.tick;
    const aheadMs = (found?.tick.at ?? 0) - clock.wallMs();
    if (isNew && aheadMs > aheadMsMax) {
      log.warn({ aheadMs }, "the journal's clock is ahead of this machine's and waits for it");
    }
  }

  async #tell(): Promise<void> {
    const { clock, alerts, keepRules, log } = this.#parts;
    const nowMs = clock.bootMs();
    const isWrong = this.#watch.isOverdue(nowMs);
    const isFresh = this.#told !== undefined && nowMs - this.#told.atMs < tellEveryMs;
    if (isFresh && this.#told?.isWrong === isWrong) return;
    const cause = this.#lastFault === undefined ? "" : `: ${this.#lastFault}`;
    const reason = isWrong
      ? `no tick came for ${noTickMs / 1_000} s, so rules do not see time pass${cause}`
      : "ticks come again";
    try {
      await keepRules(); // an older copy of the stream may have been put back
      const at = clock.wallMs();
      const told = await tellDeployment(alerts, { rule: "system-no-tick", isWrong, reason, at });
      this.#told = { isWrong, atMs: nowMs };
      if (told?.state === "firing") log.error({ reason }, "ticks stay away");
      else if (told !== undefined) log.info({}, reason);
    } catch (failure) {
      log.debug({ reason: reasonOf(failure) }, "the state of ticks could not be told");
    }
  }
}
