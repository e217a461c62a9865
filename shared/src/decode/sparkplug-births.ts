/** What births told: which name, data type and unit an alias has. JSON, so that it can be kept. */
import type { Memory } from "./memory.ts";
import type { SparkplugMetric } from "./sparkplug-payload.ts";
import { wholeOf } from "./sparkplug-payload.ts";

export type BirthRow = readonly [
  name: string,
  alias: number | null,
  datatype: number,
  unit: string | null,
];

interface Birth {
  readonly byName: ReadonlyMap<string, BirthRow>;
  readonly byAlias: ReadonlyMap<number, BirthRow>;
}

export const birthKey = (device: string) => `sparkplug/birth/${device}`;

/** Made from the rows when they are first asked for; it goes with them. */
const births = new WeakMap<object, Birth>();

export function birthOf(memory: Memory, device: string): Birth | undefined {
  const rows = memory.get(birthKey(device));
  if (!Array.isArray(rows)) return undefined;
  const known = births.get(rows);
  if (known !== undefined) return known;
  const list = rows as readonly BirthRow[];
  const aliased = list.filter(([, alias]) => alias !== null);
  const birth = {
    byName: new Map(list.map((row) => [row[0], row])),
    byAlias: new Map(aliased.map((row) => [row[1] as number, row])),
  };
  births.set(rows, birth);
  return birth;
}

export function nameOf(
  birth: Birth | undefined,
  name: string | null | undefined,
  alias: number | undefined,
): BirthRow | undefined {
  if (birth === undefined) return undefined;
  if (name) return birth.byName.get(name);
  return alias === undefined ? undefined : birth.byAlias.get(alias);
}

const unitNames = new Set(["engunit", "engineering units", "engineering_units", "unit", "units"]);

export function rowOf(metric: SparkplugMetric): BirthRow {
  const { name, datatype } = metric;
  return [name ?? "", wholeOf(metric, "alias") ?? null, datatype ?? 0, unitOf(metric) ?? null];
}

export function unitOf({ properties }: SparkplugMetric): string | undefined {
  if (properties == null) return undefined;
  const at = properties.keys.findIndex((key) => unitNames.has(key.toLowerCase()));
  return properties.values[at]?.stringValue ?? undefined;
}
