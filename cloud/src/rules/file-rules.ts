/** The file that `rulesFile` of cloud.yaml names. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { readRulesText, WatchedRules } from "@causeway/shared/rules/file-rules.ts";
import type { RulesFile } from "./hot-rules.ts";
import type { LoadedRules, RulesDocument } from "./rules-document.ts";
import { loadedFrom, parseRules } from "./rules-document.ts";

export { readRulesText } from "@causeway/shared/rules/file-rules.ts";

/** The configuration's rules, from their file or as they stand in it. Throws what is wrong with them. */
export function configuredRules(
  { rulesFile, rules, fleet }: Configured,
  name: string,
): LoadedRules {
  if (rulesFile === undefined) return loadedFrom({ rules, fleet }, name);
  return loadedFrom(parseRules(readRulesText(rulesFile), rulesFile), rulesFile);
}

export interface Configured extends RulesDocument {
  readonly rulesFile?: string | undefined;
}

export class FileRules extends WatchedRules<LoadedRules> implements RulesFile {
  constructor(fileName: string, clock: Clock, log: Logger) {
    super(fileName, loadedFrom, clock, log);
  }
}
