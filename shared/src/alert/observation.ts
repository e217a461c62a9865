/** One reading as rules and alerts see it, with where it came from and when. */
import type { PatternReading } from "../rules/pattern/pattern.ts";

export type Observation = Omit<PatternReading, "kind">;

/** Event time in ms. It may repeat and step back, as device clocks do. */
export function eventTimeOf({ observedAt, receivedAt }: Observation): number {
  return observedAt ?? receivedAt;
}
