/** edge.yaml where it has rules. */
import { fleetSchema } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import type { z } from "zod";
import { receiversSchema } from "../alarms/local-receivers.ts";
import { edgeSchema } from "../config.ts";
import { faultsAtGateway } from "./gateway-rules.ts";

export const judgingSchema = edgeSchema
  .extend({
    rules: rulesSchema.unwrap().optional(),
    fleet: fleetSchema.unwrap().optional(),
    receivers: receiversSchema.optional(),
  })
  .check(({ value, issues }) => {
    const { rulesFile, rules, fleet } = value;
    const tell = (path: PropertyKey[], message: string) =>
      issues.push({ code: "custom", path, message, input: value });
    for (const { path, message } of faultsAtGateway(rules ?? [])) tell([...path], message);
    if (rulesFile === undefined) return;
    const message = `stands in the file that rulesFile names: move it to ${rulesFile}, or leave rulesFile out`;
    if (rules !== undefined) tell(["rules"], message);
    if (fleet !== undefined) tell(["fleet"], message);
  });

export type JudgingConfig = z.infer<typeof judgingSchema>;
