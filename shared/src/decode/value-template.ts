/** The common forms of Home Assistant's value templates: where in the payload the value stands. */
import { metricCharactersMax } from "../names.ts";

export interface Template {
  /** As a metric has it; null for the whole payload. */
  readonly path: string | null;
  /** It says that the value is a number, also where it is sent as text. */
  readonly isNumber: boolean;
  /** What it multiplies the value by, and divides it by: a tenth is no number that a double has. */
  readonly factor: number;
  readonly divisor: number;
}

const charactersMax = 512;
const head =
  /^(value_json|value)((?:\.\w{1,64}|\[\s*(?:'[^'\]]{1,64}'|"[^"\]]{1,64}"|\d{1,4})\s*\])*)/;
const step = /\.(\w+)|\[\s*(?:'([^']*)'|"([^"]*)"|(\d+))\s*\]/g;
const further = /^\s*(?:\|\s*(\w+)(?:\([^()|]{0,64}\))?|([*/])\s*(\d+(?:\.\d+)?))/;
const filters = new Set([
  "float",
  "int",
  "round",
  "default",
  "is_defined",
  "string",
  "abs",
  "trim",
]);

/** Undefined where it is of another form. */
export function templateOf(text: unknown): Template | undefined {
  if (text === undefined || text === null || text === "") {
    return { path: null, isNumber: false, factor: 1, divisor: 1 };
  }
  if (typeof text !== "string" || text.length > charactersMax) return undefined;
  const within = /^\s*\{\{-?([\s\S]*?)-?\}\}\s*$/.exec(text)?.[1];
  // Parentheses only group here: filters bind before factors.
  const bare = within?.trim().replace(/^\(+/, "") ?? "";
  const found = head.exec(bare);
  if (found === null) return undefined;
  const [whole, root, steps = ""] = found;
  if (root === "value" && steps !== "") return undefined;
  const path = [...steps.matchAll(step)].map(([, a, b, c, d]) => a ?? b ?? c ?? d).join(".");
  const rest = restOf(bare.slice(whole.length));
  if (rest === undefined || path.length > metricCharactersMax) return undefined;
  return { path: root === "value" || path === "" ? null : path, ...rest };
}

function restOf(text: string): Omit<Template, "path"> | undefined {
  let rest = text;
  let [isNumber, factor, divisor] = [false, 1, 1];
  for (;;) {
    rest = rest.replace(/^[\s)]+/, "");
    if (rest === "") return { isNumber, factor, divisor };
    const [whole, filter, operator, number] = further.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    if (filter !== undefined) {
      // What changes the value is not one of the common forms.
      if (!filters.has(filter) || filter === "abs") return undefined;
      isNumber ||= filter === "float" || filter === "int";
    } else {
      const by = Number(number);
      if (by === 0) return undefined;
      if (operator === "*") factor *= by;
      else divisor *= by;
      isNumber = true;
    }
    rest = rest.slice(whole.length);
  }
}
