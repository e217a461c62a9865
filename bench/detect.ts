/** What a bench of the detectors measures, and how it is told: each against `ewma`. */
import type { Detector } from "@causeway/shared/detect/detector.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";

/** `ewma` first: it is what the others are told against. */
const rules: readonly { readonly detector: string; readonly [parameter: string]: unknown }[] = [
  { detector: "ewma" },
  { detector: "auto" },
  { detector: "limits", hi: 1_000 },
  { detector: "rate", rise: 1_000 },
  { detector: "flat" },
  { detector: "holt-winters" },
  { detector: "cusum" },
  { detector: "page-hinkley" },
  { detector: "spot" },
  { detector: "dspot" },
  { detector: "range" },
];

export interface Subject {
  readonly name: string;
  readonly detector: Detector<unknown>;
}

export function subjects(): readonly Subject[] {
  return rules.flatMap((rule, index) => {
    const ruleSet = compileRules(rulesSchema.parse([{ name: `r${index}`, ...rule }]));
    const { rules: compiled } = ruleSet.of("bench").select("device", "metric");
    return compiled.map(({ detector }) => ({ name: rule.detector, detector }));
  });
}

export interface Measured {
  readonly detector: string;
  /** For one reading, of the rounds. */
  readonly nanoseconds: number;
  readonly storedCharacters: number;
}

/** Of a state that has seen `readings`. */
export function storedCharacters(detector: Detector<unknown>, readings: readonly number[]): number {
  const state = detector.initial();
  for (const [index, value] of readings.entries()) detector.observe(state, value, index * 60_000);
  return JSON.stringify(detector.encode(state)).length;
}

export function table(results: readonly Measured[]): string {
  const base = results[0]?.nanoseconds ?? 1;
  const head = ["", "ns/reading", "of ewma", "stored characters"];
  const rows = results.map(({ detector, nanoseconds, storedCharacters: characters }) => [
    detector,
    `${Math.round(nanoseconds)}`,
    `${(nanoseconds / base).toFixed(2)}x`,
    `${characters}`,
  ]);
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
