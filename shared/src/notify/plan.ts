/**
 * Who is told what, when: of one receiver. Pure, apart from the state that it is handed, which it
 * changes. What comes out has to be in the ledger before it is sent.
 *
 *   P1  Alerts that agree in the labels of `groupBy` are told together: `groupWait` after the first,
 *       then at most once in `groupInterval`. An alert is told again `repeatInterval` after it was
 *       told last while nobody knows, and with it all others of its group.
 *   P2  What is silenced, acknowledged or follows from another alert is not told as firing; it is
 *       looked at again every `groupInterval`. What was told is taken back all the same (R1).
 *   P3  What came late is told in a digest of its gateway, and nowhere else: once the gateway owes
 *       nothing of its history, or what is known so far after an hour.
 *   P4  After a rollback, what was told as firing and fires no more is withdrawn, once the engine has
 *       had `groupInterval` to decide it again.
 *   P5  At most `room` notifications at once; what is due stays due.
 *   P6  What was decided counts from when it became known to the engine (flapping, escalation),
 *       whenever it is read; when people are told counts from now. So who was away for days is told
 *       once how it stands: of what came and went meanwhile the last, and how often before.
 */

import type { AlertTransition } from "../alert/alert.ts";
import type { Circumstances } from "../operate/circumstances.ts";
import type { Labels } from "../operate/labels.ts";
import { labelsOf, selects } from "../operate/labels.ts";
import { silencedBy } from "../operate/silence.ts";
import { digest } from "../rules/digest.ts";
import { severities } from "../rules/severity.ts";
import { withKeptEvidence, withoutEvidence } from "./kept-evidence.ts";
import { LateDigest } from "./late-digest.ts";
import { idempotencyKey } from "./message.ts";
import type { Notification } from "./notification.ts";
import { notificationOf, shownMax } from "./notification.ts";
import type { PlanSettings } from "./plan-settings.ts";
import type { Group, PlanState } from "./plan-state.ts";
import type { Told, Tracked } from "./tracked-alert.ts";
import {
  damping,
  isNews,
  isOver,
  isReplay,
  isToldFiring,
  note,
  prune,
  quietAt,
  seenMax,
} from "./tracked-alert.ts";

export type PlanEvent =
  | { readonly kind: "transitions"; readonly transitions: readonly AlertTransition[] }
  | { readonly kind: "time" }
  /** All that fires by a stream that is another one, or an older copy. */
  | { readonly kind: "rolledBack"; readonly firing: ReadonlyMap<string, AlertTransition> };

export interface PlanContext {
  readonly settings: PlanSettings;
  readonly circumstances: Circumstances;
  /** In ms. */
  readonly now: number;
  /** P5. */
  readonly room: number;
  /** P3. Gateways that owe nothing; asked of those that `digestsDue` names. */
  readonly historyTaken: Pick<ReadonlySet<string>, "has">;
}

export function step(
  state: PlanState,
  event: PlanEvent,
  context: PlanContext,
): readonly Notification[] {
  switch (event.kind) {
    case "transitions": {
      const each = event.transitions.flatMap((transition) => take(state, transition, context));
      return [...each, ...tellDue(state, { ...context, room: context.room - each.length })];
    }
    case "time":
      return tellDue(state, context);
    case "rolledBack":
      doubt(state, event.firing, context);
      return tellDue(state, context);
  }
}

/** Gateways whose digest goes out now, where their history was taken. */
export function digestsDue(state: PlanState, now: number): readonly string[] {
  return [...state.digests].flatMap(([gateway, late]) => {
    const isDue = (late.dueAt() ?? Number.POSITIVE_INFINITY) <= now;
    return isDue && late.mayWait(now) ? [gateway] : [];
  });
}

/** When to step again, in ms; undefined where nothing waits. */
export function nextDueAt(state: PlanState): number | undefined {
  let next = Number.POSITIVE_INFINITY;
  for (const { dueAt } of state.groups.values()) next = Math.min(next, dueAt);
  for (const late of state.digests.values()) next = Math.min(next, late.dueAt() ?? next);
  return Number.isFinite(next) ? next : undefined;
}

