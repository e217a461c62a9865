/**
 * Names of alerts. A fingerprint says what is wrong where, over all occurrences; an id names one
 * occurrence, and receivers use it to know an alert they were told of before.
 *
 * An id is made of the fingerprint, the version of the rule, the number of the occurrence and the
 * time the device gave to the reading that caused it; of that reading's id where the device told
 * no time. Ids of events begin with an epoch, and epochs hold random digits: ids made of device
 * times are the same in two runs over the same recorded data. The number keeps occurrences apart
 * whose readings bear the same time, as those of a device whose clock stands still; the time keeps
 * them apart should the numbers ever begin anew.
 */
import { digest } from "../rules/digest.ts";
import type { Observation } from "./observation.ts";

const fingerprintDigits = 16;
const alertIdDigits = 24;

export interface AlertPlace {
  readonly rule: string;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
}

/** 16 hexadecimal digits. */
export function fingerprintOf({ rule, gateway, device, metric }: AlertPlace): string {
  return digest([rule, gateway, device, metric], fingerprintDigits);
}

/** 24 hexadecimal digits; `occurrence` counts those of the fingerprint from 1. */
export function alertIdOf(
  fingerprint: string,
  ruleVersion: string,
  occurrence: number,
  cause: Observation,
): string {
  const when = cause.observedAt ?? cause.id;
  return digest([fingerprint, ruleVersion, occurrence, when], alertIdDigits);
}
