/**
 * What expressions of rules may say: typed variables, the operators of CEL with whole numbers beside
 * doubles, and a list of functions.
 *
 * C1 Time and memory are bounded by the text of the expression and of the reading: no regular
 *    expressions, no lists that grow, no iteration inside an iteration; texts that describe a time
 *    are literals, checked once.
 * C2 The same on every machine: no clock, and no function that reads the machine's own time zone.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { Environment } from "@marcbachmann/cel-js";
import { mixNumbers } from "./cel-numbers.ts";
import { selectorOf } from "./selector.ts";
import { isTimeZone, localMs } from "./time-zone.ts";

export const expressionCharactersMax = 4_096;
const limits = { maxAstNodes: 500, maxDepth: 30 };
const patternsMax = 256;

export const readingVariables = ["value", "text", "on"] as const;
type ReadingVariable = (typeof readingVariables)[number];

const stamp = "google.protobuf.Timestamp";
const variables = {
  ...{ value: "double", text: "string", on: "bool" },
  ...{ metric: "string", device: "string", gateway: "string", site: "string", family: "string" },
  ...{ unit: "string", quality: "string", tags: "list<string>", labels: "map<string, string>" },
  time: stamp,
} as const;

const iterations = new Set(["exists", "all", "exists_one"]);
const timeParts = new Set([
  ...["getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek"],
  ...["getHours", "getMinutes", "getSeconds", "getMilliseconds"],
]);
const functions = new Set([
  ...["abs", "glob", "local", "size", "has", "string", "double", "int", "bool"],
  ...["timestamp", "duration", "startsWith", "endsWith", "contains", "lowerAscii", "upperAscii"],
  ...["trim", "indexOf", "lastIndexOf", "substring"],
  ...iterations,
  ...timeParts,
]);

export const environment = createEnvironment();

function createEnvironment(): Environment {
  const made = new Environment({ limits });
  for (const [name, type] of Object.entries(variables)) made.registerVariable(name, type);
  mixNumbers(made);
  const sync = { async: false };
  made.registerFunction("abs(double): double", Math.abs, sync);
  made.registerFunction("glob(string, string): bool", glob, sync);
  const local = (time: Date, zone: string) => new Date(localMs(time.getTime(), zone));
  made.registerFunction(`local(${stamp}, string): ${stamp}`, local, sync);
  return made;
}

const globs = new Map<string, (name: string) => boolean>();

/** Whether the text fits a pattern such as rules select by; so many patterns are kept compiled. */
export function glob(text: string, pattern: string): boolean {
  let selects = globs.get(pattern);
  if (selects === undefined) {
    if (globs.size >= patternsMax) globs.clear();
    selects = selectorOf([pattern]);
    globs.set(pattern, selects);
  }
  return selects(text);
}

export interface CelFault {
  readonly message: string;
  /** Where in the expression, in UTF-16 code units. */
  readonly offset: number;
}

export interface Named {
  /** Those of `readingVariables` that the expression names, each at its first place. */
  readonly readings: ReadonlyMap<ReadingVariable, number>;
  readonly faults: readonly CelFault[];
}

/** Walks the expression: what it names, and what of it is refused before its types are looked at. */
export function namesOf(root: ASTNode): Named {
  const readings = new Map<ReadingVariable, number>();
  const faults: CelFault[] = [];
  const tell = (node: ASTNode, message: string) => faults.push({ message, offset: node.start });

  const walk = (node: ASTNode, iteration: string | undefined): void => {
    if (node.op === "id") return name(node, node.args, iteration);
    if (node.op === "call") return call(node, node.args[0], undefined, node.args[1], iteration);
    if (node.op === "rcall") return call(node, ...node.args, iteration);
    for (const child of childrenOf(node)) walk(child, iteration);
  };

  const name = (node: ASTNode, id: string, iteration: string | undefined): void => {
    if (id === iteration) return;
    if (!Object.hasOwn(variables, id)) return void tell(node, unknownVariable(id));
    const reading = readingVariables.find((known) => known === id);
    if (reading !== undefined && !readings.has(reading)) readings.set(reading, node.start);
  };

  const call = (
    node: ASTNode,
    called: string,
    receiver: ASTNode | undefined,
    given: readonly ASTNode[],
    iteration: string | undefined,
  ): void => {
    const fault = faultOfCall(node, called, given, iteration);
    if (fault !== undefined) return void tell(node, fault);
    if (receiver !== undefined) walk(receiver, iteration);
    if (!iterations.has(called)) for (const each of given) walk(each, iteration);
    else if (given[1] !== undefined) walk(given[1], String(given[0]?.args));
  };

  walk(root, undefined);
  return { readings, faults };
}

function faultOfCall(
  node: ASTNode,
  called: string,
  given: readonly ASTNode[],
  iteration: string | undefined,
): string | undefined {
  if (called === "matches") return 'no regular expressions: write glob(text, "a*")';
  if (!functions.has(called)) return `no function ${called}: docs/rules.md has those there are`;
  if (timeParts.has(called) && given.length > 0)
    return `write local(time, "Europe/Berlin").${called}()`;
  if (called === "timestamp" || called === "duration") return faultOfTime(node, called, given);
  if (called === "local") {
    const zone = literal(given[1]);
    if (zone === undefined)
      return 'local takes a time and a zone, as in local(time, "Europe/Berlin")';
    return isTimeZone(zone) ? undefined : `no time zone ${zone}: write one such as "Europe/Berlin"`;
  }
  if (!iterations.has(called)) return undefined;
  if (iteration !== undefined) return `${called} inside of another: write two leaves`;
  const variable = String(given[0]?.args);
  const isTaken = Object.hasOwn(variables, variable);
  return isTaken ? `${variable} is a variable: choose another name, such as t` : undefined;
}

const timeExamples = { timestamp: "2026-01-31T12:00:00Z", duration: "90s" } as const;

function faultOfTime(
  { input, start, end }: ASTNode,
  called: "timestamp" | "duration",
  given: readonly ASTNode[],
): string | undefined {
  const example = `${called}("${timeExamples[called]}")`;
  const text = literal(given[0]);
  if (text === undefined || text.length > 64) return `${called} takes a literal, as in ${example}`;
  try {
    environment.evaluate(input.slice(start, end));
    return undefined;
  } catch {
    return `not a ${called}: write one such as ${example}`;
  }
}

function literal(node: ASTNode | undefined): string | undefined {
  return node?.op === "value" && typeof node.args === "string" ? node.args : undefined;
}

function unknownVariable(id: string): string {
  const known = Object.keys(variables).join(", ");
  return `no variable ${id}: there are ${known}; a metric is chosen beside it, { metric: ${id}, is: … }`;
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  const parts: readonly unknown[] = Array.isArray(node.args) ? node.args.flat() : [node.args];
  return parts.filter(isNode);
}

function isNode(part: unknown): part is ASTNode {
  return typeof part === "object" && part !== null && "op" in part && "args" in part;
}
