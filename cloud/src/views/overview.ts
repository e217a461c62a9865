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
  | "receiver";

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
  ];
  const ranked = problems.toSorted((left, right) => rank(left) - rank(right));
  const isWell = problems.every(({ severity }) => severity === "info");
  const verdict = isWell ? wellText(sources) : wrongText(problems);
  return { verdict, isWell, problems: ranked.slice(0, problemsMax) };
}

function problem(kind: ProblemKind, severity: Severity, text: string, more = {}): FleetProblem {
  return { ...nowhere, kind, severity, text, ...more };
}

/** Someone knows of it, it is meant to be quiet, or it follows from another. */
function isOpen({ acknowledged, silencedBy, inhibitedBy }: AlertShown): boolean {
  return acknowledged === undefined && silencedBy === undefined && inhibitedBy === undefined;
}

function alertProblem(shown: AlertShown): FleetProblem {
  const { id, severity, gateway, device, reason, firingAt } = shown;
  const place = { gateway: gateway || null, device: device || null };
  return problem("alert", severity, reason, { ...place, alert: id, since: firingAt });
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
    const text = `${backlog.events} events wait at gateway ${gateway}`;
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

function wellText({ gateways }: OverviewSources): string {
  const inService = gateways.filter(({ state }) => state !== "retired");
  if (inService.length === 0) return "No gateway has reported yet.";
  const isLossless = inService.every(({ losses }) => losses.length === 0);
  const who =
    inService.length === 1
      ? "The gateway is up to date"
      : `All ${inService.length} gateways are up to date`;
  return `${who}${isLossless ? "; nothing was lost" : ""}.`;
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
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
