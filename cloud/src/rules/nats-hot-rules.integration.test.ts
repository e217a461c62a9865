// The goal: on a real nats-server rules change while engines run; a fault changes nothing and is told;
// however many processes there are, a change is announced once.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogFields } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Engine } from "../engine/engine.ts";
import { engineJournal } from "../engine/nats-engine-journal.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { storedTransitions, until } from "../engine/testing/nats-engine.ts";
import { hastyClock } from "../testing/hasty-clock.ts";
import { connectTest, prepareStreams, publishReading } from "../testing/nats-journal-writer.ts";
import { ruleSetName } from "../ticks/rule-sets.ts";
import { decodeTick } from "../ticks/tick.ts";
import type { Configured } from "./file-rules.ts";
import type { OpenedRules } from "./nats-hot-rules.ts";
import { openRules } from "./nats-hot-rules.ts";
import type { RulesParts } from "./nats-rules-commands.ts";
import { rules as rulesCommand } from "./nats-rules-commands.ts";
import { parseRules } from "./rules-document.ts";
import { brokenText, textAbove } from "./testing/rules-texts.ts";

const fastClock = hastyClock(systemClock(), 50);

interface Running extends OpenedRules {
  readonly engine: Engine;
  readonly stop: () => Promise<void>;
}

