// The journal's clock on a real nats-server: one writer wins, numbers go on, silence is told.
import { silentLogger } from "@causeway/shared/log.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NatsAlertSubjects } from "../alert/nats-alert-subjects.ts";
import type { RunningEngine } from "../engine/testing/nats-engine.ts";
import { startEngine, storedTransitions, until } from "../engine/testing/nats-engine.ts";
import { checkAnswering } from "../notify/nats-answering.ts";
import { hastyClock } from "../testing/hasty-clock.ts";
import {
  connectTest,
  fill,
  prepareStreams,
  publishReading,
} from "../testing/nats-journal-writer.ts";
import { NatsTickJournal } from "./nats-tick-journal.ts";
import { ruleSetName } from "./rule-sets.ts";
import { Ticker } from "./ticker.ts";

const system = systemClock();
const fastClock = hastyClock(system, 50);

let server: NatsServer;
let connection: NatsConnection;
let tickers: Ticker[] = [];
let connections: NatsConnection[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
});
afterEach(async () => {
  for (const ticker of tickers) await ticker.stop();
  for (const each of [connection, ...connections]) await each.close();
  tickers = [];
  connections = [];
  await server.remove();
});

async function startTicker(rules = "a", keepRules = async () => {}): Promise<Ticker> {
  const own = await connectTest(server.url);
  connections.push(own);
  const manager = await jetstreamManager(own, { timeout: 1_000 });
  const ticker = new Ticker({
    journal: new NatsTickJournal(jetstream(own), manager),
    alerts: new NatsAlertSubjects(jetstream(own), manager),
    rules,
    keepRules,
    checkConnection: (signal) => checkAnswering(own, system, signal),
    clock: fastClock,
    random: systemRandom,
    log: silentLogger,
  });
  tickers.push(ticker);
  ticker.start();
  return ticker;
}

async function journal(): Promise<NatsTickJournal> {
  return new NatsTickJournal(jetstream(connection), await jetstreamManager(connection));
}

test("of two that write the same tick one wins, the other finds it written", async () => {
  const ticks = await journal();
  expect(await ticks.last()).toBeUndefined();
  for (let n = 1; n <= 50; n++) {
    const last = await ticks.last();
    const written = await Promise.all(
      ["a", "b"].map((rules) =>
        ticks.append({ n, at: n, rules, revision: 0 }, `${rules}${n}`, last?.sequence ?? 0),
      ),
    );
    const [winner, ...others] = written.filter((each) => each !== undefined);
    expect(others).toEqual([]);
    expect(await ticks.last()).toEqual(winner);
  }
});

test("numbers go on after the server was killed, and without a hole while two tickers run", async () => {
  await startTicker();
  await startTicker();
  const ticks = await journal();
  await until("some ticks", async () => ((await ticks.last())?.tick.n ?? 0) >= 5);
  await server.kill();
  await server.start();
  await until("ticks go on", async () => {
    try {
      return ((await ticks.last())?.tick.n ?? 0) >= 20;
    } catch {
      return false; // not there yet
    }
  });
  await Promise.all(tickers.map((ticker) => ticker.stop()));
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info("TLM");
  expect(state.last_seq).toBe((await ticks.last())?.tick.n);
});

test("a journal that takes no ticks is told once by two processes, and its end too", async () => {
  const manager = await jetstreamManager(connection);
  await manager.streams.delete("TLM");
  await prepareStreams(manager, { telemetryBytesMax: 64 * 1_024 });
  await startTicker();
  await startTicker();
  const ticks = await journal();
  await until("a tick", async () => (await ticks.last()) !== undefined);
  for (const bytes of [8_192, 64, 1])
    await expect(fill(connection, "tlm.g1.live", bytes)).rejects.toThrow(/maximum bytes/);
  await until("the alert", async () => (await storedTransitions(connection)).length > 0);
  const [told] = await storedTransitions(connection);
  expect(told).toMatchObject({ rule: "system-no-tick", state: "firing", gateway: "_cloud" });
  await manager.streams.purge("TLM", { keep: 1 });
  await until("its end", async () => (await storedTransitions(connection)).length > 1);
  const all = await storedTransitions(connection);
  expect(all.map(({ id, state }) => [id, state])).toEqual([
    [told?.id, "firing"],
    [told?.id, "resolved"],
  ]);
});

test("rules that change at a tick decide the same for an engine that comes after a crash", async () => {
  const hot = rulesSchema.parse([{ name: "hot", detector: "limits", hi: 50 }]);
  const cold = rulesSchema.parse([{ name: "cold", detector: "limits", lo: 0 }]);
  const engines: RunningEngine[] = [];
  const run = async (rules: typeof hot) => {
    const running = await startEngine(server.url, rules);
    engines.push(running);
    connections.push(running.connection);
    await startTicker(ruleSetName(rules), () => running.ruleSets.keepOwn());
    return running;
  };
  const first = await run(hot);
  const inForce = (running: RunningEngine, rules: typeof hot) => () =>
    running.engine.status().rules === ruleSetName(rules) && running.engine.status().tick > 0;
  await until("the first rules", inForce(first, hot));
  await publishReading(connection, 1, 60);
  await until("its alert", async () => (await storedTransitions(connection)).length === 1);
  await first.connection.close(); // the process is gone
  const second = await run(cold);
  await until("the second rules", inForce(second, cold));
  await publishReading(connection, 2, -5);
  const told = async () =>
    (await storedTransitions(connection)).map(({ rule, state }) => `${rule} ${state}`);
  await until("its alert", async () => (await told()).includes("cold firing"));
  expect(await told()).toEqual(["hot firing", "hot resolved", "cold firing"]);
  await second.connection.close();
  const third = await run(hot);
  await until("the first rules again", inForce(third, hot));
  await publishReading(connection, 3, 60);
  await until("its alert", async () => (await told()).length === 5);
  expect((await told()).slice(3)).toEqual(["cold resolved", "hot firing"]);
  expect(new Set((await storedTransitions(connection)).map(({ id }) => id)).size).toBe(3);
  await third.engine.stop();
});