// What comes ------------------------------------------------------------------------------------

function take(
  state: PlanState,
  given: AlertTransition,
  context: PlanContext,
): readonly Notification[] {
  const { settings, circumstances, now } = context;
  if (state.inhibition.note(given, settings.siteDown)) state.inhibitionChanged();
  const labels = labelsOf(given, circumstances.fleet);
  const isWanted =
    severities.indexOf(given.severity) >= severities.indexOf(settings.severity) &&
    selects(settings.match, labels);
  if (settings.tell === "each") {
    const isTold = isWanted && (settings.late !== "off" || !given.late);
    return isTold ? [notificationOf(given)] : [];
  }
  const transition = withKeptEvidence(given);
  const tracked = state.alerts.get(transition.fingerprint);
  if (isLate(state, transition, tracked)) {
    if (isWanted) gather(state, transition, context);
  } else if (tracked !== undefined) {
    if (isReplay(tracked, transition)) {
      if (tracked.doubtedAt === undefined || transition.state === "resolved") return [];
      tracked.doubtedAt = undefined; // P4: decided again
      state.alertChanged(tracked);
      return [];
    }
    note(tracked, transition, knownAt(transition, now), seenMax(settings));
    state.alertChanged(tracked);
    schedule(state, tracked.group, context);
  } else if (isWanted) {
    follow(state, transition, labels, context);
  }
  return [];
}

/** P6. A server's clock may be ahead of ours. */
function knownAt({ knownAt: at }: AlertTransition, now: number): number {
  return Math.min(at ?? now, now);
}

/** P3. What was told as news ends as news. */
function isLate(
  state: PlanState,
  { id, state: how, late, gateway }: AlertTransition,
  tracked: Tracked | undefined,
) {
  if (state.digests.get(gateway)?.knows(id)) return true;
  return late && !(how === "resolved" && (tracked?.told?.id === id || tracked?.current.id === id));
}

function gather(state: PlanState, transition: AlertTransition, { settings, now }: PlanContext) {
  const { gateway, id } = transition;
  if (settings.late === "off" || settings.escalateAfter !== undefined) return;
  const known = state.digests.get(gateway);
  const own = known ?? new LateDigest();
  // It ends what no digest has told.
  if (transition.state === "resolved" && !own.knows(id)) return;
  if (known === undefined) state.digests.set(gateway, own);
  own.add(withoutEvidence(transition), now, state.bounds.digestAlerts);
  state.digestChanged(gateway);
}

function follow(
  state: PlanState,
  transition: AlertTransition,
  labels: Labels,
  context: PlanContext,
): void {
  if (state.alerts.size >= state.bounds.alerts) {
    state.unfollowed++;
    return;
  }
  const { now, settings } = context;
  const { key, labels: shared } = groupOf(state, labels, settings);
  const { id, fingerprint } = transition;
  const at = knownAt(transition, now);
  // The end of what is not known was told as firing before there was a ledger.
  const told = transition.state === "resolved" ? ({ id, state: "firing" } as const) : undefined;
  state.follow(fingerprint, {
    group: key,
    current: transition,
    heardAt: at,
    changedAt: at,
    told,
    toldAt: undefined,
    ended: told === undefined ? undefined : transition,
    changes: [],
    seen: settings.flap.changes === 0 ? [] : [at],
    untold: 0,
    isFlapping: false,
    heldId: undefined,
    doubtedAt: undefined,
  });
  let group = state.groups.get(key);
  if (group === undefined) {
    const dueAt = now + settings.groupWait;
    group = { labels: shared, alerts: new Set(), dueAt, toldAt: undefined };
    state.groups.set(key, group);
    state.groupChanged(key);
  }
  group.alerts.add(fingerprint);
  schedule(state, key, context);
}

const others = "others";
const heldMsMin = 1_000;

function groupOf(state: PlanState, labels: Labels, { groupBy }: PlanSettings) {
  const own = Object.fromEntries(groupBy.map((name) => [name, labels[name] ?? ""]));
  const key = digest(own, 24);
  const isKnown = state.groups.has(key);
  if (isKnown || state.groups.size < state.bounds.groups - 1) return { key, labels: own };
  return { key: others, labels: {} };
}

