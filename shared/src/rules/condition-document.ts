/**
 * A condition as it is written below `when:`, and as it is kept: the same with its defaults, times in
 * ms. A text stands for `{ is: text }`; otherwise one key names the kind, and others are its settings.
 * What is wrong is told at its own place, all of it at once.
 */
import { Cron } from "croner";
import { z } from "zod";
import { isRuleName } from "../names.ts";
import type { Wants } from "./cel.ts";
import { parsePredicate, parseValue } from "./cel.ts";
import type { CelFault } from "./cel-environment.ts";
import type { Of } from "./condition.ts";
import { durationSchema } from "./duration.ts";
import { patternsSchema } from "./patterns.ts";
import { isTimeZone } from "./time-zone.ts";

export const conditionsMax = 64;
export const conditionDepthMax = 8;
export const sequenceStepsMax = 16;
/** Of `count`: only the newest so many times are kept. */
export const countMax = 1_000;
const seriesOfMax = 1_000;
const cronCharactersMax = 128;

/** Which readings, and what is true of one that fits. */
export interface ReadingsDocument {
  readonly is?: string | undefined;
  readonly metric: readonly string[];
  readonly device: readonly string[];
}

export type ConditionDocument = { readonly for: number } & (
  | (ReadingsDocument & { readonly of: Of })
  | { readonly all: readonly ConditionDocument[] }
  | { readonly any: readonly ConditionDocument[] }
  | { readonly not: ConditionDocument }
  | { readonly sequence: readonly ConditionDocument[]; readonly within: number }
  | { readonly absence: ReadingsDocument; readonly after: number }
  | {
      readonly count: ReadingsDocument;
      readonly within: number;
      readonly atLeast?: number | undefined;
      readonly fewerThan?: number | undefined;
    }
  | {
      readonly rate: ReadingsDocument & { readonly of: Of };
      readonly over: number;
      readonly per: number;
      readonly above?: number | undefined;
      readonly below?: number | undefined;
    }
  | { readonly schedule: { readonly cron: string; readonly zone: string } }
  | { readonly after: number; readonly since: ConditionDocument }
  | { readonly derived: string; readonly is?: string | undefined }
  | { readonly rule: string; readonly of: Of }
);

type Issues = z.core.ParsePayload["issues"];

const pushCel = (issues: Issues, input: string, faults: readonly CelFault[]) => {
  for (const { message, offset } of faults)
    issues.push({ code: "custom", message, input, params: { offset } });
};

function predicateThat(accepts: (wants: Wants) => string | undefined) {
  return z.string().check(({ value, issues }) => {
    const parsed = parsePredicate(value);
    if (parsed.kind === "faulty") return pushCel(issues, value, parsed.faults);
    const message = accepts(parsed.compiled.wants);
    if (message !== undefined) issues.push({ code: "custom", message, input: value });
  });
}

const predicate = predicateThat(() => undefined);
const ofNumbers = predicateThat((wants) =>
  wants === "number" || wants === "any"
    ? undefined
    : `a rate is of numbers, this asks for ${wants}`,
);

/** What an `emit:` carries. */
export const valueExpression = z.string().check(({ value, issues }) => {
  const parsed = parseValue(value);
  if (parsed.kind === "faulty") pushCel(issues, value, parsed.faults);
});

/** One pattern or a list of them. */
const patterns = z.preprocess(
  (given) => (typeof given === "string" ? [given] : given),
  patternsSchema,
);
const of = z.union([z.enum(["any", "every"]), z.int().min(1).max(seriesOfMax)], {
  error: `any, every, or how many, 1 to ${seriesOfMax}`,
});
const time = durationSchema.refine((ms) => ms > 0, "more than 0s");
const lasting = { for: durationSchema.prefault("0s") };
const eventName = z.string().refine(isRuleName, '1 to 64 letters, digits, "_" or "-"');

const readings = (is: z.ZodType<string, string>) => ({
  is: is.optional(),
  metric: patterns.prefault(["*"]),
  device: patterns.prefault(["*"]),
});

const condition: z.ZodType<ConditionDocument> = z.unknown().transform((given, context) => {
  const { faults, document } = readCondition(given);
  for (const fault of faults) context.issues.push({ ...fault, input: given });
  return document ?? z.NEVER;
});

