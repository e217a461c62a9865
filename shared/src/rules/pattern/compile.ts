/** Pattern rules made ready: their operators, whom they look at, and who waits for whom. */
import type { CelPredicate, CelValue } from "../cel.ts";
import { parseValue } from "../cel.ts";
import type { Condition, Leaf } from "../condition.ts";
import { compileCondition } from "../condition.ts";
import { digest } from "../digest.ts";
import { flapOf } from "../flap.ts";
import type { DeviceFacts, GatewayFacts } from "../fleet.ts";
import type { KeyKind, PatternRule } from "../rule.ts";
import { withoutExamples } from "../rule.ts";
import type { RuleSelector } from "../rule-selector.ts";
import { ruleSelectorOf } from "../rule-selector.ts";
import type { CompiledRule, Place } from "../rule-set.ts";
import { wordsOf } from "../rule-words.ts";
import type { Selects } from "../selector.ts";
import { selectorOf } from "../selector.ts";
import { AbsenceOperator } from "./absence.ts";
import { AfterOperator } from "./after.ts";
import { AllOperator, AnyOperator, NotOperator } from "./all-any-not.ts";
import { CountOperator } from "./count.ts";
import { DerivedOperator } from "./derived.ts";
import { ForOperator, KeepOperator } from "./for.ts";
import { LeafOperator } from "./leaf.ts";
import type { Operator } from "./operator.ts";
import { RateOperator } from "./rate.ts";
import { RuleVerdictOperator } from "./rule-verdict.ts";
import { ScheduleOperator } from "./schedule.ts";
import { SequenceOperator } from "./sequence.ts";
import type { Program } from "./timeline.ts";
import { sayWanted } from "./words.ts";

const versionDigits = 12;

/** What an item is asked before the operators see it. */
export type Input =
  | {
      readonly kind: "leaf";
      readonly predicate: CelPredicate | undefined;
      readonly device: Selects;
      readonly metric: Selects;
      /** Each reading that fits counts, not only that one more or less does. */
      readonly isEach: boolean;
    }
  | {
      readonly kind: "derived";
      readonly name: string;
      readonly predicate: CelPredicate | undefined;
    }
  | { readonly kind: "rule"; readonly rule: string; readonly isEach: boolean }
  | { readonly kind: "schedule"; readonly cron: string; readonly zone: string };

export interface CompiledPattern extends CompiledRule {
  /** The same for equal patterns: their states can be exchanged. */
  readonly patternVersion: string;
  /** Its place among the rules; those that it waits for stand before it. */
  readonly order: number;
  readonly by: KeyKind;
  readonly isReceived: boolean;
  readonly selector: RuleSelector;
  readonly inputs: readonly Input[];
  readonly program: Program;
  readonly emit: { readonly name: string; readonly value: CelValue | undefined } | undefined;
}

/** What is known of the gateway and its devices beside their names. */
export interface PatternContext {
  readonly site: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fleet: { device(id: string): DeviceFacts };
  /** Of a site: what is known of each gateway; undefined where all that comes is of one gateway. */
  readonly gateway?: (id: string) => GatewayFacts;
}

/** Of one gateway, or of several that are alike; or of a site. */
export interface PatternSet {
  readonly context: PatternContext;
  readonly patterns: readonly CompiledPattern[];
  /** By the name of what they wait for. */
  readonly waiting: ReadonlyMap<string, readonly CompiledPattern[]>;
  readonly scheduled: readonly CompiledPattern[];
  /** Whether a rule of this name, in this mode, may still say something of the place. */
  judges(alert: Place & { readonly rule: string; readonly mode: CompiledRule["mode"] }): boolean;
}

/** `rules` in an order in which those that wait for others come after them; none of mode off. */
export function compilePatterns(
  rules: readonly PatternRule[],
  context: PatternContext,
): PatternSet {
  const judging = rules.flatMap((rule) => (rule.mode === "off" ? [] : [{ rule, mode: rule.mode }]));
  const patterns = judging.map(({ rule, mode }, order) =>
    compilePattern(rule, mode, order, context),
  );
  const byName = new Map(patterns.map((pattern) => [pattern.name, pattern]));
  const waits = patterns.flatMap((pattern) => {
    const names = pattern.inputs.flatMap((input) => (input.kind === "derived" ? [input.name] : []));
    return [...new Set(names)].map((name) => ({ name, pattern }));
  });
  const waiting = new Map<string, CompiledPattern[]>();
  for (const { name, pattern } of waits) {
    waiting.set(name, [...(waiting.get(name) ?? []), pattern]);
  }
  return {
    context,
    patterns,
    waiting,
    scheduled: patterns.filter(({ inputs }) => inputs.some(({ kind }) => kind === "schedule")),
    judges({ rule, mode, ...place }) {
      const pattern = byName.get(rule);
      return pattern?.mode === mode && isPlaceOf(pattern, place, context);
    },
  };
}