function schedule(state: PlanState, key: string, { now, settings }: PlanContext): void {
  const group = state.groups.get(key);
  if (group === undefined) return;
  // A clock that was set back must not hold back anyone.
  const toldAt = Math.min(group.toldAt ?? Number.NEGATIVE_INFINITY, now);
  const earliest = toldAt + settings.groupInterval;
  const dueAt = Math.max(now + settings.groupWait, earliest);
  if (group.dueAt <= dueAt) return;
  group.dueAt = dueAt;
  state.groupChanged(key);
}

/** P4. */
function doubt(
  state: PlanState,
  firing: ReadonlyMap<string, AlertTransition>,
  context: PlanContext,
): void {
  const { now, settings } = context;
  for (const [fingerprint, tracked] of state.alerts) {
    const { current } = tracked;
    const again = firing.get(current.id);
    if (current.state === "resolved" && again !== undefined) {
      tracked.current = withKeptEvidence(again);
      tracked.ended = undefined;
    } else if (current.state === "firing" && again === undefined) {
      if (isToldFiring(tracked)) tracked.doubtedAt = now;
      else state.forget(fingerprint);
    } else continue;
    state.alertChanged(tracked);
    const group = state.groups.get(tracked.group);
    if (group === undefined) continue;
    group.dueAt = now + settings.groupInterval;
    state.groupChanged(tracked.group);
  }
  state.inhibition.clear();
  state.inhibitionChanged();
  for (const transition of firing.values()) {
    if (settings.tell === "each" || state.digests.get(transition.gateway)?.knows(transition.id))
      state.inhibition.note(transition, settings.siteDown);
    else take(state, transition, context);
  }
}

// What is told ----------------------------------------------------------------------------------

function tellDue(state: PlanState, context: PlanContext): readonly Notification[] {
  const { now, room, historyTaken } = context;
  const told: Notification[] = [];
  const due = [...state.groups].filter(([, { dueAt }]) => dueAt <= now);
  for (const [key, group] of due.sort(byDueAt)) {
    if (told.length + 1 >= room) return told; // a group may give two
    told.push(...tellGroup(state, key, group, context));
  }
  for (const [gateway, late] of state.digests) {
    if (told.length >= room) return told;
    if ((late.dueAt() ?? Number.POSITIVE_INFINITY) <= now) {
      if (late.mayWait(now) && !historyTaken.has(gateway)) {
        late.askedAt = now;
        continue;
      }
      told.push(...tellDigest(gateway, late, context));
      state.digestChanged(gateway);
    }
    if (!late.isOver(now)) continue;
    state.digests.delete(gateway);
    state.digestChanged(gateway);
  }
  return told;
}

function byDueAt([key, a]: [string, Group], [otherKey, b]: [string, Group]): number {
  return a.dueAt - b.dueAt || (key < otherKey ? -1 : 1);
}

function tellDigest(
  gateway: string,
  late: LateDigest,
  context: PlanContext,
): readonly Notification[] {
  const { circumstances, now } = context;
  const { alerts, omitted } = late.take(now);
  const told = alerts.filter((transition) => {
    const labels = labelsOf(transition, circumstances.fleet);
    return silencedBy(circumstances.silences, labels, now) === undefined;
  });
  if (told.length === 0) return [];
  const digestOf = shown(told, { gateway }, now);
  return [{ ...digestOf, kind: "digest", reason: "late", omitted: digestOf.omitted + omitted }];
}

interface Found {
  readonly firing: AlertTransition[];
  readonly resolved: AlertTransition[];
  readonly withdrawn: AlertTransition[];
  /** Told as firing, and nobody knows. */
  readonly unanswered: Tracked[];
  /** Something was told before under the same id. */
  isAgain: boolean;
  nextAt: number;
}

