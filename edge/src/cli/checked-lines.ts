/** What `check` says of rules and routes. Pure. */
import type { PlacedFault } from "@causeway/shared/settings.ts";

export interface Checked {
  /** How much of what was looked at. */
  readonly counts: string;
  /** Of examples. */
  readonly failures: readonly PlacedFault[];
}

/** Code 1 where an example fails. */
export function tellChecked(what: string, checked: readonly Checked[]) {
  const failures = checked.flatMap((one) => one.failures);
  const counts = checked.map((one) => one.counts).join(", ");
  const isGood = failures.length === 0;
  const failed = isGood ? "" : `, ${failures.length} failed`;
  const verdict = `${what} is ${isGood ? "good" : "not good"}`;
  const lines = failures.map(({ place, path, message }) => `${place} ${path}: ${message}`);
  const last = checked.length === 0 ? verdict : `${verdict}: ${counts}${failed}`;
  return { text: `${[...lines, last].join("\n")}\n`, code: isGood ? 0 : 1 };
}
