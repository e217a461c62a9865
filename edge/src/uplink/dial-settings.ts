/** How and when the gateway dials, as an operator writes it. */
import type { Hours } from "@causeway/shared/hours.ts";
import { hoursSchema, spansOf, zoneSchema } from "@causeway/shared/hours.ts";
import { natsSettings } from "@causeway/shared/nats-connection.ts";
import { z } from "zod";
import { orders } from "./server-order.ts";

export const dialSettings = {
  ...natsSettings,
  order: z.enum(orders).default("shuffled"),
  /** On another server than the first of its order, it goes back after so long, or twice that. */
  backAfterMs: z.int().min(0).max(604_800_000).default(600_000),
  pingMs: z.int().min(1_000).max(3_600_000).default(60_000),
  /** The longest pause between two rounds of dials. */
  redialMaxMs: z.int().min(500).max(3_600_000).default(15_000),
  windows: z
    .strictObject({
      /** When the link may be open. */
      hours: hoursSchema.optional(),
      zone: zoneSchema.default("UTC"),
      /** An alarm opens it at once, until it is taken. */
      openForAlarms: z.boolean().default(true),
    })
    .prefault({}),
};

const dialSchema = z.object(dialSettings);
export type DialSettings = z.input<typeof dialSchema>;

export function windowsOf(settings: DialSettings): Hours | undefined {
  const { hours, zone = "UTC" } = settings.windows ?? {};
  if (hours === undefined) return undefined;
  return { spans: spansOf(hours) ?? [], zone };
}

/** After two minutes nats-server forgets whom a service's answer is for (its `response_threshold`). */
const askEveryMsMax = 100_000;

/** Who is sparing with pings is so with questions for commands. */
export function askEveryMs(pingMs: number): number {
  return Math.min(askEveryMsMax, Math.max(30_000, 4 * pingMs));
}
