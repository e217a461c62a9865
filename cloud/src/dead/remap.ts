/** What a dead letter becomes by a mapping: the routes of a gateway's configuration, tried in the cloud. */
import type { Decoder } from "@causeway/shared/decode/decode.ts";
import type { Decoded } from "@causeway/shared/decode/decoded.ts";
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { unknownTopicsWays } from "@causeway/shared/mapping/route-settings.ts";
import { compileRoutes, type Routes, routesSchema } from "@causeway/shared/mapping/routes.ts";
import { loadSettings } from "@causeway/shared/settings.ts";
import { z } from "zod";
import type { DeadLetter } from "./dead-letter.ts";

export type Remapped =
  | { readonly kind: "redrive" | "judge"; readonly events: readonly Event[] }
  /** Its route drops such messages. */
  | { readonly kind: "discard"; readonly why: string }
  /** It stays open. */
  | { readonly kind: "refused"; readonly reason: string; readonly detail: string };

const mappingSchema = z.strictObject({
  routes: routesSchema.min(1),
  unknownTopics: z.enum(unknownTopicsWays).optional(),
});

/**
 * `routes:` as a gateway's configuration has them, or their list alone. Throws CONFIG_INVALID or
 * CONFIG_UNREADABLE.
 */
export function routesIn(text: string, fileName: string): Routes {
  const isList = /^(\s*(#[^\n]*)?\n)*\s*-/.test(text);
  const whole = isList ? `routes:\n${text}` : text;
  const sources = { fileName, text: whole, environment: {}, sets: [] };
  return compileRoutes(loadSettings(mappingSchema, sources));
}

/** A message's time is the one of its first arrival. */
export function remap(letter: DeadLetter, decoder: Decoder): Remapped {
  const { kind, payload, topic, receivedAt, isCut } = letter;
  if (isCut === true) return refused("too-large", "its payload was too large to be kept whole");
  const bytes = Buffer.from(payload, "base64");
  if (kind === "failed") return judged(letter, bytes);
  if (kind === "unreadable" || topic === null) {
    const why = "it has no topic and payload of a device: its gateway sends what follows by itself";
    return refused("not-a-message", why);
  }
  // What devices told of themselves before is the gateway's to know.
  const memory = { get: () => undefined };
  const decoded = decoder.decode(topic, bytes, { memory, presentMs: () => receivedAt });
  return eventsOf(decoded, letter, topic);
}

function judged({ epoch }: DeadLetter, bytes: Buffer): Remapped {
  if (epoch === null) return refused("not-an-event", "rules failed at a tick, which is over");
  const parsed = eventSchema.safeParse(JSON.parse(bytes.toString("utf8")));
  if (!parsed.success) return refused("not-an-event", "its event cannot be read any more");
  return { kind: "judge", events: [parsed.data] };
}

function eventsOf(decoded: Decoded, letter: DeadLetter, topic: string): Remapped {
  const place = { topic, bootMs: letter.bootMs ?? 0 };
  if (decoded.kind === "quarantined") return refused(decoded.reason, decoded.detail);
  if (decoded.kind === "told") return { kind: "discard", why: decoded.detail };
  const { observedAt, presences = [], left } = decoded;
  if (left !== undefined) return refused(left.reason, left.detail);
  const come = presences.map((presence): Event => {
    return { kind: "presence", ...place, observedAt, ...presence };
  });
  if (decoded.kind === "presences") return { kind: "redrive", events: come };
  const { device, readings, route } = decoded;
  const { tags = [], site } = route ?? {};
  const said = { ...(tags.length === 0 ? {} : { tags: [...tags] }), ...(site && { site }) };
  const event: Event = { kind: "reading", device, ...place, observedAt, ...said, readings };
  return { kind: "redrive", events: [event, ...come] };
}

function refused(reason: string, detail: string): Remapped {
  return { kind: "refused", reason, detail: detail.slice(0, 512) };
}
