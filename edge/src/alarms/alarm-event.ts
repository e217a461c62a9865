/** Alarms as they go to the priority log. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { AlarmEvent, AlarmTransition, Reading } from "@causeway/shared/event.ts";
import { alarmTextCharactersMax, alarmTransitionsMax } from "@causeway/shared/event.ts";
import { isDeviceId } from "@causeway/shared/names.ts";

/** Texts are cut: an alarm is no place for a long one. */
export function alarmOf({
  gateway: _gateway,
  late: _late,
  shadow: _shadow,
  knownAt: _knownAt,
  evidence,
  ...transition
}: AlertTransition): AlarmTransition {
  const { value, unit, reason, cause, ...rest } = transition;
  return {
    ...rest,
    value: short(value),
    ...(unit === undefined ? {} : { unit }),
    cause: cut(cause),
    reason: cut(reason),
    ...(evidence === undefined ? {} : { evidence: shortEvidence(evidence) }),
  };
}

export function alarmEvents(told: readonly AlarmTransition[], bootMs: number): AlarmEvent[] {
  const events: AlarmEvent[] = [];
  for (let from = 0; from < told.length; from += alarmTransitionsMax) {
    const transitions = told.slice(from, from + alarmTransitionsMax);
    const devices = new Set(transitions.map(({ device }) => device));
    const [only = ""] = devices.size === 1 ? devices : [];
    const device = isDeviceId(only) ? only : null;
    events.push({ kind: "alarm", device, topic: null, bootMs, observedAt: null, transitions });
  }
  return events;
}

function short(value: Reading["value"]): Reading["value"] {
  return typeof value === "string" ? cut(value) : value;
}

function cut(text: string): string {
  return text.length <= alarmTextCharactersMax
    ? text
    : `${text.slice(0, alarmTextCharactersMax - 1)}…`;
}

type Evidence = NonNullable<AlertTransition["evidence"]>;
type Shown = Evidence["readings"][number];
type AlarmEvidence = NonNullable<AlarmTransition["evidence"]>;

function shortEvidence({ readings, worst, expected, ...rest }: Evidence): AlarmEvidence {
  return {
    ...rest,
    readings: readings.map(shown),
    ...(expected === undefined ? {} : { expected: { ...expected } }),
    ...(worst === undefined ? {} : { worst: shown(worst) }),
  };
}

function shown({ at, value, device, metric, unit }: Shown): AlarmEvidence["readings"][number] {
  return {
    at,
    value: short(value),
    ...(device === undefined ? {} : { device }),
    ...(metric === undefined ? {} : { metric }),
    ...(unit === undefined ? {} : { unit }),
  };
}
