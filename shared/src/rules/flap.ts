/**
 * How often an alert may come and go before it is held (lifecycle.ts, A5), as a rule writes it:
 *
 *   flap: { changes: 4, within: 10m, quiet: 10m }      # the default
 *   flap: off
 */
import { z } from "zod";
import { durationSchema } from "./duration.ts";

const changesMax = 20;
const positive = durationSchema.refine((ms) => ms > 0, "more than 0s");

// Without a default: a rule that does not name it keeps the version it had before there was any.
export const flapSchema = z
  .union([
    z.literal("off"),
    z.strictObject({
      /** To firing and back; the next time it fires it is held. */
      changes: z.int().min(2).max(changesMax).default(4),
      within: positive.prefault("10m"),
      /** Normal so long before it is resolved. */
      quiet: positive.prefault("10m"),
    }),
  ])
  .optional();

export interface Flap {
  readonly changes: number;
  readonly withinMs: number;
  readonly quietMs: number;
}

const usual: Flap = { changes: 4, withinMs: 600_000, quietMs: 600_000 };

/** Undefined where nothing is held. */
export function flapOf(written: z.output<typeof flapSchema>): Flap | undefined {
  if (written === undefined) return usual;
  if (written === "off") return undefined;
  return { changes: written.changes, withinMs: written.within, quietMs: written.quiet };
}
