/**
 * The alerts of one gateway, as its commits hold them. They depend on verdicts alone and never on
 * the states of detectors, which a replay restores on its own; of these they only ask what was worst.
 *
 * B1 Bounded, by number and by bytes, since one message holds all of a gateway: at `alertsMax`
 *    fingerprints of a mode, or `bytesMax`, those that have been inactive for longest are forgotten
 *    (their occurrences count from 1 again); where all are open, a new one is refused and counted.
 *    So a rule that is tried in shadow takes no room from those that are live.
 * B2 A fingerprint that never fired is kept only while it is pending.
 * B3 What a later rule set no longer judges, or judges in another mode, is withdrawn: it could not
 *    come back to normal.
 * B4 What helps to tell more, and is no part of how an alert stands (when it changed lately, its worst
 *    reading), gives way where there is no room for it.
 *
 * Encoded, the inactive ones last and those that have been so for longest first:
 *   {"v":1, "refused": count, "alerts": [{"rule","device","metric","occurrences",
 *     "shadow"?: true, "changes"?: [ms, …], "lateChanges"?: [ms, …], "pending"?: {"since","late"},
 *     "firing"?:  {"id","ruleVersion","severity","at","late","normalSince"?,
 *                  "flaps"?: normalHeardAt | null,"worst"?: [at, value, size]}}, …], "edge"?: edge-alarms.ts}
 */

import { z } from "zod";
import type { Worst } from "../rules/odd-run.ts";
import { parseState } from "../rules/parse-state.ts";
import type { CompiledRule, GatewayRules } from "../rules/rule-set.ts";
import { SeriesMap } from "../rules/series-map.ts";
import { severities } from "../rules/severity.ts";
import { EdgeAlarms, edgeAlarmsSchema } from "./edge-alarms.ts";
import type { Alert, Phase } from "./lifecycle.ts";
import { inactive, noTimes } from "./lifecycle.ts";

export const alertsVersion = 1;

type Mode = CompiledRule["mode"];
type RuleInMode = Pick<CompiledRule, "name" | "mode">;

/** With what the edge raised all stay below the server's max_payload; some 3,000 open alerts are that large. */
const bytesMax: Readonly<Record<Mode, number>> = { live: 704 * 1_024, shadow: 128 * 1_024 };
/** Of the longest row beside its names. */
const openBytes = 224;
const inactiveBytes = 72;
/** With a comma and a sign. */
const timeBytes = 15;

/** B1, of one mode. */
interface Table {
  count: number;
  bytes: number;
  /** In the order in which they became so. */
  readonly inactive: Set<Alert>;
}

