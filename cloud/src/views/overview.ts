/** What is wrong in the fleet, the gravest first, and one sentence that says whether all is well. */
import type { Severity } from "@causeway/shared/alert/alert.ts";
import type { AlertShown } from "./alert-shown.ts";
import type { DeadGroup } from "./dead-table.ts";
import type { GatewayShown } from "./gateway-shown.ts";

export type ProblemKind =
  | "not-ready"
  | "gateway-silent"
  | "backlog"
  | "loss"
  | "clock"
  | "identity"
  | "alert"
  | "rules-refused"
  | "dead-letters"
  | "receiver"
  | "series-full";

export interface FleetProblem {
  readonly kind: ProblemKind;
  readonly severity: Severity;
  readonly text: string;
  readonly gateway: string | null;
  readonly device: string | null;
  /** Its id. */
  readonly alert: string | null;
  readonly since: number | null;
}

export interface OverviewSources {
  readonly reasons: readonly string[];
  readonly gateways: readonly GatewayShown[];
  /** Those that fire. */
  readonly alerts: readonly AlertShown[];
  readonly deadGroups: readonly DeadGroup[];
  readonly refusedRules: readonly { readonly source: string; readonly reason: string }[];
  readonly receivers: readonly {
    readonly receiver: string;
    readonly waitingFor?: string | undefined;
  }[];
  /** There were more series than the latest values are kept of. */
  readonly hasEvicted: boolean;
  readonly now: number;
}

export interface Findings {
  readonly verdict: string;
  readonly isWell: boolean;
  readonly problems: readonly FleetProblem[];
}

export const problemsMax = 100;
/** What happened before that is history. */
const freshMs = 24 * 3_600_000;
/** A backlog that is worth a word. */
const backlogMin = 1_000;
const nowhere = { gateway: null, device: null, alert: null, since: null };

export function findingsOf(sources: OverviewSources): Findings {
  const { reasons, alerts, refusedRules, receivers } = sources;
  // The same is told once: what an alert of the system says of a gateway needs no second line.
  const told = new Set(alerts.map(({ gateway, rule }) => `${gateway} ${rule}`));
  const problems = [
    ...reasons.map((text) => problem("not-ready", "critical", text)),
    ...alerts.filter(isOpen).map(alertProblem),
    ...sources.gateways.flatMap((gateway) => gatewayProblems(gateway, told, sources.now)),
    ...refusedRules.map(({ source, reason }) =>
      problem("rules-refused", "warning", `rules of ${source} are not in force: ${reason}`),
    ),
    ...receivers.flatMap(({ receiver, waitingFor }) =>
      waitingFor === undefined
        ? []
        : [problem("receiver", "warning", `receiver ${receiver} waits: ${waitingFor}`)],
    ),
    ...sources.deadGroups.flatMap((group) => deadProblems(group, sources.now)),
    ...(sources.hasEvicted ? [problem("series-full", "info", evictedText)] : []),
  ];
  const ranked = problems.toSorted((left, right) => rank(left) - rank(right));
  const isWell = problems.every(({ severity }) => severity === "info");
  const verdict = isWell ? wellText(sources) : wrongText(problems);
  return { verdict, isWell, problems: ranked.slice(0, problemsMax) };
}

const evictedText =
  "there are more series than latest values are kept of: those that came longest ago are left out here, and are in the history";

function problem(kind: ProblemKind, severity: Severity, text: string, more = {}): FleetProblem {
  return { ...nowhere, kind, severity, text, ...more };
}

/** Someone knows of it, it is meant to be quiet, or it follows from another. */
function isOpen({ acknowledged, silencedBy, inhibitedBy }: AlertShown): boolean {
  return acknowledged === undefined && silencedBy === undefined && inhibitedBy === undefined;
}

/** What the system tells of a gateway is counted as what it is. */
const kindsByRule: Readonly<Record<string, ProblemKind>> = {
  "system-gateway-silent": "gateway-silent",
  "system-loss": "loss",
  "system-rollback-loss": "loss",
  "system-identity-conflict": "identity",
  "system-rules-refused": "rules-refused",
};

function alertProblem(shown: AlertShown): FleetProblem {
  const { id, severity, gateway, device, reason, firingAt, rule } = shown;
  const place = { gateway: gateway || null, device: device || null };
  return problem(kindsByRule[rule] ?? "alert", severity, reason, {
    ...{ ...place, alert: id, since: firingAt },
  });
}

