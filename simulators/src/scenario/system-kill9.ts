/**
 * `causeway-sim scenario kill9`: real programs under load, each killed by SIGKILL at moments drawn
 * from a seed. In the end everything acknowledged must have arrived once and in order, the ledger be
 * complete, and no alert be decided twice.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@causeway/shared/errors.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { judge } from "../file-verdict.ts";
import type { VerdictResult } from "../verdict/verdict.ts";
import type { Kill } from "./kill-plan.ts";
import { killPlan } from "./kill-plan.ts";
import type { Program } from "./system-stack.ts";
import { Stack, startProgram } from "./system-stack.ts";

export interface Kill9Options {
  readonly rounds: number;
  readonly seed: string;
  readonly devices: number;
  readonly intervalMs: number;
  readonly tell: (line: string) => void;
}

export interface Kill9Result {
  readonly seed: string;
  readonly kills: number;
  readonly verdict: VerdictResult;
  readonly auditIsComplete: boolean;
  readonly alerts: number;
  readonly alertsRepeated: number;
}

const takenTimeoutMs = 120_000;
const idleMs = 2_000;
/** One temperature far off now and then, so that there are alerts to be decided. */
const fault = "kind=shift,device=1,metric=temperature,at=8s,for=4s,every=9s,size=40";
const rules =
  "rules: [{ name: hot, detector: limits, hi: 45, hysteresis: 2, metrics: [temperature] }]";

export async function runKill9(options: Kill9Options): Promise<Kill9Result> {
  const stack = await Stack.start({ cloud: rules });
  try {
    const acked = join(stack.folder, "acked.jsonl");
    const fleet = startFleet(stack, options, acked);
    const plan = killPlan(options.rounds, seededRandom(options.seed));
    for (const [index, kill] of plan.entries()) {
      options.tell(
        `${index + 1} of ${plan.length}: kill ${kill.victim}, down for ${kill.downMs} ms`,
      );
      await killOnce(stack, kill);
    }
    await pause(1_000);
    fleet.kill("SIGTERM");
    await fleet.exited;
    await stack.allTaken(takenTimeoutMs);
    return { seed: options.seed, kills: plan.length, ...(await findings(stack, acked)) };
  } finally {
    await stack.remove();
  }
}

function startFleet(stack: Stack, options: Kill9Options, acked: string): Program {
  const shape = ["--devices", `${options.devices}`, "--interval", `${options.intervalMs}`];
  const args = ["fleet", "--url", stack.mqttUrl, ...shape, "--profile", "mixed"];
  const traced = ["--seed", options.seed, "--fault", fault, "--acked", acked];
  return startProgram("causeway-sim", [...args, ...traced], join(stack.folder, "fleet.log"));
}

async function killOnce(stack: Stack, { victim, afterMs, downMs }: Kill): Promise<void> {
  await pause(afterMs);
  switch (victim) {
    case "edge":
      stack.edge?.kill("SIGKILL");
      await stack.edge?.exited;
      await pause(downMs);
      return stack.startEdge();
    case "cloud":
      stack.cloud?.kill("SIGKILL");
      await stack.cloud?.exited;
      await pause(downMs);
      return stack.startCloud();
    case "nats":
      await stack.nats.kill();
      await pause(downMs);
      return stack.nats.start();
  }
}

async function findings(stack: Stack, acked: string): Promise<Omit<Kill9Result, "seed" | "kills">> {
  const tail = await stack.command(
    "tail",
    "--json",
    "--from",
    "start",
    "--until-idle",
    `${idleMs}`,
  );
  if (tail.code !== 0)
    throw new CodedError("INPUT_UNREADABLE", `tail ended with ${tail.code}: ${tail.errors}`);
  const tailFile = join(stack.folder, "tail.jsonl");
  writeFileSync(tailFile, tail.output);
  const audit = await stack.command("audit", "--json");
  const transitions = await alertTransitions(stack);
  return {
    verdict: await judge(acked, tailFile, {}),
    auditIsComplete: audit.code === 0,
    alerts: transitions.length,
    alertsRepeated: transitions.length - new Set(transitions).size,
  };
}

async function alertTransitions(stack: Stack): Promise<readonly string[]> {
  const { output } = await stack.command("alerts", "--json", "--transitions");
  const lines = output
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => {
    const { id, state } = JSON.parse(line) as { id: string; state: string };
    return `${id} ${state}`;
  });
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
