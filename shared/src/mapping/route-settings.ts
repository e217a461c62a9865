/**
 * What people write of topics of their own; docs/devices.md tells it in words:
 *
 *   routes:
 *     - topic: plant/{line}/{device}/{metric}
 *       device: "{line}-{device}"
 *       unit: { temp: Cel }
 *     - topic: lora/{device}/up
 *       mapping: { temperature: "i16le(fromBase64(payload.data), 2) / 10" }
 *       examples:
 *         - given: { topic: lora/d1/up, payload: '{"data": "A2cQAQ=="}' }
 *           expect: [{ metric: temperature, value: 27.2 }]
 *
 * The first route whose topic fits has the message.
 */
import { z } from "zod";
import {
  qualities,
  tagsMax,
  textCharactersMax,
  unitCharactersMax,
  wordCharactersMax,
} from "../event.ts";
import { isDeviceId, isMetricName } from "../names.ts";
import { patternCharactersMax, patternsSchema } from "../rules/patterns.ts";
import { isTimeZone } from "../rules/time-zone.ts";
import { mappingCharactersMax } from "./mapping-environment.ts";

export const routesMax = 1_000;
export const routesTextBytesMax = 1_024 * 1_024;
const entriesMax = 256;
const mappedMax = 256;
const examplesMax = 32;

/** A constant need not stand in quotes. */
const expression = z
  .union([z.string(), z.number(), z.boolean()], "write an expression")
  .transform(String)
  .pipe(z.string().min(1).max(mappingCharactersMax));
const cel = z.strictObject({ cel: expression });
const template = z.string().min(1).max(512);
const name = z.union([template, cel], "write a name such as {device}, or { cel: payload.id }");
const unit = z.string().max(unitCharactersMax);
const word = z.string().min(1).max(wordCharactersMax);
const metricPattern = z.string().min(1).max(patternCharactersMax);
const finite = z.number();

function byMetric<Value extends z.ZodType>(value: Value) {
  return z
    .record(metricPattern, value)
    .refine(
      (entries) => Object.keys(entries).length <= entriesMax,
      `at most ${entriesMax} entries`,
    );
}

const factorAndOffset = z.strictObject({ factor: finite.optional(), offset: finite.optional() });
const scale = z.union([finite, factorAndOffset], "write 0.1, or { factor: 0.1, offset: -40 }");

const mapped = z.union(
  [
    expression,
    z.strictObject({
      value: expression,
      unit: unit.optional(),
      /** `good`, `uncertain` or `bad`. */
      quality: expression.optional(),
      /** When there is such a reading. */
      if: expression.optional(),
    }),
  ],
  "write an expression, or { value: …, unit: …, quality: …, if: … }",
);

const zone = z.string().refine(isTimeZone, "no time zone: write one such as Europe/Berlin");
const time = z.union(
  [
    z.string().min(1).max(256),
    z.strictObject({
      field: z.string().min(1).max(256),
      format: z.string().min(1).max(64).default("auto"),
      zone: zone.default("UTC"),
    }),
    z.strictObject({ cel: expression, zone: zone.default("UTC") }),
  ],
  "write the name of a field, or { field: …, format: …, zone: … }, or { cel: … }",
);

const value = z.union([z.number(), z.string().max(textCharactersMax), z.boolean(), z.null()]);

const given = z
  .strictObject({
    topic: z.string().min(1).max(65_535),
    payload: z
      .union([z.string(), z.number(), z.boolean(), z.record(z.string(), z.unknown())])
      .optional(),
    base64: z.base64().optional(),
    hex: z.string('write it in quotes, as "01 7f"').optional(),
  })
  .refine(
    ({ payload, base64, hex }) =>
      [payload, base64, hex].filter((one) => one !== undefined).length === 1,
    "write payload, base64 or hex",
  );

export const expectedReading = z.strictObject({
  device: z.string().refine(isDeviceId, "a device name").optional(),
  metric: z.string().refine(isMetricName, "a metric name"),
  value,
  unit: unit.optional(),
  quality: z.enum(qualities).optional(),
  /** ISO 8601, or ms since 1970. */
  time: z.union([z.number(), z.string().max(64)]).optional(),
});
export type ExpectedReading = z.infer<typeof expectedReading>;

const example = z.strictObject({
  given,
  expect: z.union(
    [
      z.array(expectedReading).max(4_096),
      z.strictObject({ quarantined: z.string().min(1).max(64) }),
    ],
    "write a list of readings, [] for none, or { quarantined: mapping }",
  ),
});
export type RouteExample = z.infer<typeof example>;

export const routeSchema = z.strictObject({
  /** For people; its topic where it has none. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'use letters, digits, "_" or "-"')
    .optional(),
  topic: z.string().min(1).max(1_024),
  /** A family by its name, json, plain or bytes; as the topic tells where there is none. */
  adapter: word.optional(),
  /** The topic that the family is to see. */
  as: template.optional(),
  mapping: z
    .union(
      [
        expression,
        z
          .record(z.string().min(1).max(256), mapped)
          .refine((all) => Object.keys(all).length <= mappedMax, `at most ${mappedMax} metrics`),
      ],
      "write an expression, or one for each metric",
    )
    .optional(),
  device: name.optional(),
  metric: name.optional(),
  rename: byMetric(z.string().min(1).max(256)).optional(),
  drop: patternsSchema.optional(),
  scale: z
    .union([finite, factorAndOffset, byMetric(scale)], "write 0.1, or { temp: 0.1 }")
    .optional(),
  unit: z.union([unit, byMetric(unit)], "write a unit, or { temp: Cel }").optional(),
  quality: expression.optional(),
  time: time.optional(),
  tags: z.array(word).max(tagsMax).optional(),
  site: word.optional(),
  /** A field that differs from message to message of a device, a sequence or a time. */
  idempotencyKey: z.union([z.string().min(1).max(256), cel]).optional(),
  examples: z.array(example).max(examplesMax).optional(),
});
export type RouteSettings = z.infer<typeof routeSchema>;

export const unknownTopicsWays = ["generic", "quarantine"] as const;
