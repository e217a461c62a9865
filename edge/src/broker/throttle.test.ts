/** Goal: who guesses waits ever longer, whoever does not is let in, and memory is bounded. */
import { describe, expect, test } from "vitest";
import { LoginThrottle, networkOf, RateThrottle } from "./throttle.ts";

describe("networks", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ])("%s belongs to %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe("connections", () => {
  test("a burst at once, then so many a second, for each address alone", () => {
    const throttle = new RateThrottle(2, 5);
    const taken = (address: string, count: number, nowMs: number) =>
      Array.from({ length: count }, () => throttle.take(address, nowMs)).filter(Boolean).length;
    expect(taken("a", 10, 0)).toBe(5);
    expect(taken("b", 10, 0)).toBe(5);
    expect(taken("a", 10, 400)).toBe(0);
    expect(taken("a", 10, 1_400), "what was refused costs nothing").toBe(2);
    expect(taken("a", 10, 60_000), "never more than the burst").toBe(5);
  });

  test("a /64 of IPv6 is one address", () => {
    const throttle = new RateThrottle(1, 1);
    expect(throttle.take("2001:db8::1", 0)).toBe(true);
    expect(throttle.take("2001:db8::2", 0)).toBe(false);
  });

  test("the address unheard of for longest is forgotten first", () => {
    const throttle = new RateThrottle(0.001, 1);
    throttle.take("first", 0);
    for (let index = 0; index < 9_999; index++) throttle.take(`${index}`, 0);
    throttle.take("first", 1);
    for (let index = 0; index < 9_000; index++) throttle.take(`x${index}`, 2);
    expect(throttle.size).toBe(10_000);
    const remembered = ["first", "9500", "x8999"];
    expect(remembered.map((address) => throttle.take(address, 3))).toEqual([false, false, false]);
    expect(throttle.take("0", 3)).toBe(true);
  });
});

describe("logins", () => {
  const second = 1_000;

  /** When each of so many attempts, made as soon as it may be, is made. */
  function attempts(throttle: LoginThrottle, count: number, address = "a", user = "u"): number[] {
    const made: number[] = [];
    for (let nowMs = 0; made.length < count; nowMs += 100) {
      if (throttle.isHeld(address, user, nowMs)) continue;
      throttle.failed(address, user, nowMs);
      made.push(nowMs);
    }
    return made;
  }

  test("three mistakes are free, then each wait is twice the one before, five minutes at most", () => {
    const made = attempts(new LoginThrottle(), 14);
    const waits = made.slice(1).map((at, index) => at - (made[index] ?? 0));
    const wanted = [0.1, 0.1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
    expect(waits).toEqual(wanted.map((seconds) => seconds * second));
  });

  test("another user of the address, and the user at another address, do not wait", () => {
    const throttle = new LoginThrottle();
    for (let index = 0; index < 10; index++) throttle.failed("a", "u", 0);
    expect(throttle.isHeld("a", "u", 0)).toBe(true);
    expect(throttle.isHeld("a", "other", 0)).toBe(false);
    expect(throttle.isHeld("b", "u", 0)).toBe(false);
  });

  test("who gets it right begins anew", () => {
    const throttle = new LoginThrottle();
    for (let index = 0; index < 10; index++) throttle.failed("a", "u", 0);
    throttle.succeeded("a", "u");
    throttle.failed("a", "u", 1);
    expect(throttle.isHeld("a", "u", 1)).toBe(false);
  });

  test("what is an hour old is forgotten", () => {
    const throttle = new LoginThrottle();
    for (let index = 0; index < 10; index++) throttle.failed("a", "u", 0);
    throttle.failed("a", "u", 3_600_001);
    expect(throttle.isHeld("a", "u", 3_600_001)).toBe(false);
  });

  test("an address that tries many names waits as a whole: half an attempt a second", () => {
    const throttle = new LoginThrottle();
    let made = 0;
    for (let nowMs = 0; nowMs < 100 * second; nowMs += 10) {
      if (throttle.isHeld("a", `u${nowMs}`, nowMs)) continue;
      throttle.failed("a", `u${nowMs}`, nowMs);
      made++;
    }
    expect(made).toBeGreaterThanOrEqual(60 + 49);
    expect(made).toBeLessThanOrEqual(60 + 51);
    expect(throttle.isHeld("b", "u", 100 * second)).toBe(false);
  });

  test("memory is bounded, however many addresses and names there are", () => {
    const throttle = new LoginThrottle();
    for (let index = 0; index < 50_000; index++) throttle.failed(`${index}`, `u${index}`, 0);
    expect(throttle.size).toBe(20_000);
  });
});
