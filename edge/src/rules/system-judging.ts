/** Reads edge.yaml with its rules, and checks these by their examples. */
import { dirname, isAbsolute, join } from "node:path";
import { readRulesText } from "@causeway/shared/rules/file-rules.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { examplesIn, faultsThrown } from "@causeway/shared/rules/rules-document.ts";
import { readSettings } from "@causeway/shared/system-settings.ts";
import { exampleFaultsOf, faultsOfAllExamples, parseGatewayRules } from "./gateway-rules.ts";
import type { JudgingConfig } from "./judging-settings.ts";
import { judgingSchema } from "./judging-settings.ts";

/** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
export function readJudging(file: string | undefined, sets: readonly string[]): JudgingConfig {
  const { rulesFile, ...config } = readSettings(judgingSchema, file, sets);
  if (rulesFile === undefined || isAbsolute(rulesFile)) return { ...config, rulesFile };
  return { ...config, rulesFile: join(dirname(file ?? "."), rulesFile) };
}

/** 1 where an example fails. */
export function checkJudging(
  { rulesFile, receivers = [], ...config }: JudgingConfig,
  what: string,
  file: string | undefined,
  sets: readonly string[],
): number {
  const text = rulesFile === undefined ? undefined : readRulesText(rulesFile);
  const { rules = [] } = text === undefined ? config : parseGatewayRules(text, rulesFile ?? "");
  const failures =
    text === undefined
      ? faultsThrown(() => readSettings(judgingSchema, file, sets, faultsInConfig))
      : exampleFaultsOf(text, rulesFile ?? "");
  for (const { place, path, message } of failures)
    process.stdout.write(`${place} ${path}: ${message}\n`);
  const counts = `${rules.length} rules, ${examplesIn(rules)} examples, ${receivers.length} receivers`;
  const verdict = failures.length === 0 ? "good" : "not good";
  const failed = failures.length === 0 ? "" : `, ${failures.length} failed`;
  process.stdout.write(`${what} is ${verdict}: ${counts}${failed}\n`);
  return failures.length === 0 ? 0 : 1;
}

function faultsInConfig({ rules = [], fleet = emptyFleet }: JudgingConfig) {
  return faultsOfAllExamples({ rules, fleet });
}
