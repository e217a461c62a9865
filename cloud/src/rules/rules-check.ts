/** What `check` prints of a configuration, or of rules alone. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { PlacedFault } from "@causeway/shared/settings.ts";
import { SettingsInvalid } from "@causeway/shared/settings.ts";

interface Checked {
  /** What is good, in figures. */
  readonly counts: Readonly<Record<string, number>>;
  /** What rules do otherwise than their examples say. */
  readonly failures: readonly PlacedFault[];
}

interface Output {
  readonly json: boolean;
  readonly write: (line: string) => void;
}

/** 1 where an example fails; throws what `check` throws, each fault of it printed before as JSON. */
export function tellCheck(what: string, check: () => Checked, { json, write }: Output): number {
  try {
    const { counts, failures } = check();
    for (const fault of failures) write(json ? lineOf("example", fault) : textOf(fault));
    const isGood = failures.length === 0;
    if (json) write(JSON.stringify({ good: isGood, ...counts, failures: failures.length }));
    else write(`${what} is ${isGood ? "good" : "not good"}: ${countsText(counts, failures)}`);
    return isGood ? 0 : 1;
  } catch (failure) {
    if (json && failure instanceof SettingsInvalid)
      for (const fault of failure.faults) write(lineOf("configuration", fault));
    else if (json && failure instanceof CodedError)
      write(lineOf("configuration", { place: "", path: "", message: failure.message }));
    throw failure;
  }
}

function lineOf(fault: "configuration" | "example", placed: PlacedFault): string {
  return JSON.stringify({ fault, ...placed });
}

function textOf({ place, path, message }: PlacedFault): string {
  return `${place} ${path}: ${message}`;
}

function countsText(counts: Checked["counts"], failures: readonly PlacedFault[]): string {
  const told = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  if (failures.length > 0) told.push(`${failures.length} failed`);
  return told.join(", ");
}
