/** The newest item that fitted an input: what reasons show and causes name. */
import type { ShownReading } from "../shown-reading.ts";
import type { Item } from "./operator.ts";
import { isTime } from "./operator.ts";
import { shortened } from "./words.ts";

/** By id: what made a rule come true, and how it is shown, where that is known. */
export type Causes = Map<string, ShownReading | undefined>;

export class Evidence {
  id = "";
  device = "";
  metric = "";
  value: Item["value"] = null;
  unit: string | undefined;
  /** Time of the key, in ms; undefined where a state of before does not say. */
  at: number | undefined;

  take({ at, id, device, metric, value, unit }: Item): void {
    this.at = at;
    this.id = id;
    this.device = device;
    this.metric = metric;
    this.value = shortened(value);
    this.unit = unit;
  }

  /** Undefined while there is none, and where it was of no metric. */
  get shown(): ShownReading | undefined {
    const { at, id, device, metric, value, unit } = this;
    if (id === "" || metric === "" || at === undefined) return undefined;
    return { at, device, metric, value, ...(unit === undefined ? {} : { unit }) };
  }

  tell(causes: Causes): void {
    if (this.id !== "") causes.set(this.id, this.shown);
  }

  /** null while there is none. */
  encode(): unknown {
    const { id, device, metric, value, unit, at } = this;
    return id === "" ? null : [id, device, metric, value, unit ?? null, at ?? null];
  }

  decode(json: unknown): boolean {
    if (json === null) return true;
    if (!Array.isArray(json)) return false;
    const [id, device, metric, value, unit = null, at = null] = json as unknown[];
    if (typeof id !== "string" || typeof device !== "string" || typeof metric !== "string") {
      return false;
    }
    if (!isValue(value)) return false;
    if (unit !== null && typeof unit !== "string") return false;
    if (at !== null && !isTime(at)) return false;
    this.at = at ?? undefined;
    this.id = id;
    this.device = device;
    this.metric = metric;
    this.value = value;
    this.unit = unit ?? undefined;
    return true;
  }
}

export function isValue(json: unknown): json is Item["value"] {
  return json === null || ["number", "string", "boolean"].includes(typeof json);
}
