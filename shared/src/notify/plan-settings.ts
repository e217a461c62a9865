/** What a receiver is told and when: settings that all receivers have. */

import { z } from "zod";
import { matchersSchema } from "../operate/labels.ts";
import { durationSchema } from "../rules/duration.ts";
import { severities } from "../rules/severity.ts";

const hourMs = 3_600_000;

export const planSettings = {
  /** `each`: every transition by itself and at once, whatever the settings below say. */
  tell: z.enum(["grouped", "each"]).optional(),
  /** The least. */
  severity: z.enum(severities).default("info"),
  match: matchersSchema.default({}),
  /** Alerts that agree in these labels are told together. */
  groupBy: z.array(z.string().min(1)).max(8).default(["gateway", "rule"]),
  groupWait: durationSchema.prefault("1s"),
  groupInterval: durationSchema.prefault("1m"),
  /** 0s: never. */
  repeatInterval: durationSchema.prefault("4h"),
  /** It is told only of what nobody has acknowledged for so long. */
  escalateAfter: durationSchema.optional(),
  /** Rules by site of which an alert says that all of the site is down. */
  siteDown: z.array(z.string()).max(100).default(["site-down"]),
  flap: z
    .strictObject({
      /** Told of one alert within `within`; the last says that it flaps. 0: never damped. */
      changes: z.int().min(0).max(100).default(3),
      within: durationSchema.prefault("1h"),
      quiet: durationSchema.prefault("10m"),
    })
    .prefault({}),
  late: z.enum(["digest", "off"]).optional(),
} as const;

const planSchema = z.object(planSettings);
type PlanChoice = z.output<typeof planSchema>;
export type PlanSettings = PlanChoice & { readonly late: "digest" | "off" };

export const defaultPlan: PlanSettings = { ...planSchema.parse({}), late: "digest" };

/**
 * Of a receiver. Where its settings say nothing else, a log is told each transition by itself, and
 * so is the program behind a webhook, or a device by a command, for which late ones are no news;
 * people are told in groups.
 */
export function planOf(own: (PlanChoice & { readonly kind: string }) | undefined): PlanSettings {
  if (own === undefined) return defaultPlan;
  const isProgram = own.kind === "webhook" || own.kind === "command";
  const tell = own.tell ?? (isProgram || own.kind === "log" ? "each" : "grouped");
  return { ...own, tell, late: own.late ?? (isProgram && tell === "each" ? "off" : "digest") };
}

const ofGroups = [
  ...["groupBy", "groupWait", "groupInterval", "repeatInterval", "escalateAfter"],
  ...["siteDown", "flap"],
] as const satisfies readonly (keyof PlanChoice)[];

/** Settings that would do nothing, since the receiver is told each transition by itself. */
export function idleSettings(own: PlanChoice & { readonly kind: string }): readonly string[] {
  if (planOf(own).tell !== "each") return [];
  const text = (value: unknown) => JSON.stringify(value);
  return ofGroups.filter((name) => text(own[name]) !== text(defaultPlan[name]));
}

/** A digest waits until nothing late of its gateway has come for so long; then history is asked after. */
export const digestQuietMs = 60_000;
/** It waits for the end of the history for so long. */
export const digestWaitMs = hourMs;
/** And until so long after the last one. */
export const digestEveryMs = hourMs;

export const planBounds = {
  /** More share one group. */
  groups: 10_000,
  /** More are not followed; they are counted and in the log. */
  alerts: 100_000,
  /** Of a gateway: what is waiting for its digest, and what digests have told as firing. */
  digestAlerts: 500,
  /** Gateways and sites that keep others quiet. */
  inhibitors: 5_000,
} as const;
export type PlanBounds = Readonly<Record<keyof typeof planBounds, number>>;
