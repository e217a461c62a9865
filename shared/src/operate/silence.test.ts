// A silence keeps quiet what it names while it is in force, and nothing else; what cannot be
// understood is refused with the place of the fault.

import { expect, test } from "vitest";
import { transition } from "../notify/testing/transition.ts";
import { compileFleet } from "../rules/fleet.ts";
import { newAcknowledgement } from "./acknowledgement.ts";
import { labelsOf } from "./labels.ts";
import {
  decodeSilence,
  encodeSilence,
  ended,
  newSilence,
  silencedBy,
  silenceState,
} from "./silence.ts";

const hour = 3_600_000;
const now = Date.UTC(2026, 0, 5, 12);
const people = { author: "ann", comment: "works" };
const request = { matchers: { gateway: "hall-*" }, for: "2h", ...people };

test("one is in force from now for as long as was said, and for nothing else", () => {
  const silence = newSilence(request, now, "s1");
  expect(silence).toMatchObject({ startsAt: now, endsAt: now + 2 * hour, createdAt: now });
  expect(silenceState(silence, now)).toBe("active");
  expect(silenceState(silence, now + 2 * hour)).toBe("ended");
  expect(decodeSilence(encodeSilence(silence))).toEqual(silence);
  const fleet = compileFleet({
    gateways: [{ match: ["hall-*"], site: "hall", labels: { floor: "1" } }],
    devices: [{ match: ["freezer-*"], family: "cold" }],
  });
  const labels = labelsOf(transition({ gateway: "hall-1" }), fleet);
  expect(labels).toMatchObject({ site: "hall", floor: "1", family: "cold", severity: "critical" });
  expect(silencedBy([silence], labels, now)?.id).toBe("s1");
  expect(silencedBy([silence], labelsOf(transition(), fleet), now)).toBeUndefined();
  const both = newSilence({ ...request, matchers: { floor: "1", rule: ["!too-*"] } }, now, "s2");
  expect(silencedBy([both], labels, now)).toBeUndefined();
  expect(silenceState(ended(silence, now + hour), now + hour)).toBe("ended");
});

test("a window comes again by the clock of its zone, also when that clock is set", () => {
  const recurring = { cron: "0 2 * * *", duration: "1h", zone: "Europe/Berlin" };
  const silence = newSilence({ matchers: { rule: "*" }, recurring, ...people }, now, "s");
  const at = (text: string) => silenceState(silence, Date.parse(text));
  expect(at("2026-01-06T00:59:59Z")).toBe("waiting");
  expect(at("2026-01-06T01:00:00Z")).toBe("active");
  expect(at("2026-01-06T01:59:59Z")).toBe("active");
  expect(at("2026-01-06T02:00:00Z")).toBe("waiting");
  expect(at("2026-07-06T00:30:00Z")).toBe("active");
  expect(at("2026-01-05T01:30:00Z")).toBe("pending");
});

test.each([
  [{ ...request, matchers: {} }, /matchers: at least one label/],
  [{ ...request, for: "soon" }, /for: write a time/],
  [{ ...request, for: undefined }, /write until when/],
  [{ ...request, endsAt: now + 1 }, /not both/],
  [{ ...request, for: undefined, endsAt: "2026-01-05T11:00:00Z" }, /endsAt: is over already/],
  [{ ...request, comment: " " }, /comment/],
  [{ ...request, recurring: { cron: "often", duration: "1h" } }, /recurring.cron/],
  [{ ...request, recurring: { cron: "0 2 * * *", duration: "1h", zone: "Mars" } }, /time zone/],
  [{ ...request, surprise: 1 }, /surprise/],
  ["text", /OPERATION_INVALID/],
])("%j is refused", (wrong, message) => {
  expect(() => newSilence(wrong, now, "s")).toThrow(message);
  expect(() => newSilence(wrong, now, "s")).toThrow("OPERATION_INVALID");
});

test("an acknowledgement names who; a note may be left out", () => {
  expect(newAcknowledgement({ by: "ann" }, now)).toEqual({ by: "ann", note: "", at: now });
  expect(() => newAcknowledgement({ note: "x" }, now)).toThrow("OPERATION_INVALID: by:");
});
