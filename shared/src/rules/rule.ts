/**
 * A rule as users write it under `rules:` in cloud.yaml:
 *
 *   - name: freezer-too-warm
 *     detector: limits          # or another of docs/detectors.md; its parameters stand beside it
 *     hi: -15
 *     hihi: -10
 *     hysteresis: 1
 *     devices: ["freezer-*", "!freezer-test"]
 *     metrics: [temperature]
 *     severity: critical        # info | warning | critical
 *     for: 5m                   # anomalous so long, in event time, before the alert fires
 *     keepFiringFor: 1m         # normal so long before it is resolved
 *     flap: off                 # or how often it may come and go before it is held (flap.ts)
 *     mode: live                # live | shadow (judges, alerts nobody) | off
 *
 * or with a condition in place of a detector, over several series (docs/rules.md):
 *
 *   - name: door-open-while-warming
 *     when: { all: [{ metric: door, is: on }, { metric: temperature, is: value > -15 }] }
 *     for: 2m
 */
import { z } from "zod";
import { absenceParameters } from "../detect/absence.ts";
import { autoParameters } from "../detect/auto.ts";
import { cusumParameters } from "../detect/cusum.ts";
import { stageParameters } from "../detect/detectors.ts";
import { ewmaParameters } from "../detect/ewma.ts";
import { flatLineParameters } from "../detect/flat-line.ts";
import { holtWintersParameters } from "../detect/holt-winters.ts";
import { learnerParameters } from "../detect/learner.ts";
import type { LimitsSettings } from "../detect/limits.ts";
import { faultOfLimits, limitsParameters } from "../detect/limits.ts";
import { hotellingParameters, mewmaParameters } from "../detect/mewma.ts";
import { pageHinkleyParameters } from "../detect/page-hinkley.ts";
import { rangeParameters } from "../detect/range-novelty.ts";
import { faultOfRate, rateParameters } from "../detect/rate-of-change.ts";
import { dspotParameters, spotParameters } from "../detect/spot.ts";
import { clearParameters } from "../detect/stages.ts";
import { tagsMax } from "../event.ts";
import { isRuleName, reservedRulePrefix } from "../names.ts";
import {
  conditionSchema,
  isMomentary,
  onlyAMoment,
  valueExpression,
} from "./condition-document.ts";
import { durationSchema } from "./duration.ts";
import { examplesSchema } from "./examples.ts";
import { flapSchema } from "./flap.ts";
import { labelled } from "./fleet.ts";
import { messageSchema } from "./message.ts";
import { patternsSchema } from "./patterns.ts";
import { faultsBetween } from "./rule-chain.ts";
import { severities } from "./severity.ts";

export const rulesMax = 1_000;

export const modes = ["live", "shadow", "off"] as const;
export type Mode = (typeof modes)[number];

const ownName = z
  .string()
  .refine(isRuleName, '1 to 64 letters, digits, "_" or "-"')
  .refine((name) => !name.startsWith(reservedRulePrefix), {
    error: `names that begin with ${reservedRulePrefix} are Causeway's own`,
  });

const common = {
  name: ownName,
  devices: patternsSchema.default(["*"]),
  metrics: patternsSchema.default(["*"]),
  // Without defaults: a rule that does not name them keeps the version it had before there were any.
  gateways: patternsSchema.optional(),
  site: patternsSchema.optional(),
  labels: labelled(patternsSchema).optional(),
  tags: z.array(z.string().min(1)).min(1).max(tagsMax).optional(),
  family: patternsSchema.optional(),
  message: messageSchema.optional(),
  examples: examplesSchema.optional(),
  severity: z.enum(severities).default("warning"),
  for: durationSchema.prefault("0s"),
  keepFiringFor: durationSchema.prefault("0s"),
  flap: flapSchema,
  mode: z.enum(modes).default("live"),
};

const ofPatterns = ["when", "by", "time", "allowedLateness", "emit"];

function detectorRule<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: ({ code, keys }) => {
      if (code !== "unrecognized_keys") return undefined;
      const misplaced = (keys as readonly string[]).filter((key) => ofPatterns.includes(key));
      if (misplaced.length === 0) return undefined;
      const [, ...others] = ofPatterns;
      return `a rule has a detector or a condition: write another with when, which takes ${others.join(", ")}`;
    },
  });
}

const limitsRule = detectorRule({
  ...common,
  detector: z.literal("limits"),
  ...limitsParameters,
}).check(({ value, issues }) => {
  const fault = faultOfLimits(value satisfies LimitsSettings);
  if (fault === undefined) return;
  const { parameter, message } = fault;
  issues.push({ code: "custom", path: [parameter], message, input: value });
});

const ewmaRule = detectorRule({ ...common, detector: z.literal("ewma"), ...ewmaParameters });

const rateRule = detectorRule({
  ...{ ...common, detector: z.literal("rate") },
  ...{ ...rateParameters, ...clearParameters },
}).check(({ value, issues }) => {
  const message = faultOfRate(value);
  if (message === undefined) return;
  issues.push({ code: "custom", path: ["rise"], message, input: value });
});

