/** Pattern rules as users write them, driven by short lines; times are in ms since the beginning. */
import type { DerivedEvent } from "../../derived-event.ts";
import type { FleetDocument } from "../../fleet.ts";
import { compileFleet, emptyFleet } from "../../fleet.ts";
import type { PatternRule } from "../../rule.ts";
import { rulesSchema } from "../../rule.ts";
import { inOrder } from "../../rule-chain.ts";
import type { RuleVerdict } from "../../rule-set.ts";
import type { PatternSet } from "../compile.ts";
import { compilePatterns } from "../compile.ts";
import { GatewayPatterns, observePatterns, tickPatterns } from "../gateway-patterns.ts";
import type { PatternBounds, PatternReading, PatternVerdict } from "../pattern.ts";
import { decodePatterns, encodePatterns } from "../pattern-codec.ts";

export type RuleText = Readonly<Record<string, unknown>>;

export function patternSet(
  rules: readonly RuleText[],
  document: FleetDocument = emptyFleet,
): PatternSet {
  const parsed = inOrder(
    rulesSchema.parse(rules.map((rule, index) => ({ name: `r${index + 1}`, ...rule }))),
  );
  const own = parsed.filter((rule): rule is PatternRule => rule.detector === undefined);
  const fleet = compileFleet(document);
  return compilePatterns(own, { ...fleet.gateway("g"), fleet });
}

export type Given = Partial<Omit<PatternReading, "kind">> & { readonly at: number };

/** One gateway. */
export class Rig {
  readonly set: PatternSet;
  patterns: GatewayPatterns;
  gatewayAt: number | undefined;
  #ticks = 0;
  #readings = 0;

  constructor(rules: PatternSet | readonly RuleText[], bounds?: PatternBounds) {
    this.set = "patterns" in rules ? rules : patternSet(rules);
    this.patterns = new GatewayPatterns(this.set, bounds);
  }

  /** Observed at `at` and received at once where nothing else is said. */
  read({ at, ...given }: Given, verdicts: readonly RuleVerdict[] = []): readonly PatternVerdict[] {
    this.#readings += 1;
    const reading: PatternReading = {
      ...{ kind: "reading", id: `i${this.#readings}`, gateway: "g", device: "d", metric: "m" },
      ...{
        value: null,
        unit: undefined,
        quality: "good",
        observedAt: at,
        receivedAt: at,
        late: false,
      },
      ...given,
    };
    if (!reading.late) this.gatewayAt = Math.max(this.gatewayAt ?? 0, reading.receivedAt);
    return [...observePatterns(this.patterns, reading, verdicts)];
  }

  /** An event from another rule. */
  derive({ at, name, ...given }: Given & { readonly name: string }): readonly PatternVerdict[] {
    this.#readings += 1;
    const event: DerivedEvent = {
      ...{
        id: `e${this.#readings}`,
        kind: "derived",
        name,
        rule: "x",
        ruleVersion: "1",
        gateway: "g",
      },
      ...{ device: "d", metric: "", at, receivedAt: at, value: null, unit: undefined, reason: "" },
      ...{ causes: [], late: false, shadow: false },
      ...given,
    };
    this.gatewayAt = Math.max(this.gatewayAt ?? 0, event.receivedAt);
    return [...observePatterns(this.patterns, { kind: "derived", gateway: "g", event }, [])];
  }

  /** `gatewayAt` undefined: nothing is known of the gateway's time. */
  tick(at: number, gatewayAt: number | undefined): readonly PatternVerdict[] {
    this.#ticks += 1;
    const tick = { id: `clk/${this.#ticks}`, at };
    return [...tickPatterns(this.patterns, { gateway: "g", tick, gatewayAt })];
  }

  encoded(): string {
    return JSON.stringify(encodePatterns(this.patterns));
  }

  /** What a snapshot and a start after it do. */
  restart(set: PatternSet = this.set): void {
    this.patterns = decodePatterns(JSON.parse(this.encoded()), set, this.patterns.bounds);
  }
}

/** `! 60 reason` for what fires, `. 61` for what ends; late ones begin with `late`. */
export function shown(verdicts: readonly PatternVerdict[]): readonly string[] {
  return verdicts.map(({ verdict, at, late }) => {
    const mark = verdict.kind === "anomalous" ? "!" : ".";
    return [late ? "late" : "", mark, at ?? "-"].filter((part) => part !== "").join(" ");
  });
}
