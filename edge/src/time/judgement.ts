/**
 * Whether the wall clock can be believed. Many gateways have no clock that runs while they are off:
 * they boot in 1970, or at the time when they were last switched off, until NTP sets them.
 */
import type { OffsetBounds } from "./cloud-time.ts";

/** `restored`: it may have been read from a file that was written before the machine was switched off. */
export type ClockQuality = "set" | "behind" | "ahead" | "restored";

export interface ClockEvidence {
  readonly wallMs: number;
  readonly bootMs: number;
  /** The present is not before this. */
  readonly floorMs: number;
  /** The newest time known of the boots before this one. */
  readonly earlierBootMs: number | undefined;
  /** The wall clock was set forward while we looked. */
  readonly steppedForward: boolean;
  /** The machine says that NTP has set the clock since it booted. */
  readonly isNtpSynchronised: boolean;
  /** What a clock says that runs while the machine is off. */
  readonly hardwareMs: number | undefined;
  readonly cloud: OffsetBounds;
}

/** No machine that runs this code is older: a clock before it was never set. */
export const builtMs = Date.UTC(2026, 0, 1);
/** Beyond it the clock holds garbage. */
const aheadMsMax = 20 * 366 * 86_400_000;
/** How well two clocks agree that are both right. */
const agreeMs = 60_000;
/** A machine that takes the time from a file is that long at most from there to its first look. */
const restoredWithinMs = 120_000;

export function judge(evidence: ClockEvidence): ClockQuality {
  const { wallMs, bootMs, floorMs, earlierBootMs, cloud, hardwareMs } = evidence;
  if (wallMs < builtMs) return "behind";
  if (wallMs > builtMs + aheadMsMax) return "ahead";
  // A floor may come from a clock that was wrong; NTP and the cloud know better.
  if (evidence.isNtpSynchronised || agreesWithCloud(wallMs - bootMs, cloud)) return "set";
  if (wallMs < floorMs - agreeMs || wallMs - bootMs < cloud.lowMs - agreeMs) return "behind";
  if (wallMs - bootMs > cloud.highMs + agreeMs) return "ahead";
  const bootedAtMs = wallMs - bootMs;
  const isSuspect = earlierBootMs !== undefined && bootedAtMs < earlierBootMs + restoredWithinMs;
  const isHardware = hardwareMs !== undefined && Math.abs(hardwareMs - wallMs) <= agreeMs;
  return isSuspect && !isHardware && !evidence.steppedForward ? "restored" : "set";
}

function agreesWithCloud(offsetMs: number, { lowMs, highMs }: OffsetBounds): boolean {
  return highMs - lowMs <= agreeMs && offsetMs >= lowMs - agreeMs && offsetMs <= highMs + agreeMs;
}
