/**
 * What is known of gateways and devices beside their names; part of the set of rules:
 *
 *   fleet:
 *     gateways:
 *       - { match: ["hall-a-*"], site: hall-a, labels: { zone: cold } }
 *     devices:
 *       - { match: ["freezer-*"], tags: [cold], family: shelly }
 *
 * Every entry that matches adds to what is known: tags come together; of `site`, `family` and each
 * label the first entry that gives one decides. So special entries stand before general ones.
 */
import { z } from "zod";
import { patternsSchema } from "./patterns.ts";
import { selectorOf } from "./selector.ts";

export const fleetEntriesMax = 1_000;
export const tagsMax = 64;
export const labelsMax = 64;
const wordCharactersMax = 128;
/** Names whose facts are remembered; at the bound they are forgotten and looked up anew. */
export const factsMax = 65_536;

const word = z.string().min(1).max(wordCharactersMax);

export const fleetSchema = z
  .strictObject({
    gateways: z
      .array(
        z.strictObject({
          match: patternsSchema,
          site: word.optional(),
          labels: labelled(z.string().max(wordCharactersMax)).optional(),
        }),
      )
      .max(fleetEntriesMax)
      .default([]),
    devices: z
      .array(
        z.strictObject({
          match: patternsSchema,
          tags: z.array(word).max(tagsMax).optional(),
          family: word.optional(),
        }),
      )
      .max(fleetEntriesMax)
      .default([]),
  })
  .prefault({});
export type FleetDocument = z.infer<typeof fleetSchema>;

export const emptyFleet: FleetDocument = { gateways: [], devices: [] };

export function isEmptyFleet({ gateways, devices }: FleetDocument): boolean {
  return gateways.length === 0 && devices.length === 0;
}

/** A value for each label, by its name. */
export function labelled<Value extends z.ZodType>(value: Value) {
  return z
    .record(word, value)
    .refine((labels) => Object.keys(labels).length <= labelsMax, `at most ${labelsMax} labels`);
}

export interface GatewayFacts {
  /** "" where none is known. */
  readonly site: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface DeviceFacts {
  readonly tags: readonly string[];
  /** "" where none is known. */
  readonly family: string;
}

export interface Fleet {
  /** That gateways may belong to. */
  readonly sites: ReadonlySet<string>;
  gateway(id: string): GatewayFacts;
  device(id: string): DeviceFacts;
}

export function compileFleet({ gateways, devices }: FleetDocument): Fleet {
  const ofGateways = gateways.map((entry) => ({ ...entry, selects: selectorOf(entry.match) }));
  const ofDevices = devices.map((entry) => ({ ...entry, selects: selectorOf(entry.match) }));
  return {
    sites: new Set(gateways.flatMap(({ site = [] }) => site)),
    gateway: remembered((id) => {
      const found = ofGateways.filter(({ selects }) => selects(id));
      const labels = found.toReversed().flatMap((entry) => Object.entries(entry.labels ?? {}));
      return { site: firstOf(found, "site"), labels: Object.fromEntries(labels) };
    }),
    device: remembered((id) => {
      const found = ofDevices.filter(({ selects }) => selects(id));
      const tags = new Set(found.flatMap((entry) => entry.tags ?? []));
      return { tags: [...tags].slice(0, tagsMax), family: firstOf(found, "family") };
    }),
  };
}

function firstOf<Key extends string>(
  entries: readonly Readonly<Partial<Record<Key, string | undefined>>>[],
  key: Key,
): string {
  return entries.find((entry) => entry[key] !== undefined)?.[key] ?? "";
}

function remembered<Facts>(find: (id: string) => Facts): (id: string) => Facts {
  const known = new Map<string, Facts>();
  return (id) => {
    const cached = known.get(id);
    if (cached !== undefined) return cached;
    if (known.size >= factsMax) known.clear();
    const facts = find(id);
    known.set(id, facts);
    return facts;
  };
}
