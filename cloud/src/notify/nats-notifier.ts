/**
 * Tells receivers of alerts: reads `alert.>` in order, plans who is told what (plan.ts), and keeps
 * the ledger of it in bucket NOTIFY.
 *
 *   N1  What is sent stands in the ledger with its key before it is sent, together with the place in
 *       `alert.>` that it comes of, and until it was delivered or given up: after a crash at any
 *       moment it goes again under the same key, and nothing is passed over.
 *   N2  Of two processes, one tells: a commit expects the ledger as it was read. Where another has
 *       notifications outstanding, they are left to it until its ledger stood still for a while.
 *   N3  A receiver or a JetStream that is away is waited for with backoff.
 *   N4  A stream that was rolled back no longer has the message at that place; then what was told
 *       is compared with all that fires (P4).
 *   N5  What stood in the stream when the reading began is read before people are told of any of it;
 *       and while a receiver is away nothing more is planned. So who was away is told how it stands.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { PlanSettings } from "@causeway/shared/notify/plan-settings.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import type { SpokenOf, TellerParts, TellerStatus } from "@causeway/shared/notify/teller.ts";
import { Teller } from "@causeway/shared/notify/teller.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import type { AlertReadingParts } from "./nats-alert-reading.ts";
import { NatsAlertReading } from "./nats-alert-reading.ts";
import { checkAnswering } from "./nats-answering.ts";
import { deadLetters } from "./nats-dead-letters.ts";
import { NatsHistory } from "./nats-history.ts";
import type { Batches } from "./nats-ledger.ts";
import { NatsLedger } from "./nats-ledger.ts";

export interface NotifierParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly batches: Batches;
  readonly receivers: readonly Receiver[];
  /** Of the receiver of that name. */
  readonly settingsOf: (receiver: string) => PlanSettings;
  readonly spokenOf: SpokenOf;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly standbyMs?: number;
}

export type ReceiverStatus = TellerStatus;

const reopenSchedule = { firstMs: 250, maxMs: 5_000, factor: 2 };

export class NatsNotifier {
  readonly #parts: NotifierParts;
  readonly #tellers: readonly Teller[];
  readonly #stopping = new AbortController();
  #running: readonly Promise<void>[] = [];

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    const { connection, jetstream, manager, batches, clock, random, log, spokenOf } = parts;
    const { standbyMs } = parts;
    const history = new NatsHistory(manager, clock);
    this.#tellers = parts.receivers.map((receiver) => {
      const own: TellerParts = {
        receiver,
        settings: parts.settingsOf(receiver.name),
        ledger: new NatsLedger(jetstream, manager, batches, receiver.name),
        alerts: new NatsAlertReading({
          ...{ connection, jetstream, manager, history, skip: skipTo(log) },
        }),
        keepDead: deadLetters(jetstream, clock),
        ...{ spokenOf, clock, random, log, standbyMs },
      };
      return new Teller(own);
    });
  }

  /** Waits for nothing: receivers and JetStream may be away. */
  start(): void {
    this.#running = this.#tellers.map((teller) => this.#run(teller, this.#stopping.signal));
  }

  /** Cuts off what is on its way; it goes again at the next start. The connection stays open. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  status(): readonly ReceiverStatus[] {
    return this.#tellers.map((teller) => teller.status());
  }

  /** N3. */
  async #run(teller: Teller, signal: AbortSignal): Promise<void> {
    const { connection, clock, random, log } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await checkAnswering(connection, clock, signal);
        await teller.run(signal, () => {
          attempt = 0;
        });
      } catch (failure) {
        if (signal.aborted) return;
        teller.waitFor(`JetStream: ${reasonOf(failure)}`);
        const fields = { receiver: teller.status().receiver, reason: reasonOf(failure) };
        const isCoded = failure instanceof CodedError; // a ledger that this build cannot read, say
        if (isCoded) log.error({ ...fields, code: failure.code }, "alerts cannot be told");
        else log.debug(fields, "alerts cannot be told; trying again");
        await sleep(clock, retryDelayMs(reopenSchedule, Math.max(1, attempt), random), signal);
      }
    }
  }
}

function skipTo(log: Logger): AlertReadingParts["skip"] {
  return (sequence, subject, { code, message: reason }) =>
    log.error({ code, reason, sequence, subject }, "an alert message is skipped");
}
