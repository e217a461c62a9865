/**
 * The common forms of Home Assistant's value templates: where in the payload the value stands.
 *
 *   {{ value }}, {{ value_json.a['b'][0].get('c') }}, with filters such as `| float(0) | round(1)`
 *   {{ (value_json.a | float + 40) * 10 / 4 - 1 }}, {{ value_json.a | multiply(0.1) }}
 *   {{ float(value_json.a) }}, {{ value_json.a if value_json.a is defined else … }}
 *   {% if value_json.a is defined %}{{ value_json.a }}{% endif %}
 */
import { metricCharactersMax } from "../names.ts";

export interface Template {
  /** As a metric has it; null for the whole payload. */
  readonly path: string | null;
  /** It says that the value is a number, also where it is sent as text. */
  readonly isNumber: boolean;
  /** What it multiplies the value by, and divides it by: a tenth is no number that a double has. */
  readonly factor: number;
  readonly divisor: number;
  /** What it adds before that, and after it. */
  readonly before?: number;
  readonly after?: number;
}

const charactersMax = 512;
const quoted = String.raw`(?:'[^'\]]{1,64}'|"[^"\]]{1,64}")`;
const head = new RegExp(
  String.raw`^(value_json|value)((?:\.get\(\s*${quoted}\s*(?:,[^()]{0,32})?\)|\.\w{1,64}` +
    String.raw`|\[\s*(?:${quoted}|\d{1,4})\s*\])*)`,
);
const step = new RegExp(
  String.raw`\.get\(\s*(?:'([^']*)'|"([^"]*)")[^)]*\)|\.(\w+)` +
    String.raw`|\[\s*(?:'([^']*)'|"([^"]*)"|(\d+))\s*\]`,
  "g",
);
const further = /^\s*(?:\|\s*(\w+)(?:\(([^()|]{0,64})\))?|([-+*/])\s*(\d+(?:\.\d+)?))/;
const called = /^(float|int)\(\s*(value[^(),|]{0,200})(?:,[^()]{0,32})?\)/;
const whereDefined =
  /\s+if\s+(value\S{0,200})\s+is\s+(?:defined|not\s+none)\b(?:\s+else\b[^|{}]{0,64})?$/;
const ifDefined = new RegExp(
  String.raw`^\s*\{%-?\s*if\s+(value\S{0,200})\s+is\s+defined\s*-?%\}([\s\S]*?)` +
    String.raw`(?:\{%-?\s*else[\s\S]*?)?\{%-?\s*endif\s*-?%\}\s*$`,
);
const filters = new Set(["float", "int", "round", "default", "is_defined", "string", "trim"]);

/** Undefined where it is of another form. */
export function templateOf(text: unknown): Template | undefined {
  if (text === undefined || text === null || text === "") {
    return { path: null, isNumber: false, factor: 1, divisor: 1 };
  }
  if (typeof text !== "string" || text.length > charactersMax) return undefined;
  const defined = ifDefined.exec(text);
  const within = /^\s*\{\{-?([\s\S]*?)-?\}\}\s*$/.exec(defined?.[2] ?? text)?.[1]?.trim() ?? "";
  const condition = whereDefined.exec(within);
  const told = condition === null ? within : within.slice(0, condition.index);
  // What is asked for must be what is taken.
  const asked = condition?.[1] ?? defined?.[1];
  // Parentheses only group here: filters bind before factors.
  const bare = told.replace(/^\(+/, "");
  const call = called.exec(bare);
  const inner =
    call === null ? bare : `${call[2]?.trim()} | ${call[1]}${bare.slice(call[0].length)}`;
  const found = head.exec(inner);
  if (found === null) return undefined;
  const [whole, root, steps = ""] = found;
  if ((root === "value" && steps !== "") || (asked !== undefined && asked !== whole))
    return undefined;
  const path = pathOf(steps);
  const rest = restOf(inner.slice(whole.length));
  if (rest === undefined || path.length > metricCharactersMax) return undefined;
  return { path: root === "value" || path === "" ? null : path, ...rest };
}

function pathOf(steps: string): string {
  return [...steps.matchAll(step)]
    .map(([, ...groups]) => groups.find((group) => group !== undefined))
    .join(".");
}

function restOf(text: string): Omit<Template, "path"> | undefined {
  let rest = text;
  let [isNumber, factor, divisor, before, after] = [false, 1, 1, 0, 0];
  let isOpen = false;
  for (;;) {
    const closed = /^[\s)]*\)/.test(rest);
    rest = rest.replace(/^[\s)]+/, "");
    if (rest === "") return { isNumber, factor, divisor, ...offsets(before, after) };
    const [whole, filter, argument, operator, number] = further.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    const isMultiply = filter === "multiply" || filter === "add";
    const by = Number(isMultiply ? argument : number);
    const sign = filter === "multiply" ? "*" : filter === "add" ? "+" : operator;
    // A filter binds to the constant before it.
    if (isMultiply && isOpen && !closed) return undefined;
    isOpen = operator !== undefined;
    if (sign === undefined) {
      // What changes the value is not one of the common forms.
      if (filter === undefined || !filters.has(filter)) return undefined;
      isNumber ||= filter === "float" || filter === "int";
    } else {
      if (!Number.isFinite(by) || (by === 0 && sign === "/")) return undefined;
      isNumber = true;
      if (sign === "+" || sign === "-") after += sign === "+" ? by : -by;
      else {
        // A sum is a factor's only in parentheses, and only one of them is kept.
        if (after !== 0 && (!closed || factor !== divisor || before !== 0)) return undefined;
        [before, after] = [before + after, 0];
        if (sign === "*") factor *= by;
        else divisor *= by;
      }
    }
    rest = rest.slice(whole.length);
  }
}

function offsets(before: number, after: number) {
  return { ...(before === 0 ? {} : { before }), ...(after === 0 ? {} : { after }) };
}
