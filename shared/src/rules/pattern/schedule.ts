/**
 * A moment of a calendar.
 *
 *     cron         06:00            06:00
 *     ticks      ──┴─┴─┴─┴ … ┴─┴─┴─┴─┴──
 *     occurred       ^               ^      the first tick at or after
 *
 * Momentary. Cron moments are found by croner, in the rule's time zone; of those that lie between
 * two ticks, the ticks having stood still, only one is told. The next moment is kept once for all
 * keys of a rule, since it hangs on ticks alone; here: the tick that was the newest.
 */
import { Cron } from "croner";
import { DerivedOperator } from "./derived.ts";

export class ScheduleOperator extends DerivedOperator {
  readonly #cron: string;

  constructor(input: number, cron: string) {
    super(input, cron);
    this.#cron = cron;
  }

  override say(_at: number): string {
    return `scheduled at ${this.#cron}`;
  }
}

/** The first moment at or after `at`, in ms; Infinity where there is none. */
export function nextMoment(cron: string, zone: string, at: number): number {
  const before = new Date(at - 1);
  const next = new Cron(cron, { timezone: zone, paused: true }).nextRun(before);
  return next === null ? Number.POSITIVE_INFINITY : next.getTime();
}
