/**
 * What each gateway may send, as an operator writes it: of each bound the first entry that selects
 * the gateway and names it decides, so special entries stand before general ones.
 */
import { zoneSchema } from "@causeway/shared/hours.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import { labelled } from "@causeway/shared/rules/fleet.ts";
import { patternsSchema } from "@causeway/shared/rules/patterns.ts";
import { gatewaySelectorOf } from "@causeway/shared/rules/rule-selector.ts";
import { z } from "zod";
import type { Quota } from "./gateway-use.ts";

/** As those count who sell them. */
const megabyte = 1_000_000;
const entriesMax = 1_000;

const bound = (most: number) =>
  z.union([z.number().positive().max(most), z.literal("none")]).optional();

export const quotasSchema = z
  .strictObject({
    /** Whose midnight begins a day. */
    zone: zoneSchema.default("UTC"),
    entries: z
      .array(
        z.strictObject({
          gateways: patternsSchema.optional(),
          site: patternsSchema.optional(),
          labels: labelled(patternsSchema).optional(),
          eventsPerSecond: bound(1e6),
          megabytesPerDay: bound(1e9),
        }),
      )
      .max(entriesMax)
      .default([]),
  })
  .prefault({});

export type QuotaOf = (gateway: string) => Quota | undefined;

/** Undefined for a gateway that has none. */
export function quotasOf({ entries }: z.infer<typeof quotasSchema>, fleet: () => Fleet): QuotaOf {
  const known = entries.map((entry) => ({ ...entry, selects: gatewaySelectorOf(entry) }));
  return (gateway) => {
    const facts = fleet().gateway(gateway);
    const own = known.filter(({ selects }) => selects(gateway, facts));
    const first = (name: "eventsPerSecond" | "megabytesPerDay") => {
      const found = own.find((entry) => entry[name] !== undefined)?.[name];
      return found === "none" ? undefined : found;
    };
    const [eventsPerSecond, megabytes] = [first("eventsPerSecond"), first("megabytesPerDay")];
    if (eventsPerSecond === undefined && megabytes === undefined) return undefined;
    const bytesPerDay = megabytes === undefined ? undefined : megabytes * megabyte;
    return { eventsPerSecond, bytesPerDay };
  };
}
