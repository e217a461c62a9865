/**
 * What adapters keep of what devices told about themselves: aliases, units, discovery. Adapters only
 * look; what they have learnt comes with what they decoded, and the gateway keeps it over restarts.
 */
export interface Memory {
  get(key: string): unknown;
}

/** Keys begin with the family's name; undefined forgets. JSON can say the value. */
export interface Learnt {
  readonly key: string;
  readonly value: unknown;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export type JsonObject = Readonly<Record<string, unknown>>;