export class GatewayAlerts {
  readonly #alertsMax: number;
  readonly #bySeries = new SeriesMap<Alert[]>();
  readonly #tables: Readonly<Record<Mode, Table>> = {
    live: { count: 0, bytes: 0, inactive: new Set() },
    shadow: { count: 0, bytes: 0, inactive: new Set() },
  };
  /** Of each alert, as counted in its table. */
  readonly #bytes = new Map<Alert, number>();
  #refused: number;
  #isChanged = false;
  /** Of those that the gateway raises itself. */
  #edge = new EdgeAlarms();
  /** Open, and judged by no rule any more (B3). */
  unjudged: readonly Alert[] = [];
  /** Those that fire on until they have been normal for long; late ones apart, which hear no ticks. */
  readonly flapping = new Set<Alert>();

  constructor(alertsMax: number, refused = 0) {
    this.#alertsMax = alertsMax;
    this.#refused = refused;
  }

  /** Alerts that were not opened, since the table is full of open ones (B1). */
  get refused(): number {
    return this.#refused;
  }

  /** Whether anything, pending alerts included, has changed since it was encoded or decoded. */
  get isChanged(): boolean {
    return this.#isChanged || this.#edge.isChanged;
  }

  get edge(): EdgeAlarms {
    return this.#edge;
  }

  /** Live and not inactive, of these rules. */
  openOf(rules: ReadonlySet<string>): readonly Alert[] {
    if (rules.size === 0) return [];
    return [...this.#bySeries.entries()].flatMap(([, , own]) => {
      return own.filter(({ rule, mode, phase }) => {
        return mode === "live" && phase.kind !== "inactive" && rules.has(rule);
      });
    });
  }

  find({ name, mode }: RuleInMode, device: string, metric: string): Alert | undefined {
    const alerts = this.#bySeries.get(device, metric);
    if (alerts === undefined) return undefined;
    for (const alert of alerts) if (alert.rule === name && alert.mode === mode) return alert;
    return undefined;
  }

  /** A new one, inactive; undefined where there is no room (B1). */
  add({ name, mode }: RuleInMode, device: string, metric: string): Alert | undefined {
    const alert: Alert = {
      ...{ rule: name, device, metric, mode, occurrences: 0, phase: inactive },
      ...{ changes: noTimes, lateChanges: noTimes },
    };
    if (!this.#makeRoom(mode, 1, bytesOf(alert, openBytes))) {
      this.#refused += 1;
      this.#isChanged = true;
      return undefined;
    }
    this.#insert(alert);
    return alert;
  }

  /** To be called when the phase of `alert` was replaced. */
  settle(alert: Alert): void {
    this.#isChanged = true;
    if (isFlapping(alert)) this.flapping.add(alert);
    else this.flapping.delete(alert);
    const known = this.#tables[alert.mode].inactive;
    known.delete(alert);
    if (alert.phase.kind === "inactive" && alert.occurrences === 0) {
      this.#remove(alert);
      return;
    }
    this.#weigh(alert);
    if (alert.phase.kind === "inactive") known.add(alert);
    else if (!this.#makeRoom(alert.mode, 0, 0)) this.#lighten(alert);
  }

  encode(): string {
    const alerts: unknown[] = [];
    for (const [, , own] of this.#bySeries.entries()) {
      for (const alert of own) if (alert.phase.kind !== "inactive") alerts.push(rowOf(alert));
    }
    for (const { inactive: known } of Object.values(this.#tables)) {
      for (const alert of known) alerts.push(rowOf(alert));
    }
    this.#isChanged = false;
    this.#edge.isChanged = false;
    const edge = this.#edge.encode();
    return JSON.stringify({ v: alertsVersion, refused: this.#refused, alerts, edge });
  }

  /** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
  static decode(text: string, rules: GatewayRules, alertsMax: number): GatewayAlerts {
    const { refused, alerts: rows, edge } = parseState("alert", alertsSchema, text);
    const alerts = new GatewayAlerts(alertsMax, refused);
    alerts.#edge = EdgeAlarms.decode(edge);
    for (const row of rows) {
      const { rule, device, metric, occurrences } = row;
      const mode: Mode = row.shadow ? "shadow" : "live";
      const { changes = noTimes, lateChanges = noTimes } = row;
      const of = { rule, device, metric, mode, occurrences, changes, lateChanges };
      const alert = { ...of, phase: phaseOf(row) };
      alerts.#insert(alert);
      if (isFlapping(alert)) alerts.flapping.add(alert);
      if (alert.phase.kind === "inactive") alerts.#tables[mode].inactive.add(alert);
    }
    alerts.rejudge(rules);
    return alerts;
  }

  /** B3. */
  rejudge(rules: GatewayRules): void {
    const unjudged: Alert[] = [];
    for (const [, , own] of this.#bySeries.entries()) {
      for (const alert of own) {
        if (alert.phase.kind !== "inactive" && !rules.judges(alert)) unjudged.push(alert);
      }
    }
    this.unjudged = unjudged;
  }

  /** Whether so many more have room, those that were inactive for longest forgotten. */
  #makeRoom(mode: Mode, alerts: number, bytes: number): boolean {
    const table = this.#tables[mode];
    const isFull = () =>
      table.count + alerts > this.#alertsMax || table.bytes + bytes > bytesMax[mode];
    for (const longest of table.inactive) {
      if (!isFull()) return true;
      this.#remove(longest);
    }
    return !isFull();
  }

  /** B4. */
  #lighten(alert: Alert): void {
    const { phase } = alert;
    alert.changes = noTimes;
    alert.lateChanges = noTimes;
    if (phase.kind === "firing") alert.phase = { ...phase, worst: undefined };
    this.#weigh(alert);
  }

  #weigh(alert: Alert): void {
    const beside = alert.phase.kind === "inactive" ? inactiveBytes : openBytes;
    const bytes = bytesOf(alert, beside) + extrasOf(alert);
    this.#tables[alert.mode].bytes += bytes - (this.#bytes.get(alert) ?? 0);
    this.#bytes.set(alert, bytes);
  }

  #insert(alert: Alert): void {
    this.#weigh(alert);
    const alerts = this.#bySeries.get(alert.device, alert.metric);
    if (alerts === undefined) this.#bySeries.set(alert.device, alert.metric, [alert]);
    else alerts.push(alert);
    this.#tables[alert.mode].count += 1;
  }

  #remove(alert: Alert): void {
    const alerts = this.#bySeries.get(alert.device, alert.metric) ?? [];
    const others = alerts.filter((other) => other !== alert);
    if (others.length === 0) this.#bySeries.delete(alert.device, alert.metric);
    else this.#bySeries.set(alert.device, alert.metric, others);
    const table = this.#tables[alert.mode];
    table.inactive.delete(alert);
    table.count -= 1;
    table.bytes -= this.#bytes.get(alert) ?? 0;
    this.#bytes.delete(alert);
  }
}

