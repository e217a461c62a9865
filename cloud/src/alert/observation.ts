/** One reading as rules and alerts see it, with where it came from and when. */
import type { Quality, Reading } from "@causeway/shared/event.ts";

export interface Observation {
  /** Of the reading: `<gateway>/<epoch>/<log>/<position>/<index>`. */
  readonly id: string;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  readonly quality: Quality;
  /** The device's time in ms; null where it tells none. */
  readonly observedAt: number | null;
  /** The gateway's time in ms. */
  readonly receivedAt: number;
  /** Came by history, or below the watermark. */
  readonly late: boolean;
}

/** Event time in ms. It may repeat and step back, as device clocks do. */
export function eventTimeOf({ observedAt, receivedAt }: Observation): number {
  return observedAt ?? receivedAt;
}
