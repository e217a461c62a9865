/** One who is told of alerts, as the notifier sees it. */
import type { Notification } from "./notification.ts";

export type Attempt =
  /** `note`: what its sender should know, such as an address that was not accepted. */
  | { readonly kind: "delivered"; readonly note?: string }
  /** Trying again would change nothing. */
  | { readonly kind: "refused"; readonly reason: string }
  /** `afterMs`: the receiver asked to be left alone for so long. */
  | { readonly kind: "retry"; readonly reason: string; readonly afterMs?: number };

export interface Receiver {
  readonly name: string;
  /** One try. Never rejects; ends early with `retry` when the signal is aborted. */
  deliver(notification: Notification, signal: AbortSignal): Promise<Attempt>;
}