/** Whether a key of the pattern may stand there. */
export function isPlaceOf(
  { by, selector }: CompiledPattern,
  { device, metric }: Place,
  { fleet }: PatternContext,
): boolean {
  if (by === "gateway" || by === "site") return device === "" && metric === "";
  if (device === "" || (metric === "") !== (by === "device")) return false;
  return (
    selector.device(device, fleet.device(device)) && (metric === "" || selector.metric(metric))
  );
}

function compilePattern(
  rule: PatternRule,
  mode: "live" | "shadow",
  order: number,
  { site, fleet }: PatternContext,
): CompiledPattern {
  const { name, severity, by, time, allowedLateness: latenessMs, emit } = rule;
  const { devices, metrics, tags, family, when, keepFiringFor } = rule;
  const judged = { devices, metrics, tags, family, when, by, time, latenessMs, keepFiringFor };
  const { gateways, labels } = rule;
  // By site it is a part of what is judged which gateways are.
  const whose = by === "site" ? { gateways, labels } : {};
  const compiler = new Compiler(by === "gateway" || by === "site");
  const plantRoot = compiler.lasting(compileCondition(when), rule.for);
  const value = emit?.value === undefined ? undefined : parseValue(emit.value);
  return {
    name,
    severity,
    mode,
    forMs: 0,
    keepFiringForMs: 0,
    flap: flapOf(rule.flap),
    version: digest(withoutExamples(rule), versionDigits),
    ...wordsOf(rule, { siteOf: () => site, deviceOf: (device) => fleet.device(device) }),
    patternVersion: digest({ ...judged, ...whose, for: rule.for }, versionDigits),
    order,
    by,
    isReceived: time === "received",
    selector: ruleSelectorOf(rule),
    inputs: compiler.inputs,
    program: {
      inputs: compiler.inputs.length,
      latenessMs,
      plant() {
        const operators: Operator[] = [];
        const root = new KeepOperator(plantRoot(operators), keepFiringFor);
        operators.push(root);
        return { operators, root };
      },
    },
    emit: emit && {
      name: emit.name,
      value: value?.kind === "compiled" ? value.compiled : undefined,
    },
  };
}

/** Makes an operator and adds it to `operators`, behind those that it looks at. */
type Plant = (operators: Operator[]) => Operator;

class Compiler {
  readonly inputs: Input[] = [];
  readonly #withDevice: boolean;

  constructor(withDevice: boolean) {
    this.#withDevice = withDevice;
  }

  lasting(condition: Condition, forMs: number): Plant {
    const plant = this.#condition(condition);
    if (forMs === 0) return plant;
    return (operators) => added(operators, new ForOperator(plant(operators), forMs));
  }

