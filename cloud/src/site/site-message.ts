/**
 * What rules by site are told, on ENGINE:
 *
 *   site.<partition>.<token>: {"v": 1, "site", "tick": [number, time] that it follows, "rules": name of
 *                              the set then in force, "inputs": [as site-filter.ts makes them]}
 *   site.clk:                 a tick of the journal, where any rule looks at a site
 *
 * The token is the site's place (@name) with every character that no token may hold as =xx.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { qualities } from "@causeway/shared/event.ts";
import { sitePlace } from "@causeway/shared/names.ts";
import { derivedSchema } from "@causeway/shared/rules/derived-event.ts";
import { digest } from "@causeway/shared/rules/digest.ts";
import type { SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import { partitionCount } from "@causeway/shared/subjects.ts";
import { z } from "zod";
import type { SeenTick } from "../ticks/tick.ts";

export interface SiteMoment {
  readonly tick: SeenTick;
  readonly rules: string;
}

export interface SiteMessage extends SiteMoment {
  readonly site: string;
  readonly inputs: readonly SiteInput[];
}

export interface PlaceOfSite {
  readonly partition: number;
  /** Stands in subjects where a gateway's would. */
  readonly token: string;
}

export function placeOfSite(site: string): PlaceOfSite {
  const partition = Number.parseInt(digest(site, 8), 16) % partitionCount;
  const escaped = [...Buffer.from(site)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(character) ? character : `=${byte.toString(16).padStart(2, "0")}`;
  });
  return { partition, token: sitePlace(escaped.join("")) };
}

const place = { n: z.int(), gateway: z.string() };

const inputSchema = z.discriminatedUnion("kind", [
  z.object({
    ...{ ...place, kind: z.literal("reading"), id: z.string(), device: z.string() },
    ...{ metric: z.string(), value: z.union([z.number(), z.string(), z.boolean(), z.null()]) },
    ...{ unit: z.string().optional(), quality: z.enum(qualities) },
    ...{ observedAt: z.number().nullable(), receivedAt: z.number(), late: z.boolean() },
    said: z.array(z.tuple([z.string(), z.boolean()])).optional(),
  }),
  z.object({ ...place, kind: z.literal("derived"), event: derivedSchema }),
  z.object({ ...place, kind: z.literal("time"), at: z.number() }),
]);

const messageSchema = z.object({
  v: z.literal(1),
  site: z.string().min(1),
  tick: z.tuple([z.number(), z.number()]),
  rules: z.string(),
  inputs: z.array(inputSchema),
});

/** Throws BATCH_MALFORMED. */
export function decodeSiteMessage(data: Uint8Array): SiteMessage {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch (cause) {
    throw new CodedError("BATCH_MALFORMED", "a message for a site that is no JSON", { cause });
  }
  const checked = messageSchema.safeParse(parsed);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    const where = issue?.path.join(".") ?? "";
    throw new CodedError("BATCH_MALFORMED", `a message for a site: ${where}: ${issue?.message}`);
  }
  const { site, tick, rules, inputs } = checked.data;
  return { site, rules, tick: { n: tick[0], at: tick[1] }, inputs: inputs as SiteInput[] };
}