/** What `absence`, `count` and `rate` are of: a text, an object, or nothing for every reading. */
function leafAs<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const object = z.strictObject(shape);
  return z.unknown().transform((given, context) => {
    const isText = typeof given === "string";
    const { data, error } = object.safeParse(isText ? { is: given } : (given ?? {}));
    for (const { path, ...fault } of faultsOf(error, Object.keys(shape))) {
      const own = isText ? path.slice(1) : path;
      context.issues.push({ ...fault, path: own, input: given });
    }
    return data ?? z.NEVER;
  });
}
const leaf = leafAs(readings(predicate));
const ofAny = of.prefault("any");
const several = z.array(condition).min(1, "at least one").max(conditionsMax);

const kinds = {
  is: z.object({ ...readings(predicate), of: ofAny, ...lasting }),
  all: z.object({ all: several, ...lasting }),
  any: z.object({ any: several, ...lasting }),
  not: z.object({ not: condition, ...lasting }),
  sequence: z.object({
    sequence: z.array(condition).min(2, "at least two steps").max(sequenceStepsMax),
    within: time,
    ...lasting,
  }),
  absence: z.object({ absence: leaf, after: time, ...lasting }),
  count: z
    .object({
      ...{ count: leaf, within: time },
      atLeast: z.int().min(1).max(countMax).optional(),
      fewerThan: z.int().min(1).max(countMax).optional(),
      ...lasting,
    })
    .refine(({ atLeast, fewerThan }) => (atLeast === undefined) !== (fewerThan === undefined), {
      error: "give atLeast or fewerThan, one of them",
      path: ["count"],
    }),
  rate: z
    .object({
      ...{
        rate: leafAs({ ...readings(ofNumbers), of: ofAny }),
        over: time,
        per: time.prefault("1m"),
      },
      ...{ above: z.number().optional(), below: z.number().optional() },
      ...lasting,
    })
    .refine(({ above, below }) => above !== undefined || below !== undefined, {
      error: "give above, below or both",
      path: ["rate"],
    })
    .refine(({ above, below }) => above === undefined || below === undefined || below <= above, {
      error: "must not be over above: it would hold always",
      path: ["below"],
    }),
  schedule: z.object({
    schedule: z
      .strictObject({
        cron: z.string().max(cronCharactersMax),
        zone: z
          .string()
          .refine(isTimeZone, 'write a time zone such as "Europe/Berlin"')
          .default("UTC"),
      })
      .check(({ value, issues }) => {
        const message = faultOfCron(value.cron);
        if (message !== undefined)
          issues.push({ code: "custom", path: ["cron"], message, input: value.cron });
      }),
    ...lasting,
  }),
  since: z.object({ after: time, since: condition, ...lasting }),
  derived: z.object({ derived: eventName, is: predicate.optional(), ...lasting }),
  rule: z.object({ rule: eventName, of: ofAny, ...lasting }),
} as const;

type Kind = keyof typeof kinds;
const named = Object.keys(kinds).filter((kind) => kind !== "is") as Exclude<Kind, "is">[];
/** Any of them makes a leaf. */
const leafKeys = ["is", "metric", "device"];

/** What to do with a key that stands at a condition which does not have it. */
const cures: Readonly<Record<string, string>> = {
  metrics: "write metric",
  devices: "write device",
  metric: "put it into the leaf, as in { is: …, metric: … }",
  device: "put it into the leaf, as in { is: …, device: … }",
  is: "it belongs to a leaf and to derived",
  of: "it belongs to a leaf and to rule",
  within: "it belongs to sequence and count",
  after: "it belongs to absence and since",
  cron: "it belongs into schedule",
  zone: "it belongs into schedule",
  keepFiringFor: "it belongs to the rule, beside when",
  ...Object.fromEntries(["atLeast", "fewerThan"].map((key) => [key, "it belongs to count"])),
  ...Object.fromEntries(
    ["over", "per", "above", "below"].map((key) => [key, "it belongs to rate"]),
  ),
};

interface Fault {
  readonly code: "custom";
  readonly message: string;
  readonly path: PropertyKey[];
  readonly params?: Record<string, unknown>;
}

interface Read {
  readonly faults: readonly Fault[];
  readonly document?: ConditionDocument | undefined;
}

