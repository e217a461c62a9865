/** A reading as it is shown with an alert. */
import type { Reading } from "../event.ts";

export interface ShownReading {
  /** In ms. */
  readonly at: number;
  readonly value: Reading["value"];
  /** Where it is of another device, metric or unit than the alert. */
  readonly device?: string | undefined;
  readonly metric?: string | undefined;
  readonly unit?: string | undefined;
}
