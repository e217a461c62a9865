// The goal: the work of the engine is shared by any number of processes. Whoever is killed, hangs, comes
// or goes, every reading has its effect once, and no alert waits longer than 10 s.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../engine/testing/nats-engine.ts";
import { readStored } from "../nats-stored.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { connectTest, publishMessage } from "../testing/nats-journal-writer.ts";

const program = join(import.meta.dirname, "../../../node_modules/.bin/causeway-cloud");
const gateways = Array.from({ length: 24 }, (_, index) => `gw-${index}`);
const everyMs = 200;
const patienceMs = 60_000;
const promiseMs = 10_000;

/** A detector that counts: each reading is a transition. */
const config = (url: string) => `
nats: { servers: ["${url}"] }
http: { port: 0 }
history: { kind: none }
rules: [{ name: hot, detector: limits, hi: 50, flap: off }]
`;

interface Worker {
  readonly child: ChildProcess;
  partitions(): Promise<number>;
}

async function startWorker(file: string): Promise<Worker> {
  const args = ["run", "--config", file, "--stages", "engine,notify"];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => ended(child, "SIGKILL"));
  let log = "";
  child.stdout.on("data", (data: Buffer) => {
    log += data.toString();
  });
  const ready = () => log.split("\n").find((line) => line.includes('"msg":"ready"'));
  await until("ready", () => ready() !== undefined, patienceMs);
  const { addresses } = JSON.parse(ready() ?? "") as { addresses: { http: string } };
  const partitions = async () => {
    const text = await (await fetch(`${addresses.http}/metrics`)).text();
    return Number(/^causeway_engine_partitions (\d+)$/m.exec(text)?.[1]);
  };
  return { child, partitions };
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill(signal);
    if (signal === "SIGKILL") child.kill("SIGCONT");
  });
}

/** Gateways that send a reading each `everyMs`, hot and cold in turn. */
class Senders {
  readonly #connection: NatsConnection;
  /** When each was stored, by gateway and position. */
  readonly sentAt = new Map<string, number>();
  position = 0;
  #running: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const position = ++this.position;
      await Promise.all(gateways.map((gateway) => this.#send(gateway, position)));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  async #send(gateway: string, position: number): Promise<void> {
    const event = readingEvent("d1", "temperature", position % 2 === 1 ? 60 : 20, position);
    const head = { nonce: `1.${systemRandom.hex(8)}` };
    const boots = { boot1: Date.now() - position };
    const message = journalMessage(0, position, [event], { gateway, head, boots });
    await publishMessage(this.#connection, message, gateway);
    this.sentAt.set(`${gateway}/1-00000001/telemetry/${position}`, Date.now());
  }
}

interface Told {
  readonly cause: string;
  readonly state: string;
  readonly at: number;
}

async function toldBy(connection: NatsConnection): Promise<readonly Told[]> {
  const told: Told[] = [];
  for await (const message of readStored(jetstream(connection), "ENGINE", "alert.>", "all")) {
    const { transitions } = message.json<{
      transitions: { rule: string; cause: string; state: string }[];
    }>();
    const at = message.time.getTime();
    for (const { rule, cause, state } of transitions)
      if (rule === "hot") told.push({ cause: cause.split("/").slice(0, 4).join("/"), state, at });
  }
  return told;
}

test("workers that are killed, hang, stop and come share the partitions; nothing is lost, or told twice", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-workers-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const file = join(folder, "cloud.yaml");
  writeFileSync(file, config(server.url));
  const connection = await connectTest(server.url);
  onTestFinished(() => connection.close());
  const took: Record<string, number> = {};
  const shared = async (what: string, workers: readonly Worker[], counts: readonly number[]) => {
    const since = Date.now();
    const isShared = async () => {
      const held = await Promise.all(workers.map((worker) => worker.partitions()));
      return held.toSorted((a, b) => a - b).join() === counts.join();
    };
    await until(what, isShared, patienceMs);
    took[what] = Date.now() - since;
  };

  const first = await startWorker(file);
  await shared("alone", [first], [64]);
  const senders = new Senders(connection);
  senders.start();
  const second = await startWorker(file);
  await shared("a second is added", [first, second], [32, 32]);
  const third = await startWorker(file);
  await shared("a third is added", [first, second, third], [21, 21, 22]);

  await ended(second.child, "SIGKILL");
  await shared("one is killed", [first, third], [32, 32]);

  third.child.kill("SIGSTOP");
  await shared("one hangs", [first], [64]);
  third.child.kill("SIGCONT");
  await shared("it goes on", [first, third], [32, 32]);

  const fourth = await startWorker(file);
  await shared("a fourth is added", [first, third, fourth], [21, 21, 22]);
  await ended(first.child, "SIGTERM");
  await shared("one is told to stop", [third, fourth], [32, 32]);
  const fifth = await startWorker(file);
  await ended(third.child, "SIGTERM");
  await shared("rolled", [fourth, fifth], [32, 32]);

  await senders.stop();
  const wanted = gateways.length * senders.position;
  await until("all is told", async () => (await toldBy(connection)).length >= wanted, patienceMs);
  const told = await toldBy(connection);
  expect(told).toHaveLength(wanted);
  expect(new Set(told.map(({ cause, state }) => `${cause} ${state}`)).size).toBe(wanted);
  const delays = told.map(({ cause, at }) => at - (senders.sentAt.get(cause) ?? Number.NaN));
  const slowest = Math.max(...delays);
  process.stdout.write(`${JSON.stringify({ took, readings: wanted, slowestAlertMs: slowest })}\n`);
  expect(slowest).toBeLessThanOrEqual(promiseMs);
  for (const [what, tookMs] of Object.entries(took))
    expect(tookMs, what).toBeLessThanOrEqual(promiseMs);
}, 240_000);
