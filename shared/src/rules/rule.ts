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
 *     mode: live                # live | shadow (judges, alerts nobody) | off
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
import { isRuleName, reservedRulePrefix } from "../names.ts";
import { durationSchema } from "./duration.ts";
import { severities } from "./severity.ts";

export const rulesMax = 1_000;
export const patternsMax = 1_000;
export const patternCharactersMax = 512;

export const modes = ["live", "shadow", "off"] as const;
export type Mode = (typeof modes)[number];

const pattern = z
  .string()
  .min(1)
  .max(patternCharactersMax)
  .refine((text) => text !== "!", "a pattern must follow the !");
const patterns = z.array(pattern).min(1).max(patternsMax).default(["*"]);

const common = {
  name: z
    .string()
    .refine(isRuleName, '1 to 64 letters, digits, "_" or "-"')
    .refine((name) => !name.startsWith(reservedRulePrefix), {
      error: `names that begin with ${reservedRulePrefix} are Causeway's own`,
    }),
  devices: patterns,
  metrics: patterns,
  severity: z.enum(severities).default("warning"),
  for: durationSchema.prefault("0s"),
  keepFiringFor: durationSchema.prefault("0s"),
  mode: z.enum(modes).default("live"),
};

const limitsRule = z
  .strictObject({ ...common, detector: z.literal("limits"), ...limitsParameters })
  .check(({ value, issues }) => {
    const fault = faultOfLimits(value satisfies LimitsSettings);
    if (fault === undefined) return;
    const { parameter, message } = fault;
    issues.push({ code: "custom", path: [parameter], message, input: value });
  });

const ewmaRule = z.strictObject({ ...common, detector: z.literal("ewma"), ...ewmaParameters });

const rateRule = z
  .strictObject({ ...common, detector: z.literal("rate"), ...rateParameters })
  .check(({ value, issues }) => {
    const message = faultOfRate(value);
    if (message === undefined) return;
    issues.push({ code: "custom", path: ["rise"], message, input: value });
  });

const flatRule = z.strictObject({ ...common, detector: z.literal("flat"), ...flatLineParameters });

const absenceRule = z.strictObject({
  ...{ ...common, detector: z.literal("absence") },
  ...absenceParameters,
});

const learning = { ...common, ...learnerParameters, ...stageParameters };

const together = { ...common, ...learnerParameters };

const learningRules = [
  z.strictObject({ ...together, detector: z.literal("hotelling"), ...hotellingParameters }),
  z.strictObject({ ...together, detector: z.literal("mewma"), ...mewmaParameters }),
  z.strictObject({ ...learning, detector: z.literal("holt-winters"), ...holtWintersParameters }),
  z.strictObject({ ...learning, detector: z.literal("cusum"), ...cusumParameters }),
  z.strictObject({ ...learning, detector: z.literal("page-hinkley"), ...pageHinkleyParameters }),
  z.strictObject({ ...learning, detector: z.literal("spot"), ...spotParameters }),
  z.strictObject({ ...learning, detector: z.literal("dspot"), ...dspotParameters }),
  z.strictObject({ ...learning, detector: z.literal("range"), ...rangeParameters }),
] as const;

const autoRule = z.strictObject({
  ...{ ...common, detector: z.literal("auto"), ...learnerParameters },
  ...{ counter: stageParameters.counter, ...autoParameters },
});

const detectorNames = [
  "auto, limits, ewma, rate, flat, absence, holt-winters, cusum, page-hinkley, spot, dspot, range, hotelling, mewma",
];

export const ruleSchema = z.discriminatedUnion(
  "detector",
  [autoRule, limitsRule, ewmaRule, rateRule, flatRule, absenceRule, ...learningRules],
  { error: `one of ${detectorNames}` },
);
export type Rule = z.infer<typeof ruleSchema>;
type RuleInput = z.input<typeof ruleSchema>;

/** Every number of every device, `seq` apart: it counts a device's publishes. */
const defaultRules: RuleInput[] = [
  { name: "unusual", detector: "ewma", metrics: ["*", "!seq"], severity: "warning" },
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
  })
  .prefault(() => defaultRules);
