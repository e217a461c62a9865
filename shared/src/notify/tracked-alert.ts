/**
 * One fingerprint as a receiver knows it: how it stands, and how it was told last.
 *
 *   R1  What was told as firing and has ended is told as resolved; what fires and was not told as
 *       firing is told, once nothing holds it back; what came and went before it could be told is
 *       told as resolved, where nothing held it back.
 *   R2  Of one fingerprint at most `flap.changes` changes are told within `flap.within`. The last of
 *       them says that it flaps; then nothing until it was quiet for `flap.quiet`, and then how it
 *       stands.
 */
import type { AlertTransition } from "../alert/alert.ts";
import type { PlanSettings } from "./plan-settings.ts";

export interface Told {
  readonly id: string;
  readonly state: "firing" | "resolved" | "withdrawn";
  /** The same was told before a rollback: what is told of it now needs other keys. */
  readonly isAgain?: true;
}

export interface Tracked {
  /** Key of its group. */
  readonly group: string;
  current: AlertTransition;
  /** When the firing of `current` became known, in ms (P6). */
  heardAt: number;
  /** The same of the last transition. */
  changedAt: number;
  told: Told | undefined;
  /** When it was told as firing last. */
  toldAt: number | undefined;
  /** How the alert that was told as firing has ended. */
  ended: AlertTransition | undefined;
  /** When changes were told. */
  changes: number[];
  /** When transitions became known, the newest few. */
  seen: number[];
  /** How often it fired since it was last told, beside `current`. */
  untold: number;
  isFlapping: boolean;
  /** The alert that was held back last: over before anyone had to know, it is not told. */
  heldId: string | undefined;
  /** Since when the stream no longer says that it fires. */
  doubtedAt: number | undefined;
}

/** More transitions than this for each change that may be told are flapping too. */
const seenPerChange = 2;

export function seenMax({ flap }: PlanSettings): number {
  return flap.changes * seenPerChange;
}

export function isToldFiring({ told }: Tracked): boolean {
  return told?.state === "firing";
}

/** R1, apart from an end. */
export function isNews({ current, told }: Tracked): boolean {
  if (told?.id !== current.id) return true;
  return current.state === "firing" && told.state !== "firing";
}

/** A firing that was told already, as a stream that was rolled back brings it again. */
export function isReplay({ current, told }: Tracked, { id, state }: AlertTransition): boolean {
  if (id !== current.id) return false;
  if (state === current.state) return true;
  return state === "firing" && told?.state !== "withdrawn";
}

/** `at`: when it became known. */
export function note(tracked: Tracked, transition: AlertTransition, at: number, max: number) {
  const { told, current } = tracked;
  tracked.doubtedAt = undefined;
  tracked.changedAt = Math.max(tracked.changedAt, at);
  tracked.seen = max === 0 ? [] : [...tracked.seen, at].slice(-max);
  if (transition.state === "resolved") {
    if (told?.state === "firing" && told.id === transition.id) tracked.ended = transition;
    if (transition.id !== current.id) return;
  } else {
    if (isNews(tracked) && tracked.heldId !== current.id) tracked.untold++;
    tracked.heardAt = at;
  }
  tracked.current = transition;
}

/** Forgets what is too old to count. */
export function prune(tracked: Tracked, now: number, { flap }: PlanSettings): void {
  const isRecent = (at: number) => now - at < flap.within;
  if (tracked.changes.some((at) => !isRecent(at)))
    tracked.changes = tracked.changes.filter(isRecent);
  if (tracked.seen.some((at) => !isRecent(at))) tracked.seen = tracked.seen.filter(isRecent);
  if (!tracked.isFlapping || now < quietAt(tracked, flap.quiet)) return;
  tracked.isFlapping = false;
  tracked.changes = [];
  tracked.seen = [];
}

/** When it will have been quiet for so long, and nobody told anything of it. */
export function quietAt({ changedAt, changes }: Tracked, quietMs: number): number {
  return Math.max(changedAt, changes.at(-1) ?? 0) + quietMs;
}

export type Damping = "none" | "flaps" | "quiet";

/** R2. What a change that is to be told now becomes. */
export function damping(tracked: Tracked, settings: PlanSettings): Damping {
  const { changes } = settings.flap;
  if (tracked.isFlapping) return "quiet";
  if (changes === 0) return "none";
  if (tracked.changes.length >= changes) return "quiet";
  const isLast = tracked.changes.length + 1 === changes || tracked.seen.length >= seenMax(settings);
  return isLast && isNews(tracked) ? "flaps" : "none";
}

/** Nothing more will follow of it. */
export function isOver(tracked: Tracked): boolean {
  const { current, ended, isFlapping, changes, seen } = tracked;
  if (current.state === "firing" || ended !== undefined || isFlapping) return false;
  return !isNews(tracked) && changes.length === 0 && seen.length === 0;
}
