/** The YAML text that rules are written in, where it is shown or changed by a command. */
import type { Document, YAMLMap } from "yaml";
import { isMap, isScalar, isSeq, parseDocument, stringify } from "yaml";
import { CodedError } from "../errors.ts";
import { canonicalJson } from "./digest.ts";
import type { Mode } from "./rule.ts";

/** The text of one rule as it was written, comments inside too; undefined where there is none. */
export function textOfRule(text: string, name: string): string | undefined {
  const [from, to] = ruleNamed(parseDocument(text), name)?.range ?? [];
  if (from === undefined || to === undefined) return undefined;
  const indent = from - (text.lastIndexOf("\n", from - 1) + 1);
  const lines = text.slice(from, to).trimEnd().split("\n");
  const shifted = lines.map((line, at) => {
    return at === 0 ? `- ${line}` : `  ${line.slice(Math.min(indent, line.search(/\S|$/)))}`;
  });
  return `${shifted.join("\n").replaceAll(/^ +$/gm, "")}\n`;
}

/**
 * The text with another mode in the rule of this name; comments stay, blanks may move. Throws
 * RULES_UNKNOWN, or CONFIG_INVALID where more than this rule would change.
 */
export function withMode(text: string, name: string, mode: Mode): string {
  const document = parseDocument(text);
  const rule = ruleNamed(document, name);
  if (rule === undefined) throw new CodedError("RULES_UNKNOWN", `there is no rule ${name}`);
  const before = document.toJS() as Plain;
  rule.set("mode", mode);
  const changed = document.toString({ lineWidth: 0 });
  const expected = before.rules.map((one) => (one["name"] === name ? { ...one, mode } : one));
  const after = parseDocument(changed).toJS() as Plain;
  if (canonicalJson(after) !== canonicalJson({ ...before, rules: expected })) {
    const why = `the text of ${name} is shared with other rules (an anchor or a merge)`;
    throw new CodedError("CONFIG_INVALID", `${why}: change its mode in the file, and put that`);
  }
  return changed;
}

interface Plain {
  readonly rules: readonly Readonly<Record<string, unknown>>[];
}

/**
 * The rules in a configuration as they were written there, comments too; undefined where they hang on
 * what stands elsewhere in it.
 */
export function rulesIn(configuration: string): string | undefined {
  const whole = parseDocument(configuration);
  const own = parseDocument(configuration);
  if (!isMap(own.contents)) return undefined;
  const isOfRules = ({ key }: { key: unknown }) =>
    isScalar(key) && (key.value === "rules" || key.value === "fleet");
  own.contents.items = own.contents.items.filter(isOfRules);
  own.contents.commentBefore = null;
  own.commentBefore = null;
  const [first] = own.contents.items;
  if (first === undefined) return undefined;
  if (isScalar(first.key)) first.key.commentBefore = null;
  try {
    const text = own.toString({ lineWidth: 0 });
    const { rules, fleet } = whole.toJS();
    const isSame = canonicalJson(parseDocument(text).toJS()) === canonicalJson({ rules, fleet });
    return isSame ? text : undefined;
  } catch {
    return undefined; // an alias of what was left out
  }
}

/** Rules that were not written in a file of their own. */
export function textOfRules(document: object): string {
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}

function ruleNamed(document: Document.Parsed, name: string): YAMLMap | undefined {
  const rules = document.get("rules", true);
  if (!isSeq(rules)) return undefined;
  const found = rules.items.find((item) => isMap(item) && item.get("name") === name);
  return isMap(found) ? found : undefined;
}
