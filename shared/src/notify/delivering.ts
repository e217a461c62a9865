/** Sends one notification after another to a receiver, each until it is taken or given up. */
import { sleep } from "../clock.ts";
import { stepAfter } from "./delivery.ts";
import type { Notification } from "./notification.ts";
import type { TellerParts } from "./teller.ts";

export type Outcome =
  | { readonly kind: "delivered" }
  | { readonly kind: "dead"; readonly reason: string };

interface Current {
  readonly key: string;
  readonly abort: AbortController;
  outcome: Outcome | undefined;
}

type DeliveryParts = Pick<TellerParts, "receiver" | "clock" | "random" | "log">;

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #tell: () => void;
  readonly #counts = { delivered: 0, retries: 0, dead: 0 };
  #current: Current | undefined;
  #waitingFor: string | undefined;

  /** `tell` is called at each outcome. */
  constructor(parts: DeliveryParts, tell: () => void) {
    this.#parts = parts;
    this.#tell = tell;
  }

  counts() {
    return { ...this.#counts, waitingFor: this.#waitingFor };
  }

  /** Goes on with it where it is on its way already. */
  begin(notification: Notification, signal: AbortSignal): void {
    const { key } = notification;
    if (this.#current?.key === key) return;
    this.#current?.abort.abort(); // another process has told it meanwhile
    const current: Current = { key, abort: new AbortController(), outcome: undefined };
    this.#current = current;
    void this.#run(notification, current, AbortSignal.any([signal, current.abort.signal]));
  }

  outcomeOf(key: string): Outcome | undefined {
    return this.#current?.key === key ? this.#current.outcome : undefined;
  }

  /** Its outcome stands in the ledger. */
  settled(): void {
    this.#current = undefined;
  }

  async #run(notification: Notification, current: Current, signal: AbortSignal): Promise<void> {
    const { clock, random, receiver } = this.#parts;
    const begunAt = clock.bootMs();
    for (let count = 1; !signal.aborted; count++) {
      const attempt = await receiver.deliver(notification, signal);
      if (signal.aborted && attempt.kind === "retry") return;
      const step = stepAfter(attempt, { count, ageMs: clock.bootMs() - begunAt }, random);
      if (step.kind !== "wait") {
        this.#settle(notification, step.kind === "dead" ? step.reason : undefined);
        current.outcome = step.kind === "done" ? { kind: "delivered" } : step;
        return this.#tell();
      }
      this.#waitFor(step.reason, count);
      await sleep(clock, step.delayMs, signal);
    }
  }

  #settle({ key, kind, group }: Notification, deadReason: string | undefined): void {
    this.#waitingFor = undefined;
    if (deadReason === undefined) {
      this.#counts.delivered++;
      return;
    }
    this.#counts.dead++;
    const { log, receiver } = this.#parts;
    const fields = { code: "RECEIVER_FAILED", receiver: receiver.name, reason: deadReason };
    log.error({ ...fields, notification: key, kind, group }, "a notification was not delivered");
  }

  /** Said once per outage, not once per try. */
  #waitFor(reason: string, count: number): void {
    this.#counts.retries++;
    this.#waitingFor = `the receiver: ${reason}`;
    const { log, receiver } = this.#parts;
    const fields = { code: "RECEIVER_FAILED", receiver: receiver.name, reason };
    if (count === 1) log.warn(fields, "a receiver is away; trying again");
    else log.debug(fields, "a receiver is away; trying again");
  }
}
