// The goal: simulated time behaves like time: timers act in order, at their time, and promises settle.
import { describe, expect, test } from "vitest";
import { sleep } from "../clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

describe("virtual time", () => {
  test("moves only when it is moved", async () => {
    const clock = new VirtualClock(1_000);
    expect([clock.bootMs(), clock.wallMs()]).toEqual([0, 1_000]);
    await clock.advance(250);
    expect([clock.bootMs(), clock.wallMs()]).toEqual([250, 1_250]);
  });

  test("a jump of the wall clock leaves boot time alone", () => {
    const clock = new VirtualClock(1_000);
    clock.jump(-400);
    expect([clock.bootMs(), clock.wallMs()]).toEqual([0, 600]);
  });

  test("timers act in order of time, then of setting, and see their own time", async () => {
    const clock = new VirtualClock();
    const acts: string[] = [];
    const note = (name: string) => () => acts.push(`${name} at ${clock.bootMs()}`);
    clock.after(30, note("late"));
    clock.after(10, note("first"));
    clock.after(10, note("second"));
    clock.after(31, note("beyond"));
    await clock.advance(30);
    expect(acts).toEqual(["first at 10", "second at 10", "late at 30"]);
    await clock.advance(1);
    expect(acts.at(-1)).toBe("beyond at 31");
  });

  test("a timer set by a timer acts within the same move", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const again = () => {
      times.push(clock.bootMs());
      clock.after(10, again);
    };
    clock.after(10, again);
    await clock.advance(35);
    expect([times, clock.bootMs()]).toEqual([[10, 20, 30], 35]);
  });

  test("a cancelled timer does not act, even where it is cancelled by one of the same time", async () => {
    const clock = new VirtualClock();
    const acts: string[] = [];
    clock.after(10, () => cancel());
    const cancel = clock.after(10, () => acts.push("cancelled"));
    await clock.advance(100);
    expect(acts).toEqual([]);
  });

  test("promises settle between timers", async () => {
    const clock = new VirtualClock();
    const notes: string[] = [];
    void (async () => {
      await sleep(clock, 10);
      notes.push(`woke at ${clock.bootMs()}`);
      await sleep(clock, 10);
      notes.push(`woke at ${clock.bootMs()}`);
    })();
    await clock.advance(25);
    expect(notes).toEqual(["woke at 10", "woke at 20"]);
  });

  test("soon is before any timer", async () => {
    const clock = new VirtualClock();
    const acts: string[] = [];
    clock.after(0, () => acts.push("timer"));
    clock.soon(() => acts.push("soon"));
    await clock.advance(0);
    expect(acts).toEqual(["soon", "timer"]);
  });
});

test("a sleep ends early when it is aborted, and leaves no timer", async () => {
  const clock = new VirtualClock();
  const waking = new AbortController();
  let awake = false;
  void sleep(clock, 1_000, waking.signal).then(() => {
    awake = true;
  });
  await clock.advance(10);
  expect(awake).toBe(false);
  waking.abort();
  await clock.advance(0);
  expect([awake, clock.bootMs()]).toEqual([true, 10]);
});
