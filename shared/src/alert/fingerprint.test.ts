/** Goal: ids are the same where the facts are the same, and never the same otherwise. */
import { expect, test } from "vitest";
import { alertIdOf, fingerprintOf } from "./fingerprint.ts";
import type { Observation } from "./observation.ts";

const place = { rule: "hot", gateway: "g", device: "d", metric: "t" };
const cause: Observation = {
  id: "g/000001-abc/telemetry/7/0",
  gateway: "g",
  device: "d",
  metric: "t",
  value: 81,
  unit: "Cel",
  quality: "good",
  observedAt: 1_000,
  receivedAt: 1_050,
  late: false,
};

test("a fingerprint is made of rule, gateway, device and metric", () => {
  expect(fingerprintOf(place)).toMatch(/^[0-9a-f]{16}$/);
  const others = [
    { ...place, rule: "x" },
    { ...place, gateway: "x" },
    { ...place, device: "x" },
    { ...place, metric: "x" },
    { ...place, device: "dt", metric: "" },
  ];
  const fingerprints = [place, ...others].map(fingerprintOf);
  expect(new Set(fingerprints).size).toBe(6);
});

test("where the device tells the time, the id does not depend on the epoch", () => {
  const again = { ...cause, id: "g/000001-xyz/telemetry/7/0", receivedAt: 9_000 };
  expect(alertIdOf("f", "v", 1, cause)).toBe(alertIdOf("f", "v", 1, again));
  expect(alertIdOf("f", "v", 1, cause)).toMatch(/^[0-9a-f]{24}$/);
});

test("where it does not, the reading's id tells alerts apart", () => {
  const [one, two] = ["g/e/telemetry/7/0", "g/e/telemetry/8/0"].map((id) =>
    alertIdOf("f", "v", 1, { ...cause, id, observedAt: null }),
  );
  expect(one).not.toBe(two);
});

test("occurrence, version and fingerprint each make another id", () => {
  const ids = [
    alertIdOf("f", "v", 1, cause),
    alertIdOf("f", "v", 2, cause),
    alertIdOf("f", "w", 1, cause),
    alertIdOf("e", "v", 1, cause),
    alertIdOf("f", "v", 1, { ...cause, observedAt: 1_001 }),
  ];
  expect(new Set(ids).size).toBe(5);
});
