/**
 * What expressions of routes may say. Numbers of payloads and frames are doubles, so that `/` divides.
 *
 *   M1  Whatever a payload holds, an expression ends within its bounds: no regular expressions, no
 *       list that grows by itself, iterations at most two deep, and of a bounded number of steps.
 *   M2  The same bytes make the same readings on every machine: no clock, no zone of the machine.
 *   M3  What is not there is an error with its place, never a number that nobody sent.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { Environment } from "@marcbachmann/cel-js";
import type { CelFault } from "../rules/cel-environment.ts";
import { glob } from "../rules/cel-environment.ts";
import { mixNumbers } from "../rules/cel-numbers.ts";
import { frameFunctions, wholeOf } from "./frame-bytes.ts";

export const mappingCharactersMax = 8_192;
const limits = { maxAstNodes: 1_000, maxDepth: 60 };
/** Elements that `walk`, `range` and `fields` give in one evaluation. */
export const stepsMax = 16_384;
export const listMax = 4_096;

export const mappingVariables = {
  payload: "dyn",
  text: "string",
  raw: "bytes",
  topic: "string",
  levels: "list<string>",
  parts: "map<string, string>",
} as const;
export type MappingVariable = keyof typeof mappingVariables;

const iterations = new Set(["exists", "all", "exists_one", "map", "filter", "walk"]);
/** Beside operators and variables. */
export const mappingFunctions: ReadonlySet<string> = new Set([
  ...[...frameFunctions.keys()].map((signature) => signature.slice(0, signature.indexOf("("))),
  ...["reading", "nothing", "range", "fields", "min", "max", "round", "floor", "abs", "glob"],
  ...["size", "has", "string", "double", "int", "bool", "dyn", "type", "timestamp"],
  ...["startsWith", "endsWith", "contains", "lowerAscii", "upperAscii", "trim"],
  ...["indexOf", "lastIndexOf", "substring"],
  ...iterations,
]);

/** What is left of the steps of the evaluation under way; evaluations do not interleave. */
const budget = { left: stepsMax };

export function renewBudget(): void {
  budget.left = stepsMax;
}

function spend(steps: number): void {
  budget.left -= steps;
  if (budget.left < 0) throw new RangeError(`more than ${stepsMax} steps`);
}

export const mappingEnvironment = createEnvironment();

function createEnvironment(): Environment {
  const made = new Environment({ limits, homogeneousAggregateLiterals: false });
  for (const [name, type] of Object.entries(mappingVariables)) made.registerVariable(name, type);
  mixNumbers(made);
  const sync = { async: false };
  const put = (signature: string, handler: (...given: never[]) => unknown) =>
    made.registerFunction(signature, handler as (...given: unknown[]) => unknown, sync);
  for (const [signature, handler] of frameFunctions) put(signature, handler);
  put("abs(dyn): double", (number: unknown) => Math.abs(numberOf(number)));
  put("floor(dyn): double", (number: unknown) => Math.floor(numberOf(number)));
  put("round(dyn): double", (number: unknown) => Math.round(numberOf(number)));
  put("round(dyn, int): double", (number: unknown, digits: bigint) => rounded(number, digits));
  put("min(dyn, dyn): double", (a: unknown, b: unknown) => Math.min(numberOf(a), numberOf(b)));
  put("max(dyn, dyn): double", (a: unknown, b: unknown) => Math.max(numberOf(a), numberOf(b)));
  put("glob(string, string): bool", glob);
  put("range(dyn): list<int>", (count: unknown) => range(0, wholeOf(count)));
  put("range(dyn, dyn): list<int>", (a: unknown, b: unknown) => range(wholeOf(a), wholeOf(b)));
  put("fields(string, string): list<string>", fields);
  const map = "map<string, dyn>";
  put(`nothing(): ${map}`, () => ({}));
  put(`reading(string, dyn): ${map}`, (metric: string, value: unknown) => ({ metric, value }));
  put(`reading(string, dyn, string): ${map}`, (metric: string, value: unknown, unit: string) => {
    return { metric, value, unit };
  });
  put(
    `reading(string, dyn, string, string): ${map}`,
    (metric: string, value: unknown, unit: string, quality: string) => {
      return { metric, value, unit, quality };
    },
  );
  made.registerFunction("bytes.walk(ast, ast): list<bytes>", walkOf as never);
  return made;
}

function numberOf(given: unknown): number {
  if (typeof given === "number" || typeof given === "bigint") return Number(given);
  throw new RangeError("no number");
}

function rounded(number: unknown, digits: bigint): number {
  const value = numberOf(number);
  const places = wholeOf(digits);
  if (places < 0 || places > 15) throw new RangeError(`${places} digits: there are 0 to 15`);
  return Number.isFinite(value) ? Number(value.toFixed(places)) : value;
}

