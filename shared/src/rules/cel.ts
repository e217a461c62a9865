/** One expression of a rule, in the Common Expression Language; what it may say is in cel-environment.ts. */
import type { ASTNode, BinaryOperator, ParseResult } from "@marcbachmann/cel-js";
import { TypeError as CelTypeError, ParseError } from "@marcbachmann/cel-js";
import { reasonOf } from "../errors.ts";
import type { CelFault } from "./cel-environment.ts";
import { environment, expressionCharactersMax, namesOf } from "./cel-environment.ts";

/** The type of reading that an expression concerns; `any` where it names no value. */
export type Wants = "number" | "text" | "boolean" | "any";

/** What expressions see of one reading. `value`, `text` and `on`: only the one of its type is read. */
export interface CelVariables {
  readonly value: number;
  readonly text: string;
  readonly on: boolean;
  readonly metric: string;
  readonly device: string;
  readonly gateway: string;
  readonly site: string;
  readonly family: string;
  readonly unit: string;
  readonly quality: string;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** May be a getter: it is read only by expressions that name it. */
  readonly time: Date;
}

export interface CelPredicate {
  readonly source: string;
  readonly wants: Wants;
  /** Undefined where it could not be evaluated, a label that is missing for one: counts as false. */
  test(variables: CelVariables): boolean | undefined;
}

/** What a derived event carries. */
export interface CelValue {
  readonly source: string;
  readonly wants: Wants;
  /** Undefined where it could not be evaluated. */
  evaluate(variables: CelVariables): number | string | boolean | undefined;
}

type Compiled<T> =
  | { readonly kind: "compiled"; readonly compiled: T }
  | { readonly kind: "faulty"; readonly faults: readonly CelFault[] };

export function parsePredicate(source: string): Compiled<CelPredicate> {
  const checked = check(source);
  if (checked.kind === "faulty") return checked;
  const { program, wants, type } = checked;
  if (type !== "bool") return faulty(`must be true or false, not ${type}: compare it`, 0);
  const test = (variables: CelVariables): boolean | undefined => {
    try {
      const answer: unknown = program(variables);
      return typeof answer === "boolean" ? answer : undefined;
    } catch {
      return undefined;
    }
  };
  return { kind: "compiled", compiled: { source, wants, test } };
}

export function parseValue(source: string): Compiled<CelValue> {
  const checked = check(source);
  if (checked.kind === "faulty") return checked;
  const { program, wants, type } = checked;
  if (!["double", "int", "string", "bool"].includes(type))
    return faulty(`must be a number, a text, true or false, not ${type}`, 0);
  const evaluate = (variables: CelVariables): number | string | boolean | undefined => {
    try {
      const answer: unknown = program(variables);
      if (typeof answer === "bigint") return Number(answer);
      if (typeof answer === "number") return Number.isFinite(answer) ? answer : undefined;
      return typeof answer === "string" || typeof answer === "boolean" ? answer : undefined;
    } catch {
      return undefined;
    }
  };
  return { kind: "compiled", compiled: { source, wants, evaluate } };
}

interface Checked {
  readonly kind: "checked";
  readonly program: ParseResult;
  readonly wants: Wants;
  readonly type: string;
}

const wantsOf = { value: "number", text: "text", on: "boolean" } as const;

function check(source: string): Checked | { readonly kind: "faulty"; faults: readonly CelFault[] } {
  if (source.length > expressionCharactersMax)
    return faulty(`${source.length} characters; at most ${expressionCharactersMax}`, 0);
  let program: ParseResult;
  try {
    program = environment.parse(source);
  } catch (failure) {
    return { kind: "faulty", faults: [faultOf(failure, source)] };
  }
  const { readings, faults } = namesOf(program.ast);
  if (faults.length > 0) return { kind: "faulty", faults };
  const [first, second] = readings;
  if (second !== undefined) {
    const both = `${first?.[0]} and ${second[0]}`;
    return faulty(`${both}: a reading is one of them; use two leaves in all:`, second[1]);
  }
  const { type = "", valid, error } = program.check();
  if (!valid) return { kind: "faulty", faults: [faultOf(error, source)] };
  return { kind: "checked", program, wants: first === undefined ? "any" : wantsOf[first[0]], type };
}

function faulty(message: string, offset: number) {
  return { kind: "faulty", faults: [{ message, offset }] } as const;
}

function faultOf(failure: unknown, source: string): CelFault {
  if (!(failure instanceof ParseError || failure instanceof CelTypeError))
    return { message: reasonOf(failure), offset: 0 };
  const { summary, range, node } = failure;
  const operands = isBinary(node) ? node.args : undefined;
  const offset = operands === undefined ? range?.start : operatorOf(source, operands[0].end);
  const isMixed = /\bint\b/.test(summary) && /\bdouble\b/.test(summary);
  const cure = isMixed ? "; write whole numbers as 2.0 here" : "";
  return { message: `${summary}${cure}`, offset: Math.min(offset ?? 0, source.length) };
}

type Binary = Extract<ASTNode, { op: BinaryOperator | "&&" | "||" }>;
const binaries = new Set([
  "!=",
  "==",
  "in",
  "+",
  "-",
  "*",
  "/",
  "%",
  "<",
  "<=",
  ">",
  ">=",
  "&&",
  "||",
]);

function isBinary(node: unknown): node is Binary {
  return binaries.has((node as { op?: string } | undefined)?.op ?? "");
}

/** The operator after an operand that ends at `end`: blanks, comments and brackets lie between. */
function operatorOf(source: string, end: number): number {
  const between = /^(?:[\s)]|\/\/[^\n]*)*/.exec(source.slice(end));
  return end + (between?.[0].length ?? 0);
}
