/**
 * TypeScript source taken apart, for the house rules: `code` has every comment blanked and every
 * string, template and regular expression emptied; `comments` has the comments and nothing else.
 * Both keep each character's place, so that a line and column mean the same in all of them.
 */
export interface SourceText {
  readonly text: string;
  readonly code: string;
  readonly comments: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** After one of these a slash begins a regular expression, else it divides. */
const beforeRegex = /(?:^|[(,=:[!&|?{};+\-*%<>~^\n]|\b(?:return|typeof|case|in|of))\s*$/;

/** One token from `at` on that is no plain code: what it is and where it ends. */
function tokenAt(
  text: string,
  at: number,
): { kind: "comment" | "literal"; end: number } | undefined {
  const rest = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0].length ?? 0;
  };
  const two = text.slice(at, at + 2);
  if (two === "//") return { kind: "comment", end: at + rest(/[^\n]*/y) };
  if (two === "/*") return { kind: "comment", end: at + rest(/\/\*[\s\S]*?(?:\*\/|$)/y) };
  const character = text[at];
  if (character === '"') return { kind: "literal", end: at + rest(/"(?:[^"\\\n]|\\[\s\S])*"?/y) };
  if (character === "'") return { kind: "literal", end: at + rest(/'(?:[^'\\\n]|\\[\s\S])*'?/y) };
  if (character !== "/" || !beforeRegex.test(text.slice(Math.max(0, at - 80), at)))
    return undefined;
  const length = rest(/\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y);
  return length === 0 ? undefined : { kind: "literal", end: at + length };
}

const blank = (text: string) => text.replaceAll(/[^\n]/g, " ");
const emptied = (literal: string) => literal[0] + blank(literal.slice(1, -1)) + literal.at(-1);

export function sourceText(text: string): SourceText {
  let [code, comments] = ["", ""];
  const put = (asCode: string, asComment = blank(asCode)) => {
    code += asCode;
    comments += asComment;
  };
  // For each template that is open: how many braces are open within its `${}`.
  const templates: number[] = [];
  for (let at = 0; at < text.length; ) {
    const character = text[at] ?? "";
    const depth = templates.at(-1);
    const token = tokenAt(text, at);
    if (character === "`" || (character === "}" && depth === 0)) {
      if (character === "}") templates.pop();
      const end = templateEnd(text, at + 1);
      put(`${character}${blank(text.slice(at + 1, end))}`);
      if (text[end] === "$") templates.push(0);
      const closing = text.slice(end, text[end] === "$" ? end + 2 : end + 1);
      put(closing);
      at = end + closing.length;
    } else if (token !== undefined) {
      const part = text.slice(at, token.end);
      if (token.kind === "comment") put(blank(part), part);
      else put(emptied(part));
      at = token.end;
    } else {
      if (depth !== undefined && character === "{") templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && character === "}") templates[templates.length - 1] = depth - 1;
      put(character);
      at++;
    }
  }
  return { text, code, comments };
}

/** Where a template's text ends: at its closing backquote or at the next `${`. */
function templateEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "`" || text.startsWith("${", at)) return at;
  }
  return text.length;
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** Everything that is imported or exported from elsewhere, types and dynamic imports included. */
export function importsOf({ text, code }: SourceText): Import[] {
  const found = code.matchAll(/\b(?:from|import)\s*\(?\s*(["'])( *)\1/g);
  return [...found].map((match) => {
    const end = match.index + match[0].length - 1;
    const specifier = text.slice(end - (match[2] ?? "").length, end);
    return { specifier, line: lineOf(text, end) };
  });
}
