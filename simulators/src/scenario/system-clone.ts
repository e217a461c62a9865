/** A gateway's folder is copied: started a second time, or put back later. */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Findings } from "./system-load.ts";
import { endLoad, startLoad } from "./system-load.ts";
import { recovery } from "./system-outage.ts";
import type { Run, Scenario } from "./system-scenario.ts";
import { pause } from "./system-scenario.ts";
import { GatewayProgram } from "./system-stack.ts";

const loadMs = 2_000;

/** The copy of an SD card runs beside the first one, with devices of its own. */
export const clone: Scenario = {
  about: "a copy of the gateway's folder is started beside it (a cloned card)",
  roundsShort: 1,
  roundsLong: 1,
  async act(run) {
    const { stack, options, loads, gateways } = run;
    await pause(loadMs);
    await stack.gateway.end("SIGKILL");
    const copy = await copyOf(run);
    await Promise.all([stack.startEdge(), copy.start()]);
    gateways.push(copy);
    loads.push(await startLoad(copy.folder, copy.mqttUrl, options, "clone-"));
    await pause(options.rounds * 2 * loadMs);
    return {};
  },
  check: (found) => told(found, "system-identity-conflict", 1),
};

/** A restored backup: what the gateway acknowledged meanwhile is the cloud's alone. */
export const restore: Scenario = {
  about: "the gateway's folder is put back to an older copy, `rounds` times",
  roundsShort: 1,
  roundsLong: 10,
  async act(run) {
    const { stack, options, loads } = run;
    for (let round = 1; round <= options.rounds; round++) {
      await pause(loadMs);
      await stack.gateway.end("SIGKILL");
      const copy = await copyOf(run);
      await stack.startEdge();
      await pause(loadMs);
      await Promise.all(loads.map(endLoad));
      await stack.allTaken();
      await stack.gateway.end("SIGKILL");
      rmSync(stack.gateway.data, { recursive: true });
      cpSync(copy.data, stack.gateway.data, { recursive: true });
      await stack.startEdge();
      loads.push(await startLoad(stack.folder, stack.mqttUrl, options, `after-${round}-`));
      await recovery(stack);
      options.tell(`${round} of ${options.rounds}: taken again`);
    }
    await pause(loadMs);
    return {};
  },
  check: (found, _figures, rounds) => [
    ...told(found, "system-restored", rounds),
    ...told(found, "system-identity-conflict", 0),
  ],
};

function told({ transitions }: Findings, rule: string, times: number): readonly string[] {
  const fired = transitions.filter((each) => each.rule === rule && each.state === "firing");
  if (fired.length === times) return [];
  return [`${rule} was told ${fired.length} times, not ${times}`];
}

/** With a configuration and ports of its own; to be copied while the gateway is dead. */
async function copyOf({ stack }: Run): Promise<GatewayProgram> {
  const folder = join(stack.folder, "copy");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  cpSync(stack.gateway.data, join(folder, "edge"), { recursive: true });
  return GatewayProgram.create(folder, { servers: stack.servers.map(({ url }) => url) });
}
