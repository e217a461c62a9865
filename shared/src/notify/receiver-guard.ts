/** A receiver that is told no more than its rate, and that is left alone while it is away. */
import type { Clock } from "../clock.ts";
import { sleep } from "../clock.ts";
import { admit, afterAttempt, closedCircuit } from "./circuit.ts";
import type { Notification } from "./notification.ts";
import type { PaceSettings } from "./pace.ts";
import { fullPace, takeToken } from "./pace.ts";
import type { Attempt, Receiver } from "./receiver.ts";

export class GuardedReceiver implements Receiver {
  readonly name: string;
  readonly #receiver: Receiver;
  readonly #rate: PaceSettings;
  readonly #clock: Clock;
  #circuit = closedCircuit;
  #pace;

  constructor(receiver: Receiver, rate: PaceSettings, clock: Clock) {
    this.name = receiver.name;
    this.#receiver = receiver;
    this.#rate = rate;
    this.#clock = clock;
    this.#pace = fullPace(rate, clock.bootMs());
  }

  async deliver(notification: Notification, signal: AbortSignal): Promise<Attempt> {
    const admission = admit(this.#circuit, this.#clock.bootMs());
    if (admission.kind === "wait") {
      const { reason, afterMs } = admission;
      return { kind: "retry", reason, afterMs };
    }
    this.#circuit = admission.circuit;
    const attempt = await this.#deliverInTime(notification, signal);
    const isCutOff = signal.aborted && attempt.kind === "retry";
    const answer = isCutOff ? undefined : attempt;
    this.#circuit = afterAttempt(this.#circuit, answer, this.#clock.bootMs());
    return attempt;
  }

  async #deliverInTime(notification: Notification, signal: AbortSignal): Promise<Attempt> {
    const { pace, waitMs } = takeToken(this.#pace, this.#rate, this.#clock.bootMs());
    this.#pace = pace;
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal);
    if (signal.aborted) return { kind: "retry", reason: "stopped" };
    return this.#receiver.deliver(notification, signal);
  }
}
