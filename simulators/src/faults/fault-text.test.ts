import { expect, test } from "vitest";
import { fleetMembers } from "../fleet.ts";
import { parseFault } from "./fault-text.ts";

const mixed = fleetMembers("sim-", 3, "mixed");

test("a fault in full says what it says", () => {
  const text = "kind=spike,device=2,metric=load,at=90s,for=500ms,every=5m,size=-18.5";
  expect(parseFault(text, mixed)).toEqual({
    kind: "spike",
    device: 1,
    metric: "load",
    atMs: 90_000,
    forMs: 500,
    everyMs: 300_000,
    size: -18.5,
  });
});

test("what is left out is a shift of the device's first metric, of the profile's size", () => {
  expect(parseFault("device=sim-003", mixed)).toEqual({
    kind: "shift",
    device: 2,
    metric: "power",
    atMs: 60_000,
    forMs: 30_000,
    everyMs: undefined,
    size: 3_000,
  });
});

test("the demo's fault begins and ends within two and a half minutes, and comes again", () => {
  const { atMs, forMs, everyMs, device } = parseFault("demo", mixed);
  expect(device).toBe(0);
  expect(atMs + forMs).toBeLessThanOrEqual(150_000);
  expect(everyMs).toBeGreaterThan(forMs + 60_000);
});

test.each([
  ["kind=drift", "kind=drift"],
  ["device=4", "device=4"],
  ["device=0", "device=0"],
  ["device=1,metric=power", "sim-001 measures temperature"],
  ["at=soon", "at=soon"],
  ["for=0s", "for=0s"],
  ["for=60s,every=60s", "not longer"],
  ["size=0", "size=0"],
  ["size=", "size="],
  ["sizes=1", "sizes=1"],
  ["", "demo"],
])("%j is refused with what is wrong", (text, told) => {
  expect(() => parseFault(text, mixed)).toThrow("CLI_USAGE");
  expect(() => parseFault(text, mixed)).toThrow(told);
});
