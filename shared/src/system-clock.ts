/** The one place that reads the machine's clocks. */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { Clock } from "./clock.ts";

/** Beyond this the machine has slept: `hrtime` stops while it does, `uptime` does not. */
const sleepNoticedMs = 1_000;
const sleepCheckEveryMs = 5_000;

export function systemClock(): Clock {
  let asleepMs = measureAsleep(0);
  let checkedAt = monotonicMs();
  return {
    bootId: readBootId(),
    bootMs() {
      const now = monotonicMs();
      if (now - checkedAt > sleepCheckEveryMs) {
        checkedAt = now;
        asleepMs = measureAsleep(asleepMs);
      }
      return Math.floor(now + asleepMs);
    },
    wallMs: () => Date.now(),
    after(delayMs, act) {
      const timer = setTimeout(act, delayMs);
      return () => clearTimeout(timer);
    },
    soon: (act) => void setImmediate(act),
  };
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** How long the machine has slept since it booted; it only grows, so boot time never goes back. */
function measureAsleep(knownMs: number): number {
  const asleepMs = uptime() * 1_000 - monotonicMs();
  return asleepMs - knownMs > sleepNoticedMs ? asleepMs : knownMs;
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").replaceAll("-", "").slice(0, 12);
  } catch {
    // Without Linux' boot id the second in which the machine booted names the boot.
    return `boot${Math.round(Date.now() / 1_000 - uptime())}`;
  }
}
