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
 * label the first entry that gives one decides. So special entries stand before general ones, and
 * what was said of one gateway by its name before them all.
 */
import { z } from "zod";
import { tagsMax, wordCharactersMax } from "../event.ts";
import { patternsSchema } from "./patterns.ts";
import { selectorOf } from "./selector.ts";

export const fleetEntriesMax = 1_000;
export const labelsMax = 64;
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
export type FleetDocument = z.infer<typeof fleetSchema> & {
  /** Of buckets DEVICES and GATEWAYS, and the registry; nobody writes it into a text of rules. */
  readonly service?: Service | undefined;
};

/** What is out of service, what goes on as another, and tags; "" stands for the gateway itself. */
export interface Service {
  readonly out: readonly (readonly [gateway: string, device: string])[];
  readonly as: readonly (readonly [gateway: string, device: string, series: string])[];
  /** By routes of the gateway. */
  readonly tags?: readonly (readonly [
    gateway: string,
    tags: readonly string[],
    devices: readonly string[],
  ])[];
  /** Where gateways belong that were added by name; a site of "" says nothing. */
  readonly places?: readonly (readonly [
    site: string,
    labels: Readonly<Record<string, string>>,
    gateways: readonly string[],
  ])[];
}

export const emptyFleet: FleetDocument = { gateways: [], devices: [] };

export function isEmptyFleet({ gateways, devices, service }: FleetDocument): boolean {
  return gateways.length === 0 && devices.length === 0 && service === undefined;
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
  /** No rule looks at it. */
  readonly isOut?: true;
}

export interface DeviceFacts {
  readonly tags: readonly string[];
  /** "" where none is known. */
  readonly family: string;
  /** No rule looks at it. */
  readonly isOut?: true;
}

export interface Fleet {
  /** That gateways may belong to. */
  readonly sites: ReadonlySet<string>;
  gateway(id: string): GatewayFacts;
  device(id: string): DeviceFacts;
  /** As its gateway's rules know it; undefined where nothing is said of its own devices. */
  of(gateway: string): GatewayFleet | undefined;
}

/** Devices of one gateway. */
export interface GatewayFleet {
  device(id: string): DeviceFacts;
  /** The device that its readings count as. */
  seriesOf(device: string): string;
}

export function compileFleet({ gateways, devices, service }: FleetDocument): Fleet {
  const ofGateways = gateways.map((entry) => ({ ...entry, selects: selectorOf(entry.match) }));
  const ofDevices = devices.map((entry) => ({ ...entry, selects: selectorOf(entry.match) }));
  const device = remembered((id): DeviceFacts => {
    const found = ofDevices.filter(({ selects }) => selects(id));
    const tags = new Set(found.flatMap((entry) => entry.tags ?? []));
    return { tags: [...tags].slice(0, tagsMax), family: firstOf(found, "family") };
  });
  const fleets = fleetsOf(service ?? { out: [], as: [] }, device);
  const places = placesOf(service);
  const outs = (service?.out ?? []).filter(([, name]) => name === "");
  const outGateways = new Set(outs.map(([gateway]) => gateway));
  return {
    sites: new Set([...places.values(), ...gateways].flatMap(({ site = [] }) => site)),
    gateway: remembered((id): GatewayFacts => {
      const byPattern = ofGateways.filter(({ selects }) => selects(id));
      const found = [places.get(id) ?? [], byPattern].flat();
      const labels = found.toReversed().flatMap((entry) => Object.entries(entry.labels ?? {}));
      const facts = { site: firstOf(found, "site"), labels: Object.fromEntries(labels) };
      return outGateways.has(id) ? { ...facts, isOut: true } : facts;
    }),
    device,
    of: (gateway) => fleets.get(gateway),
  };
}

interface Place {
  readonly site?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

function placesOf(service: Service | undefined): ReadonlyMap<string, Place> {
  return new Map(
    (service?.places ?? []).flatMap(([site, labels, gateways]) => {
      const place = site === "" ? { labels } : { site, labels };
      return gateways.map((gateway): [string, Place] => [gateway, place]);
    }),
  );
}

/** What is said of a device where it stands. */
export function placeFactsOf(fleet: Fleet, gateway: string, device: string) {
  const { site } = fleet.gateway(gateway);
  const { tags } = (fleet.of(gateway) ?? fleet).device(device);
  return { site, tags };
}

/** What replaces another is out of service under its own name: nothing comes under that any more. */
function fleetsOf(
  { out, as, tags = [] }: Service,
  device: (id: string) => DeviceFacts,
): ReadonlyMap<string, GatewayFleet> {
  const gone = Map.groupBy([...out, ...as], ([gateway]) => gateway);
  const next = Map.groupBy(as, ([gateway]) => gateway);
  const tagged = Map.groupBy(tags, ([gateway]) => gateway);
  return new Map(
    [...new Set([...gone.keys(), ...tagged.keys()])].map((gateway) => {
      const names = new Set(gone.get(gateway)?.map(([, name]) => name));
      const series = new Map((next.get(gateway) ?? []).map(([, name, own]) => [name, own]));
      const tagsOf = new Map(
        (tagged.get(gateway) ?? []).flatMap(([, told, ids]) =>
          ids.map((id) => [id, told] as const),
        ),
      );
      const known = remembered((id) => withTags(device(id), tagsOf.get(id)));
      const own: GatewayFleet = {
        device: (id) => (names.has(id) ? { ...known(id), isOut: true } : known(id)),
        seriesOf: (id) => series.get(id) ?? id,
      };
      return [gateway, own];
    }),
  );
}

function withTags(facts: DeviceFacts, told: readonly string[] | undefined): DeviceFacts {
  if (told === undefined) return facts;
  return { ...facts, tags: [...new Set([...facts.tags, ...told])].slice(0, tagsMax) };
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
