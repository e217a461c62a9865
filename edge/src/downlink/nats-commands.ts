/**
 * Fetches commands from the gateway's own consumer on CMD, which the cloud makes: by MSG.NEXT alone,
 * for that and its acknowledgement are all that a gateway is permitted.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { inboxPrefix, subjects } from "@causeway/shared/subjects.ts";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import { createInbox } from "@nats-io/nats-core";

export interface NatsCommandsParts {
  readonly gateway: GatewayId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** How long the cloud holds a question open to which there is no command. */
  readonly askEveryMs?: number;
  /** How many more may come. */
  readonly room: () => number;
  /** `acknowledge` is called once it need not come again. */
  readonly take: (text: string, acknowledge: () => void) => void;
}

const batchMax = 16;
const askEveryMs = 30_000;
/** An answer is due so much later, if only that there was nothing. */
const answerMs = 5_000;
const fullMs = 1_000;
/** Who may not ask, or has no consumer, is told at once. */
const refusedMs = 1_000;
/** The cloud makes the consumer once it knows the gateway. */
const absent = { firstMs: 1_000, maxMs: 30_000, factor: 2 };
/** Nobody answers where the credentials do not permit to ask. */
const silent = { firstMs: 5_000, maxMs: 300_000, factor: 2 };
/** Of the server: nothing came in the time given, or there is nothing. */
const nothingMore = new Set([404, 408]);
const noResponders = 503;

type Outcome = "fetched" | "absent" | "silent" | "closed";

export class NatsCommands {
  readonly #parts: NatsCommandsParts;
  #trouble: string | undefined = "not connected";

  constructor(parts: NatsCommandsParts) {
    this.#parts = parts;
  }

  /** Why none can come; undefined while they can. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Until the connection is closed. Never rejects. */
  async serve(connection: NatsConnection): Promise<void> {
    const { log } = this.#parts;
    const closing = new AbortController();
    void connection.closed().then(() => closing.abort());
    try {
      await this.#fetchForEver(connection, closing.signal);
    } catch (failure) {
      if (!closing.signal.aborted)
        log.warn({ reason: reasonOf(failure) }, "commands are not fetched any more");
    }
    this.#trouble = "not connected";
  }

  async #fetchForEver(connection: NatsConnection, signal: AbortSignal): Promise<void> {
    const { clock, gateway, random, room } = this.#parts;
    const inbox = createInbox(inboxPrefix(gateway));
    const messages = new Inbox(connection, inbox);
    void messages.watch(connection, subjects.nextCommands(gateway));
    let attempt = 0;
    for (let number = 1; !signal.aborted; number++) {
      const batch = Math.min(room(), batchMax);
      if (batch <= 0) {
        await sleep(clock, fullMs, signal);
        continue;
      }
      const outcome = await this.#fetch(connection, messages, `${inbox}.${number}`, batch, signal);
      if (outcome === "fetched") {
        attempt = 0;
        this.#trouble = undefined;
        continue;
      }
      if (outcome === "closed") return;
      this.#trouble = troubles[outcome];
      const schedule = outcome === "absent" ? absent : silent;
      await sleep(clock, retryDelayMs(schedule, ++attempt, random), signal);
    }
  }

  /** One pull, to its end. */
  async #fetch(
    connection: NatsConnection,
    messages: Inbox,
    reply: string,
    batch: number,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { clock, gateway, take, askEveryMs: expiresMs = askEveryMs } = this.#parts;
    const request = JSON.stringify({ batch, expires: expiresMs * 1_000_000 });
    connection.publish(subjects.nextCommands(gateway), request, { reply });
    const until = clock.bootMs() + expiresMs + answerMs;
    for (let taken = 0; taken < batch; ) {
      const isAsked = this.#trouble === undefined || taken > 0;
      const waitMs = isAsked ? Math.max(0, until - clock.bootMs()) : refusedMs;
      const message = await messages.next(reply, clock, waitMs, signal);
      if (signal.aborted) return "closed";
      if (message === "denied") return "silent";
      if (message === "late") {
        if (isAsked) return taken === 0 ? "silent" : "fetched";
        this.#trouble = undefined;
        continue;
      }
      const code = message.headers?.code ?? 0;
      if (code === noResponders) return "absent";
      if (nothingMore.has(code)) return "fetched";
      // Such as that the consumer was deleted.
      if (code >= 300) return "absent";
      if (code >= 100) continue;
      taken++;
      this.#trouble = undefined;
      const to = message.reply ?? "";
      take(message.string(), () => {
        if (!connection.isClosed()) connection.publish(to, "+ACK");
      });
    }
    return "fetched";
  }
}

const troubles = {
  absent: "the cloud has not made this gateway's consumer on CMD yet",
  silent: "no answer: do the credentials permit to fetch commands, as in deploy/nats/nats.conf?",
} as const;

/** What comes to an inbox, one by one. */
class Inbox {
  readonly #waiting: Msg[] = [];
  #isDenied = false;
  #wake: () => void = () => {};

  constructor(connection: NatsConnection, inbox: string) {
    connection.subscribe(`${inbox}.*`, {
      callback: (failure, message) => {
        if (failure === null) this.#waiting.push(message);
        this.#wake();
      },
    });
  }

  /** A refusal of `subject` is no answer, and comes beside them. */
  async watch(connection: NatsConnection, subject: string): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== "error" || !status.error.message.includes(subject)) continue;
      this.#isDenied = true;
      this.#wake();
    }
  }

  /** The next; a status only where it is that of this pull. */
  async next(
    reply: string,
    clock: Clock,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Msg | "late" | "denied"> {
    const until = clock.bootMs() + waitMs;
    for (;;) {
      if (this.#isDenied) {
        this.#isDenied = false;
        return "denied";
      }
      const message = this.#waiting.shift();
      const leftMs = until - clock.bootMs();
      if (message !== undefined) {
        const isStale = message.subject !== reply && (message.headers?.code ?? 0) > 0;
        if (!isStale) return message;
      } else if (leftMs <= 0 || signal.aborted) return "late";
      else await this.#arrival(clock, leftMs, signal);
    }
  }

  async #arrival(clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    this.#wake = () => waited.abort();
    await sleep(clock, waitMs, AbortSignal.any([signal, waited.signal]));
    this.#wake = () => {};
  }
}