  #condition(condition: Condition, isStep = false): Plant {
    const plant = this.#operator(condition, isStep && condition.forMs === undefined);
    const { forMs = 0 } = condition;
    if (forMs === 0) return plant;
    return (operators) => added(operators, new ForOperator(plant(operators), forMs));
  }

  /** `isStep`: of a sequence, which takes each occurrence. */
  #operator(condition: Condition, isStep: boolean): Plant {
    switch (condition.kind) {
      case "leaf":
        return this.#leaf(condition, isStep);
      case "all":
        return several(condition.of, this, (of) => new AllOperator(of));
      case "any":
        return several(condition.of, this, (of) => new AnyOperator(of));
      case "not": {
        const [of, wanted] = [this.#condition(condition.of), wantedOf(condition.of)];
        return (operators) => added(operators, new NotOperator(of(operators), wanted));
      }
      case "sequence": {
        const { steps, withinMs } = condition;
        return several(steps, this, (of) => new SequenceOperator(of, withinMs), true);
      }
      case "absence":
        return this.#absence(condition);
      case "count":
        return this.#count(condition);
      case "rate":
        return this.#rate(condition);
      case "schedule": {
        const { cron, zone } = condition;
        const input = this.#input({ kind: "schedule", cron, zone });
        return (operators) => added(operators, new ScheduleOperator(input, cron));
      }
      case "after": {
        const since = this.#condition(condition.since);
        const { afterMs } = condition;
        return (operators) => added(operators, new AfterOperator(since(operators), afterMs));
      }
      case "derived": {
        const { name, predicate } = condition;
        const input = this.#input({ kind: "derived", name, predicate });
        return (operators) => added(operators, new DerivedOperator(input, name));
      }
      case "rule": {
        const { rule, of } = condition;
        const input = this.#input({ kind: "rule", rule, isEach: isStep });
        const settings = { input, of, source: undefined, withDevice: this.#withDevice };
        return (operators) => added(operators, new RuleVerdictOperator(rule, settings));
      }
    }
  }

  /** For `several`. */
  part(condition: Condition, isStep: boolean): Plant {
    return this.#condition(condition, isStep);
  }

  #leaf(leaf: Leaf, isStep: boolean): Plant {
    const [input, source] = [this.#leafInput(leaf, isStep), leaf.predicate?.source];
    const settings = { input, of: leaf.of, source, withDevice: this.#withDevice };
    return (operators) => added(operators, new LeafOperator(settings));
  }

  #absence({ leaf, afterMs }: Extract<Condition, { kind: "absence" }>): Plant {
    const wanted = isAnything(leaf) ? undefined : wantedOf(leaf);
    const settings = { input: this.#leafInput(leaf, true), afterMs, wanted };
    return (operators) => added(operators, new AbsenceOperator(settings));
  }

  #count(condition: Extract<Condition, { kind: "count" }>): Plant {
    const { leaf, withinMs, atLeast, fewerThan } = condition;
    const settings = {
      ...{ input: this.#leafInput(leaf, true), withinMs, wanted: wantedOf(leaf) },
      ...{ times: atLeast ?? fewerThan ?? 1, isAtLeast: atLeast !== undefined },
    };
    return (operators) => added(operators, new CountOperator(settings));
  }

  #rate(condition: Extract<Condition, { kind: "rate" }>): Plant {
    const { leaf, overMs, perMs, above, below } = condition;
    const settings = {
      ...{ input: this.#leafInput(leaf, true), of: leaf.of, overMs, perMs },
      above: above ?? Number.POSITIVE_INFINITY,
      below: below ?? Number.NEGATIVE_INFINITY,
      withDevice: this.#withDevice,
    };
    return (operators) => added(operators, new RateOperator(settings));
  }

  #leafInput({ predicate, devices, metrics }: Leaf, isEach: boolean): number {
    const [device, metric] = [selectorOf(devices), selectorOf(metrics)];
    return this.#input({ kind: "leaf", predicate, device, metric, isEach });
  }

  #input(input: Input): number {
    return this.inputs.push(input) - 1;
  }
}

function several(
  of: readonly Condition[],
  compiler: Compiler,
  create: (of: readonly Operator[]) => Operator,
  areSteps = false,
): Plant {
  const plants = of.map((part) => compiler.part(part, areSteps));
  return (operators) => {
    const parts = plants.map((plant) => plant(operators));
    return added(operators, create(parts));
  };
}

function added(operators: Operator[], operator: Operator): Operator {
  operators.push(operator);
  return operator;
}

function isAnything({ predicate, metrics, devices }: Leaf): boolean {
  return predicate === undefined && [...metrics, ...devices].every((pattern) => pattern === "*");
}

/** What a condition waits for, in words. */
function wantedOf(condition: Condition): string {
  switch (condition.kind) {
    case "leaf":
      return sayWanted(condition.predicate?.source, condition.metrics);
    case "all":
      return condition.of.map(wantedOf).join(" while ");
    case "any":
      return condition.of.map(wantedOf).join(" or ");
    case "not":
      return `no ${wantedOf(condition.of)}`;
    case "sequence":
      return condition.steps.map(wantedOf).join(", then ");
    case "derived":
      return condition.name;
    case "rule":
      return `anomaly by rule ${condition.rule}`;
    case "absence":
      return `silence of ${wantedOf(condition.leaf)}`;
    case "count":
      return `number of ${wantedOf(condition.leaf)}`;
    case "rate":
      return `change of ${wantedOf(condition.leaf)}`;
    case "schedule":
      return `moment of ${condition.cron}`;
    case "after":
      return `time after ${wantedOf(condition.since)}`;
  }
}
