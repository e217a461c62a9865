/**
 * What people say of devices and gateways, as it stands in bucket DEVICES. Nothing of it changes what
 * was taken: names are for people, ids stay.
 *
 *   N1  A device that replaces another goes on as that one from a moment on; who was replaced by it
 *       before stands for the whole chain. A device replaces one at most, and is replaced by one at
 *       most, so that the chain has no fork and no circle.
 *   N2  What is retired is out of service: no rule looks at it. It is in service again when it speaks,
 *       which is told in the words of `returned`.
 *   N3  What is forgotten is gone from every list, and begins anew when it speaks again.
 *
 *   DEVICES.<gateway>.<device, base64url; _ for the gateway itself>: { "v": 1, gateway, device, name?,
 *     replaces?: { device, from: ms }, retiredAt?: ms, forgottenAt?: ms, act, by, note, at: ms }
 */
import { z } from "zod";
import { CodedError } from "../errors.ts";
import { isDeviceId, isGatewayId } from "../names.ts";
import { authorCharactersMax, noteCharactersMax } from "../operate/silence.ts";
import { parseState } from "../rules/parse-state.ts";

export const acts = ["renamed", "replaced", "retired", "returned", "forgotten"] as const;
export type Act = (typeof acts)[number];

const nameCharactersMax = 128;
/** Of one bucket; more are not kept. */
export const factsMax = 100_000;

const factsSchema = z.object({
  v: z.literal(1),
  gateway: z.string().refine(isGatewayId, "a gateway's name"),
  /** "" is the gateway itself. */
  device: z.string().refine((text) => text === "" || isDeviceId(text), "a device name"),
  name: z.string().optional(),
  replaces: z.object({ device: z.string(), from: z.number() }).optional(),
  retiredAt: z.number().optional(),
  forgottenAt: z.number().optional(),
  act: z.enum(acts),
  by: z.string(),
  note: z.string(),
  at: z.number(),
});
/** As they stand after the act that it names. */
export type DeviceFacts = Omit<z.output<typeof factsSchema>, "v">;

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeFacts(text: string): DeviceFacts {
  const { v: _v, ...facts } = parseState("device", factsSchema, text);
  return facts;
}

export function encodeFacts(facts: DeviceFacts): string {
  return JSON.stringify({ v: 1, ...facts });
}

export interface DevicePlace {
  readonly gateway: string;
  /** "" is the gateway itself. */
  readonly device: string;
}

export interface Succession extends DevicePlace {
  /** The device that it goes on as. */
  readonly as: string;
}

/** As the key of the bucket: devices may hold any letters. */
export function factsKey({ gateway, device }: DevicePlace): string {
  const token = device === "" ? "_" : Buffer.from(device).toString("base64url");
  return `${gateway}.${token}`;
}

const said = {
  by: z.string().trim().min(1).max(authorCharactersMax),
  note: z.string().trim().max(noteCharactersMax).default(""),
};
const device = z.string().refine(isDeviceId, "a device name");
const requestSchema = z.discriminatedUnion("act", [
  /** An empty name takes the given one away. */
  z.strictObject({
    act: z.literal("renamed"),
    name: z.string().trim().max(nameCharactersMax),
    ...said,
  }),
  /** The one that is addressed goes on as `old`; an empty one ends that. */
  z.strictObject({ act: z.literal("replaced"), old: z.union([z.literal(""), device]), ...said }),
  z.strictObject({ act: z.literal("retired"), ...said }),
  z.strictObject({ act: z.literal("returned"), ...said }),
  z.strictObject({ act: z.literal("forgotten"), ...said }),
]);

/** What people ask for, checked. */
export type FactsRequest = z.output<typeof requestSchema>;

