/** `causeway-sim scenario`: runs one on real programs and tells how it ended. */
import { CodedError } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { Command } from "commander";
import { Option } from "commander";
import { wholeNumber } from "../arguments.ts";
import { runScenario, scenarioText } from "./system-scenario.ts";
import { scenarios } from "./system-scenarios.ts";

export interface ScenarioFlags {
  readonly rounds?: number;
  readonly seed: string;
  readonly devices: number;
  readonly interval: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const roundsMax = 10_000;

const scenarioHelp = `
Scenarios (rounds where none are told):
${Object.entries(scenarios)
  .map(([name, { about, roundsLong }]) => `  ${name.padEnd(18)}${about} (${roundsLong})`)
  .join("\n")}

Exit code 1 where anything acknowledged is lost, repeated or misordered, the ledger is not complete,
or an alert was decided twice. Logs and data are kept then.`;

export function declareScenario(command: Command): Command {
  const number = (flags: string, about: string, most: number) =>
    new Option(flags, about).argParser(wholeNumber(1, most));
  return command
    .argument("<name>", `one of ${Object.keys(scenarios).join(", ")}`)
    .addOption(number("--rounds <n>", "how often it happens", roundsMax))
    .option("--seed <text>", "draws moments and readings", "1")
    .addOption(number("--devices <n>", "simulated devices", 1_000).default(20))
    .addOption(number("--interval <ms>", "between two readings of a device", 60_000).default(50))
    .option("--keep", "keep logs and data also where all is well")
    .option("--json", "the result as one JSON object")
    .addHelpText("after", scenarioHelp);
}

export async function actScenario(flags: ScenarioFlags, name: string): Promise<number> {
  const scenario = scenarios[name];
  if (scenario === undefined) {
    const known = Object.keys(scenarios).join(", ");
    throw new CodedError("CLI_USAGE", `scenario ${name}: known are ${known}`);
  }
  const { rounds = scenario.roundsLong, seed, devices, interval: intervalMs, keep, json } = flags;
  const tell = (line: string) => process.stderr.write(`${line}\n`);
  const result = await runScenario(scenario, { rounds, seed, devices, intervalMs, keep, tell });
  process.stdout.write(`${json ? JSON.stringify(result) : scenarioText(result)}\n`);
  return result.faults.length === 0 ? exitCodes.good : exitCodes.finding;
}
