/** A clock whose minutes are seconds, for tests; what others do still takes the time it takes. */
import type { Clock } from "@causeway/shared/clock.ts";

export function hastyClock(clock: Clock, speed: number): Clock {
  return {
    ...clock,
    bootMs: () => clock.bootMs() * speed,
    after: (delayMs, act) => clock.after(delayMs / speed, act),
  };
}
