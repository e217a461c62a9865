/**
 * The rules that a gateway judges itself, as edge.yaml has them. They are looked into only where
 * there are some (judging-settings.ts): most gateways need not load what rules are made of.
 */
import { z } from "zod";

export const rulesSettings = {
  /** Relative to the configuration file. */
  rulesFile: z.string().min(1).optional(),
  rules: z.array(z.unknown()).optional(),
  fleet: z.unknown().optional(),
  /** Who is told at the gateway. */
  receivers: z.array(z.unknown()).optional(),
  alarms: z
    .strictObject({
      /** Readings of more series are counted, not judged. */
      seriesMax: z.int().min(1).max(100_000).default(2_000),
      /** Alarms that are remembered, open ones first. */
      alarmsMax: z.int().min(1).max(10_000).default(500),
    })
    .prefault({}),
};

/** Whether there is anything to be looked into. */
export function hasRules({ rulesFile, rules, fleet, receivers }: WrittenRules): boolean {
  return [rulesFile, rules, fleet, receivers].some((written) => written !== undefined);
}

interface WrittenRules {
  readonly rulesFile?: string | undefined;
  readonly rules?: unknown;
  readonly fleet?: unknown;
  readonly receivers?: unknown;
}
