/** How long to wait before the next try: exponential, capped, with full jitter from the first. */
import type { Random } from "./random.ts";

export interface RetrySchedule {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly factor: number;
}

/**
 * The delay before try `attempt` (1 is the first retry), uniform in [0, min(maxMs, firstMs·factor^(attempt-1))].
 * Full jitter keeps a fleet that lost its server from coming back in the same second
 * (Brooker, "Exponential Backoff And Jitter", AWS 2015).
 */
export function retryDelayMs(schedule: RetrySchedule, attempt: number, random: Random): number {
  const ceiling = schedule.firstMs * schedule.factor ** Math.max(0, attempt - 1);
  return Math.floor(random.next() * Math.min(schedule.maxMs, ceiling));
}
