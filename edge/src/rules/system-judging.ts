/** Reads edge.yaml with its rules, and checks these by their examples. */
import { dirname, isAbsolute, join } from "node:path";
import { readRulesText } from "@causeway/shared/rules/file-rules.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { examplesIn, faultsThrown } from "@causeway/shared/rules/rules-document.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import type { Checked } from "../cli/checked-lines.ts";
import { exampleFaultsOf, faultsOfAllExamples, parseGatewayRules } from "./gateway-rules.ts";
import type { JudgingConfig } from "./judging-settings.ts";
import { judgingSchema } from "./judging-settings.ts";

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function readJudging(file: string | undefined, sets: readonly string[]): JudgingConfig {
  const { rulesFile, ...config } = readSettings(judgingSchema, file, sets);
  if (rulesFile === undefined || isAbsolute(rulesFile)) return { ...config, rulesFile };
  return { ...config, rulesFile: join(dirname(file ?? "."), rulesFile) };
}

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE where the file has no good ones. */
export function rulesOf({ rulesFile, rules = [] }: JudgingConfig): readonly Rule[] {
  return rulesFile === undefined
    ? rules
    : parseGatewayRules(readRulesText(rulesFile), rulesFile).rules;
}

export function checkJudging(
  { rulesFile, receivers = [], ...config }: JudgingConfig,
  file: string | undefined,
  sets: readonly string[],
): Checked {
  const text = rulesFile === undefined ? undefined : readRulesText(rulesFile);
  const { rules = [] } = text === undefined ? config : parseGatewayRules(text, rulesFile ?? "");
  const failures =
    text === undefined
      ? faultsThrown(() => readSettings(judgingSchema, file, sets, faultsInConfig))
      : exampleFaultsOf(text, rulesFile ?? "");
  const counts = `${rules.length} rules, ${examplesIn(rules)} examples, ${receivers.length} receivers`;
  return { counts, failures };
}

function faultsInConfig({ rules = [], fleet = emptyFleet }: JudgingConfig) {
  return faultsOfAllExamples({ rules, fleet });
}
