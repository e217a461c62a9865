// Real programs, and what may befall them: nothing acknowledged is lost, nothing comes twice,
// everything is in order, no alert is decided twice. CAUSEWAY_LONG=1 does each many times.
import { describe, test } from "vitest";
import { runScenario, scenarioText } from "./system-scenario.ts";
import { scenarios } from "./system-scenarios.ts";

const isLong = process.env["CAUSEWAY_LONG"] === "1";
const timeoutMs = isLong ? 3_600_000 : 150_000;
/** A test is to leave a core to the others that run beside it. */
const shape = { seed: "1", devices: 10, intervalMs: 50, tell: () => {} };

async function holds(name: string): Promise<void> {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const rounds = isLong ? scenario.roundsLong : scenario.roundsShort;
  const result = await runScenario(scenario, { ...shape, rounds });
  if (result.faults.length > 0) throw new Error(scenarioText(result));
}

/** Those of a group run beside each other: they mostly wait. */
const groups = [
  ["cluster-hang", "half-open", "kill9"],
  ["cluster-all", "acks-lost", "restore"],
  ["cluster-kill", "cut-mid-batch", "store-put-back"],
  ["outage", "clone", "slow-link"],
  ["store-lost", "engine-put-back", "journal-put-back"],
];

describe.each(groups.map((names) => ({ names })))("$names", ({ names }) => {
  for (const name of names) {
    test.concurrent(`${name}: ${scenarios[name]?.about}`, () => holds(name), timeoutMs);
  }
});
