/**
 * Tells every receiver of every alert transition, in the order of the stream. Each receiver has a
 * durable pull consumer `notify-<name>` on ENGINE, which remembers how far it was told. It begins
 * with the first alert that the stream still holds, for a new receiver too: nothing is lost, at the
 * price that a receiver added today is told the alerts of the stream's last 30 days.
 *
 *   N1  A message is acknowledged only once each of its transitions was delivered, was refused for
 *       good, or is late; then the server hands out the next one (max_ack_pending 1).
 *   N2  While a message is worked on, the server is told so; after a crash it is handed out again
 *       when `ackWaitMs` are over, and its transitions go again under the same idempotency keys.
 *   N3  A receiver or a JetStream that is away is waited for with backoff.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { engineStream } from "@causeway/shared/subjects.ts";
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from "@nats-io/jetstream";
import { AckPolicy, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { AlertTransition } from "../alert/alert.ts";
import { stepAfter, Told } from "./delivery.ts";
import { decodeAlertMessage, idempotencyKey } from "./message.ts";
import { checkAnswering } from "./nats-answering.ts";
import type { Receiver } from "./receiver.ts";

export interface NotifierParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly receivers: readonly Receiver[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface ReceiverStatus {
  readonly receiver: string;
  readonly delivered: number;
  readonly retries: number;
  /** Refused for good or given up; each is in the log with RECEIVER_FAILED. */
  readonly dead: number;
  /** Late ones, which are not sent. */
  readonly late: number;
  /** Handed out again after they had been told. */
  readonly repeats: number;
  /** Why the receiver or JetStream is being waited for; undefined while all is well. */
  readonly waitingFor: string | undefined;
}

const nanosecondsPerMs = 1_000_000;
const ackWaitMs = 10_000;
const workingEveryMs = 3_000;
/** How long a pull waits at the server; also bounds how long a lost one goes unnoticed. */
const pullMs = 5_000;
/** The server's error code. */
const consumerExists = 10_148;
const reopenSchedule = { firstMs: 250, maxMs: 5_000, factor: 2 };

export class NatsNotifier {
  readonly #tellers: readonly Teller[];
  readonly #stopping = new AbortController();
  #running: readonly Promise<void>[] = [];

  constructor(parts: NotifierParts) {
    this.#tellers = parts.receivers.map((receiver) => new Teller(parts, receiver));
  }

  /** Waits for nothing: receivers and JetStream may be away. */
  start(): void {
    this.#running = this.#tellers.map((teller) => teller.run(this.#stopping.signal));
  }

  /** Cuts off what is on its way; it goes again at the next start. The connection stays open. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  status(): readonly ReceiverStatus[] {
    return this.#tellers.map((teller) => teller.status());
  }
}

/** Tells one receiver. */
class Teller {
  readonly #parts: NotifierParts;
  readonly #receiver: Receiver;
  readonly #told = new Told();
  readonly #counts = { delivered: 0, retries: 0, dead: 0, late: 0, repeats: 0 };
  #waitingFor: string | undefined;

  constructor(parts: NotifierParts, receiver: Receiver) {
    this.#parts = parts;
    this.#receiver = receiver;
  }

  status(): ReceiverStatus {
    return { receiver: this.#receiver.name, ...this.#counts, waitingFor: this.#waitingFor };
  }

  /** N3. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await checkAnswering(this.#parts.connection, clock, signal);
        const consumer = await this.#open();
        this.#waitingFor = undefined;
        attempt = 0;
        while (!signal.aborted) await this.#tellNext(consumer, signal);
      } catch (failure) {
        if (signal.aborted) return;
        this.#waitingFor = `JetStream: ${reasonOf(failure)}`;
        const fields = { receiver: this.#receiver.name, reason: reasonOf(failure) };
        log.debug(fields, "alerts cannot be read; trying again");
        await sleep(clock, retryDelayMs(reopenSchedule, Math.max(1, attempt), random), signal);
      }
    }
  }

  async #open(): Promise<Consumer> {
    const { jetstream, manager } = this.#parts;
    const durable = `notify-${this.#receiver.name}`;
    const plan = {
      durable_name: durable,
      description: `alerts told to receiver ${this.#receiver.name}`,
      filter_subject: "alert.>",
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitMs * nanosecondsPerMs,
      max_ack_pending: 1,
      max_deliver: -1,
    };
    try {
      await manager.consumers.add(engineStream, plan);
    } catch (failure) {
      // One that another version made with other settings keeps its place and gets ours.
      if (!(failure instanceof JetStreamApiError) || failure.code !== consumerExists) throw failure;
      await manager.consumers.update(engineStream, durable, plan);
    }
    return jetstream.consumers.get(engineStream, durable);
  }

  async #tellNext(consumer: Consumer, signal: AbortSignal): Promise<void> {
    const message = await pullOne(this.#parts.connection, consumer, signal);
    if (message === undefined) return;
    const told = await this.#whileWorking(message, () => this.#tellMessage(message, signal));
    if (!told) return message.nak(); // the next start need not wait for ackWaitMs
    try {
      await message.ackAck();
    } catch (failure) {
      // It will be handed out again and is then known to be told.
      this.#parts.log.debug({ reason: reasonOf(failure) }, "an acknowledgement went unanswered");
    }
  }

  /** N2. */
  async #whileWorking<Result>(message: JsMsg, act: () => Promise<Result>): Promise<Result> {
    const { clock, connection } = this.#parts;
    const beat = () => {
      if (!connection.isClosed()) message.working();
      cancel = clock.after(workingEveryMs, beat);
    };
    let cancel = clock.after(workingEveryMs, beat);
    try {
      return await act();
    } finally {
      cancel();
    }
  }

