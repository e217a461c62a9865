/**
 * Which topics a route means, and what their levels are called:
 *
 *   plant/{line}/{device}/temp    a level with a name, `+line` is the same
 *   plant/+/temp                  a level without one
 *   plant/#                       all levels from here on, also none; `#rest` gives them a name
 */
import { shown } from "../shown.ts";

const levelsMax = 100;
const namePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

export type Parts = Readonly<Record<string, string>>;

type Level =
  | { readonly kind: "same"; readonly text: string }
  | { readonly kind: "any"; readonly name: string | undefined };

export interface TopicPattern {
  readonly text: string;
  /** As MQTT writes it. */
  readonly filter: string;
  readonly names: readonly string[];
  /** Its last level has a name, and so says something else than what a value is. */
  readonly endsInName: boolean;
  /** The parts that have names; undefined where the topic is another. */
  match(topic: string, levels: readonly string[]): Parts | undefined;
}

/** The pattern, or what is wrong with it. */
export function parseTopicPattern(text: string): TopicPattern | string {
  if (text.includes("\0") || text.includes("\uFFFD")) return "has characters that no topic has";
  if (text.startsWith("$share/")) return "a shared subscription is no topic: leave $share/… out";
  const written = text.split("/");
  if (written.length > levelsMax) return `${written.length} levels, at most ${levelsMax}`;
  const levels: Level[] = [];
  let rest: Level | undefined;
  for (const [at, level] of written.entries()) {
    if (level.startsWith("#")) {
      if (at < written.length - 1)
        return `${shown(level)} stands for all that follows: put it last`;
      const name = level.slice(1) || undefined;
      if (name !== undefined && !namePattern.test(name)) return faultOfName(level);
      rest = { kind: "any", name };
    } else {
      const read = levelOf(level);
      if (typeof read === "string") return read;
      levels.push(read);
    }
  }
  const names = [...levels, ...(rest === undefined ? [] : [rest])].flatMap((level) =>
    level.kind === "any" && level.name !== undefined ? [level.name] : [],
  );
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) return `two levels are called ${twice}: give each its own name`;
  const filter = [
    ...levels.map((level) => (level.kind === "same" ? level.text : "+")),
    ...(rest === undefined ? [] : ["#"]),
  ].join("/");
  const last = rest ?? levels.at(-1);
  const endsInName = last?.kind === "any" && last.name !== undefined;
  return {
    text,
    filter,
    names,
    endsInName,
    match: (topic, found) => match(levels, rest, topic, found),
  };
}

/** Whether every topic of the other is one of its own; both as MQTT writes them. */
export function covers(filter: string, other: string): boolean {
  const [own, others] = [filter.split("/"), other.split("/")];
  if (/^[+#]/.test(filter) && other.startsWith("$")) return false;
  for (const [at, level] of own.entries()) {
    if (level === "#") return true;
    const theirs = others[at];
    if (theirs === undefined || theirs === "#" || (level !== "+" && level !== theirs)) return false;
  }
  return own.length === others.length;
}

function levelOf(level: string): Level | string {
  const named = /^(?:\+(.*)|\{(.*)\})$/.exec(level);
  if (named === null) {
    if (/[+#{}]/.test(level))
      return `${shown(level)}: a wildcard or a name fills its level, as in a/{device}/b`;
    return { kind: "same", text: level };
  }
  const name = named[1] ?? named[2] ?? "";
  if (name === "" && level === "+") return { kind: "any", name: undefined };
  return namePattern.test(name) ? { kind: "any", name } : faultOfName(level);
}

function faultOfName(level: string): string {
  return `${shown(level)}: a name has letters, digits and _, a letter first`;
}

function match(
  levels: readonly Level[],
  rest: Level | undefined,
  topic: string,
  found: readonly string[],
): Parts | undefined {
  if (rest === undefined ? found.length !== levels.length : found.length < levels.length)
    return undefined;
  // MQTT 3.1.1 §4.7.2: no wildcard at the beginning means the broker's own topics.
  if (topic.startsWith("$") && (levels[0] ?? rest)?.kind === "any") return undefined;
  const parts: Record<string, string> = {};
  for (const [at, level] of levels.entries()) {
    const text = found[at] ?? "";
    if (level.kind === "same") {
      if (level.text !== text) return undefined;
    } else if (level.name !== undefined) parts[level.name] = text;
  }
  if (rest?.kind === "any" && rest.name !== undefined)
    parts[rest.name] = found.slice(levels.length).join("/");
  return parts;
}
