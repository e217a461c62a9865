/**
 * An event is an immutable fact: one device publish is one event at one position, holding 1..n
 * readings. The schemas below are the contract (exported to shared/schema/); within a major
 * version they only grow, and readers skip fields they do not know.
 */
import { z } from "zod";
import { isDeviceId, isMetricName, isUsersRule } from "./names.ts";
import { severities } from "./rules/severity.ts";

export const eventVersion = 1;
export const readingsPerEventMax = 4_096;
export const textCharactersMax = 65_536;
export const topicCharactersMax = 65_535;
export const unitCharactersMax = 64;
export const reasonCharactersMax = 256;
export const alarmTransitionsMax = 64;
export const alarmTextCharactersMax = 1_024;
export const tagsMax = 64;
export const wordCharactersMax = 128;
export const rollupSeriesMax = 65_536;
export const rollupWindowsMax = 65_536;

/** Milliseconds since 1970 that a JavaScript date can hold. */
export const timeMsMax = 8_640_000_000_000_000;

export const logs = ["telemetry", "priority"] as const;
/** One of the outbox's two ordered logs. */
export type Log = (typeof logs)[number];

export const lanes = ["priority", "live", "history"] as const;
/** A path on the wire. */
export type Lane = (typeof lanes)[number];

/** The cloud alone publishes on it: what is made of dead letters. */
export const redriveLane = "redrive";
/** By which an event may have come into the journal. */
export type JournalLane = Lane | typeof redriveLane;

const timeMs = z.int().min(-timeMsMax).max(timeMsMax);

export const qualities = ["good", "uncertain", "bad"] as const;
export type Quality = (typeof qualities)[number];

const value = z.union([z.number(), z.string().max(textCharactersMax), z.boolean(), z.null()]);

export const readingSchema = z.object({
  metric: z.string().refine(isMetricName, "a metric name"),
  /** Numbers are doubles; null where the device said that it has no value (quality bad). */
  value,
  /** The SenML registry symbol (RFC 8428 §12.1) where known, else as the device wrote it. */
  unit: z.string().max(unitCharactersMax).optional(),
  /** As the device wrote it, where that is another. */
  unitOriginal: z.string().max(unitCharactersMax).optional(),
  quality: z.enum(qualities),
  /** Why the quality is not good: `nan`, `null`, … */
  reason: z.string().max(reasonCharactersMax).optional(),
  /** Set where a reading has its own device time, other than its event's. */
  observedAt: timeMs.optional(),
});
/** One value of one metric. */
export type Reading = z.infer<typeof readingSchema>;

const readingBody = {
  kind: z.literal("reading"),
  readings: z.array(readingSchema).min(1).max(readingsPerEventMax),
};

const quarantinedBody = {
  kind: z.literal("quarantined"),
  /** A stable word for why nothing could be read from it. */
  reason: z.string().max(64),
  detail: z.string().max(1_024),
  /** The payload as it came, base64. */
  payload: z.string(),
  bytes: z.int().min(0),
};

const lossBody = {
  kind: z.literal("loss"),
  /** Last position that this loss covers; its first is the position of the item itself. */
  to: z.int().min(1),
  reason: z.string().max(64),
  count: z.int().min(0),
};

/**
 * A window's number (its start is that times the width), how many readings fell into it, how many of
 * them were bad, the last value, and min, max and mean of the numbers that were not bad, yes being 1
 * and no 0; null where there were none.
 */
const rollupWindow = z.tuple([
  z.int(),
  z.int().min(1),
  z.int().min(0),
  value,
  z.number().nullable(),
  z.number().nullable(),
  z.number().nullable(),
]);
export type RollupWindow = z.infer<typeof rollupWindow>;

const rollupSeries = z.object({
  device: z.string().refine(isDeviceId, "a device name").nullable(),
  metric: z.string().refine(isMetricName, "a metric name"),
  unit: z.string().max(unitCharactersMax).optional(),
  /** What windows are counted by: the device's times, or the gateway's since its boot. */
  time: z.enum(["observed", "boot"]),
  windows: z.array(rollupWindow).min(1).max(rollupWindowsMax),
});
export type RollupSeries = z.infer<typeof rollupSeries>;

const rollupBody = {
  kind: z.literal("rollup"),
  /** Last position that this roll-up stands for; its first is the position of the item itself. */
  to: z.int().min(1),
  windowMs: z.int().min(1),
  series: z.array(rollupSeries).min(1).max(rollupSeriesMax),
};

const systemBody = {
  kind: z.literal("system"),
  /** A stable word: `started`, `heartbeat`, `packet-too-large`, … */
  name: z.string().max(64),
  detail: z.string().max(1_024),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
};

const presenceBody = {
  kind: z.literal("presence"),
  online: z.boolean(),
  reason: z.string().max(64),
};

const shortName = z.string().min(1).max(64);
const nameOrNone = (isName: (text: string) => boolean) =>
  z.string().refine((text) => text === "" || isName(text), "a name, or none");