const flatRule = detectorRule({ ...common, detector: z.literal("flat"), ...flatLineParameters });

const absenceRule = detectorRule({
  ...{ ...common, detector: z.literal("absence") },
  ...absenceParameters,
});

const learning = { ...common, ...learnerParameters, ...stageParameters };
const clearing = { ...learning, ...clearParameters };

const together = { ...common, ...learnerParameters };

const learningRules = [
  detectorRule({ ...together, detector: z.literal("hotelling"), ...hotellingParameters }),
  detectorRule({ ...together, detector: z.literal("mewma"), ...mewmaParameters }),
  detectorRule({ ...clearing, detector: z.literal("holt-winters"), ...holtWintersParameters }),
  detectorRule({ ...clearing, detector: z.literal("cusum"), ...cusumParameters }),
  detectorRule({ ...learning, detector: z.literal("page-hinkley"), ...pageHinkleyParameters }),
  detectorRule({ ...clearing, detector: z.literal("spot"), ...spotParameters }),
  detectorRule({ ...clearing, detector: z.literal("dspot"), ...dspotParameters }),
  detectorRule({ ...clearing, detector: z.literal("range"), ...rangeParameters }),
] as const;

const autoRule = detectorRule({
  ...{ ...common, detector: z.literal("auto"), ...learnerParameters },
  ...{ counter: stageParameters.counter, ...autoParameters, ...clearParameters },
}).check(({ value, issues }) => {
  const { clear, reference } = value;
  if (clear === undefined || reference === "frozen") return;
  const message = "only where reference is frozen: else a peak is held for `hold` readings";
  issues.push({ code: "custom", path: ["clear"], message, input: value });
});

const detectorNames = [
  "auto, limits, ewma, rate, flat, absence, holt-winters, cusum, page-hinkley, spot, dspot, range, hotelling, mewma",
];

/** What one state and one alert of a pattern rule is about. */
export const keyKinds = ["series", "device", "gateway", "site"] as const;
export type KeyKind = (typeof keyKinds)[number];

const times = ["observed", "received"] as const;

const emitSchema = z.preprocess(
  (given) => (typeof given === "string" ? { name: given } : given),
  z.strictObject({ name: ownName, value: valueExpression.optional() }),
);

const writtenPattern = z
  .strictObject({
    ...common,
    detector: z.undefined().optional(),
    when: conditionSchema,
    by: z.enum(keyKinds).default("device"),
    time: z.enum(times).optional(),
    allowedLateness: durationSchema.prefault("0s"),
    emit: emitSchema.optional(),
  })
  .check(({ value, issues }) => {
    if (value.for > 0 && isMomentary(value.when))
      issues.push({ code: "custom", path: ["for"], message: onlyAMoment, input: value.for });
  });

type WrittenPattern = z.infer<typeof writtenPattern>;
export type PatternRule = Omit<WrittenPattern, "detector" | "time"> & {
  readonly detector?: undefined;
  readonly time: (typeof times)[number];
};

const patternRule = writtenPattern.transform(({ detector: _none, ...rule }): PatternRule => {
  const isNarrow = rule.by === "series" || rule.by === "device";
  // The clocks of several devices differ; the gateway's is one.
  return { ...rule, time: rule.time ?? (isNarrow ? "observed" : "received") };
});

const detectorRules = [autoRule, limitsRule, ewmaRule, rateRule, flatRule, absenceRule] as const;
export const detectorRuleSchema = z.discriminatedUnion("detector", [
  ...detectorRules,
  ...learningRules,
]);
export type DetectorRule = z.infer<typeof detectorRuleSchema>;

export const ruleSchema = z.discriminatedUnion(
  "detector",
  [...detectorRules, ...learningRules, patternRule],
  { error: `one of ${detectorNames}; or write a condition, when: …` },
);
export type Rule = DetectorRule | PatternRule;
type RuleInput = z.input<typeof ruleSchema>;

/** What a rule judges by; its examples do not count. */
export function withoutExamples(rule: Rule): Rule {
  const { examples, ...rest } = rule;
  return rest as Rule;
}

/** Every number of every device, `seq` apart: it counts a device's publishes. */
const defaultRules: RuleInput[] = [
  { name: "unusual", detector: "auto", metrics: ["*", "!seq"], severity: "warning" },
];

export const rulesSchema = z
  .array(ruleSchema)
  .max(rulesMax)
  .check(({ value, issues }) => {
    value.forEach(({ name }, index) => {
      const first = value.findIndex((rule) => rule.name === name);
      if (first === index) return;
      const message = `${name} is the name of rule ${first + 1} too`;
      issues.push({ code: "custom", path: [index, "name"], message, input: name });
    });
    for (const fault of faultsBetween(value))
      issues.push({ code: "custom", ...fault, input: value });
  })
  .prefault(() => defaultRules);
