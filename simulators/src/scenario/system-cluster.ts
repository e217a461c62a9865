/** Three nats-servers with replicated streams, of which some die or hang. */
import { engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { recovery } from "./system-outage.ts";
import type { Run, Scenario } from "./system-scenario.ts";
import { pause } from "./system-scenario.ts";
import type { Stack } from "./system-stack.ts";

const loadMs = 2_000;
const downMs = 1_000;
/** Longer than raft waits for a leader that says nothing. */
const hungMs = 12_000;
/** A consumer of a cluster that has just come back may be slow to begin. */
const idleMs = 3_000;

/** Kills or stops a leader; resolves once it is alive again. */
type Blow = (stack: Stack) => Promise<void>;

export const clusterKill = cluster(
  "of three nats-servers the journal's and the engine's leaders are killed in turn, `rounds` times",
  async (stack, round) => {
    const leader = await leaderOf(stack, round % 2 === 0 ? telemetryStream : engineStream);
    await leader.kill();
    await pause(downMs);
    await leader.start();
  },
);

export const clusterHang = cluster(
  "of three nats-servers a stream's leader hangs (SIGSTOP) for 12 s, `rounds` times",
  async (stack, round) => {
    const leader = await leaderOf(stack, round % 2 === 0 ? engineStream : telemetryStream);
    leader.pause();
    await pause(hungMs);
    leader.resume();
  },
);

/** The cloud is back while one of three is up, which leads nothing: it has to wait, not to end. */
export const clusterAll = cluster(
  "all three nats-servers and the cloud are killed at once, `rounds` times",
  async (stack) => {
    await Promise.all([...stack.servers.map((server) => server.kill()), stack.killCloud()]);
    await pause(downMs);
    await stack.nats.start();
    const [, ...others] = stack.servers;
    await Promise.all([
      stack.startCloud(),
      pause(downMs).then(() => Promise.all(others.map((server) => server.start()))),
    ]);
  },
);

function cluster(about: string, blow: (stack: Stack, round: number) => Promise<void>): Scenario {
  return {
    about,
    roundsShort: 1,
    roundsLong: 10,
    stack: { cluster: true },
    idleMs,
    async act(run) {
      await recovery(run.stack);
      let stallMsMax = 0;
      for (let round = 0; round < run.options.rounds; round++) {
        await pause(loadMs);
        stallMsMax = Math.max(stallMsMax, await stallOf(run, (stack) => blow(stack, round)));
        run.options.tell(`${round + 1} of ${run.options.rounds}: taken again`);
      }
      return { stallMsMax };
    },
  };
}

/** The longest time in which nothing was taken, until what gathered meanwhile is taken too. */
async function stallOf({ stack, options }: Run, blow: Blow): Promise<number> {
  let longestMs = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      longestMs = Math.max(longestMs, (await stack.gateway.status()).takenAgoMs ?? 0);
      await pause(50);
    }
  })();
  await blow(stack);
  await recovery(stack);
  isOver = true;
  await watching;
  options.tell(`nothing was taken for ${longestMs} ms`);
  return longestMs;
}

function leaderOf(stack: Stack, stream: string): Promise<NatsServer> {
  if (stack.cluster === undefined) throw new Error("the stack has no cluster");
  return stack.cluster.leaderOf(stream);
}
