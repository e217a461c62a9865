/**
 * The frame of every scenario: real programs under load, something bad happens, and in the end all
 * that was acknowledged must have arrived once and in order, the ledger be complete, and no alert
 * be decided twice. Of a bad end the folder with logs and data is kept.
 */
import { reasonOf } from "@causeway/shared/errors.ts";
import { verdictText } from "../verdict/verdict-report.ts";
import type { Findings, Load, Shape } from "./system-load.ts";
import { endLoad, findings, loadRules, startLoad } from "./system-load.ts";
import type { GatewayProgram, StackOptions } from "./system-stack.ts";
import { Stack } from "./system-stack.ts";

export interface ScenarioOptions extends Shape {
  readonly rounds: number;
  /** Logs and data are kept of a good end too. */
  readonly keep?: boolean | undefined;
  /** A line about what happens now. */
  readonly tell: (line: string) => void;
}

/** Numbers worth knowing, by their names. */
export type Figures = Readonly<Record<string, number>>;

export interface Run {
  readonly stack: Stack;
  readonly options: ScenarioOptions;
  /** The scenario adds its own; all are ended and judged. */
  readonly loads: Load[];
  /** That are to have everything taken in the end. */
  readonly gateways: GatewayProgram[];
}

export interface Scenario {
  readonly about: string;
  /** For a test; the command's default is `roundsLong`. */
  readonly roundsShort: number;
  readonly roundsLong: number;
  readonly stack?: StackOptions;
  /** How long a journal without a message is taken for its end. */
  readonly idleMs?: number;
  readonly act: (run: Run) => Promise<Figures>;
  /** What else must be so, as sentences that are not. */
  readonly check?: (found: Findings, figures: Figures, rounds: number) => readonly string[];
  /** The verdict and the audit are the check's own matter. */
  readonly isJudgedByCheck?: boolean;
}

export interface ScenarioResult extends Findings {
  readonly seed: string;
  readonly seconds: number;
  readonly figures: Figures;
  /** Empty where all is well. */
  readonly faults: readonly string[];
  /** Kept where something is not well. */
  readonly folder: string | undefined;
}

const takenTimeoutMs = 120_000;
const idleMsUsual = 1_000;

export async function runScenario(
  scenario: Scenario,
  options: ScenarioOptions,
): Promise<ScenarioResult> {
  const stack = await Stack.start({ cloud: loadRules, ...scenario.stack });
  const gateways = [stack.gateway];
  const { folder } = stack;
  let keep = true;
  try {
    const loads = [await startLoad(folder, stack.mqttUrl, options)];
    const beganMs = Date.now();
    const figures = await scenario.act({ stack, options, loads, gateways });
    await Promise.all(loads.map(endLoad));
    for (const gateway of gateways) await stack.allTaken(takenTimeoutMs, gateway);
    const seconds = Math.round((Date.now() - beganMs) / 100) / 10;
    const found = await findings(stack, loads, scenario.idleMs ?? idleMsUsual);
    const faults = [
      ...usualFaults(scenario, found),
      ...(scenario.check?.(found, figures, options.rounds) ?? []),
    ];
    keep = options.keep === true || faults.length > 0;
    const { seed } = options;
    return { ...found, seed, seconds, figures, faults, folder: keep ? folder : undefined };
  } catch (failure) {
    throw new Error(`${reasonOf(failure)}; logs and data are kept in ${folder}`, {
      cause: failure,
    });
  } finally {
    for (const gateway of gateways) await gateway.end("SIGKILL");
    await (keep ? stack.end() : stack.remove());
  }
}

function usualFaults({ isJudgedByCheck }: Scenario, found: Findings): readonly string[] {
  const faults: string[] = [];
  const { verdicts, auditCode, ledger, transitions, alerts } = found;
  if (alerts.repeated > 0) faults.push(`${alerts.repeated} alert transitions were decided twice`);
  if (alerts.torn > 0) faults.push(`${alerts.torn} alert transitions are out of turn`);
  if (transitions.length === 0) faults.push("no alert was decided, so nothing is said of alerts");
  if (isJudgedByCheck) return faults;
  if (verdicts.some(({ good }) => !good)) faults.push("the verdict is bad");
  if (auditCode !== 0) faults.push(`audit ended with ${auditCode}:\n${ledger}`);
  return faults;
}

export function scenarioText(result: ScenarioResult): string {
  const { verdicts, transitions, alerts, figures, faults, seed, folder } = result;
  const lines = [
    ...verdicts.map(verdictText),
    `${transitions.length} alert transitions, ${alerts.repeated} repeated, ${alerts.torn} out of turn`,
    ...Object.entries(figures).map(([name, value]) => `${name} ${value}`),
    `${result.seconds} s, seed ${seed}`,
    ...faults.map((fault) => `FAULT: ${fault}`),
  ];
  if (folder !== undefined) lines.push(`logs and data are kept in ${folder}`);
  return lines.join("\n");
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
