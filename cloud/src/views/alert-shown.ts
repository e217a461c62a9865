/** An alert as it is shown: in its last state, with what people said of it. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { AlertEvidence } from "@causeway/shared/alert/evidence.ts";
import { siteIn } from "@causeway/shared/names.ts";
import type { Circumstances } from "@causeway/shared/operate/circumstances.ts";
import { labelsOf } from "@causeway/shared/operate/labels.ts";
import { silencedBy } from "@causeway/shared/operate/silence.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import type { Telling } from "../notify/told-table.ts";
import type { AlertStanding } from "../operate/alert-standing.ts";
import type { AlertEntry } from "./alert-table.ts";

/** In its last state, with what it began with. */
export interface AlertState {
  readonly id: string;
  readonly state: AlertTransition["state"];
  readonly fingerprint: string;
  readonly rule: string;
  readonly ruleVersion: string;
  readonly severity: AlertTransition["severity"];
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly firingAt: number;
  readonly resolvedAt: number | null;
  readonly value: AlertTransition["value"];
  readonly unit: string | null;
  readonly reason: string;
  readonly late: boolean;
  /** When the newest transition of a late one was decided, in ms. */
  readonly knownAt?: number;
  readonly flapping?: true;
  /** A rule at the gateway found it. */
  readonly raisedBy?: "edge";
}

export interface AlertShown extends AlertState, AlertStanding {
  readonly site: string;
}

export function alertState({ first, last }: AlertEntry): AlertState {
  const { id, state, fingerprint, rule, ruleVersion, severity, gateway, device, metric } = last;
  const { flapping, raisedBy, knownAt, firingAt, late } = last;
  return {
    ...{ id, state, fingerprint, rule, ruleVersion, severity, gateway, device, metric, firingAt },
    resolvedAt: state === "resolved" ? last.at : null,
    ...{ value: first.value, unit: first.unit ?? null, reason: first.reason, late },
    ...(late && knownAt !== undefined ? { knownAt } : {}),
    ...(flapping === undefined ? {} : { flapping }),
    ...(raisedBy === undefined ? {} : { raisedBy }),
  };
}

export function alertShown(
  entry: AlertEntry,
  fleet: Fleet,
  standing: AlertStanding = {},
): AlertShown {
  const { gateway } = entry.last;
  const site = siteIn(gateway) ?? fleet.gateway(gateway).site;
  return { ...alertState(entry), site, ...standing };
}

export interface TimelineEntry {
  readonly at: number;
  readonly what: (typeof timelineKinds)[number];
  readonly text: string;
  readonly by?: string;
  readonly note?: string;
  readonly receiver?: string;
}

export const timelineKinds = [
  ...["fired", "resolved", "acknowledged", "silenced"],
  ...["told", "telling", "not told"],
] as const;

export interface AroundAlert {
  readonly circumstances: Circumstances;
  readonly tellings: readonly Telling[];
  readonly now: number;
}

/** Oldest first; `silenced` by the silence that is in force now. */
export function timelineOf(
  { first, last }: AlertEntry,
  { circumstances, tellings, now }: AroundAlert,
): readonly TimelineEntry[] {
  const { silences, acknowledgements, fleet } = circumstances;
  const { state, firingAt, at } = last;
  const told: TimelineEntry[] = [{ at: firingAt, what: "fired", text: first.reason }];
  const acknowledged = acknowledgements.get(last.id);
  if (acknowledged !== undefined) {
    const { at: when, by, note } = acknowledged;
    told.push({ at: when, what: "acknowledged", text: `by ${by}`, by, note });
  }
  const silence = silencedBy(silences, labelsOf(last, fleet), now);
  if (state === "firing" && silence !== undefined) {
    const { author: by, comment: note, startsAt, endsAt } = silence;
    const until = endsAt === null ? "" : ` until ${new Date(endsAt).toISOString()}`;
    const since = Math.max(startsAt, firingAt);
    told.push({ at: since, what: "silenced", text: `by ${by}${until}`, by, note });
  }
  if (state === "resolved") told.push({ at, what: "resolved", text: last.reason });
  return [...told, ...tellings.map(tellingEntry)].sort((left, right) => left.at - right.at);
}

const outcomeWords = { delivered: "told", waiting: "telling", dead: "not told" } as const;
const reasonWords: Readonly<Record<string, string>> = {
  repeat: "again, as it goes on",
  escalation: "as nobody had acknowledged it",
  late: "in the digest of what came late",
  withdrawn: "that it does not stand",
};

function tellingEntry({ receiver, reason, state, outcome, at, detail }: Telling): TimelineEntry {
  const how = reasonWords[reason] ?? (state === "resolved" ? "that it is over" : "");
  const why = detail === "" ? "" : `: ${detail}`;
  const text = `${receiver} ${how}`.trimEnd();
  return { at, what: outcomeWords[outcome], text: `${text}${why}`, receiver };
}

/** What made it fire; of one that is over also how long, and the worst of that time. */
export function evidenceOf({ first, last }: AlertEntry): AlertEvidence | null {
  const fired = first.evidence ?? last.evidence;
  return fired === undefined ? null : { ...last.evidence, ...fired };
}
