/** The server that carries everything goes away, loses its store, or gets an older one back. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { until } from "./system-program.ts";
import type { Run, Scenario } from "./system-scenario.ts";
import { pause } from "./system-scenario.ts";
import type { Stack } from "./system-stack.ts";

const outageMs = 6_000;
const loadMs = 2_000;

export const outage: Scenario = {
  about: "nats-server is away for `rounds` times 6 s",
  roundsShort: 1,
  roundsLong: 10,
  async act({ stack, options }) {
    await pause(loadMs);
    await stack.nats.stop();
    await pause(options.rounds * outageMs);
    await stack.nats.start();
    return { recoveryMs: await recovery(stack) };
  },
};

export const storeLost: Scenario = {
  about: "nats-server loses its whole store; gateways bring back what they have",
  roundsShort: 1,
  roundsLong: 5,
  act: repeatedly(async ({ stack }) => {
    await stack.nats.kill();
    rmSync(join(stack.nats.folder, "store"), { recursive: true });
    await pause(500);
    await stack.nats.start();
  }),
};

export const streamFolder = (stream: string) => join("jetstream", "$G", "streams", stream);

export const storePutBack = putBackScenario("the whole store of nats-server", "");
export const enginePutBack = putBackScenario("the engine's stream", streamFolder("ENGINE"));

/** Readers of the journal cannot show what it lost, but tell of it; the engine has all. */
export const journalPutBack: Scenario = {
  ...putBackScenario("the journal", streamFolder("TLM")),
  isJudgedByCheck: true,
  check({ verdicts, auditCode, gaps }) {
    const faults: string[] = [];
    if (auditCode !== 0) faults.push(`audit ended with ${auditCode}`);
    const told = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    if (told === 0) faults.push("tail told nothing of what the journal lost");
    const [verdict] = verdicts;
    if (verdict === undefined || verdict.taken === 0) return [...faults, "nothing is readable"];
    const { lost, repeated, misordered } = verdict;
    if (lost > told) faults.push(`${lost} are missing in the journal, ${told} are told`);
    if (repeated + misordered > 0) faults.push(`${repeated} repeated, ${misordered} misordered`);
    return faults;
  },
};

function putBackScenario(what: string, part: string): Scenario {
  return {
    about: `${what} is put back to an older copy`,
    roundsShort: 1,
    roundsLong: 5,
    act: repeatedly(({ stack }) => putBack(stack, part)),
  };
}

function repeatedly(once: (run: Run) => Promise<void>): Scenario["act"] {
  return async (run) => {
    let recoveryMsMax = 0;
    for (let round = 0; round < run.options.rounds; round++) {
      await pause(loadMs);
      await once(run);
      recoveryMsMax = Math.max(recoveryMsMax, await recovery(run.stack));
      run.options.tell(`${round + 1} of ${run.options.rounds}: taken again`);
    }
    return { recoveryMsMax };
  };
}

/** A stream, or the whole store, is copied while the server is stopped, and the copy put back later. */
export async function putBack(stack: Stack, part: string): Promise<void> {
  const [place, copy] = [join(stack.nats.folder, "store", part), join(stack.folder, "copy")];
  await stack.nats.stop();
  cpSync(place, copy, { recursive: true });
  await stack.nats.start();
  await recovery(stack);
  await pause(loadMs);
  await stack.nats.kill();
  rmSync(place, { recursive: true });
  cpSync(copy, place, { recursive: true });
  rmSync(copy, { recursive: true });
  await stack.nats.start();
}

const takesAgainTimeoutMs = 120_000;
const untakenMaxUsual = 250;

/** How long until the cloud has what was appended by now, and is no further behind than always. */
export async function recovery({ gateway }: Stack, untakenMax = untakenMaxUsual): Promise<number> {
  const beganMs = Date.now();
  const before = (await gateway.status()).outbox.appended;
  const isTaking = async () => {
    const { uplink, outbox } = await gateway.status();
    const isBehind = outbox.appended - uplink.untakenEvents <= before;
    return uplink.link === "up" && !isBehind && uplink.untakenEvents < untakenMax;
  };
  await until(isTaking, takesAgainTimeoutMs, "the engine takes again");
  return Date.now() - beganMs;
}
