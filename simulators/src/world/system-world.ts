/** `causeway-sim world`: runs worlds one after the other and tells which seeds failed. */
import { reasonOf } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { wholeNumber } from "../arguments.ts";
import type { FaultName } from "./faults.ts";
import { defaultFaults, faultKinds, faultNames } from "./faults.ts";
import { drain } from "./system-drain.ts";
import type { WorldResult } from "./world.ts";
import { runWorld } from "./world.ts";

const minutesMax = 24 * 60;
const seedsMax = 10_000_000;
/** Of a world that fails, unless the whole trace is asked for. */
const traceLinesMax = 40;

export interface WorldOptions {
  readonly seed?: string;
  readonly seeds?: number;
  readonly from: number;
  readonly minutes: number;
  readonly faults: readonly FaultName[];
  readonly commit: string;
  readonly trace?: boolean;
  readonly json?: boolean;
}

const help = `
Faults on by default (a world draws some of them):
${listOf((name) => faultKinds[name].byDefault)}
Off by default; "default,NAME" adds one:
${listOf((name) => !faultKinds[name].byDefault)}
Exit code 1 where something that must hold does not. The same seed, minutes and faults replay it.

Examples:
  causeway-sim world --seeds 1000 --minutes 3
  causeway-sim world --seed 42 --minutes 3 --trace
  causeway-sim world --seeds 200 --faults default,journal-rolled-back`;

function listOf(wanted: (name: FaultName) => boolean): string {
  return faultNames
    .filter(wanted)
    .map((name) => `  ${name.padEnd(20)} ${faultKinds[name].about}`)
    .join("\n");
}

export function declareWorld(command: Command): Command {
  return command
    .option("--seed <text>", "one world")
    .addOption(
      new Option("--seeds <n>", "so many worlds, from --from on").argParser(
        wholeNumber(1, seedsMax),
      ),
    )
    .addOption(
      new Option("--from <n>", "seed of the first").default(1).argParser(wholeNumber(0, seedsMax)),
    )
    .addOption(
      new Option("--minutes <n>", "virtual minutes with faults")
        .default(3)
        .argParser(wholeNumber(1, minutesMax)),
    )
    .addOption(
      new Option("--faults <names>", "a comma list; default, all, none")
        .default(defaultFaults, "default")
        .argParser(parseFaults),
    )
    .option("--commit <id>", "told with a failure", "unknown")
    .option("--trace", "print everything that happened")
    .option("--json", "print a JSON object per world")
    .addHelpText("after", help);
}

function parseFaults(text: string): readonly FaultName[] {
  const wanted = new Set<FaultName>();
  for (const word of text.split(",")) {
    const name = faultNames.find((known) => known === word);
    if (name !== undefined) wanted.add(name);
    else if (word === "default") for (const each of defaultFaults) wanted.add(each);
    else if (word === "all") for (const each of faultNames) wanted.add(each);
    else if (word !== "none") throw new InvalidArgumentError(`${word} is no fault; see --help.`);
  }
  return faultNames.filter((name) => wanted.has(name));
}

export async function actWorld(options: WorldOptions): Promise<number> {
  const { seed, seeds = 1, from } = options;
  const names = seed === undefined ? countFrom(from, seeds) : [seed];
  let failed = 0;
  for (const name of names) {
    const result = await runGuarded(name, options);
    if (result.violations.length > 0) failed += 1;
    tell(result, options);
  }
  if (!options.json) print(`${failed} of ${seeds} worlds failed`);
  return failed > 0 ? exitCodes.finding : exitCodes.good;
}

function* countFrom(from: number, count: number): Generator<string> {
  for (let seed = from; seed < from + count; seed++) yield `${seed}`;
}

/** A rejection that nobody waits for is a violation too. */
async function runGuarded(seed: string, options: WorldOptions): Promise<WorldResult> {
  const { minutes, faults, trace } = options;
  const forgotten: string[] = [];
  const remember = (failure: unknown) => {
    forgotten.push(`C0: nobody waits for what failed: ${reasonOf(failure)}`);
  };
  process.on("unhandledRejection", remember);
  const linesMax = trace === true ? Number.MAX_SAFE_INTEGER : traceLinesMax;
  try {
    const result = await runWorld({ seed, minutes, faults, traceLinesMax: linesMax }, drain);
    return { ...result, violations: [...result.violations, ...forgotten] };
  } finally {
    process.off("unhandledRejection", remember);
  }
}

function tell(result: WorldResult, { json, trace, minutes, faults, commit }: WorldOptions): void {
  const { seed, violations } = result;
  const isGood = violations.length === 0;
  if (json) {
    const { trace: lines, ...counts } = result;
    return print(JSON.stringify(isGood && !trace ? counts : { ...counts, commit, trace: lines }));
  }
  if (trace || !isGood) print(result.trace.join("\n"));
  if (isGood) return;
  print(`seed ${seed}, commit ${commit}, faults ${result.faults.join(",")}`);
  for (const violation of violations) print(`  ${violation}`);
  const again = `--seed ${seed} --minutes ${minutes} --faults ${faults.join(",") || "none"}`;
  print(`  replay: causeway-sim world ${again} --trace`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