function tellGroup(
  state: PlanState,
  key: string,
  group: Group,
  context: PlanContext,
): readonly Notification[] {
  const { now, settings } = context;
  const nextAt = Number.POSITIVE_INFINITY;
  const found: Found = {
    firing: [],
    resolved: [],
    withdrawn: [],
    unanswered: [],
    isAgain: false,
    nextAt,
  };
  for (const fingerprint of group.alerts) {
    const tracked = state.alerts.get(fingerprint);
    if (tracked === undefined) continue;
    const before = { ...tracked };
    look(tracked, found, group, state, context);
    if (!isSame(before, tracked)) state.alertChanged(tracked);
    if (isOver(tracked)) state.forget(fingerprint);
  }
  state.groupChanged(key);
  const told = notificationsOf(group, found, context);
  if (told.length > 0) group.toldAt = now;
  if (told.some(({ reason }) => reason === "repeat")) {
    for (const tracked of found.unanswered) {
      tracked.toldAt = now;
      state.alertChanged(tracked);
    }
  }
  if (group.alerts.size === 0) state.groups.delete(key);
  const repeats = found.unanswered.length + found.firing.length > 0 && settings.repeatInterval > 0;
  const repeatAt = Math.min(now, firstToldAt(found)) + settings.repeatInterval;
  const earliest = group.toldAt === undefined ? now + 1 : group.toldAt + settings.groupInterval;
  group.dueAt = Math.max(now + 1, earliest, Math.min(found.nextAt, repeats ? repeatAt : nextAt));
  return told;
}

function firstToldAt({ unanswered }: Found): number {
  return Math.min(...unanswered.map(({ toldAt }) => toldAt ?? Number.POSITIVE_INFINITY));
}

/** Lists are replaced, never changed in place. */
function isSame(before: Tracked, after: Tracked): boolean {
  return Object.entries(after).every(([name, value]) => before[name as keyof Tracked] === value);
}

/** Of one alert: what is told now, and when it is looked at again. */
function look(
  tracked: Tracked,
  found: Found,
  group: Group,
  state: PlanState,
  context: PlanContext,
): void {
  const { now, settings } = context;
  const again = (at: number) => {
    found.nextAt = Math.min(found.nextAt, at);
  };
  prune(tracked, now, settings);
  if (tracked.doubtedAt !== undefined) {
    const withdrawAt = tracked.doubtedAt + settings.groupInterval;
    if (now < withdrawAt) return again(withdrawAt);
    withdraw(tracked, found, now);
  }
  const held = heldUntil(tracked, state, context);
  if (held !== undefined) tracked.heldId = tracked.current.id;
  const isOverHeld = tracked.current.state === "resolved" && tracked.heldId === tracked.current.id;
  const isTold = isNews(tracked) && held === undefined && !isOverHeld;
  if (isTold || tracked.ended !== undefined) tell(tracked, isTold, found, context);
  else if (held === undefined && isToldFiring(tracked)) {
    tracked.toldAt ??= group.toldAt ?? now;
    found.unanswered.push(tracked);
  }
  const { current } = tracked;
  if (isOverHeld && !isToldFiring(tracked)) tracked.told = toldAs(tracked, current);
  if (tracked.isFlapping) again(quietAt(tracked, settings.flap.quiet));
  if (held !== undefined && current.state === "firing") again(held);
  if (current.state === "resolved") again(now + settings.flap.within);
}

/** Once told again, also its end is. */
function toldAs({ told }: Tracked, { id, state }: AlertTransition): Told {
  return { id, state, ...(told?.id === id && told.isAgain ? { isAgain: true } : {}) };
}

function withdraw(tracked: Tracked, found: Found, now: number): void {
  const { current } = tracked;
  const reason = "withdrawn: after a rollback it fires no more";
  tracked.doubtedAt = undefined;
  tracked.current = { ...current, state: "resolved", at: Math.max(now, current.firingAt), reason };
  tracked.told = { id: current.id, state: "withdrawn" };
  tracked.ended = undefined;
  found.withdrawn.push(tracked.current);
}

