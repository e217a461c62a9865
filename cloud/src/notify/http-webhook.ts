/** Tells alerts by HTTP POST, one transition a request, signed where there is a key. */
import type { Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { AlertTransition } from "../alert/alert.ts";
import { judgeStatus } from "./delivery.ts";
import { bodyOf, idempotencyKey } from "./message.ts";
import type { Attempt, Receiver } from "./receiver.ts";
import type { WebhookSettings } from "./receivers.ts";
import { sign } from "./signature.ts";

export interface WebhookOptions extends Pick<WebhookSettings, "name" | "url" | "timeoutMs"> {
  readonly key: Buffer | undefined;
  readonly userAgent: string;
}

export class HttpWebhook implements Receiver {
  readonly name: string;
  readonly takesLate = false;
  readonly #options: WebhookOptions;
  readonly #clock: Clock;

  constructor(options: WebhookOptions, clock: Clock) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
  }

  async deliver(transition: AlertTransition, signal: AbortSignal): Promise<Attempt> {
    const { url, timeoutMs } = this.#options;
    const late = new AbortController();
    const cancel = this.#clock.after(timeoutMs, () =>
      late.abort(new Error(`no answer within ${timeoutMs} ms`)),
    );
    const body = bodyOf(transition);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: this.#headers(idempotencyKey(transition), body),
        body,
        // A redirect would carry alerts to where nobody has allowed them.
        redirect: "manual",
        signal: AbortSignal.any([signal, late.signal]),
      });
      await response.body?.cancel();
      return judgeStatus(response.status, response.headers.get("retry-after"));
    } catch (failure) {
      return { kind: "retry", reason: reasonOf(causeOf(failure)) };
    } finally {
      cancel();
    }
  }

  #headers(id: string, body: string): Record<string, string> {
    const { key, userAgent } = this.#options;
    const timestamp = Math.floor(this.#clock.wallMs() / 1_000);
    return {
      "content-type": "application/json",
      "user-agent": userAgent,
      "webhook-id": id,
      "webhook-timestamp": `${timestamp}`,
      ...(key === undefined ? {} : { "webhook-signature": sign(key, { id, timestamp, body }) }),
    };
  }
}

/** fetch says only "fetch failed"; the reason is in its cause. */
function causeOf(failure: unknown): unknown {
  return failure instanceof Error && failure.cause !== undefined ? failure.cause : failure;
}