function isFlapping({ phase }: Alert): boolean {
  return phase.kind === "firing" && phase.flapping === true && !phase.late;
}

/** B4. */
function extrasOf({ phase, changes, lateChanges }: Alert): number {
  const worst = phase.kind === "firing" ? phase.worst : undefined;
  const times = changes.length + lateChanges.length;
  if (times === 0 && worst === undefined) return 0;
  const named = worst === undefined ? 0 : JSON.stringify(worstRow(worst)).length + 10;
  return named + (times === 0 ? 0 : 30 + times * timeBytes);
}

function bytesOf({ rule, device, metric }: Alert, beside: number): number {
  return Buffer.byteLength(JSON.stringify([rule, device, metric])) + beside;
}

const alertsSchema = z.object({
  v: z.literal(alertsVersion),
  refused: z.int().min(0),
  edge: edgeAlarmsSchema.optional(),
  alerts: z.array(
    z.object({
      rule: z.string(),
      device: z.string(),
      metric: z.string(),
      occurrences: z.int().min(0),
      shadow: z.literal(true).optional(),
      changes: z.array(z.number()).optional(),
      lateChanges: z.array(z.number()).optional(),
      pending: z.object({ since: z.number(), late: z.boolean() }).optional(),
      firing: z
        .object({
          id: z.string(),
          ruleVersion: z.string(),
          severity: z.enum(severities),
          at: z.number(),
          late: z.boolean(),
          normalSince: z.number().optional(),
          flaps: z.number().nullable().optional(),
          worst: z.tuple([z.number(), z.number(), z.number()]).optional(),
        })
        .optional(),
    }),
  ),
});
type AlertRow = z.infer<typeof alertsSchema>["alerts"][number];

function worstRow({ at, value, size }: Worst): [number, number, number] {
  return [at, value, size];
}

function rowOf(alert: Alert): AlertRow {
  const { rule, device, metric, mode, occurrences, phase, changes, lateChanges } = alert;
  const row = {
    ...{ rule, device, metric, occurrences },
    ...(mode === "shadow" ? { shadow: true as const } : {}),
    ...(changes.length === 0 ? {} : { changes: [...changes] }),
    ...(lateChanges.length === 0 ? {} : { lateChanges: [...lateChanges] }),
  };
  switch (phase.kind) {
    case "inactive":
      return row;
    case "pending":
      return { ...row, pending: { since: phase.since, late: phase.late } };
    case "firing": {
      const { id, ruleVersion, severity, at, late, normalSince } = phase;
      const { flapping, normalHeardAt = null, worst } = phase;
      const own = { id, ruleVersion, severity, at, late, normalSince };
      const flaps = flapping ? { flaps: normalHeardAt } : {};
      return { ...row, firing: { ...own, ...flaps, ...(worst && { worst: worstRow(worst) }) } };
    }
  }
}

function phaseOf({ pending, firing }: AlertRow): Phase {
  if (firing !== undefined) {
    const { flaps, worst, ...plain } = firing;
    const heard = typeof flaps === "number" ? { normalHeardAt: flaps } : {};
    const flapping = flaps === undefined ? {} : { flapping: true as const, ...heard };
    const [at = 0, value = 0, size = 0] = worst ?? [];
    return { kind: "firing", ...plain, ...flapping, ...(worst && { worst: { at, value, size } }) };
  }
  return pending === undefined ? inactive : { kind: "pending", ...pending };
}