/** Throws OPERATION_INVALID. */
export function factsRequest(request: unknown): FactsRequest {
  const parsed = requestSchema.safeParse(request);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${issue?.path.join(".")}: ${issue?.message}`);
}

function invalid(why: string): CodedError {
  return new CodedError("OPERATION_INVALID", why);
}

/** By gateway and device; asked for each event. */
class Places<Value> {
  readonly #gateways = new Map<string, Map<string, Value>>();

  get(gateway: string, device: string): Value | undefined {
    return this.#gateways.get(gateway)?.get(device);
  }

  set(gateway: string, device: string, value: Value): void {
    const own = this.#gateways.get(gateway);
    if (own === undefined) this.#gateways.set(gateway, new Map([[device, value]]));
    else own.set(device, value);
  }

  delete(gateway: string, device: string): void {
    const own = this.#gateways.get(gateway);
    own?.delete(device);
    if (own?.size === 0) this.#gateways.delete(gateway);
  }

  clear(): void {
    this.#gateways.clear();
  }
}

/** Facts by place, kept as the bucket is. */
export class DeviceBook {
  readonly #byKey = new Map<string, DeviceFacts>();
  readonly #facts = new Places<DeviceFacts>();
  /** By the old one. */
  readonly #successors = new Places<string>();
  #version = 0;

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  of(place: DevicePlace): DeviceFacts | undefined {
    return this.#facts.get(place.gateway, place.device);
  }

  all(): readonly DeviceFacts[] {
    return [...this.#byKey.values()];
  }

  /** A message of the bucket; no text where its key was deleted. Throws where it cannot be read. */
  take(key: string, text: string): void {
    this.#version++;
    const before = this.#byKey.get(key);
    if (before !== undefined) this.#remove(key, before);
    if (text === "") return;
    const facts = decodeFacts(text);
    if (this.#byKey.size >= factsMax) return;
    this.#byKey.set(key, facts);
    const { gateway, device, replaces } = facts;
    this.#facts.set(gateway, device, facts);
    if (replaces !== undefined) this.#successors.set(gateway, replaces.device, device);
  }

  #remove(key: string, { gateway, device, replaces }: DeviceFacts): void {
    this.#byKey.delete(key);
    this.#facts.delete(gateway, device);
    if (replaces !== undefined) this.#successors.delete(gateway, replaces.device);
  }

  clear(): void {
    this.#version++;
    this.#byKey.clear();
    this.#facts.clear();
    this.#successors.clear();
  }

  /** The device that goes on as this one; undefined where none does. */
  successorOf(place: DevicePlace): string | undefined {
    return this.#successors.get(place.gateway, place.device);
  }

  /** N1: as what a device's readings of the moment count. */
  seriesOf(place: DevicePlace, at: number): string {
    let { device } = place;
    for (let steps = 0; steps <= this.#byKey.size; steps++) {
      const replaces = this.#facts.get(place.gateway, device)?.replaces;
      if (replaces === undefined || at < replaces.from) return device;
      device = replaces.device;
    }
    return device;
  }

  /** N3: of what was heard at a time, in ms; with its gateway, or by itself. */
  isForgotten({ gateway, device }: DevicePlace, at: number): boolean {
    const own = this.#facts.get(gateway, device)?.forgottenAt;
    const whole = this.#facts.get(gateway, "")?.forgottenAt;
    return (own !== undefined && at <= own) || (whole !== undefined && at <= whole);
  }

  /** N2: the device's own, or its gateway's; undefined where it is in service. */
  retiredAt(place: DevicePlace): number | undefined {
    return this.of(place)?.retiredAt ?? this.#facts.get(place.gateway, "")?.retiredAt;
  }

  /** Places that no rule looks at: what is retired, and what was forgotten. */
  outOfService(): readonly DevicePlace[] {
    return this.all().flatMap(({ gateway, device, retiredAt, forgottenAt }) =>
      (retiredAt ?? forgottenAt) === undefined ? [] : [{ gateway, device }],
    );
  }

  /** Devices that go on as others, the whole chain at once. */
  successions(): readonly Succession[] {
    return this.all().flatMap(({ gateway, device, replaces }) => {
      if (replaces === undefined) return [];
      return [
        { gateway, device, as: this.seriesOf({ gateway, device }, Number.POSITIVE_INFINITY) },
      ];
    });
  }

  /** What the place's facts are after the request. Throws OPERATION_INVALID. */
  after(place: DevicePlace, request: FactsRequest, at: number): DeviceFacts {
    if (!isGatewayId(place.gateway)) throw invalid(`gateway ${place.gateway}: no such name`);
    if (place.device !== "" && !isDeviceId(place.device)) throw invalid("device: no such name");
    const { act, by, note } = request;
    const before: Partial<DeviceFacts> = this.of(place) ?? {};
    const { forgottenAt: _gone, ...known } = before;
    const told = { ...known, ...place, act, by, note, at } as DeviceFacts;
    const { name: _name, replaces: _replaces, retiredAt: _retired, ...bare } = told;
    switch (request.act) {
      case "renamed": {
        const { name: _old, ...unnamed } = told;
        return request.name === "" ? unnamed : { ...told, name: request.name };
      }
      case "replaced":
        return this.#replaced(told, request.old, at);
      case "retired":
        return { ...told, retiredAt: at };
      case "returned": {
        const { retiredAt: _at, ...back } = told;
        return back;
      }
      case "forgotten":
        return { ...bare, forgottenAt: at };
    }
  }

  /** N1. */
  #replaced(told: DeviceFacts, old: string, from: number): DeviceFacts {
    const { gateway, device } = told;
    if (device === "") throw invalid("a gateway is not replaced: give the new one its name");
    const { replaces: _before, ...alone } = told;
    if (old === "") return alone;
    if (told.replaces !== undefined)
      throw invalid(`${device} goes on as ${told.replaces.device} already: end that first`);
    const other = this.successorOf({ gateway, device: old });
    if (other !== undefined) throw invalid(`${other} goes on as ${old} already`);
    if (this.seriesOf({ gateway, device: old }, from) === device || old === device)
      throw invalid(`${old} goes on as ${device}: a circle`);
    return { ...alone, replaces: { device: old, from } };
  }
}
