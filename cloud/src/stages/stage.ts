/**
 * A part of the cloud that can run in a process of its own: `run --stages engine,notify`. Each has a
 * file here, and one shape.
 */
import type { Part } from "@causeway/shared/lifecycle.ts";
import type { Metric } from "@causeway/shared/metric.ts";

/**
 * engine: takes what gateways send, judges it, keeps the journal's clock and its room.
 * notify: tells receivers of alerts, and makes reports.
 * history: keeps readings.
 * api: the views, the page, commands; all processes answer for their health.
 */
export const stageNames = ["engine", "notify", "history", "api"] as const;

export type StageName = (typeof stageNames)[number];

export interface Stage {
  readonly name: StageName;
  /** Started in this order, stopped in reverse. */
  readonly parts: readonly Part[];
  /** Why it is not ready, in words; empty where it is. */
  reasons(): readonly string[];
  metrics(): readonly Metric[];
}
