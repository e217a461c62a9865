/**
 * What a filter keeps back, as `filters` in edge.yaml and `filter` of a route say it:
 *
 *   filters:
 *     - { metrics: [alarm], pass: true }
 *     - name: pumps
 *       topic: devices/+/telemetry
 *       devices: ["pump-*"]
 *       metrics: ["*", "!seq"]
 *       deadband: { absolute: 0.5 }         # or percent: of the value that was kept last
 *       heartbeat: 10m
 *     - { metrics: [vibration], downsample: { window: 1m, keep: [min, max, mean, last] } }
 *
 * Of each reading the first that selects it decides; what none selects passes.
 */
import { durationSchema } from "@causeway/shared/rules/duration.ts";
import { patternsSchema } from "@causeway/shared/rules/patterns.ts";
import { z } from "zod";
import { isFilter, isSharedFilter } from "../broker/topic-filter.ts";

export const filtersMax = 256;
/** PI and its kin send a value that stays as it is so often. */
export const heartbeatMsDefault = 600_000;

export const statistics = ["first", "last", "min", "max", "mean", "count"] as const;
export type Statistic = (typeof statistics)[number];

const band = z.number().min(0).max(Number.MAX_VALUE);
const some = durationSchema.refine((ms) => ms > 0, "longer than nothing");

const deadbandSchema = z
  .strictObject({
    absolute: band.optional(),
    percent: band.max(100).optional(),
    /** Sends the reading before one that passes too, so that a step is seen as a step. */
    previous: z.boolean().default(false),
  })
  .refine(({ absolute, percent }) => (absolute === undefined) !== (percent === undefined), {
    message: "write absolute or percent",
  });

const downsampleSchema = z.strictObject({
  window: some,
  keep: z
    .array(z.enum(statistics))
    .min(1)
    .refine((keep) => new Set(keep).size === keep.length, "one of them stands there twice")
    .default(["min", "max", "mean", "last"]),
});

const ways = {
  /** Passes what it selects, whatever filters behind it say. */
  pass: z.literal(true).optional(),
  deadband: deadbandSchema.optional(),
  heartbeat: z
    .union([some, z.literal("off")], "write a time such as 30s or 10m, or off")
    .optional(),
  rateLimit: z.strictObject({ every: some }).optional(),
  downsample: downsampleSchema.optional(),
};

interface Written {
  readonly pass?: true | undefined;
  readonly deadband?: object | undefined;
  readonly heartbeat?: number | "off" | undefined;
  readonly rateLimit?: { readonly every: number } | undefined;
  readonly downsample?: object | undefined;
}

interface Fault {
  readonly path: string[];
  readonly message: string;
}

function faultOf({ pass, deadband, heartbeat, rateLimit, downsample }: Written): Fault | undefined {
  const others = deadband ?? heartbeat ?? rateLimit;
  if (pass && (others ?? downsample) !== undefined)
    return { path: ["pass"], message: "what passes is not filtered: leave one of them out" };
  if (!pass && (deadband ?? rateLimit ?? downsample) === undefined)
    return {
      path: [],
      message: "says nothing: write deadband, rateLimit, downsample, or pass: true",
    };
  if (downsample !== undefined && others !== undefined)
    return {
      path: ["downsample"],
      message: "stands alone: its window takes the place of deadband, heartbeat and rateLimit",
    };
  if (heartbeat !== undefined && deadband === undefined)
    return { path: ["heartbeat"], message: "belongs to a deadband" };
  if (typeof heartbeat === "number" && rateLimit !== undefined && heartbeat < rateLimit.every)
    return { path: ["heartbeat"], message: "is shorter than rateLimit.every" };
  return undefined;
}

const check = ({ value, issues }: z.core.ParsePayload<Written>) => {
  const fault = faultOf(value);
  if (fault !== undefined) issues.push({ code: "custom", ...fault, input: value });
};

/** Those that have none are called by their number. */
const name = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_-]{0,31}$/,
    'begin with a letter, and use letters, digits, "_" or "-"',
  );

/** Of a route: it filters the readings of the route, in place of the list. */
export const routeFilterSchema = z
  .strictObject({
    /** For status and metrics; its number where it has none. */
    name: name.optional(),
    metrics: patternsSchema.default(["*"]),
    ...ways,
  })
  .check(check);
export type RouteFilter = z.infer<typeof routeFilterSchema>;

const filterSchema = z
  .strictObject({
    name: name.optional(),
    topic: z
      .string()
      .refine((text) => isFilter(text) && !isSharedFilter(text), "no filter of MQTT 3.1.1")
      .default("#"),
    devices: patternsSchema.default(["*"]),
    metrics: patternsSchema.default(["*"]),
    ...ways,
  })
  .check(check);
export type Filter = z.infer<typeof filterSchema>;

export const filtersSchema = z
  .array(filterSchema)
  .max(filtersMax)
  .check(({ value, issues }) => {
    value.forEach(({ name }, index) => {
      const first = value.findIndex((filter) => filter.name === name);
      if (name === undefined || first === index) return;
      const message = `${name} is the name of filter ${first + 1} too`;
      issues.push({ code: "custom", path: [index, "name"], message, input: name });
    });
  })
  .default([]);