function range(from: number, until: number): readonly bigint[] {
  const count = Math.max(0, until - from);
  if (count > listMax) throw new RangeError(`a range of ${count}, at most ${listMax}`);
  spend(count);
  return Array.from({ length: count }, (_, at) => BigInt(from + at));
}

function fields(text: string, separator: string): readonly string[] {
  if (separator === "") throw new RangeError("fields need a separator");
  const found = text.split(separator, listMax + 1);
  if (found.length > listMax) throw new RangeError(`more than ${listMax} fields`);
  spend(found.length);
  return found;
}

/** What the library hands to macros; its types leave it open. */
interface Walk {
  readonly receiver: ASTNode;
  readonly args: readonly [ASTNode, ASTNode];
  context: WalkContext | undefined;
}

interface WalkContext {
  forkWithVariable(name: string, type: unknown): WalkContext;
  reuse(context: WalkContext): { setIterValue(value: unknown, evaluator: unknown): WalkContext };
}

interface Checker {
  check(node: ASTNode, context: WalkContext): unknown;
  getType(name: string): unknown;
}

interface Evaluator {
  run(node: ASTNode, context: WalkContext): unknown;
}

/**
 * `frame.walk(i, LENGTH)`: cuts a frame into records one behind the other; LENGTH says how long the
 * one is that begins at i.
 */
function walkOf({ ast, args, receiver }: { ast: ASTNode } & Walk) {
  return {
    ...{ ast, args, receiver, context: undefined, async: false },
    typeCheck(checker: Checker, walk: Walk, context: WalkContext) {
      checker.check(walk.receiver, context);
      const name = String(walk.args[0].args);
      walk.context = context.forkWithVariable(name, checker.getType("double"));
      checker.check(walk.args[1], walk.context);
      return checker.getType("list<bytes>");
    },
    evaluate(evaluator: Evaluator, walk: Walk, context: WalkContext) {
      const frame = evaluator.run(walk.receiver, context) as Uint8Array;
      const records: Uint8Array[] = [];
      for (let at = 0; at < frame.length; ) {
        spend(1);
        const own = walk.context?.reuse(context).setIterValue(at, evaluator) ?? context;
        const length = wholeOf(evaluator.run(walk.args[1], own));
        if (length < 1 || at + length > frame.length)
          throw new RangeError(`the record at byte ${at} has ${length} of ${frame.length - at}`);
        records.push(frame.subarray(at, at + length));
        at += length;
      }
      return records;
    },
  };
}

export interface NamedInMapping {
  readonly names: ReadonlySet<MappingVariable>;
  /** How deep iterations lie in each other. */
  readonly depth: number;
  readonly faults: readonly CelFault[];
}

const depthMax = 2;

/** Walks the expression: what it names, and what of it is refused before its types are looked at. */
export function namedIn(root: ASTNode): NamedInMapping {
  const names = new Set<MappingVariable>();
  const faults: CelFault[] = [];
  let depth = 0;
  const tell = (node: ASTNode, message: string) => faults.push({ message, offset: node.start });

  const walk = (node: ASTNode, own: readonly string[]): void => {
    if (node.op === "id") return name(node, node.args, own);
    if (node.op === "call") return call(node, node.args[0], undefined, node.args[1], own);
    if (node.op === "rcall") return call(node, ...node.args, own);
    const parts: readonly unknown[] = Array.isArray(node.args) ? node.args.flat(2) : [node.args];
    for (const part of parts) if (isNode(part)) walk(part, own);
  };

  const name = (node: ASTNode, id: string, own: readonly string[]): void => {
    if (own.includes(id)) return;
    if (Object.hasOwn(mappingVariables, id)) names.add(id as MappingVariable);
    else tell(node, `no variable ${id}: there are ${Object.keys(mappingVariables).join(", ")}`);
  };

  const call = (
    node: ASTNode,
    called: string,
    receiver: ASTNode | undefined,
    given: readonly ASTNode[],
    own: readonly string[],
  ): void => {
    if (called === "matches") return void tell(node, 'no regular expressions: glob(text, "a*")');
    if (!mappingFunctions.has(called))
      return void tell(node, `no function ${called}: docs/devices.md has those there are`);
    if (receiver !== undefined) walk(receiver, own);
    if (!iterations.has(called)) {
      for (const each of given) walk(each, own);
      return;
    }
    const variable = String(given[0]?.args);
    if (given[0]?.op !== "id" || Object.hasOwn(mappingVariables, variable))
      return void tell(given[0] ?? node, `${called} needs a name of its own, such as r`);
    depth = Math.max(depth, own.length + 1);
    if (own.length >= depthMax)
      return void tell(node, `${called} inside of two others: ${depthMax} deep is the most`);
    for (const each of given.slice(1)) walk(each, [...own, variable]);
  };

  walk(root, []);
  return { names, depth, faults };
}

function isNode(part: unknown): part is ASTNode {
  return typeof part === "object" && part !== null && "op" in part && "args" in part;
}
