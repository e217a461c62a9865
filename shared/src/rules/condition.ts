/** What a pattern rule waits for, ready to be evaluated; condition-document.ts is how it is written. */
import { CodedError } from "../errors.ts";
import type { CelPredicate } from "./cel.ts";
import { parsePredicate } from "./cel.ts";
import type { ConditionDocument, ReadingsDocument } from "./condition-document.ts";

/** Of how many series of the key a leaf speaks. */
export type Of = "any" | "every" | number;

interface Lasting {
  /** True so long without a break, in ms. */
  readonly forMs?: number;
}

export interface Leaf extends Lasting {
  readonly kind: "leaf";
  /** Undefined: every reading fits. */
  readonly predicate: CelPredicate | undefined;
  /** Patterns, as selectorOf has them. */
  readonly metrics: readonly string[];
  readonly devices: readonly string[];
  readonly of: Of;
}

export type Condition =
  | Leaf
  | (Lasting &
      (
        | { readonly kind: "all" | "any"; readonly of: readonly Condition[] }
        | { readonly kind: "not"; readonly of: Condition }
        | {
            readonly kind: "sequence";
            readonly steps: readonly Condition[];
            readonly withinMs: number;
          }
        | { readonly kind: "absence"; readonly leaf: Leaf; readonly afterMs: number }
        | {
            readonly kind: "count";
            readonly leaf: Leaf;
            readonly withinMs: number;
            /** One of the two. */
            readonly atLeast?: number;
            readonly fewerThan?: number;
          }
        | {
            readonly kind: "rate";
            readonly leaf: Leaf;
            readonly overMs: number;
            readonly perMs: number;
            /** At least one of the two. */
            readonly above?: number;
            readonly below?: number;
          }
        | { readonly kind: "schedule"; readonly cron: string; readonly zone: string }
        | { readonly kind: "after"; readonly afterMs: number; readonly since: Condition }
        | { readonly kind: "derived"; readonly name: string; readonly predicate?: CelPredicate }
        | { readonly kind: "rule"; readonly rule: string; readonly of: Of }
      ));

/** Throws CONFIG_INVALID where an expression is none; those that were checked at load are. */
export function compileCondition(document: ConditionDocument): Condition {
  const lasting = document.for === 0 ? {} : { forMs: document.for };
  if ("all" in document) return { kind: "all", of: document.all.map(compileCondition), ...lasting };
  if ("any" in document) return { kind: "any", of: document.any.map(compileCondition), ...lasting };
  if ("not" in document) return { kind: "not", of: compileCondition(document.not), ...lasting };
  if ("sequence" in document) {
    const steps = document.sequence.map(compileCondition);
    return { kind: "sequence", steps, withinMs: document.within, ...lasting };
  }
  if ("absence" in document) {
    const leaf = compileLeaf(document.absence);
    return { kind: "absence", leaf, afterMs: document.after, ...lasting };
  }
  if ("count" in document) {
    const { within: withinMs, atLeast, fewerThan } = document;
    const bounds = given({ atLeast, fewerThan });
    return { kind: "count", leaf: compileLeaf(document.count), withinMs, ...bounds, ...lasting };
  }
  if ("rate" in document) {
    const { over: overMs, per: perMs, above, below } = document;
    const bounds = given({ above, below });
    const leaf = { ...compileLeaf(document.rate), of: document.rate.of };
    return { kind: "rate", leaf, overMs, perMs, ...bounds, ...lasting };
  }
  if ("schedule" in document) return { kind: "schedule", ...document.schedule, ...lasting };
  if ("since" in document) {
    const since = compileCondition(document.since);
    return { kind: "after", afterMs: document.after, since, ...lasting };
  }
  if ("derived" in document) {
    const predicate = predicateOf(document.is);
    const own = predicate === undefined ? {} : { predicate };
    return { kind: "derived", name: document.derived, ...own, ...lasting };
  }
  if ("rule" in document) return { kind: "rule", rule: document.rule, of: document.of, ...lasting };
  return { ...compileLeaf(document), of: document.of, ...lasting };
}

function compileLeaf({ is, metric, device }: ReadingsDocument): Leaf {
  const predicate = predicateOf(is);
  return { kind: "leaf", predicate, metrics: metric, devices: device, of: "any" };
}

function predicateOf(source: string | undefined): CelPredicate | undefined {
  if (source === undefined) return undefined;
  const parsed = parsePredicate(source);
  if (parsed.kind === "compiled") return parsed.compiled;
  const why = parsed.faults.map(({ message }) => message).join("; ");
  throw new CodedError("CONFIG_INVALID", `${source}: ${why}`);
}

/** Without what is undefined. */
function given<Key extends string>(
  bounds: Readonly<Record<Key, number | undefined>>,
): Partial<Record<Key, number>> {
  const known = Object.entries(bounds).filter(([, bound]) => bound !== undefined);
  return Object.fromEntries(known) as Partial<Record<Key, number>>;
}
