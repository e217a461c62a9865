/**
 * What a receiver was told, as records of the ledger (bucket NOTIFY, key `<receiver>.<record>`):
 *
 *   head                 { "v": 1, place: { sequence, identity }, writer, beat, first, next }
 *                        place: up to where `alert.>` was taken; the outstanding notifications have
 *                        the numbers from `first` to before `next`
 *   told.<n>             an outstanding notification; n is its number mod 4096
 *   done.<n>             one that was delivered or given up: told-record.ts
 *   alerts.<a>.<b>       { "v": 1, alerts: [tracked, …] } by hashes of gateway and fingerprint
 *   groups.<n>           { "v": 1, groups: [{ key, labels, dueAt, toldAt }, …] }
 *   digest.<hash>        { "v": 1, gateway, alerts, toldFiring, omitted, sinceAt, lastAt, toldAt }
 *   inhibition           { "v": 1, silent: [[gateway, alert], …], down: [[site, alert], …] }
 *
 * A record without text is none. Each is below 512 KiB at the bounds of plan-settings.ts. Records of
 * one step are written as one atomic batch with the head, which expects the head that was read.
 */

import { z } from "zod";
import { parseState } from "../rules/parse-state.ts";
import { LateDigest } from "./late-digest.ts";
import { transitionSchema } from "./message.ts";
import type { Notification } from "./notification.ts";
import type { PlanBounds } from "./plan-settings.ts";
import { digestRecord, groupRecord, inhibitionRecord, PlanState } from "./plan-state.ts";
import { reportNoticeSchema } from "./report-notice.ts";

const v = z.literal(1);
const count = z.int().min(0);

const headSchema = z.object({
  v,
  place: z.object({ sequence: count, identity: z.string() }),
  writer: z.string(),
  beat: count,
  first: count,
  next: count,
});
export type LedgerHead = Omit<z.output<typeof headSchema>, "v">;

