/** Gathers the readings of one payload, within bounds; the first fault ends it. */
import type { Reading } from "../event.ts";
import { readingsPerEventMax, textCharactersMax } from "../event.ts";
import type { DeviceId, MetricName } from "../names.ts";
import { deviceCharactersMax, isDeviceId, isMetricName } from "../names.ts";
import { shown } from "../shown.ts";
import type { Decoded, QuarantineReason, Refused } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import { utf8 } from "./text.ts";
import { withUnit } from "./units.ts";
import { readingOf, readingOfText } from "./value.ts";

const depthMax = 16;

type Scalar = string | number | boolean | null;
type Read = (metric: MetricName, value: Scalar) => Reading;
type Fault = readonly [reason: QuarantineReason, detail: string];
/** The unit as the device writes it, and what it means where that is not plain. */
type UnitOf = (path: string) => readonly [written: string, meant?: string] | undefined;

export class Collector {
  readonly readings: Reading[] = [];
  fault: Fault | undefined;
  readonly #unitOf: UnitOf | undefined;

  constructor(unitOf?: UnitOf) {
    this.#unitOf = unitOf;
  }

  /** The reading, to be completed; undefined after a fault. */
  put(metric: string, value: Scalar, read: Read = readingOf): Reading | undefined {
    if (this.fault !== undefined) return undefined;
    if (!isMetricName(metric)) return this.#fail("metric-name", `metric ${shown(metric)}`);
    if (typeof value === "string" && value.length > textCharactersMax) {
      const detail = `${shown(metric)}: ${value.length} characters, at most ${textCharactersMax}`;
      return this.#fail("text-too-long", detail);
    }
    if (this.readings.length >= readingsPerEventMax) {
      return this.#fail("too-many-readings", `more than ${readingsPerEventMax} in one message`);
    }
    const reading = read(metric, value);
    const unit = this.#unitOf?.(metric);
    if (unit !== undefined) withUnit(reading, ...unit);
    this.readings.push(reading);
    return reading;
  }

  /** A plain payload, where what looks like a number is one. */
  plain(metric: string, text: string): Reading | undefined {
    return this.put(metric, text, (name) => readingOfText(name, text));
  }

  /** Objects and arrays become paths; what is empty says nothing. */
  flatten(path: string, value: unknown, depth = 0): void {
    if (this.fault !== undefined) return;
    if (typeof value !== "object" || value === null) {
      this.put(path, value as Scalar);
      return;
    }
    if (depth >= depthMax) {
      this.#fail("too-deep", `${shown(path)}: nested deeper than ${depthMax}`);
      return;
    }
    const before = path === "" ? "" : `${path}.`;
    for (const [key, member] of Object.entries(value)) {
      this.flatten(`${before}${key}`, member, depth + 1);
      if (this.fault !== undefined) return;
    }
  }

  /** The members of an object but for those that say something else, its time for one. */
  members(object: object, ...skipped: readonly string[]): void {
    for (const [key, member] of Object.entries(object)) {
      if (!skipped.includes(key)) this.flatten(key, member, 1);
    }
  }

  /** The members below a path. */
  membersOf(path: string, object: object, skipped: ReadonlySet<string>): void {
    for (const [key, member] of Object.entries(object)) {
      if (!skipped.has(key)) this.flatten(`${path}.${key}`, member, 2);
    }
  }

  /** All of it; what is no fault and says nothing is told as described. */
  done(device: DeviceId, observedAt: number | null): Decoded {
    if (this.fault !== undefined) return refused(device, this.fault[0], this.fault[1]);
    const [first, ...others] = this.readings;
    if (first === undefined)
      return { kind: "told", device, name: "described", detail: "without any value" };
    return { kind: "readings", device, observedAt, readings: [first, ...others] };
  }

  #fail(reason: QuarantineReason, detail: string): undefined {
    this.fault ??= [reason, detail];
  }
}

/** The JSON in a payload, in a box. */
export function jsonIn(
  device: DeviceId,
  payload: Uint8Array,
): { readonly kind: "json"; readonly value: unknown } | Refused {
  const text = textIn(device, payload);
  if (typeof text !== "string") return text;
  const json = parseJson(text);
  if (json === undefined) return refused(device, "not-json", `${shown(text)} is no JSON`);
  return { kind: "json", value: json.value };
}

export function textIn(device: DeviceId, payload: Uint8Array): string | Refused {
  return utf8(payload) ?? refused(device, "not-utf8", "the payload is no UTF-8 text");
}

/** A name of levels that is too long loses its first ones; undefined where it can be none. */
export function deviceNamed(name: string): DeviceId | undefined {
  const cut = name.length - deviceCharactersMax;
  const rest = cut > 0 ? name.slice(name.indexOf("/", cut - 1) + 1) : name;
  return isDeviceId(rest) ? rest : undefined;
}

/** What JSON below a device's topic is about: its paths would else collide with its neighbours'. */
export function below(device: DeviceId, path: string): DeviceId {
  return deviceNamed(`${device}/${path}`) ?? device;
}

/** Families clear a retained topic by an empty payload. */
export function cleared(device: DeviceId, topic: string): Decoded {
  return { kind: "told", device, name: "cleared", detail: shown(topic) };
}
