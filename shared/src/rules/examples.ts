/**
 * Examples beside a rule: given these readings, it is expected to do that. They run on the path that
 * alerts take in the cloud, which the caller hands in.
 *
 *   examples:
 *     - given:
 *         - { at: 0s, device: freezer-1, metric: door, value: true }
 *         - { at: 10s, every: 10s, until: 2m, device: freezer-1, metric: temperature, value: -10 }
 *         - { at: 5m }                       # only time passes
 *       expect:
 *         - { at: 2m10s, state: firing, device: freezer-1 }
 *
 * E1 Times are since `start`. A gateway that an example names is never silent: its time is the tick's.
 * E2 Every change of an alert, to `firing` or `resolved`, is expected by one line, and comes at most
 *    one tick after its time.
 */
import { z } from "zod";
import { qualities, textCharactersMax, unitCharactersMax } from "../event.ts";
import type { DeviceId, MetricName } from "../names.ts";
import { isDeviceId, isGatewayId, isMetricName, siteIn } from "../names.ts";
import { durationSchema, durationText, timeSinceSchema } from "./duration.ts";

export const examplesMax = 32;
export const examplesLinesMax = 256;
/** Of one example, once `every` is written out. */
export const exampleReadingsMax = 10_000;
export const exampleTickMs = 5_000;

/** A Monday. */
const defaultStart = "2026-01-05T00:00:00Z";

const gateway = z.string().refine(isGatewayId, "a gateway name");
/** Whose alert it is. */
const gatewayOrSite = z
  .string()
  .refine(
    (name) => isGatewayId(name) || siteIn(name) !== undefined,
    "a gateway name, or @ and a site",
  );
const device = z.string().refine(isDeviceId, "a device name");
const metric = z.string().refine(isMetricName, "a metric name");

const givenSchema = z
  .strictObject({
    at: timeSinceSchema,
    every: durationSchema.refine((ms) => ms > 0, "more than 0s").optional(),
    until: timeSinceSchema.optional(),
    gateway: gateway.optional(),
    device: device.optional(),
    metric: metric.optional(),
    value: z.union([z.number(), z.string().max(textCharactersMax), z.boolean()]).optional(),
    unit: z.string().max(unitCharactersMax).optional(),
    quality: z.enum(qualities).optional(),
    /** Where the device tells another time than that at which the gateway had it. */
    observed: timeSinceSchema.optional(),
  })
  .check(({ value: line, issues }) => {
    const tell = (key: string, message: string) =>
      issues.push({ code: "custom", path: [key], message, input: line });
    if ((line.every === undefined) !== (line.until === undefined))
      tell("every", "every and until go together");
    if (line.value === undefined) return;
    if (line.device === undefined) tell("device", "say which device has the value");
    if (line.metric === undefined) tell("metric", "say which metric has the value");
  });

const states = ["firing", "resolved"] as const;
const expectSchema = z.strictObject({
  at: timeSinceSchema,
  state: z.enum(states),
  gateway: gatewayOrSite.optional(),
  device: device.optional(),
  metric: metric.optional(),
});

const exampleSchema = z
  .strictObject({
    start: z.iso.datetime({ error: `write a time such as ${defaultStart}` }).default(defaultStart),
    given: z.array(givenSchema).min(1).max(examplesLinesMax),
    expect: z.array(expectSchema).max(examplesLinesMax),
  })
  .refine(({ given }) => readingsOf(given) <= exampleReadingsMax, {
    error: `at most ${exampleReadingsMax} readings in an example`,
    path: ["given"],
  });

export const examplesSchema = z.array(exampleSchema).min(1).max(examplesMax);
export type Example = z.infer<typeof exampleSchema>;
type Given = z.infer<typeof givenSchema>;
type Expected = z.infer<typeof expectSchema>;

export type ExampleStep =
  | {
      readonly kind: "reading";
      /** When the gateway had it, and when it was observed; in ms since 1970. */
      readonly receivedAt: number;
      readonly observedAt: number | null;
      readonly gateway: string;
      readonly device: DeviceId;
      readonly metric: MetricName;
      readonly value: number | string | boolean;
      readonly unit: string | undefined;
      readonly quality: (typeof qualities)[number];
    }
  /** Every five seconds; every gateway of the example was heard just now. */
  | { readonly kind: "tick"; readonly at: number };

/** A change of an alert of the rule. */
export interface ExampleTransition {
  readonly state: (typeof states)[number];
  /** Of the step that brought it, in ms since 1970. */
  readonly at: number;
  readonly gateway: string;
  /** "" where the alert is about more than one. */
  readonly device: string;
  readonly metric: string;
}

