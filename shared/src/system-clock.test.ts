// The goal: boot time can be trusted for order and for offsets: it never goes back and counts in ms.
import { expect, test } from "vitest";
import { sleep } from "./clock.ts";
import { systemClock } from "./system-clock.ts";

test("boot time never goes back, and is whole milliseconds", async () => {
  const clock = systemClock();
  let last = 0;
  for (let turn = 0; turn < 20; turn++) {
    for (let read = 0; read < 1_000; read++) {
      const now = clock.bootMs();
      expect(Number.isSafeInteger(now) && now >= last, `${last}, then ${now}`).toBe(true);
      last = now;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("two clocks of one boot agree, and name the same boot", () => {
  const [first, second] = [systemClock(), systemClock()];
  expect(second.bootId).toBe(first.bootId);
  expect(first.bootId).toMatch(/^[A-Za-z0-9]{1,64}$/);
  expect(Math.abs(second.bootMs() - first.bootMs())).toBeLessThan(50);
});

test("the wall clock is the machine's", () => {
  expect(Math.abs(systemClock().wallMs() - Date.now())).toBeLessThan(1_000);
});

test("a timer acts once, not before its time, and not when it was cancelled", async () => {
  const clock = systemClock();
  const startedAt = clock.bootMs();
  const acts: string[] = [];
  clock.after(5, () => acts.push("cancelled"))();
  await new Promise<void>((resolve) => {
    clock.after(20, () => {
      acts.push("act");
      resolve();
    });
  });
  // Timers and this clock round differently, by less than 2 ms.
  expect(clock.bootMs() - startedAt).toBeGreaterThanOrEqual(18);
  expect(acts).toEqual(["act"]);
});

test("soon is before any timer, and after what runs now", async () => {
  const clock = systemClock();
  const acts: string[] = [];
  await new Promise<void>((resolve) => {
    // From within a callback of I/O or a timer, as all our code runs.
    clock.after(0, () => {
      clock.after(0, () => {
        acts.push("timer");
        resolve();
      });
      clock.soon(() => acts.push("soon"));
      acts.push("now");
    });
  });
  expect(acts).toEqual(["now", "soon", "timer"]);
});

test("an aborted sleep ends at once", async () => {
  const waking = new AbortController();
  const clock = systemClock();
  const asleep = sleep(clock, 60_000, waking.signal);
  waking.abort();
  await asleep;
  await sleep(clock, 60_000, waking.signal);
});
