/**
 * Several workers share the engine's work while everything befalls them: they are killed and stopped,
 * nats-server is killed, and its streams are put back to older copies. A rule that counts proves
 * that each reading of many gateways took effect once.
 */
import { join } from "node:path";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { loadRules } from "./system-load.ts";
import { countingRule, ManyGateways } from "./system-many-gateways.ts";
import { putBack, recovery, streamFolder } from "./system-outage.ts";
import type { Program } from "./system-program.ts";
import { startProgram, until } from "./system-program.ts";
import type { Run, Scenario } from "./system-scenario.ts";
import { pause } from "./system-scenario.ts";
import type { Stack } from "./system-stack.ts";

const gatewaysOf = (isLong: boolean) => (isLong ? 200 : 40);
const everyMs = 500;
const workers = 3;
const hangMs = 6_000;
const betweenMs = 3_000;
const takenTimeoutMs = 90_000;
const longFrom = 10;
const toldMax = 5;

/** Each in turn, in an order drawn from the seed. */
const faults = ["kill", "hang", "server", "engine", "journal", "both"] as const;

export const workersShared: Scenario = {
  about: "three workers share the engine while they, nats-server and its streams have trouble",
  roundsShort: 4,
  roundsLong: 60,
  // Telling each of so many alerts to the log would be the load.
  stack: { cloud: `${loadRules.replace("rules: [", `rules: [${countingRule}, `)}\nreceivers: []` },
  // Readers of the journal cannot show what it lost where it was put back.
  isJudgedByCheck: true,
  check({ auditCode }, figures) {
    const { repeatedTransitions = 0, missingTransitions = 0 } = figures;
    const found: string[] = [];
    if (auditCode !== 0) found.push(`audit ended with ${auditCode}`);
    if (missingTransitions > 0) found.push(`${missingTransitions} readings had no effect`);
    if (repeatedTransitions > 0) found.push(`${repeatedTransitions} readings had it twice`);
    return found;
  },
  async act(run) {
    const { stack, options } = run;
    const random = seededRandom(`workers ${options.seed}`);
    const own = new Workers(stack);
    for (let index = 1; index < workers; index++) own.start();
    const urls = stack.servers.map(({ url }) => url);
    const many = await ManyGateways.start(gatewaysOf(options.rounds >= longFrom), urls);
    try {
      many.send(everyMs);
      await pause(betweenMs);
      for (const [round, fault] of planOf(options.rounds, random).entries()) {
        await befall(fault, own, run, random);
        await recovery(stack);
        await pause(betweenMs);
        options.tell(`${round + 1} of ${options.rounds}: ${fault}`);
      }
      many.endSending();
      await until(async () => many.untaken === 0, takenTimeoutMs, "all readings taken").catch(
        (failure) => {
          for (const line of many.waiting().slice(0, toldMax)) options.tell(line);
          throw failure;
        },
      );
      return await figuresOf(stack, many);
    } finally {
      await many.stop();
      await own.end();
    }
  },
};

function planOf(rounds: number, random: Random): readonly (typeof faults)[number][] {
  const first = Math.floor(random.next() * faults.length);
  return Array.from({ length: rounds }, (_, round) => {
    return faults[(first + round) % faults.length] ?? "kill";
  });
}

async function befall(
  fault: (typeof faults)[number],
  own: Workers,
  { stack }: Run,
  random: Random,
): Promise<void> {
  if (fault === "kill") return own.kill(random);
  if (fault === "hang") return own.hang(random);
  if (fault === "engine") return putBack(stack, streamFolder("ENGINE"));
  if (fault === "journal") return putBack(stack, streamFolder("TLM"));
  if (fault === "both") return putBack(stack, "");
  await stack.nats.kill();
  await pause(1_000);
  await stack.nats.start();
}

/** Beside the cloud of the stack, which is one of them. */
class Workers {
  readonly #stack: Stack;
  readonly #running: Program[] = [];
  #started = 0;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  start(): void {
    const { cloudConfig, folder } = this.#stack;
    const args = ["run", "--config", cloudConfig, "--stages", "engine", "--set", "http.port=0"];
    const log = join(folder, `worker-${++this.#started}.log`);
    this.#running.push(startProgram("causeway-cloud", args, log));
  }

  /** One of them, or the stack's cloud; it is started again. */
  async kill(random: Random): Promise<void> {
    const index = Math.floor(random.next() * (this.#running.length + 1));
    const [killed] = this.#running.splice(index, 1);
    if (killed === undefined) {
      await this.#stack.killCloud();
      return this.#stack.startCloud();
    }
    killed.kill("SIGKILL");
    await killed.exited;
    this.start();
  }

  async hang(random: Random): Promise<void> {
    const one = this.#running[Math.floor(random.next() * this.#running.length)];
    one?.kill("SIGSTOP");
    await pause(hangMs);
    one?.kill("SIGCONT");
  }

  async end(): Promise<void> {
    for (const program of this.#running) program.kill("SIGKILL");
    await Promise.all(this.#running.map(({ exited }) => exited));
  }
}

/** What the counting rule told, against what was appended. */
async function figuresOf(stack: Stack, many: ManyGateways) {
  const servers = stack.servers.map(({ url }) => url);
  const purpose = { name: "scenario", reconnect: false };
  const connection = await connectNats({ servers }, purpose, systemRandom);
  const told = new Map<string, string[]>();
  try {
    const manager = await jetstreamManager(connection);
    for (let seq = 1; ; seq++) {
      const query = { seq, next_by_subj: "alert.*.*.count" };
      const message = await manager.streams.getMessage("ENGINE", query);
      if (message === null) break;
      for (const { gateway, id, state } of decodeAlertMessage(message.string()))
        told.set(gateway, [...(told.get(gateway) ?? []), `${id} ${state}`]);
      seq = message.seq;
    }
  } finally {
    await connection.close();
  }
  let [readings, repeatedTransitions, missingTransitions] = [0, 0, 0];
  for (const [gateway, appended] of many.appended()) {
    const own = told.get(gateway) ?? [];
    const once = new Set(own).size;
    readings += appended;
    repeatedTransitions += own.length - once;
    missingTransitions += Math.max(0, appended - once);
  }
  return { readings, repeatedTransitions, missingTransitions };
}