  /** False where it was cut off. */
  async #tellMessage(message: JsMsg, signal: AbortSignal): Promise<boolean> {
    for (const transition of this.#transitionsOf(message)) {
      if (!(await this.#tell(transition, signal))) return false;
    }
    return true;
  }

  /** One that cannot be read must not hold back all others. */
  #transitionsOf(message: JsMsg): readonly AlertTransition[] {
    try {
      return decodeAlertMessage(message.string());
    } catch (failure) {
      if (!(failure instanceof CodedError)) throw failure;
      const { seq: sequence, subject } = message;
      const fields = { code: failure.code, reason: failure.message, sequence, subject };
      this.#parts.log.error(fields, "an alert message is skipped");
      this.#counts.dead++;
      return [];
    }
  }

  async #tell(transition: AlertTransition, signal: AbortSignal): Promise<boolean> {
    const key = idempotencyKey(transition);
    if (this.#told.has(key)) {
      this.#counts.repeats++;
      return true;
    }
    if (transition.late && !this.#receiver.takesLate) {
      const { rule, device, gateway, state } = transition;
      const fields = { receiver: this.#receiver.name, rule, device, gateway, state };
      this.#parts.log.info(fields, "a late alert is not sent");
      this.#counts.late++;
    } else if (!(await this.#deliver(transition, signal))) {
      return false;
    }
    this.#told.add(key);
    return true;
  }

  /** Tries until the receiver has taken or refused it; false where it was cut off. */
  async #deliver(transition: AlertTransition, signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#parts;
    const begunAt = clock.bootMs();
    for (let count = 1; !signal.aborted; count++) {
      const attempt = await this.#receiver.deliver(transition, signal);
      if (signal.aborted && attempt.kind === "retry") return false;
      const step = stepAfter(attempt, { count, ageMs: clock.bootMs() - begunAt }, random);
      if (step.kind !== "wait") {
        this.#settle(transition, step.kind === "dead" ? step.reason : undefined);
        return true;
      }
      this.#waitFor(step.reason, count);
      await sleep(clock, step.delayMs, signal);
    }
    return false;
  }

  #settle(transition: AlertTransition, deadReason: string | undefined): void {
    this.#waitingFor = undefined;
    if (deadReason === undefined) {
      this.#counts.delivered++;
      return;
    }
    this.#counts.dead++;
    const { rule, device, gateway, state } = transition;
    const alert = { alert: idempotencyKey(transition), rule, device, gateway, state };
    const fields = { code: "RECEIVER_FAILED", receiver: this.#receiver.name, reason: deadReason };
    this.#parts.log.error({ ...fields, ...alert }, "an alert was not delivered");
  }

  /** Said once per outage, not once per try. */
  #waitFor(reason: string, count: number): void {
    this.#counts.retries++;
    this.#waitingFor = `the receiver: ${reason}`;
    const fields = { code: "RECEIVER_FAILED", receiver: this.#receiver.name, reason };
    if (count === 1) this.#parts.log.warn(fields, "a receiver is away; trying again");
    else this.#parts.log.debug(fields, "a receiver is away; trying again");
  }
}

/**
 * Undefined where there was none within `pullMs`, or the signal was aborted. Throws when the
 * connection breaks: a pull that was lost with it would be waited for in vain.
 */
async function pullOne(
  connection: NatsConnection,
  consumer: Consumer,
  signal: AbortSignal,
): Promise<JsMsg | undefined> {
  const messages = await consumer.fetch({ max_messages: 1, expires: pullMs });
  const stop = () => messages.stop();
  signal.addEventListener("abort", stop, { once: true });
  const links = connection.status();
  let isBroken = false;
  void (async () => {
    for await (const { type } of links) {
      if (type !== "disconnect") continue;
      isBroken = true;
      stop();
    }
  })();
  try {
    for await (const message of messages) return message;
    if (isBroken) throw new Error("disconnected");
    return undefined;
  } finally {
    signal.removeEventListener("abort", stop);
    if ("stop" in links && typeof links.stop === "function") links.stop();
    messages.stop();
  }
}