const shortValue = z.union([
  z.number(),
  z.string().max(alarmTextCharactersMax),
  z.boolean(),
  z.null(),
]);
const shownReading = z.object({
  at: z.number(),
  value: shortValue,
  device: z.string().max(alarmTextCharactersMax).exactOptional(),
  metric: z.string().max(alarmTextCharactersMax).exactOptional(),
  unit: z.string().max(unitCharactersMax).exactOptional(),
});

/** The readings around an alarm, oldest first, and what was expected of them. */
const evidence = z.object({
  readings: z.array(shownReading).max(64),
  expected: z
    .object({ low: z.number().exactOptional(), high: z.number().exactOptional() })
    .exactOptional(),
  score: z.number().exactOptional(),
  durationMs: z.number().exactOptional(),
  worst: shownReading.exactOptional(),
});

/** What a rule at the gateway found; the cloud takes it over as the transition of an alert. */
export const alarmTransitionSchema = z.object({
  /** The same in its firing and its resolved transition. */
  id: shortName,
  state: z.enum(["firing", "resolved"]),
  fingerprint: shortName,
  rule: z.string().refine(isUsersRule, "a rule of a user"),
  ruleVersion: shortName,
  severity: z.enum(severities),
  /** "" where it is about more than one device, or metric. */
  device: nameOrNone(isDeviceId),
  metric: nameOrNone(isMetricName),
  at: z.number(),
  firingAt: z.number(),
  value: shortValue,
  unit: z.string().max(unitCharactersMax).optional(),
  /** Id of the reading, or of the gateway's tick, that caused it. */
  cause: z.string().max(alarmTextCharactersMax),
  reason: z.string().max(alarmTextCharactersMax),
  flapping: z.literal(true).exactOptional(),
  evidence: evidence.exactOptional(),
});
export type AlarmTransition = z.infer<typeof alarmTransitionSchema>;

const alarmBody = {
  kind: z.literal("alarm"),
  transitions: z.array(alarmTransitionSchema).min(1).max(alarmTransitionsMax),
};

export const replyStates = [
  /** It is on the gateway's disk. */
  "accepted",
  /** A client acknowledged it, one that takes commands for the device. */
  "delivered",
  "done",
  "failed",
  "expired",
  "refused",
  /** The device answered what is closed here, or was never a command: nothing changes. */
  "answered",
] as const;
export type ReplyState = (typeof replyStates)[number];

const replyBody = {
  kind: z.literal("reply"),
  /** Id of the command. */
  command: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  /** Of the command; absent where it is not known here. */
  name: z.string().max(64).optional(),
  state: z.enum(replyStates),
  /** The last word: a command has exactly one. */
  final: z.boolean(),
  detail: z.string().max(1_024),
  /** The device's answer: as it came, or base64 where it is no text. */
  payload: z.string().max(textCharactersMax).optional(),
  encoding: z.literal("base64").optional(),
};

const common = {
  device: z.string().refine(isDeviceId, "a device name").nullable(),
  topic: z.string().max(topicCharactersMax).nullable(),
  /** When the gateway received it, in ms since its boot; the batch head tells the boot's offset. */
  bootMs: z.int().min(0).max(timeMsMax),
  /** When the device says it was observed; null where it does not say. */
  observedAt: timeMs.nullable(),
  /** Of the route that its topic has. */
  tags: z.array(z.string().min(1).max(wordCharactersMax)).min(1).max(tagsMax).optional(),
  /** Where its device stands, if the gateway's own site is not meant. */
  site: z.string().min(1).max(wordCharactersMax).optional(),
};

export const eventSchema = z.discriminatedUnion("kind", [
  z.object({ ...common, ...readingBody }),
  z.object({ ...common, ...quarantinedBody }),
  z.object({ ...common, ...lossBody }),
  z.object({ ...common, ...rollupBody }),
  z.object({ ...common, ...systemBody }),
  z.object({ ...common, ...presenceBody }),
  z.object({ ...common, ...alarmBody }),
  z.object({ ...common, ...replyBody }),
]);

export type Event = z.infer<typeof eventSchema>;
export type EventKind = Event["kind"];
/** Readings that were thinned before they were ever sent, summed up for each series and window. */
export type RollupEvent = Extract<Event, { kind: "rollup" }>;
export type ReadingEvent = Extract<Event, { kind: "reading" }>;
export type AlarmEvent = Extract<Event, { kind: "alarm" }>;
/** What became of a command. */
export type ReplyEvent = Extract<Event, { kind: "reply" }>;

/** How many positions an event at `from` takes. */
export function spanOf(event: Event, from: number): number {
  return event.kind === "loss" || event.kind === "rollup" ? event.to - from + 1 : 1;
}

/** `<gateway>/<epoch>/<log>/<position>`, the same on every path and for ever. */
export function eventId(gateway: string, epoch: string, log: Log, position: number): string {
  return `${gateway}/${epoch}/${log}/${position}`;
}
