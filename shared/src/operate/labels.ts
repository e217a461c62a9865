/** What an alert is called by, and which alerts a list of patterns by label means. */

import { z } from "zod";
import type { AlertTransition } from "../alert/alert.ts";
import { siteIn } from "../names.ts";
import type { Fleet } from "../rules/fleet.ts";
import { labelled } from "../rules/fleet.ts";
import { patternsSchema } from "../rules/patterns.ts";
import { selectorOf } from "../rules/selector.ts";

/** Those that every alert has. */
export const alertLabels = [
  ...["rule", "severity", "gateway", "device", "metric", "site", "family"],
] as const;

export type Labels = Readonly<Record<string, string>>;

/** `rule`, `severity`, `gateway`, `device`, `metric`, `site`, `family`, and those of the fleet. */
export function labelsOf(
  { rule, severity, gateway, device, metric }: AlertTransition,
  fleet: Fleet,
): Labels {
  const place = siteIn(gateway);
  const { site, labels } = fleet.gateway(gateway);
  const { family } = fleet.device(device);
  return { ...labels, rule, severity, gateway, device, metric, site: place ?? site, family };
}

const patterns = z.union([z.string().transform((text) => [text]), z.array(z.string())]);

/** Patterns by label; all of them must select. A label that an alert lacks is "". */
export const matchersSchema = labelled(patterns.pipe(patternsSchema));
export type Matchers = Readonly<Record<string, readonly string[]>>;

export function selects(matchers: Matchers, labels: Labels): boolean {
  return Object.entries(matchers).every(([name, own]) => selectorOf(own)(labels[name] ?? ""));
}

/** `gateway=hall-*` in words. */
export function matchersText(matchers: Matchers): string {
  const parts = Object.entries(matchers).map(([name, own]) => `${name}=${own.join(",")}`);
  return parts.join(" ");
}