function readCondition(given: unknown): Read {
  if (typeof given === "string") {
    const { data, error } = kinds.is.safeParse({ is: given });
    // The text itself stands where the condition is expected.
    const faults = faultsOf(error).map((one) => ({ ...one, path: one.path.slice(1) }));
    return { faults, document: data };
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) return fault(howToWrite);
  const keys = Object.keys(given);
  const [kind = "is", another] = named.filter((one) => keys.includes(one));
  if (another !== undefined)
    return fault(`${kind} or ${another}: put the two into all:`, [another]);
  if (kind === "is" && !leafKeys.some((key) => keys.includes(key))) {
    const isAfter = keys.includes("after");
    return isAfter
      ? fault("say since what: { after: 10m, since: … }", ["after"])
      : fault(howToWrite);
  }
  const known = Object.keys(kinds[kind].shape);
  const unknown = keys.filter((key) => !known.includes(key)).map((key) => faultOfKey(key, known));
  const { data, error } = kinds[kind].safeParse(given);
  const faults = [...unknown, ...faultsOf(error)];
  if (data === undefined || faults.length > 0) return { faults };
  if (data.for > 0 && isMomentary({ ...data, for: 0 })) return fault(onlyAMoment, ["for"]);
  return { faults, document: data };
}

function faultOfKey(key: string, known: readonly string[], path: PropertyKey[] = []): Fault {
  const cure =
    (Object.hasOwn(cures, key) ? cures[key] : undefined) ?? `there are ${known.join(", ")}`;
  return { code: "custom", message: `unknown setting: ${cure}`, path: [...path, key] };
}

function faultsOf(
  error: z.ZodError | undefined,
  known: readonly string[] = ["cron", "zone"],
): readonly Fault[] {
  return (error?.issues ?? []).flatMap((issue) => {
    const { message, path } = issue;
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => faultOfKey(key, known, path));
    const params = issue.code === "custom" && issue.params !== undefined ? issue.params : {};
    return [{ code: "custom" as const, message, path, params }];
  });
}

export const onlyAMoment = "it holds for a moment alone: leave it out, or use keepFiringFor";
const neither = "a rule has a detector or a condition: write detector: … or when: …";
const howToWrite = `write an expression, or { is: … } or one of ${named.join(", ")}`;

function fault(message: string, path: PropertyKey[] = []): Read {
  return { faults: [{ code: "custom", message, path }] };
}

/** Whether it holds only when something happens, and so never for long. */
export function isMomentary(document: ConditionDocument): boolean {
  if (document.for > 0) return false;
  if ("all" in document) return document.all.some(isMomentary);
  if ("any" in document) return document.any.every(isMomentary);
  return ["sequence", "schedule", "since", "derived"].some((kind) => kind in document);
}

/** Reckoned from a fixed moment, so that every machine finds the same. */
const cronFrom = new Date(Date.UTC(2024, 0, 1));

function faultOfCron(cron: string): string | undefined {
  try {
    const next = new Cron(cron, { mode: "5-part", timezone: "UTC" }).nextRun(cronFrom);
    return next === null ? `${cron} never comes` : undefined;
  } catch {
    return 'write minute, hour, day, month and weekday, as in "0 6 * * 1-5"';
  }
}

/** Whole conditions, those of a hostile depth too, which nothing may walk by calling itself. */
export const conditionSchema: z.ZodType<ConditionDocument> = z
  .unknown()
  .transform((given, context) => {
    const message = given === undefined ? neither : faultOfSize(given);
    if (message !== undefined) {
      context.issues.push({ code: "custom", message, input: given });
      return z.NEVER;
    }
    const { faults, document } = readCondition(given);
    for (const fault of faults) context.issues.push({ ...fault, input: given });
    return document ?? z.NEVER;
  });

function faultOfSize(given: unknown): string | undefined {
  let level: readonly unknown[] = [given];
  let [count, depth] = [0, 0];
  while (level.length > 0) {
    count += level.length;
    depth += 1;
    if (depth > conditionDepthMax)
      return `conditions in conditions: at most ${conditionDepthMax} deep`;
    if (count > conditionsMax) return `at most ${conditionsMax} conditions in a rule`;
    level = level.flatMap(partsOf);
  }
  return undefined;
}

const partKeys = ["all", "any", "sequence", "not", "absence", "count", "rate", "since"];

function partsOf(given: unknown): readonly unknown[] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return [];
  return partKeys.flatMap((key) => (given as Readonly<Record<string, unknown>>)[key] ?? []);
}
