/** `causeway-sim world`: runs worlds one after the other and tells which seeds failed. */
import { reasonOf } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { wholeNumber } from "../arguments.ts";
import type { FaultName } from "./faults.ts";
import { faultKinds, faultNames } from "./faults.ts";
import { storyOf } from "./story.ts";
import { commitOf } from "./system-commit.ts";
import { drain } from "./system-drain.ts";
import { quickenZstd } from "./system-quick-zstd.ts";
import { runJobs, shares } from "./system-world-jobs.ts";
import type { WorldResult } from "./world.ts";
import { runWorld } from "./world.ts";

const minutesMax = 24 * 60;
const seedsMax = 10_000_000;
const jobsMax = 64;
/** Of a world that fails, unless the whole trace is asked for. */
const traceLinesMax = 40;

export interface WorldOptions {
  readonly seed?: string;
  readonly seeds?: number;
  readonly from: number;
  readonly minutes: number;
  readonly faults: readonly FaultName[];
  readonly jobs: number;
  readonly commit?: string;
  readonly trace?: boolean;
  readonly json?: boolean;
}

const help = `
Faults (a world draws some of them):
${faultNames.map((name) => `  ${name.padEnd(20)} ${faultKinds[name].about}`).join("\n")}
Exit code 1 where something that must hold does not. The same seed, minutes and faults replay it.

Examples:
  causeway-sim world --seeds 1000 --minutes 3 --jobs 2
  causeway-sim world --seed 42 --minutes 3 --trace
  causeway-sim world --seeds 200 --faults edge-power-cut,journal-rolled-back`;

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
      new Option("--faults <names>", "a comma list; default (all of them), none")
        .default(faultNames, "default")
        .argParser(parseFaults),
    )
    .addOption(
      new Option("--jobs <n>", "processes that share the seeds")
        .default(1)
        .argParser(wholeNumber(1, jobsMax)),
    )
    .option("--commit <id>", "told with a failure (default: of the working tree)")
    .option("--trace", "print everything that happened")
    .option("--json", "print a JSON object per world")
    .addHelpText("after", help);
}

function parseFaults(text: string): readonly FaultName[] {
  const wanted = new Set<FaultName>();
  for (const word of text.split(",")) {
    const name = faultNames.find((known) => known === word);
    if (name !== undefined) wanted.add(name);
    else if (word === "default" || word === "all") for (const each of faultNames) wanted.add(each);
    else if (word !== "none") throw new InvalidArgumentError(`${word} is no fault; see --help.`);
  }
  return faultNames.filter((name) => wanted.has(name));
}

export async function actWorld(options: WorldOptions): Promise<number> {
  quickenZstd(); // not at the import: other commands of this program talk to real servers
  const { seed, seeds = 1, from, jobs } = options;
  const count = seed === undefined ? seeds : 1;
  const tally = new Tally(options);
  if (jobs > 1 && count > 1) {
    const flags = [
      "--minutes",
      `${options.minutes}`,
      "--faults",
      options.faults.join(",") || "none",
    ];
    if (options.trace) flags.push("--trace");
    await runJobs(shares(from, count, jobs), flags, (line) => tally.add(JSON.parse(line)));
  } else {
    for (const name of seed === undefined ? countFrom(from, seeds) : [seed]) {
      tally.add(await runGuarded(name, options));
    }
  }
  tally.end();
  return tally.failed > 0 ? exitCodes.finding : exitCodes.good;
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
  } catch (cause) {
    throw new Error(`the world of seed ${seed} broke off`, { cause });
  } finally {
    process.off("unhandledRejection", remember);
  }
}

/** Prints as results come, and sums them up. */
class Tally {
  readonly #options: WorldOptions;
  readonly #beganMs = performance.now();
  #worlds = 0;
  #traffic = 0;
  #trafficMax = 0;
  failed = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  add(result: WorldResult): void {
    const { json, trace = false, minutes, faults } = this.#options;
    const isGood = result.violations.length === 0;
    const factor = result.sent / Math.max(1, result.appended);
    this.#worlds++;
    this.#traffic += factor;
    this.#trafficMax = Math.max(this.#trafficMax, factor);
    if (!isGood) this.failed++;
    if (json) {
      const { trace: lines, ...counts } = result;
      return print(
        JSON.stringify(isGood && !trace ? { ...counts, trace: [] } : { ...counts, trace: lines }),
      );
    }
    if (isGood) {
      if (trace) print(result.trace.join("\n"));
      return;
    }
    // Asked for only here: it starts a process.
    const commit = this.#options.commit ?? commitOf(import.meta.dirname);
    print(storyOf(result, { minutes, faults, commit }));
  }

  end(): void {
    if (this.#options.json) return;
    const seconds = (performance.now() - this.#beganMs) / 1_000;
    const rate = `${seconds.toFixed(0)} s, ${(this.#worlds / seconds).toFixed(1)} worlds/s`;
    const mean = (this.#traffic / Math.max(1, this.#worlds)).toFixed(2);
    const sent = `sent ${mean} times what was appended, ${this.#trafficMax.toFixed(2)} at most`;
    print(`${this.failed} of ${this.#worlds} worlds failed (${rate}; ${sent})`);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