export function encodeHead(head: LedgerHead): string {
  return JSON.stringify({ v: 1, ...head });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED, as all that decode here. */
export function decodeHead(text: string): LedgerHead {
  const { v: _v, ...head } = parseState("ledger", headSchema, text);
  return head;
}

export const headRecord = "head";
const slots = 4_096;
/** Fewer than the slots, so that no number finds its slot taken. */
export const outstandingMax = slots - 1;

export function toldRecord(number: number): string {
  return `told.${number % slots}`;
}

const transition = transitionSchema.transform(({ unit, ...others }) => ({ ...others, unit }));

export const notificationSchema = z.object({
  v,
  key: z.string(),
  kind: z.enum(["alerts", "digest", "report", "withdrawn", "test"]),
  group: z.record(z.string(), z.string()),
  firing: z.array(transition),
  resolved: z.array(transition),
  omitted: count,
  reason: z.enum([
    ...["new", "changed", "repeat", "escalation", "late", "report", "test", "withdrawn"],
  ] as const),
  at: z.number(),
  report: reportNoticeSchema.exactOptional(),
});

export function encodeNotification(notification: Notification): string {
  return JSON.stringify({ v: 1, ...notification });
}

export function decodeNotification(text: string): Notification {
  const { v: _v, ...notification } = parseState("notification", notificationSchema, text);
  return notification;
}

const trackedSchema = z.object({
  group: z.string(),
  current: transition,
  heardAt: z.number(),
  changedAt: z.number(),
  told: z
    .object({
      id: z.string(),
      state: z.enum(["firing", "resolved", "withdrawn"]),
      isAgain: z.literal(true).exactOptional(),
    })
    .optional()
    .transform((told) => told),
  /** Of former versions none. */
  toldAt: z
    .number()
    .optional()
    .transform((at) => at),
  ended: transition.optional().transform((ended) => ended),
  changes: z.array(z.number()),
  seen: z.array(z.number()),
  untold: count.default(0),
  isFlapping: z.boolean(),
  heldId: z
    .string()
    .optional()
    .transform((id) => id),
  doubtedAt: z
    .number()
    .optional()
    .transform((at) => at),
});
const alertsSchema = z.object({ v, alerts: z.array(trackedSchema) });

const groupsSchema = z.object({
  v,
  groups: z.array(
    z.object({
      key: z.string(),
      labels: z.record(z.string(), z.string()),
      /** Null where nothing waits. */
      dueAt: z.number().nullable(),
      toldAt: z.number().nullable(),
    }),
  ),
});

const digestSchema = z.object({
  v,
  gateway: z.string(),
  alerts: z.array(transition),
  toldFiring: z.array(z.string()),
  omitted: count,
  lastAt: z.number(),
  /** Of former versions none. */
  sinceAt: z.number().optional(),
  toldAt: z.number().nullable(),
});

const pairs = z.array(z.tuple([z.string(), z.string()]));
const inhibitionSchema = z.object({ v, silent: pairs, down: pairs });

/** The text of a record of the state; "" where it holds nothing. */
export function encodeRecord(state: PlanState, record: string): string {
  const [kind] = record.split(".", 1);
  if (kind === "alerts") return encodeAlerts(state, record);
  if (kind === "groups") return encodeGroups(state, record);
  if (kind === "digest") return encodeDigest(state, record);
  const { silent, down } = state.inhibition;
  if (silent.size + down.size === 0) return "";
  return JSON.stringify({ v: 1, silent: [...silent], down: [...down] });
}

function encodeAlerts(state: PlanState, record: string): string {
  const own = [...state.fingerprints(record)];
  if (own.length === 0) return "";
  return JSON.stringify({ v: 1, alerts: own.map((fingerprint) => state.alerts.get(fingerprint)) });
}

function encodeGroups(state: PlanState, record: string): string {
  const own = [...state.groups].filter(([key]) => groupRecord(key) === record);
  if (own.length === 0) return "";
  const groups = own.map(([key, { labels, dueAt, toldAt }]) => {
    const next = Number.isFinite(dueAt) ? dueAt : null;
    return { key, labels, dueAt: next, toldAt: toldAt ?? null };
  });
  return JSON.stringify({ v: 1, groups });
}

function encodeDigest(state: PlanState, record: string): string {
  const found = [...state.digests].find(([gateway]) => digestRecord(gateway) === record);
  if (found === undefined) return "";
  const [gateway, { alerts, toldFiring, omitted, sinceAt, lastAt, toldAt }] = found;
  const lists = { alerts: [...alerts.values()], toldFiring: [...toldFiring] };
  return JSON.stringify({
    v: 1,
    gateway,
    ...lists,
    omitted,
    sinceAt,
    lastAt,
    toldAt: toldAt ?? null,
  });
}

/** What the records say, in any order. */
export function decodeState(records: ReadonlyMap<string, string>, bounds?: PlanBounds): PlanState {
  const state = new PlanState(bounds);
  for (const [record, text] of records) {
    if (text === "") continue;
    const [kind] = record.split(".", 1);
    if (kind === "groups") decodeGroups(state, text);
    else if (kind === "digest") decodeDigest(state, text);
    else if (record === inhibitionRecord) decodeInhibition(state, text);
  }
  for (const [record, text] of records) {
    if (text === "" || !record.startsWith("alerts.")) continue;
    for (const tracked of parseState("alerts", alertsSchema, text).alerts) {
      state.follow(tracked.current.fingerprint, tracked);
      state.groups.get(tracked.group)?.alerts.add(tracked.current.fingerprint);
    }
  }
  state.changed.clear();
  return state;
}

function decodeGroups(state: PlanState, text: string): void {
  for (const { key, labels, dueAt, toldAt } of parseState("groups", groupsSchema, text).groups)
    state.groups.set(key, {
      ...{ labels, alerts: new Set(), toldAt: toldAt ?? undefined },
      dueAt: dueAt ?? Number.POSITIVE_INFINITY,
    });
}

function decodeDigest(state: PlanState, text: string): void {
  const own = parseState("digest", digestSchema, text);
  const alerts = new Map(own.alerts.map((late) => [late.id, late]));
  const { omitted, lastAt, sinceAt = lastAt, toldAt } = own;
  const toldFiring = new Set(own.toldFiring);
  const parts = { alerts, toldFiring, omitted, sinceAt, lastAt, toldAt: toldAt ?? undefined };
  state.digests.set(own.gateway, new LateDigest(parts));
}

function decodeInhibition(state: PlanState, text: string): void {
  const { silent, down } = parseState("inhibition", inhibitionSchema, text);
  for (const [gateway, alert] of silent) state.inhibition.silent.set(gateway, alert);
  for (const [site, alert] of down) state.inhibition.down.set(site, alert);
}
