/**
 * Measures the engine whole: worker processes, `causeway-cloud run --stages engine`, share the partitions
 * of a real nats-server and take what gateways send as fast as they can. The server and the senders
 * have the same cores; what the server takes is told apart.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "@causeway/shared/clock.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { connectTest, publishMessage } from "../cloud/src/testing/nats-journal-writer.ts";
import { cpuSecondsOf, residentBytesOf } from "../simulators/src/load/system-load.ts";
import type { Program } from "../simulators/src/scenario/system-program.ts";
import { ready, startProgram } from "../simulators/src/scenario/system-program.ts";
import type { Turn } from "./engine.ts";
import { rulesOf, turns } from "./engine.ts";
import type { WorkersFigures } from "./workers.ts";
import { heldBy, takenBy, workersTable } from "./workers.ts";

export interface WorkersOptions {
  readonly workers: readonly number[];
  readonly series: readonly number[];
  readonly events: number;
  readonly print: (line: string) => void;
  readonly tell: (line: string) => void;
  readonly asJson: boolean;
}

const gateways = 100;
const eventsPerBatch = 1_000;
const shape = { eventsPerBatch, readingsPerEvent: 1 };
const rules = "ewma + 10 rules, 1 matches";
const pollMs = 50;
const takenMsMax = 300_000;
const clock = systemClock();

export async function benchWorkers(options: WorkersOptions): Promise<void> {
  const { print, tell, asJson } = options;
  const results: WorkersFigures[] = [];
  for (const series of options.series) {
    for (const workers of options.workers) {
      const one = await measure(workers, series, options.events);
      tell(`${series} series, ${workers} workers: ${JSON.stringify(one)}`);
      results.push(one);
    }
  }
  if (asJson) for (const one of results) print(JSON.stringify(one));
  else print(`${rules}; ${eventsPerBatch} events a batch\n${workersTable(results)}`);
}

async function measure(count: number, series: number, wanted: number): Promise<WorkersFigures> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-workers-"));
  const server = await startNatsServer({ folder: join(folder, "nats") });
  const workers: (Program & { readonly url: string })[] = [];
  const connection = await connectTest(server.url);
  try {
    for (let index = 0; index < count; index++)
      workers.push(await startWorker(folder, server.url, index));
    const metrics = () =>
      Promise.all(workers.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    const until = async (isSo: (texts: readonly string[]) => boolean) => {
      const end = clock.bootMs() + takenMsMax;
      while (!isSo(await metrics())) {
        if (clock.bootMs() > end) throw new Error("the workers do not get on");
        await sleep(clock, pollMs);
      }
    };
    await until((texts) => heldBy(texts).every((held) => held >= Math.floor(64 / count)));
    const pids = workers.map(({ pid = 0 }) => pid);
    const spent = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
    const resident = () => pids.reduce((sum, pid) => sum + residentBytesOf(pid), 0);
    const residentBefore = resident();
    const perGateway = series / gateways;
    const source = turns(shape, {
      ...{ gateways, seriesPerGateway: perGateway, stepMs: 10, bootAt: clock.wallMs() },
    });
    const next = (events: number) =>
      Array.from({ length: Math.ceil(events / gateways / eventsPerBatch) }, () => source.next());
    const publish = async (sent: readonly { value: Turn }[]) => {
      for (const { value } of sent)
        await Promise.all(
          value.map((message, at) => publishMessage(connection, message, `plant-${at}`)),
        );
      return sent.length * gateways * eventsPerBatch;
    };
    // Every series is met, and what is compiled once is compiled.
    const warm = await publish(next(Math.max(series, 300_000)));
    await until((texts) => takenBy(texts) === warm);
    const measured = next(wanted);
    const [begin, cpu, serverCpu] = [clock.bootMs(), spent(), cpuSecondsOf(server.pid() ?? 0)];
    const events = await publish(measured);
    await until((texts) => takenBy(texts) === warm + events);
    return {
      ...{ series, workers: count, events, seconds: (clock.bootMs() - begin) / 1_000 },
      ...{
        cpuSeconds: spent() - cpu,
        serverCpuSeconds: cpuSecondsOf(server.pid() ?? 0) - serverCpu,
      },
      ...{ residentBefore, residentAfter: resident() },
    };
  } finally {
    for (const worker of workers) worker.kill("SIGKILL");
    await Promise.all(workers.map(({ exited }) => exited));
    await connection.close();
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startWorker(folder: string, url: string, index: number) {
  const port = await freePort();
  const file = join(folder, `worker-${index}.yaml`);
  const config = {
    ...{ nats: { servers: [url] }, stages: ["engine"], logLevel: "warn" },
    ...{ dataDir: join(folder, `${index}`), http: { host: "127.0.0.1", port } },
    rules: rulesOf(rules),
  };
  writeFileSync(file, JSON.stringify(config));
  const log = join(folder, `worker-${index}.log`);
  const program = startProgram("causeway-cloud", ["run", "--config", file], log);
  await ready(`http://127.0.0.1:${port}/livez`, program);
  return { ...program, url: `http://127.0.0.1:${port}` };
}
