/** Tells local receivers of the gateway's alarms, each by a ledger of its own (teller.ts). */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { PlanSettings } from "@causeway/shared/notify/plan-settings.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import type { TellerStatus } from "@causeway/shared/notify/teller.ts";
import { Teller } from "@causeway/shared/notify/teller.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import type { Records } from "../outbox/companions.ts";
import { RecordLedger } from "./record-ledger.ts";
import type { ToldAlarms } from "./told-alarms.ts";

export interface LocalNotifierParts {
  readonly receivers: readonly { readonly receiver: Receiver; readonly settings: PlanSettings }[];
  readonly records: Records;
  readonly alarms: ToldAlarms;
  readonly fleet: () => FleetDocument;
  /** What a receiver did not take. */
  readonly dead: (receiver: string, notification: Notification, reason: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const schedule = { firstMs: 250, maxMs: 5_000, factor: 2 };
const nothingSaid = { silences: [], acknowledgements: new Map() };

export class LocalNotifier {
  readonly #parts: LocalNotifierParts;
  readonly #tellers: readonly Teller[];
  readonly #stopping = new AbortController();
  #running: readonly Promise<void>[] = [];

  constructor(parts: LocalNotifierParts) {
    this.#parts = parts;
    const { clock, random, log, alarms, records, fleet } = parts;
    this.#tellers = parts.receivers.map(({ receiver, settings }) => {
      return new Teller({
        ...{ receiver, settings, alarms, clock, random, log, alerts: alarms },
        ledger: new RecordLedger(records, receiver.name),
        keepDead: async (name, notification, reason) => parts.dead(name, notification, reason),
        spokenOf: {
          loaded: async () => {},
          circumstances: () => circumstancesOf(nothingSaid, fleet()),
        },
        // Nobody else has the store, and each sign of life is a write.
        standbyMs: 3_600_000,
      });
    });
  }

  start(): void {
    this.#running = this.#tellers.map((teller) => this.#run(teller, this.#stopping.signal));
  }

  /** Cuts off what is on its way; it goes again at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  status(): readonly TellerStatus[] {
    return this.#tellers.map((teller) => teller.status());
  }

  async #run(teller: Teller, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await teller.run(signal, () => {
          attempt = 0;
        });
      } catch (failure) {
        if (signal.aborted) return;
        teller.waitFor(`the outbox: ${reasonOf(failure)}`);
        const fields = { receiver: teller.status().receiver, reason: reasonOf(failure) };
        if (failure instanceof CodedError) log.warn({ ...fields, code: failure.code }, "waiting");
        else log.debug(fields, "local receivers wait");
        await sleep(clock, retryDelayMs(schedule, Math.max(1, attempt), random), signal);
      }
    }
  }
}
