/** What a failing world tells: its last lines, what did not hold, and how to see it again. */
import type { FaultName } from "./faults.ts";
import { faultNames } from "./faults.ts";
import type { WorldResult } from "./world.ts";

export interface Replay {
  readonly minutes: number;
  readonly faults: readonly FaultName[];
  readonly commit: string;
}

export function storyOf(result: WorldResult, { minutes, faults, commit }: Replay): string {
  const { seed, violations, trace } = result;
  return [
    ...trace,
    `seed ${seed}, commit ${commit}, faults drawn: ${result.faults.join(",") || "none"}`,
    ...violations.map((violation) => `  ${violation}`),
    `  replay: npm run world -- --seed ${seed} --minutes ${minutes} --faults ${named(faults)} --trace`,
  ].join("\n");
}

function named(faults: readonly FaultName[]): string {
  const text = faults.join(",");
  if (text === faultNames.join(",")) return "default";
  return text || "none";
}
