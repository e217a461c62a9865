/**
 * A script of what a link goes through, a line of JSON for each step:
 *
 *   {"afterMs": 2000, "delayMs": 100, "jitterMs": 20}      conditions, as over HTTP
 *   {"afterMs": 5000, "do": "cut"}                         or "reset"
 *
 * `afterMs` counts from the step before. Lines that are empty or begin with # say nothing.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { calm, changed } from "./conditions.ts";

export interface Step {
  readonly afterMs: number;
  /** As over HTTP, with what is not told left as it is. */
  readonly change: object;
  readonly act: "cut" | "reset" | undefined;
}

const afterMsMax = 86_400_000;

/** Throws CLI_USAGE with the line. */
export function stepsOf(text: string): readonly Step[] {
  const steps = text.split("\n").flatMap((line, index) => {
    const bare = line.trim();
    if (bare === "" || bare.startsWith("#")) return [];
    try {
      return [stepOf(JSON.parse(bare) as unknown)];
    } catch (failure) {
      const reason = failure instanceof Error ? failure.message : String(failure);
      throw new CodedError("CLI_USAGE", `script line ${index + 1}: ${reason}`);
    }
  });
  if (steps.length === 0) throw new CodedError("CLI_USAGE", "the script has no steps");
  return steps;
}

function stepOf(line: unknown): Step {
  if (typeof line !== "object" || line === null || Array.isArray(line))
    throw new Error("write a JSON object");
  const { afterMs = 0, do: act, ...change } = line as Record<string, unknown>;
  if (!Number.isInteger(afterMs) || (afterMs as number) < 0 || (afterMs as number) > afterMsMax)
    throw new Error(`afterMs: write a whole number from 0 to ${afterMsMax}`);
  if (act !== undefined && act !== "cut" && act !== "reset")
    throw new Error("do: write cut or reset");
  changed(calm, change);
  return { afterMs: afterMs as number, change, act };
}
