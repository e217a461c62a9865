// Real programs, and what may befall them: nothing acknowledged is lost, nothing comes twice,
// everything is in order, no alert is decided twice. CAUSEWAY_LONG=1 does each many times.
import { expect, test, vi } from "vitest";
import { runScenario, scenarioText } from "./system-scenario.ts";
import { scenarios } from "./system-scenarios.ts";

const isLong = process.env["CAUSEWAY_LONG"] === "1";
const timeoutMs = isLong ? 3_600_000 : 240_000;
/** A test is to leave a core to the others that run beside it. */
const shape = { seed: "1", devices: 10, intervalMs: 50, tell: () => {} };

async function holds(name: string): Promise<void> {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const rounds = isLong ? scenario.roundsLong : scenario.roundsShort;
  const result = await runScenario(scenario, { ...shape, rounds });
  if (result.faults.length > 0) throw new Error(scenarioText(result));
}

/** They mostly wait, so some run beside each other: the longest first. */
vi.setConfig({ maxConcurrency: 4 });
const order = [
  "workers",
  "cluster-hang",
  "kill9",
  "cluster-kill",
  "cluster-all",
  "store-put-back",
  "cut-mid-batch",
  "restore",
  "half-open",
  "lossy-tls",
  "lossy-wss",
  "half-open-proxied",
  "acks-lost",
  "store-lost",
  "outage",
  "engine-put-back",
  "slow-link",
  "clone",
  "journal-put-back",
];

test("every scenario is tested", () => {
  expect([...order].sort()).toEqual(Object.keys(scenarios).sort());
});

for (const name of order) {
  test.concurrent(`${name}: ${scenarios[name]?.about}`, () => holds(name), timeoutMs);
}
