/** A simulated fleet that keeps what was acknowledged, and what the cloud made of it. */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@causeway/shared/errors.ts";
import { judge } from "../file-verdict.ts";
import type { VerdictResult } from "../verdict/verdict.ts";
import type { AlertCourse, Transition } from "./alert-course.ts";
import { alertCourse } from "./alert-course.ts";
import type { Program } from "./system-program.ts";
import { startProgram, until } from "./system-program.ts";
import type { Stack } from "./system-stack.ts";

export interface Shape {
  readonly devices: number;
  readonly intervalMs: number;
  readonly seed: string;
}

const startTimeoutMs = 90_000;

export interface Load {
  readonly fleet: Program;
  /** A JSON line per PUBACK. */
  readonly acked: string;
}

/** One temperature is far off now and then, so that there are alerts to be decided. */
const fault = "kind=shift,device=1,metric=temperature,at=1s,for=700ms,every=1500ms,size=40";
export const loadRules =
  "rules: [{ name: hot, detector: limits, hi: 45, hysteresis: 2, metrics: [temperature] }]";

/**
 * Devices are named after `prefix`, which no other load of the scenario has. Resolves once something
 * was acknowledged.
 */
export async function startLoad(
  folder: string,
  url: string,
  shape: Shape,
  prefix = "sim-",
): Promise<Load> {
  const { devices, intervalMs, seed } = shape;
  const acked = join(folder, `acked-${prefix}.jsonl`);
  const args = ["fleet", "--url", url, "--devices", `${devices}`, "--interval", `${intervalMs}`];
  const traced = ["--seed", seed, "--prefix", prefix, "--fault", fault, "--acked", acked];
  const log = join(folder, `fleet-${prefix}.log`);
  const fleet = startProgram("causeway-sim", [...args, ...traced], log);
  await until(async () => statSync(acked).size > 0, startTimeoutMs, "the fleet to publish");
  return { fleet, acked };
}

/** Ends the fleet once all it sent is acknowledged. */
export async function endLoad({ fleet }: Load): Promise<void> {
  fleet.kill("SIGTERM");
  const code = await fleet.exited;
  if (code !== 0)
    throw new CodedError("INPUT_UNREADABLE", `the fleet ended with ${code}: see ${fleet.logFile}`);
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface Findings {
  readonly verdicts: readonly VerdictResult[];
  readonly auditCode: number | string;
  /** What `audit` printed. */
  readonly ledger: string;
  readonly transitions: readonly Transition[];
  readonly alerts: AlertCourse;
  /** What `tail` told of as lost by the journal. */
  readonly gaps: readonly Gap[];
}

/** Asks the cloud by its own commands; `idleMs` without a message is the journal's end. */
export async function findings(
  stack: Stack,
  loads: readonly Load[],
  idleMs: number,
): Promise<Findings> {
  const [tail, audit, told] = await Promise.all([
    stack.command("tail", "--json", "--from", "start", "--until-idle", `${idleMs}`),
    stack.command("audit"),
    stack.command("alerts", "--json", "--transitions"),
  ]);
  for (const [name, { code, errors }] of Object.entries({ tail, alerts: told }))
    if (code !== 0)
      throw new CodedError("INPUT_UNREADABLE", `${name} ended with ${code}: ${errors}`);
  const tailFile = join(stack.folder, "tail.jsonl");
  writeFileSync(tailFile, tail.output);
  const transitions = objects<Transition>(told.output);
  return {
    verdicts: await Promise.all(loads.map(({ acked }) => judge(acked, tailFile, {}))),
    auditCode: audit.code,
    ledger: audit.output,
    transitions,
    alerts: alertCourse(transitions),
    gaps: objects<Gap>(tail.errors),
  };
}

/** One to a line; other lines are for people. */
function objects<Found>(text: string): readonly Found[] {
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Found);
}
