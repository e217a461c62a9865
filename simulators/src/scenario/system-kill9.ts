/** Each program is killed by SIGKILL at moments drawn from a seed. */
import { seededRandom } from "@causeway/shared/random.ts";
import type { Kill } from "./kill-plan.ts";
import { killPlan } from "./kill-plan.ts";
import type { Scenario } from "./system-scenario.ts";
import { pause } from "./system-scenario.ts";
import type { Stack } from "./system-stack.ts";

export const kill9: Scenario = {
  about: "SIGKILL of gateway, cloud and nats-server under load, `rounds` times each",
  roundsShort: 2,
  roundsLong: 20,
  async act({ stack, options }) {
    const plan = killPlan(options.rounds, seededRandom(options.seed));
    for (const [index, kill] of plan.entries()) {
      const { victim, downMs } = kill;
      options.tell(`${index + 1} of ${plan.length}: kill ${victim}, down for ${downMs} ms`);
      await killOnce(stack, kill);
    }
    await pause(1_000);
    return { kills: plan.length };
  },
};

async function killOnce(stack: Stack, { victim, afterMs, downMs }: Kill): Promise<void> {
  await pause(afterMs);
  switch (victim) {
    case "edge":
      await stack.gateway.end("SIGKILL");
      await pause(downMs);
      return stack.startEdge();
    case "cloud":
      await stack.killCloud();
      await pause(downMs);
      return stack.startCloud();
    case "nats":
      await stack.nats.kill();
      await pause(downMs);
      return stack.nats.start();
  }
}
