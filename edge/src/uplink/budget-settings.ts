/** The budget as an operator writes it. */
import { hoursSchema, spansOf, zoneSchema } from "@causeway/shared/hours.ts";
import { z } from "zod";
import type { BudgetSettings } from "./budget.ts";

/** As those count who sell them. */
const megabyte = 1_000_000;

export const budgetSchema = z
  .strictObject({
    bytesPerSecond: z.int().min(64).optional(),
    megabytesPerDay: z.number().min(0.1).max(1_000_000).optional(),
    /** Of what is late; fresh data goes at any time. */
    hours: hoursSchema.optional(),
    /** Of the hours, and of midnight. */
    zone: zoneSchema.default("UTC"),
  })
  .prefault({});

export function budgetOf(written: z.infer<typeof budgetSchema>): BudgetSettings {
  const { bytesPerSecond, megabytesPerDay, hours, zone } = written;
  const spans = hours === undefined ? undefined : spansOf(hours);
  return {
    bytesPerSecond,
    bytesPerDay: megabytesPerDay === undefined ? undefined : megabytesPerDay * megabyte,
    hours: spans && { spans, zone },
    zone,
  };
}

/** Whether the gateway itself bounds what it sends. */
export function isBounded({ bytesPerSecond, bytesPerDay, hours }: BudgetSettings): boolean {
  return bytesPerSecond !== undefined || bytesPerDay !== undefined || hours !== undefined;
}
