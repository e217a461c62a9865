/**
 * What follows from one try to tell a receiver.
 *
 *   D1  A notification is given up only when the receiver refuses it for good, or after it was tried
 *       for `giveUpAfterMs`: one that nobody can take must not hold back all that come after it.
 */
import type { Random } from "../random.ts";
import type { RetrySchedule } from "../retry.ts";
import { retryDelayMs } from "../retry.ts";
import type { Attempt } from "./receiver.ts";

export const deliverySchedule: RetrySchedule = { firstMs: 500, maxMs: 60_000, factor: 2 };
/** Counted from the first try in this process. */
export const giveUpAfterMs = 24 * 3_600_000;
/** What a receiver may ask for by `Retry-After`; more is cut to it. */
export const askedDelayMsMax = 10 * 60_000;

export type Step =
  | { readonly kind: "done" }
  | { readonly kind: "dead"; readonly reason: string }
  | { readonly kind: "wait"; readonly delayMs: number; readonly reason: string };

export interface Tries {
  /** Those made so far, at least 1. */
  readonly count: number;
  /** Since the first. */
  readonly ageMs: number;
}

export function stepAfter(attempt: Attempt, tries: Tries, random: Random): Step {
  switch (attempt.kind) {
    case "delivered":
      return { kind: "done" };
    case "refused":
      return { kind: "dead", reason: attempt.reason };
    case "retry": {
      const { reason } = attempt;
      if (tries.ageMs >= giveUpAfterMs) return { kind: "dead", reason: `${reason}; given up` };
      const askedMs = Math.min(attempt.afterMs ?? 0, askedDelayMsMax);
      const delayMs = askedMs + retryDelayMs(deliverySchedule, tries.count, random);
      return { kind: "wait", delayMs, reason };
    }
  }
}

const requestTimeout = 408;
const tooManyRequests = 429;

/** 2xx is delivered; 4xx other than 408 and 429 is refused for good; the rest is tried again. */
export function judgeStatus(status: number, retryAfter: string | null): Attempt {
  const reason = `HTTP ${status}`;
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const passing = status === requestTimeout || status === tooManyRequests;
  if (status >= 400 && status < 500 && !passing) return { kind: "refused", reason };
  // RFC 9110 §10.2.3; its form as a date is left to our own schedule.
  if (retryAfter === null || !/^[0-9]{1,6}$/.test(retryAfter)) return { kind: "retry", reason };
  return { kind: "retry", reason, afterMs: Number(retryAfter) * 1_000 };
}