let server: NatsServer;
let connection: NatsConnection;
let folder: string;
let file: string;
let running: Running[];
let errors: LogFields[];
let lines: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "causeway-rules-"));
  file = join(folder, "rules.yaml");
  [running, errors, lines] = [[], [], []];
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
});
afterEach(async () => {
  for (const one of running) await one.stop();
  await connection.close();
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** As `causeway-cloud run` does. */
async function start(config: Configured = { rules: [], fleet: emptyFleet, rulesFile: file }) {
  const process = await open(config);
  process.hotRules.start();
  process.ticker.start();
  process.engine.start();
  return process;
}

/** Nothing runs yet. */
async function open(config: Configured): Promise<Running> {
  const own = await connectTest(server.url);
  const manager = await jetstreamManager(own);
  const client = jetstream(own);
  const store = new NatsEngineStore(own, client, manager, systemRandom);
  const log = { ...silentLogger, error: (fields: LogFields) => void errors.push(fields) };
  const place = { config, configName: "cloud.yaml", connection: own, client, manager, store };
  const opened = await openRules({ ...place, clock: fastClock, random: systemRandom, log }).catch(
    async (failure) => {
      await own.close();
      throw failure;
    },
  );
  const engine = new Engine({
    store,
    ...engineJournal(own, client, manager),
    ruleSets: opened.ruleSets,
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
  });
  const stop = async () => {
    running = running.filter((one) => one !== process);
    await opened.ticker.stop();
    await opened.hotRules.stop();
    await engine.stop();
    await own.close();
  };
  const process: Running = { ...opened, engine, stop };
  running.push(process);
  return process;
}

function inline(text: string): Configured {
  return parseRules(text, "cloud.yaml");
}

function command(act: string, args: string[] = [], over: Partial<RulesParts> = {}) {
  const configured = () => {
    throw new Error("not asked for here");
  };
  const parts = {
    ...{ settings: { servers: [server.url] }, clock: fastClock, random: systemRandom },
    ...{ write: (line: string) => void lines.push(line), warn: () => {}, configured },
    ...{ signal: new AbortController().signal, json: true, note: "", revision: undefined },
  };
  return rulesCommand({ ...parts, ...over }, act, args);
}

function nameOf(text: string): string {
  const { rules, fleet } = parseRules(text, "rules.yaml");
  return ruleSetName(rules, fleet);
}

/** Every engine that runs judges by the rules of this text. */
async function inForce(text: string): Promise<void> {
  const name = nameOf(text);
  await until(`rules ${text}`, () => {
    return running.every(
      ({ engine }) => engine.status().rules === name && engine.status().tick > 0,
    );
  });
}

/** Names that ticks gave, each change once. */
async function announced(): Promise<string[]> {
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info("TLM");
  const names: string[] = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const found = await manager.streams.getMessage("TLM", { seq });
    if (found?.subject !== "clk") continue;
    const { rules } = decodeTick(found.data);
    if (names.at(-1) !== rules) names.push(rules);
  }
  return names;
}

async function told(): Promise<string[]> {
  return (await storedTransitions(connection)).map(({ rule, state }) => `${rule} ${state}`);
}

const tells = (line: string) => until(line, async () => (await told()).includes(line));

async function ticks(count: number): Promise<void> {
  const tick = () => Math.max(...running.map(({ engine }) => engine.status().tick));
  const from = tick();
  await until(`${count} ticks`, () => tick() >= from + count);
}

const [hot, cold, warm] = [textAbove("hot", 50), textAbove("cold", 5), textAbove("warm", 30)];

test("a file that is edited: new rules judge within two ticks, broken ones change nothing", async () => {
  writeFileSync(file, hot);
  const cloud = await start();
  await inForce(hot);
  await publishReading(connection, 1, 60);
  await tells("hot firing");
  const before = cloud.engine.status().tick;
  writeFileSync(file, cold);
  await until("taken", () => cloud.ruleSets.own === nameOf(cold));
  const taken = cloud.engine.status().tick;
  await inForce(cold);
  expect(taken).toBeGreaterThanOrEqual(before);
  expect(cloud.engine.status().tick - taken).toBeLessThanOrEqual(2);
  await publishReading(connection, 2, 10);
  await tells("cold firing");

  writeFileSync(file, brokenText);
  await tells("system-rules-refused firing");
  expect(errors).toContainEqual({
    source: file,
    reason: expect.stringContaining("rules.yaml:2:5 rules.0.hi"),
  });
  await publishReading(connection, 3, 1);
  await tells("cold resolved");
  await publishReading(connection, 4, 10);
  await until(
    "again",
    async () => (await told()).filter((line) => line === "cold firing").length > 1,
  );
  expect(cloud.hotRules.status().refused).toHaveLength(1);

  writeFileSync(file, hot);
  await tells("system-rules-refused resolved");
  await inForce(hot);
  expect(await announced()).toEqual([hot, cold, hot].map(nameOf));
});

test("rules put in the bucket go before every configuration's, and are announced once by two processes", async () => {
  writeFileSync(file, warm);
  await start();
  await inForce(warm);
  await start(inline(hot));
  await inForce(hot);
  const put = async (text: string) => {
    const path = join(folder, "put.yaml");
    writeFileSync(path, text);
    expect(await command("put", [path], { note: "für alle" })).toBe(0);
    await inForce(text);
    await ticks(4);
  };
  await put(cold);
  expect(await announced()).toEqual([warm, hot, cold].map(nameOf));
  await put(textAbove("cold", 6));
  await put(cold);
  await start(); // one that comes later finds them too
  await ticks(4);
  writeFileSync(file, textAbove("warm", 31)); // of no account now
  await ticks(4);
  const names = [warm, hot, cold, textAbove("cold", 6), cold].map(nameOf);
  expect(await announced()).toEqual(names);
  await publishReading(connection, 1, 10);
  await tells("cold firing");

  await running.at(1)?.stop(); // of the two others the configurations are the same
  expect(await command("remove")).toBe(0);
  await inForce(textAbove("warm", 31));
  await ticks(4);
  expect(await announced()).toEqual([...names, nameOf(textAbove("warm", 31))]);
  await tells("cold resolved");

  lines = [];
  await command("history");
  const history = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(history.map(({ revision, what, rules }) => [revision, what, rules])).toEqual([
    [1, "put", 1],
    [2, "put", 1],
    [3, "put", 1],
    [4, "removed", null],
  ]);
  expect(history[0]).toMatchObject({ note: "für alle", bytes: Buffer.byteLength(cold) });
});

test("two processes of different files come to rest after the bucket's rules are removed", async () => {
  writeFileSync(file, warm);
  await start();
  await start(inline(hot));
  const path = join(folder, "put.yaml");
  writeFileSync(path, cold);
  await command("put", [path]);
  await inForce(cold);
  await command("remove");
  await until("their own", async () => (await announced()).at(-1) !== nameOf(cold));
  await ticks(4);
  const names = await announced();
  await ticks(10);
  expect(await announced()).toEqual(names);
  expect([warm, hot].map(nameOf)).toContain(names.at(-1));
});

test("a process whose rules were replaced before it announced them does not announce them", async () => {
  const path = join(folder, "put.yaml");
  writeFileSync(path, cold);
  await command("put", [path]);
  const late = await open(inline(hot));
  const names = [nameOf(cold), nameOf(warm)];
  expect(late.ruleSets.own).toBe(names[0]);
  const early = await start(inline(hot));
  await until("cold", () => early.engine.status().rules === names[0]);
  writeFileSync(path, warm);
  await command("put", [path]);
  await until("warm", () => early.engine.status().rules === names[1]);
  late.ticker.start(); // and before it has looked by itself
  await until("warm there too", () => late.ticker.status().rules === names[1]);
  await ticks(6);
  expect(await announced()).toEqual(names);
});

test("a key that another tool wrote wrongly changes nothing, now and for one that starts", async () => {
  const first = await start(inline(hot));
  await inForce(hot);
  await jetstream(connection).publish("$KV.RULES.rules", brokenText);
  await tells("system-rules-refused firing");
  await first.stop();
  const second = await start(inline(warm));
  await ticks(3);
  expect(second.hotRules.status()).toMatchObject({
    source: expect.stringContaining("the journal"),
  });
  expect(await announced()).toEqual([nameOf(hot)]);
  await command("remove");
  await tells("system-rules-refused resolved");
  await inForce(warm);
});

test("at the start a broken file is refused, unless the journal names rules that are kept", async () => {
  writeFileSync(file, brokenText);
  await expect(start()).rejects.toThrow(/^CONFIG_INVALID: .*rules\.yaml:2:5 rules\.0\.hi: /);
  rmSync(file);
  await expect(start()).rejects.toThrow(/^CONFIG_UNREADABLE: .*there is no such file/);
  writeFileSync(file, hot);
  await (await inForceAlone()).stop();
  writeFileSync(file, brokenText);
  const cloud = await start();
  await tells("system-rules-refused firing");
  await publishReading(connection, 1, 60);
  await tells("hot firing");
  expect(await announced()).toEqual([nameOf(hot)]);
  writeFileSync(file, cold);
  await inForce(cold);
  await tells("system-rules-refused resolved");
  expect(cloud.hotRules.status().source).toBe(file);

  async function inForceAlone(): Promise<Running> {
    const alone = await start();
    await inForce(hot);
    return alone;
  }
});

test("what a command writes is checked with its examples, and on what it had read", async () => {
  const path = join(folder, "put.yaml");
  const text = `# ours
rules:
  - name: hot # too hot
    when: value > 80
    examples:
      - given: [{ at: 1s, device: boiler, metric: t, value: 90 }]
        expect: [{ at: 1s, state: firing }]
`;
  writeFileSync(path, text.replace("at: 1s, state", "at: 1m, state"));
  await expect(command("put", [path])).rejects.toThrow(/^CONFIG_INVALID: .*put\.yaml:7:18 .*at 1m/);
  writeFileSync(path, brokenText);
  await expect(command("put", [path])).rejects.toThrow("CONFIG_INVALID");
  await expect(command("mode", ["hot", "off"])).rejects.toThrow("RULES_UNKNOWN");
  lines = [];
  await command("history");
  expect(lines).toEqual([]);

  writeFileSync(path, text);
  await command("put", [path]);
  await expect(command("put", [path], { revision: 9 })).rejects.toThrow("RULES_CHANGED");
  await expect(command("mode", ["hot", "off"], { revision: 9 })).rejects.toThrow("RULES_CHANGED");
  await expect(command("remove", [], { revision: 9 })).rejects.toThrow("RULES_CHANGED");
  expect(await command("mode", ["hot", "shadow"], { revision: 1 })).toBe(0);
  await expect(command("mode", ["cold", "off"])).rejects.toThrow("RULES_UNKNOWN");
  await expect(command("mode", ["hot", "loud"])).rejects.toThrow("CLI_USAGE");
  lines = [];
  expect(await command("diff", ["1"], { json: false })).toBe(1);
  expect(lines).toEqual(['~ hot  mode: "live" -> "shadow"']);
  expect(await command("diff", ["1", path])).toBe(0);
  lines = [];
  await command("show", ["hot"], { json: false });
  expect(lines).toEqual([
    expect.stringMatching(/^- name: hot # too hot\n(?:.*\n)* {2}mode: shadow$/),
  ]);
  lines = [];
  await command("show", [], { json: false, revision: 1 });
  expect(lines).toEqual([text.trimEnd()]);
  await expect(command("show", [], { revision: 9 })).rejects.toThrow("RULES_UNKNOWN");
  lines = [];
  await command("list");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      ...{ name: "hot", mode: "shadow", version: expect.stringMatching(/^[0-9a-f]{12}$/) },
      ...{ severity: "warning", by: "device", source: "RULES:2", inForce: false },
    },
  ]);
  await command("remove");
  await expect(command("show", [], { revision: 3 })).rejects.toThrow(/^RULES_UNKNOWN: .*removed/);
});

test("of two commands that write at once one is refused", async () => {
  const paths = [hot, cold, warm].map((text, at) => {
    const path = join(folder, `${at}.yaml`);
    writeFileSync(path, text);
    return path;
  });
  const outcomes = await Promise.allSettled(
    paths.map((path) => command("put", [path], { revision: 0 })),
  );
  const refused = outcomes.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(2);
  for (const one of refused) expect(one).toMatchObject({ reason: { code: "RULES_CHANGED" } });
  lines = [];
  await command("history");
  expect(lines).toHaveLength(1);
});
