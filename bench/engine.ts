/**
 * What a bench of the engine measures: journal messages as twenty gateways would send them, over
 * ten thousand series, and how the rules that judge them are told against none at all.
 */
import type { Event } from "@causeway/shared/event.ts";
import type { MetricName } from "@causeway/shared/names.ts";
import { deviceId } from "@causeway/shared/names.ts";
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import type { JournalMessage } from "../cloud/src/ingest/journal.ts";
import { bootOffset, journalMessage } from "../cloud/src/testing/journal-writer.ts";
import { median } from "./intake.ts";

export interface Shape {
  readonly eventsPerBatch: number;
  /** Metrics of one publish. */
  readonly readingsPerEvent: number;
}

/** Who sends, and how much time passes between two readings of a series. */
export interface Senders {
  readonly gateways: number;
  readonly seriesPerGateway: number;
  readonly stepMs: number;
  /** Of the boot that readings are dated by. */
  readonly bootAt: number;
}

export const gateways = 20;
const usualSenders: Senders = {
  ...{ gateways, seriesPerGateway: 500, stepMs: 60_000, bootAt: bootOffset },
};
export const seriesCount = usualSenders.gateways * usualSenders.seriesPerGateway;

/** One batch of each gateway. */
export type Turn = readonly JournalMessage[];

const usual = { metrics: ["*", "!seq"] };
/** The first names what the others are told against. */
const written: Readonly<Record<string, readonly object[]>> = {
  "no rules": [],
  ewma: [{ name: "usual", detector: "ewma", ...usual }],
  "ewma + 10 rules, 1 matches": [
    { name: "usual", detector: "ewma", ...usual },
    { name: "limit", detector: "limits", hi: 90, for: "5m", devices: ["press-*"] },
    ...others(),
  ],
  auto: [{ name: "usual", detector: "auto", ...usual }],
  "auto + 10 rules, 1 matches": [
    { name: "usual", detector: "auto", ...usual },
    { name: "limit", detector: "limits", hi: 90, for: "5m", devices: ["press-*"] },
    ...others(),
  ],
  "auto + 10 patterns, 1 matches": [
    { name: "usual", detector: "auto", ...usual },
    { name: "high", when: "value > 90.0", for: "5m", devices: ["press-*"] },
    ...Array.from({ length: 9 }, (_, index) => {
      return { name: `other-${index}`, when: "value > 90.0", devices: [`freezer-${index}-*`] };
    }),
  ],
};

function others(): readonly object[] {
  return Array.from({ length: 9 }, (_, index) => {
    const devices = [`freezer-${index}-*`, "!freezer-test"];
    return { name: `other-${index}`, detector: "limits", hi: 90, devices };
  });
}

/** As settings; undefined where there is none of that name. */
export function rulesOf(variant: string): readonly object[] | undefined {
  return written[variant];
}

export const parseAlone = "expand, JSON.parse";

export interface Variant {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export function variants(): readonly Variant[] {
  return Object.entries(written).map(([name, rules]) => ({
    name,
    rules: rulesSchema.parse(rules),
  }));
}

/** Turns without end: every series wanders about its own level, a reading a step. */
export function* turns(
  { eventsPerBatch, readingsPerEvent }: Shape,
  { gateways, seriesPerGateway, stepMs, bootAt } = usualSenders,
): Generator<Turn, never> {
  const random = seededRandom("engine");
  const noise = Array.from({ length: 8_192 }, () => gaussian(random));
  const devices = seriesPerGateway / readingsPerEvent;
  let [turn, drawn] = [0, 0];
  const reading = (device: number, index: number) => {
    const value = 20 + index * 10 + (device % 7) + (noise[drawn++ % noise.length] ?? 0);
    return {
      metric: `metric-${index}` as MetricName,
      value: Math.round(value * 100) / 100,
      unit: "Cel",
    };
  };
  for (;;) {
    yield Array.from({ length: gateways }, (_, gateway) => {
      const from = turn * eventsPerBatch;
      const events = Array.from({ length: eventsPerBatch }, (_, index): Event => {
        const device = (from + index) % devices;
        const readings = Array.from({ length: readingsPerEvent }, (_, at) => ({
          ...reading(device, at),
          quality: "good" as const,
        }));
        return {
          kind: "reading",
          device: deviceId(`press-${device}`),
          topic: `devices/press-${device}/telemetry`,
          bootMs: Math.floor((from + index) / devices) * stepMs,
          observedAt: null,
          readings,
        };
      });
      const sequence = turn * gateways + gateway + 1;
      const boots = { boot1: bootAt };
      const own = { gateway: `plant-${gateway}`, boots };
      const message = journalMessage(sequence, from + 1, events, own);
      return { ...message, storedAt: bootAt + turn * stepMs };
    });
    turn += 1;
  }
}

/** One variant in one round. */
export interface Measured {
  readonly readings: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface Result {
  readonly shape: Shape;
  readonly variant: string;
  readonly readingsPerSecond: number;
  readonly cpuPerMillion: number;
}

export function resultOf(shape: Shape, variant: string, rounds: readonly Measured[]): Result {
  const perSecond = rounds.map(({ readings, wallMs }) => (readings / wallMs) * 1_000);
  const perMillion = rounds.map(({ readings, cpuMs }) => (cpuMs / readings) * 1_000);
  return {
    ...{ shape, variant },
    readingsPerSecond: median(perSecond) ?? 0,
    cpuPerMillion: median(perMillion) ?? 0,
  };
}

/** The results of one shape; the first without rules, and the parsing of the same bytes, are 1. */
export function table(results: readonly Result[]): string {
  const base = results.find(({ variant }) => variant !== parseAlone);
  const parse = results.find(({ variant }) => variant === parseAlone);
  const head = ["", "readings/s", "CPU s/M", "per core", "CPU of no rules", "of JSON.parse"];
  const rows = results.map(({ variant, readingsPerSecond, cpuPerMillion }) => [
    variant,
    thousands(readingsPerSecond),
    cpuPerMillion.toFixed(2),
    thousands(1e6 / cpuPerMillion),
    `${(cpuPerMillion / (base?.cpuPerMillion ?? 1)).toFixed(2)}x`,
    `${(cpuPerMillion / (parse?.cpuPerMillion ?? 1)).toFixed(2)}x`,
  ]);
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function thousands(number: number): string {
  return `${Math.round(number / 1_000)}k`;
}