/** Takes the steps in their order, from an empty state, and tells what became of the rule's alerts. */
export type ExampleReplay = (steps: Iterable<ExampleStep>) => readonly ExampleTransition[];

export interface ExampleFault {
  /** Below the rule, as `examples.0.expect.1`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export function runExamples(
  examples: readonly Example[],
  replay: ExampleReplay,
): readonly ExampleFault[] {
  return examples.flatMap((example, index) => {
    const startMs = Date.parse(example.start);
    const transitions = replay(stepsOf(example)).map((one) => ({ ...one, at: one.at - startMs }));
    return compare(example.expect, transitions).map(({ line, message }) => {
      const path = ["examples", index, "expect"];
      return { path: line === undefined ? path : [...path, line], message };
    });
  });
}

const gatewayOfExamples = "gateway-1";

/** Readings in the order of their times, as written where they are equal; ticks after them. */
export function* stepsOf({ start, given, expect }: Example): Iterable<ExampleStep> {
  const startMs = Date.parse(start);
  const readings = given.flatMap(writtenOut).toSorted((a, b) => a.at - b.at);
  const ends = [
    ...given.map(({ at, until = 0 }) => Math.max(at, until)),
    ...expect.map(({ at }) => at),
  ];
  const endMs = Math.max(...ends) + exampleTickMs;
  let next = 0;
  for (let tickMs = exampleTickMs; tickMs <= endMs; tickMs += exampleTickMs) {
    for (; next < readings.length && (readings[next]?.at ?? 0) <= tickMs; next++) {
      const line = readings[next];
      if (line !== undefined) yield* stepOf(line, startMs);
    }
    yield { kind: "tick", at: startMs + tickMs };
  }
}

function* stepOf(line: Given, startMs: number): Iterable<ExampleStep> {
  const { device, metric, value } = line;
  if (device === undefined || metric === undefined || value === undefined) return;
  yield {
    ...{ kind: "reading", device, metric, value },
    receivedAt: startMs + line.at,
    observedAt: startMs + (line.observed ?? line.at),
    gateway: line.gateway ?? gatewayOfExamples,
    unit: line.unit,
    quality: line.quality ?? "good",
  };
}

function readingsOf(given: readonly Given[]): number {
  return given.reduce((count, line) => count + timesOf(line), 0);
}

function timesOf({ at, every, until }: Given): number {
  if (every === undefined || until === undefined || every === 0) return 1;
  return Math.max(0, Math.floor((until - at) / every)) + 1;
}

function writtenOut(line: Given): readonly Given[] {
  const { at, every = 0, observed } = line;
  return Array.from({ length: timesOf(line) }, (_, time) => {
    const later = time * every;
    return {
      ...line,
      at: at + later,
      ...(observed === undefined ? {} : { observed: observed + later }),
    };
  });
}

interface Difference {
  /** Of `expect`; undefined where no line is meant. */
  readonly line?: number;
  readonly message: string;
}

/** What differs (E2). */
function compare(
  expected: readonly Expected[],
  transitions: readonly ExampleTransition[],
): readonly Difference[] {
  const left = [...transitions];
  const unmet = expected.flatMap((line, index) => {
    const met = left.findIndex((one) => isAt(line, one) && isOf(line, one));
    if (met < 0) return [{ line, index }];
    left.splice(met, 1);
    return [];
  });
  const differences = unmet.map(({ line, index }): Difference => {
    const near = left.findIndex((one) => isOf(line, one));
    const got = near < 0 ? "nothing" : textOf(left[near]);
    if (near >= 0) left.splice(near, 1);
    return { line: index, message: `expected ${textOf(line)}; got ${got}` };
  });
  return [
    ...differences,
    ...left.map((one) => ({ message: `got ${textOf(one)}, which no line expects` })),
  ];
}

function isAt({ at }: Expected, transition: ExampleTransition): boolean {
  return transition.at >= at && transition.at <= at + exampleTickMs;
}

function isOf(line: Expected, transition: ExampleTransition): boolean {
  return (
    line.state === transition.state &&
    (["gateway", "device", "metric"] as const).every(
      (part) => line[part] === undefined || line[part] === transition[part],
    )
  );
}

function textOf(change: Expected | ExampleTransition | undefined): string {
  if (change === undefined) return "nothing";
  const { state, at, device, metric, gateway } = change;
  const place = [device, metric].filter(Boolean).join(" ") || gateway;
  return `${state} at ${durationText(at)}${place ? ` for ${place}` : ""}`;
}
