/** One expression of a route; what it may say is in mapping-environment.ts. */
import type { ParseResult } from "@marcbachmann/cel-js";
import { EvaluationError, ParseError, TypeError as TypeFault } from "@marcbachmann/cel-js";
import { parseJson } from "../decode/json.ts";
import { utf8 } from "../decode/text.ts";
import { reasonOf } from "../errors.ts";
import type { CelFault } from "../rules/cel-environment.ts";
import { shown } from "../shown.ts";
import {
  listMax,
  mappingCharactersMax,
  mappingEnvironment,
  namedIn,
  renewBudget,
} from "./mapping-environment.ts";
import type { Parts } from "./topic-pattern.ts";

/** What the message is, for all expressions of its route; what none names is not looked at. */
export class Message {
  readonly topic: string;
  readonly levels: readonly string[];
  readonly parts: Parts;
  readonly raw: Uint8Array;
  #text: string | undefined;
  #json: { readonly value: unknown } | undefined;
  #members: number | undefined;

  constructor(topic: string, levels: readonly string[], parts: Parts, raw: Uint8Array) {
    this.topic = topic;
    this.levels = levels;
    this.parts = parts;
    this.raw = raw;
  }

  /** Throws where the bytes are no text. */
  get text(): string {
    this.#text ??= utf8(this.raw);
    if (this.#text === undefined) throw new RangeError("the payload is no UTF-8 text");
    return this.#text;
  }

  /** Throws where the payload is no JSON. */
  get payload(): unknown {
    this.#json ??= parseJson(this.text);
    if (this.#json === undefined) throw new RangeError(`${shown(this.text)} is no JSON`);
    return this.#json.value;
  }

  /** In a box; undefined where the payload is no JSON. */
  json(): { readonly value: unknown } | undefined {
    try {
      return { value: this.payload };
    } catch {
      return undefined;
    }
  }

  /** All values in its lists and objects. */
  get members(): number {
    this.#members ??= membersOf(this.payload);
    return this.#members;
  }
}

function membersOf(value: unknown): number {
  let count = 0;
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one !== "object" || one === null) continue;
    for (const member of Object.values(one)) {
      count++;
      left.push(member);
    }
  }
  return count;
}

/** An iteration within another takes as many steps as the product of both. */
const membersNestedMax = 1_024;

export type Evaluated =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "failed"; readonly detail: string };

export interface Expression {
  readonly source: string;
  /** As the types say before anything came: `dyn` where they cannot. */
  readonly type: string;
  /** Never throws. */
  evaluate(message: Message): Evaluated;
}

/** The expression, or what is wrong with it. */
export function parseExpression(source: string): Expression | CelFault {
  if (source.length > mappingCharactersMax)
    return { message: `${source.length} characters; at most ${mappingCharactersMax}`, offset: 0 };
  let program: ParseResult;
  try {
    program = mappingEnvironment.parse(source);
  } catch (failure) {
    return faultOf(failure, source);
  }
  const { names, depth, faults } = namedIn(program.ast);
  if (faults[0] !== undefined) return faults[0];
  const { type = "dyn", valid, error } = program.check();
  if (!valid) return faultOf(error, source);
  const membersMax = !names.has("payload") || depth === 0 ? undefined : boundOf(depth);
  return { source, type, evaluate: (message) => evaluate(program, message, membersMax) };
}

function boundOf(depth: number): number {
  return depth === 1 ? listMax * 2 : membersNestedMax;
}

function evaluate(
  program: ParseResult,
  message: Message,
  membersMax: number | undefined,
): Evaluated {
  try {
    if (membersMax !== undefined && message.members > membersMax)
      return failed(`${message.members} values in the payload, at most ${membersMax} to iterate`);
    renewBudget();
    const value: unknown = program(message);
    return { kind: "value", value: typeof value === "bigint" ? Number(value) : value };
  } catch (failure) {
    return failed(failure instanceof EvaluationError ? failure.summary : reasonOf(failure));
  }
}

function failed(detail: string): Evaluated {
  return { kind: "failed", detail };
}

function faultOf(failure: unknown, source: string): CelFault {
  if (!(failure instanceof ParseError || failure instanceof TypeFault))
    return { message: reasonOf(failure), offset: 0 };
  const { summary, range } = failure;
  const cure = /^Ternary branches must have the same type/.test(summary)
    ? ": write dyn(…) around each"
    : "";
  return { message: `${summary}${cure}`, offset: Math.min(range?.start ?? 0, source.length) };
}
