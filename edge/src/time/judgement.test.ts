/** Goal: each reason to believe a clock, and each not to, decides alone and in the stated order. */
import { expect, test } from "vitest";
import { unbounded } from "./cloud-time.ts";
import type { ClockEvidence, ClockQuality } from "./judgement.ts";
import { builtMs, judge } from "./judgement.ts";

const [minute, day] = [60_000, 86_400_000];
const nowMs = builtMs + 300 * day;

function evidence(changes: Partial<ClockEvidence> = {}): ClockEvidence {
  return {
    wallMs: nowMs,
    bootMs: 10_000,
    floorMs: builtMs,
    earlierBootMs: undefined,
    steppedForward: false,
    isNtpSynchronised: false,
    hardwareMs: undefined,
    cloud: unbounded,
    ...changes,
  };
}

const offsetMs = nowMs - 10_000;
const bounds = (from: number, to: number) => ({ lowMs: offsetMs + from, highMs: offsetMs + to });

test.each<[string, ClockQuality, Partial<ClockEvidence>]>([
  ["nothing known against it", "set", {}],
  ["before this program was written", "behind", { wallMs: builtMs - 1, isNtpSynchronised: true }],
  ["in 1970", "behind", { wallMs: 10_000 }],
  ["decades ahead", "ahead", { wallMs: builtMs + 8_000 * day, isNtpSynchronised: true }],
  ["behind the newest time known", "behind", { floorMs: nowMs + 2 * minute }],
  ["as good as the newest time known", "set", { floorMs: nowMs + 1_000 }],
  ["NTP knows better than the floor", "set", { floorMs: nowMs + day, isNtpSynchronised: true }],
  ["the cloud knows better, too", "set", { floorMs: nowMs + day, cloud: bounds(-5_000, 5_000) }],
  ["the cloud stored something later", "behind", { cloud: bounds(day, Number.POSITIVE_INFINITY) }],
  ["the cloud had stored nothing yet", "ahead", { cloud: bounds(-2 * day, -day) }],
  ["booted when it was last known", "restored", { earlierBootMs: nowMs - 5 * minute + 240_000 }],
  ["booted long after", "set", { earlierBootMs: nowMs - 10 * minute }],
  ["restored, then set", "set", { earlierBootMs: nowMs - minute, steppedForward: true }],
  ["a battery agrees", "set", { earlierBootMs: nowMs - minute, hardwareMs: nowMs + 2_000 }],
  ["a dead battery", "restored", { earlierBootMs: nowMs - minute, hardwareMs: 40_000 }],
  [
    "what the cloud says is too vague",
    "restored",
    { earlierBootMs: nowMs - minute, cloud: bounds(-day, 10_000) },
  ],
])("%s: %s", (_what, quality, changes) => {
  expect(judge(evidence(changes))).toBe(quality);
});
