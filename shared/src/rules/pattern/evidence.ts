/** The newest item that fitted an input: what reasons show and causes name. */
import type { Item } from "./operator.ts";
import { shortened } from "./words.ts";

export class Evidence {
  id = "";
  device = "";
  metric = "";
  value: Item["value"] = null;
  unit: string | undefined;

  take({ id, device, metric, value, unit }: Item): void {
    this.id = id;
    this.device = device;
    this.metric = metric;
    this.value = shortened(value);
    this.unit = unit;
  }

  /** null while there is none. */
  encode(): unknown {
    const { id, device, metric, value, unit } = this;
    if (id === "") return null;
    return unit === undefined ? [id, device, metric, value] : [id, device, metric, value, unit];
  }

  decode(json: unknown): boolean {
    if (json === null) return true;
    if (!Array.isArray(json)) return false;
    const [id, device, metric, value, unit] = json as unknown[];
    if (typeof id !== "string" || typeof device !== "string" || typeof metric !== "string") {
      return false;
    }
    if (!isValue(value)) return false;
    if (unit !== undefined && typeof unit !== "string") return false;
    this.id = id;
    this.device = device;
    this.metric = metric;
    this.value = value;
    this.unit = unit;
    return true;
  }
}

export function isValue(json: unknown): json is Item["value"] {
  return json === null || ["number", "string", "boolean"].includes(typeof json);
}