function gatewayProblems(
  shown: GatewayShown,
  told: ReadonlySet<string>,
  now: number,
): readonly FleetProblem[] {
  const { gateway, state, storedAt, backlog, clock, losses } = shown;
  if (state === "retired") return [];
  const found: FleetProblem[] = [];
  const isTold = (rule: string) => told.has(`${gateway} ${rule}`);
  if (state === "silent" && !isTold("system-gateway-silent")) {
    const text = `gateway ${gateway} is silent`;
    found.push(problem("gateway-silent", "warning", text, { gateway, since: storedAt }));
  }
  if (backlog !== null && state === "online" && backlog.events >= backlogMin) {
    const severity = backlog.trend === "draining" ? "info" : "warning";
    const text = `${counted(backlog.events, "event")} wait at gateway ${gateway}`;
    found.push(problem("backlog", severity, text, { gateway, since: backlog.at }));
  }
  if (clock.state !== "set" && clock.state !== "unknown")
    found.push(
      problem("clock", "warning", `the clock of ${gateway} is ${clock.text}`, { gateway }),
    );
  const fresh = losses.filter(({ lastAt }) => now - lastAt < freshMs);
  for (const { reason, events, lastAt } of fresh) {
    const isThinned = reason === "thinned";
    if (!isThinned && isTold("system-loss")) continue;
    const text = isThinned
      ? `${events} events of ${gateway} were summed up before they were sent`
      : `gateway ${gateway} lost ${events} events: ${reason}`;
    found.push(problem("loss", isThinned ? "info" : "warning", text, { gateway, since: lastAt }));
  }
  return found;
}

function deadProblems(
  { kind, gateway, receiver, reason, count, lastAt }: DeadGroup,
  now: number,
): readonly FleetProblem[] {
  if (now - lastAt >= freshMs) return [];
  const severity = kind === "quarantined" ? "info" : "warning";
  const what =
    kind === "notification"
      ? `receiver ${receiver} did not take ${counted(count, "notification")}`
      : `${counted(count, "message")} of gateway ${gateway} could not be read`;
  return [problem("dead-letters", severity, `${what}: ${reason}`, { gateway, since: lastAt })];
}

const ranks: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

function rank({ severity }: FleetProblem): number {
  return ranks[severity];
}

function wellText({ gateways, alerts }: OverviewSources): string {
  const inService = gateways.filter(({ state }) => state !== "retired");
  if (inService.length === 0) return "No gateway has reported yet.";
  const isLossless = inService.every(({ losses }) => losses.length === 0);
  const behind = inService.filter(isBehind);
  const waiting = behind.reduce((sum, { backlog }) => sum + (backlog?.events ?? 0), 0);
  const { length } = inService;
  const upToDate = `${length === 1 ? "The gateway is" : `All ${length} gateways are`} up to date`;
  const who = behind.length === 1 ? "One gateway catches" : `${behind.length} gateways catch`;
  const catchUp = `${who} up: ${counted(waiting, "event")} to come`;
  const known = alerts.filter((alert) => !isOpen(alert)).length;
  const fire = known === 1 ? "alert fires and is" : "alerts fire and are";
  const state = behind.length === 0 ? upToDate : catchUp;
  const lossless = isLossless ? "; nothing was lost" : "";
  return `${state}${lossless}.${known === 0 ? "" : ` ${known} ${fire} known of.`}`;
}

function isBehind({ state, backlog }: GatewayShown): boolean {
  return state === "online" && (backlog?.events ?? 0) >= backlogMin;
}

/** What counts, by kind, in the words of a person. */
function wrongText(problems: readonly FleetProblem[]): string {
  const count = (...kinds: readonly ProblemKind[]) =>
    problems.filter(({ kind, severity }) => kinds.includes(kind) && severity !== "info").length;
  const parts = [
    ["alert fires", "alerts fire", count("alert")],
    ["gateway is silent", "gateways are silent", count("gateway-silent")],
    ["gateway falls behind", "gateways fall behind", count("backlog")],
    ["loss was stated", "losses were stated", count("loss")],
    ["gateway goes by another's name", "gateways go by another's name", count("identity")],
    ["clock is wrong", "clocks are wrong", count("clock")],
    ["receiver takes nothing", "receivers take nothing", count("receiver")],
    ["kind of message is refused", "kinds of messages are refused", count("dead-letters")],
  ] as const;
  const told = parts.flatMap(([one, many, number]) =>
    number === 0 ? [] : [`${number} ${number === 1 ? one : many}`],
  );
  if (count("not-ready") > 0) told.unshift("the cloud is not ready");
  if (count("rules-refused") > 0) told.push("changed rules are not in force");
  const text = told.join(", ");
  const sentence = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  const isSilentAlone = told.length === 1 && count("gateway-silent") > 0;
  return isSilentAlone ? `${sentence}: what devices send waits there.` : `${sentence}.`;
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString("en-US")} ${what}${count === 1 ? "" : "s"}`;
}
