/**
 * Counts what a link carries while the standard fleet speaks, and while nobody does: the gateway with
 * several `gatherMs`, and a mosquitto bridge, all at once on the same readings.
 */
import { performance } from "node:perf_hooks";
import { sleep } from "@causeway/shared/clock.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import type { LinkBytes } from "./bytes.ts";
import { bytesTable } from "./bytes.ts";
import { fleetMessages } from "./fleet-messages.ts";
import { MqttWire } from "./mqtt-wire.ts";
import type { DrainRun } from "./system-drain-peers.ts";
import { drainPeers, startCauseway } from "./system-drain-peers.ts";

export interface BytesOptions {
  readonly seconds: number;
  readonly idleSeconds: number;
  readonly gathers: readonly number[];
  readonly tell: (line: string) => void;
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

/** What is said at the start is not counted. */
const settleMs = 15_000;

export async function benchBytes(options: BytesOptions): Promise<void> {
  const { seconds, idleSeconds, tell, print, asJson } = options;
  const runs = new Map<string, DrainRun>();
  try {
    for (const gatherMs of options.gathers) {
      runs.set(`edge, gatherMs ${gatherMs}`, await startCauseway({ gatherMs }));
    }
    const bridge = drainPeers["mosquitto"];
    if (bridge?.program?.() === undefined)
      tell(`SKIPPED: mosquitto is not measured: ${bridge?.cure}`);
    else runs.set("mosquitto bridge", await bridge.start());
    await sleep(systemClock(), settleMs);
    tell(`silent for ${idleSeconds} s`);
    const idle = await counted(runs, () => sleep(systemClock(), idleSeconds * 1_000));
    tell(`the fleet speaks for ${seconds} s`);
    let readings = 0;
    const spoke = await counted(runs, async () => {
      readings = await speak([...runs.values()], seconds * 1_000);
    });
    const results = [...runs.keys()].map((peer): LinkBytes => {
      const [silent, busy] = [idle.of(peer), spoke.of(peer)];
      const base = { idleBytes: silent, idleMs: idle.tookMs, spokeMs: spoke.tookMs };
      return { peer, readings, bytes: busy, ...base };
    });
    if (asJson) for (const result of results) print(JSON.stringify(result));
    else print(bytesTable(results));
  } finally {
    await Promise.all([...runs.values()].map((run) => run.stop()));
  }
}

/** How many readings were published to each. */
async function speak(runs: readonly DrainRun[], forMs: number): Promise<number> {
  const wires = await Promise.all(runs.map(({ mqttPort }) => MqttWire.open(mqttPort, "fleet")));
  const [startMs, beganMs] = [Date.now(), performance.now()];
  let readings = 0;
  for (const message of fleetMessages(startMs)) {
    if (message.atMs >= forMs) break;
    await sleep(systemClock(), Math.max(0, beganMs + message.atMs - performance.now()));
    for (const wire of wires) wire.publish(message);
    readings += message.readings;
  }
  await Promise.all(wires.map((wire) => wire.publishAll([], 1)));
  // What was gathered last is on its way.
  await Promise.all(runs.map((run) => allThere(run, wires[0]?.acknowledged ?? 0)));
  for (const wire of wires) wire.close();
  return readings;
}

async function allThere(run: DrainRun, events: number): Promise<void> {
  while ((await run.arrived()).events < events) await sleep(systemClock(), 200);
}

async function counted(runs: ReadonlyMap<string, DrainRun>, act: () => Promise<void>) {
  const bytesOf = (run: DrainRun | undefined) => {
    const { bytesUp = 0, bytesDown = 0 } = run?.proxy.counters() ?? {};
    return bytesUp + bytesDown;
  };
  const before = new Map([...runs].map(([peer, run]) => [peer, bytesOf(run)]));
  const beganMs = performance.now();
  await act();
  const tookMs = performance.now() - beganMs;
  const after = new Map([...runs].map(([peer, run]) => [peer, bytesOf(run)]));
  return { tookMs, of: (peer: string) => (after.get(peer) ?? 0) - (before.get(peer) ?? 0) };
}