/** R1, R2. */
function tell(
  tracked: Tracked,
  isTold: boolean,
  found: Found,
  { now, settings }: PlanContext,
): void {
  const how = damping(tracked, settings);
  if (how === "quiet") {
    tracked.isFlapping = true;
    return;
  }
  const { current, ended, told } = tracked;
  if (settings.flap.changes > 0) tracked.changes = [...tracked.changes, now];
  if (told?.id === current.id && isTold) {
    tracked.told = { ...told, isAgain: true };
  }
  if (tracked.told?.isAgain) found.isAgain = true;
  if (ended !== undefined) {
    found.resolved.push(ended);
    tracked.ended = undefined;
    tracked.told = toldAs(tracked, ended);
  }
  if (!isTold) return;
  if (how === "flaps") {
    tracked.isFlapping = true;
    tracked.ended = current.state === "resolved" ? current : undefined;
    const reason = `${current.reason}; it flaps: told again once it is quiet`;
    found.firing.push({ ...current, state: "firing", at: current.firingAt, reason });
    tracked.toldAt = now;
    tracked.untold = 0;
    tracked.told = { ...toldAs(tracked, current), state: "firing" };
    return;
  }
  (current.state === "firing" ? found.firing : found.resolved).push(withUntold(tracked));
  tracked.told = toldAs(tracked, current);
  tracked.toldAt = now;
  tracked.untold = 0;
}

/** P6. */
function withUntold({ current, untold }: Tracked): AlertTransition {
  if (untold === 0) return current;
  const times = untold === 1 ? "once" : `${untold} times`;
  return { ...current, reason: `${current.reason}; it fired ${times} before that, untold` };
}

/** P2. When it is to be looked at again; undefined where it may be told. */
function heldUntil(
  { current, heardAt }: Tracked,
  state: PlanState,
  context: PlanContext,
): number | undefined {
  const { circumstances, settings, now } = context;
  const { silences, acknowledgements, fleet } = circumstances;
  const labels = labelsOf(current, fleet);
  const isHeld =
    acknowledgements.has(current.id) ||
    state.inhibition.inhibits(current, labels["site"] ?? "") !== undefined ||
    silencedBy(silences, labels, now) !== undefined;
  if (isHeld) return now + Math.max(settings.groupInterval, heldMsMin);
  const escalatedAt = heardAt + (settings.escalateAfter ?? 0);
  return now < escalatedAt ? escalatedAt : undefined;
}

function notificationsOf(
  group: Group,
  found: Found,
  context: PlanContext,
): readonly Notification[] {
  const { settings, now } = context;
  const { firing, resolved, withdrawn, unanswered, isAgain } = found;
  const { labels, toldAt } = group;
  const told: Notification[] = [];
  if (withdrawn.length > 0)
    told.push({ ...salted(shown(withdrawn, labels, now)), kind: "withdrawn", reason: "withdrawn" });
  if (firing.length + resolved.length > 0) {
    const notification = shown([...firing, ...resolved], labels, now);
    const isEscalation = settings.escalateAfter !== undefined && firing.length > 0;
    const reason = isEscalation ? "escalation" : toldAt === undefined ? "new" : "changed";
    told.push({ ...(isAgain ? salted(notification) : notification), reason });
  } else if (settings.repeatInterval > 0 && unanswered.length > 0) {
    if (now >= firstToldAt(found) + settings.repeatInterval) {
      const again = unanswered.map(({ current }) => current);
      told.push({ ...salted(shown(again, labels, now)), reason: "repeat" });
    }
  }
  return told;
}

/** In one order whatever the state was read from; those that fire first, of many. */
function shown(found: readonly AlertTransition[], group: Labels, at: number): Notification {
  const alerts = found.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const firing = alerts.filter(({ state }) => state === "firing").slice(0, shownMax);
  const room = shownMax - firing.length;
  const resolved = alerts.filter(({ state }) => state === "resolved").slice(0, room);
  const [only, ...more] = alerts;
  const key =
    only !== undefined && more.length === 0
      ? idempotencyKey(only)
      : digest([group, alerts.map(idempotencyKey)], 32);
  const omitted = alerts.length - firing.length - resolved.length;
  return { key, kind: "alerts", group, firing, resolved, omitted, reason: "new", at };
}

/** Another key than the same alerts had when they were told before. */
function salted(notification: Notification): Notification {
  return { ...notification, key: digest([notification.key, notification.at], 32) };
}
