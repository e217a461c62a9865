/**
 * Goal: what gateways brought to a real nats-server stands in the historian once, whoever is killed
 * in the middle of an insert, and however often.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Event } from "@causeway/shared/event.ts";
import { telemetryStream } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { DuckDBInstance } from "@duckdb/node-api";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import type { QueryFlags } from "../cli/system-query.ts";
import { query } from "../cli/system-query.ts";
import type { RunningEngine } from "../engine/testing/nats-engine.ts";
import { startEngine, until } from "../engine/testing/nats-engine.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { journalMessage, readingEvent, rollupEvent } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { noFacts } from "./historian.contract.ts";
import type { Historian } from "./historian.ts";
import { historySchema } from "./history-settings.ts";
import { historyReader } from "./nats-history-feed.ts";
import { openHistorian } from "./system-historian.ts";
import type { PostgresServer } from "./testing/system-postgres-server.ts";
import { startPostgres } from "./testing/system-postgres-server.ts";

const child = fileURLToPath(new URL("./testing/system-history-child.ts", import.meta.url));
const duckdb = { kind: "duckdb", memoryMegabytes: 128, retentionDays: 0 };
const program = wantedTool("postgresql");
const never = new AbortController().signal;

let server: NatsServer;
let connection: NatsConnection;
let folder: string;
let settings: object;
let engine: RunningEngine | undefined;
let children: ChildProcess[] = [];
const positions = new Map<string, number>();

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  folder = await mkdtemp(join(tmpdir(), "causeway-history-"));
  positions.clear();
  settings = duckdb;
});

afterEach(async () => {
  await endAll("SIGKILL");
  await engine?.stop();
  engine = undefined;
  await connection.close();
  await server.remove();
  await rm(folder, { recursive: true });
});

async function endAll(signal?: NodeJS.Signals): Promise<void> {
  const running = children.filter((one) => one.exitCode === null && one.signalCode === null);
  const ended = running.map((one) => once(one, "exit"));
  for (const one of running) {
    if (signal === undefined) one.stdin?.end();
    else one.kill(signal);
  }
  children = [];
  await Promise.all(ended);
}

interface Child {
  readonly process: ChildProcess;
  /** Rows that it says it wrote; undefined before it runs. */
  rows(): number | undefined;
}

function start(): Child {
  const args = [child, server.url, folder, JSON.stringify(settings)];
  const own = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(own);
  let rows: number | undefined;
  own.stdout.on("data", (data: Buffer) => {
    rows = Number(data.toString().trim().split("\n").at(-1));
  });
  return { process: own, rows: () => rows };
}

async function send(gateway: string, events: readonly Event[]): Promise<number> {
  const position = (positions.get(gateway) ?? 0) + 1;
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  const message = journalMessage(0, position, events, { gateway, head });
  positions.set(gateway, Number(message.header("Cw-To")));
  // A server that comes back answers late; what it stored all the same is a repeat.
  let sequence: number | undefined;
  await until("it is stored", async () => {
    sequence = await publishMessage(connection, message, gateway).catch(() => undefined);
    return sequence !== undefined;
  });
  return sequence ?? 0;
}

/** Each value is its position, so that a missing and a second one show. */
function readings(gateway: string, count: number): Event[] {
  const first = positions.get(gateway) ?? 0;
  return Array.from({ length: count }, (_, at) =>
    readingEvent(`d${at % 7}`, "seq", first + at + 1, first + at),
  );
}

async function opened<Result>(act: (historian: Historian) => Promise<Result>): Promise<Result> {
  const historian = await openHistorian({
    ...{ settings: historySchema.parse(settings), dataDir: folder, factsOf: noFacts },
  });
  try {
    return await act(historian);
  } finally {
    await historian.close();
  }
}

async function storedValues(historian: Historian): Promise<Map<string, number[]>> {
  const all = await historian.series({ limit: 1_000 }, never);
  const found = new Map<string, number[]>();
  for (const { id, gateway } of all) {
    const values = found.get(gateway) ?? [];
    found.set(gateway, values);
    const select = {
      series: [id],
      from: 0,
      to: 4e12,
      limit: 1_000_000,
      order: "ascending",
    } as const;
    for await (const some of historian.points(select, never))
      values.push(...some.map(({ value }) => Number(value)));
  }
  for (const values of found.values()) values.sort((one, other) => one - other);
  return found;
}

async function lastSequence(): Promise<number> {
  return (await (await jetstreamManager(connection)).streams.info(telemetryStream)).state.last_seq;
}

/** Of the registered reader. */
async function lastPlace(): Promise<number> {
  const manager = await jetstreamManager(connection);
  const reader = await new NatsReaderStore(jetstream(connection), manager).load(historyReader);
  return reader?.state?.places[0]?.sequence ?? 0;
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

test("killed 20 times in the middle of inserts: the rows are those of the ledger, none twice", async () => {
  await killedInInserts(20);
}, 240_000);

test.skipIf(program === undefined)(
  "the same in PostgreSQL, killed 10 times",
  async () => {
    const postgres = await startPostgres(program ?? "");
    try {
      settings = { kind: "postgres", url: await postgres.database(), retentionDays: 0 };
      await killedInInserts(10);
      await endAll();
    } finally {
      await postgres.stop();
    }
  },
  240_000,
);

async function killedInInserts(most: number): Promise<void> {
  const gateways = ["gw-1", "gw-2"];
  let kills = 0;
  while (kills < most) {
    const { process: own, rows } = start();
    await until("it writes", () => rows() !== undefined);
    const target = systemRandom.next() * 6_000;
    for (let sent = 0; sent < 40 && own.exitCode === null; sent++) {
      for (const gateway of gateways) await send(gateway, readings(gateway, 100));
      if ((rows() ?? 0) >= target) break;
    }
    own.kill("SIGKILL");
    await once(own, "exit");
    kills++;
    if (kills % 5 !== 0) continue;
    await opened(async (historian) => {
      const { marks } = await historian.begin();
      const values = await storedValues(historian);
      for (const mark of marks) {
        const through = mark.epochs[0]?.logs.telemetry.through ?? 0;
        expect(values.get(mark.gateway) ?? [], `${mark.gateway} after ${kills}`).toEqual(
          upTo(through),
        );
      }
    });
  }
  const sent = [...positions.values()].reduce((sum, count) => sum + count, 0);
  const last = start();
  const { rows } = last;
  await until("it has caught up", async () => {
    return rows() !== undefined && (await lastPlace()) >= (await lastSequence());
  });
  await endAll();
  const values = await opened(storedValues);
  for (const gateway of gateways)
    expect(values.get(gateway)).toEqual(upTo(positions.get(gateway) ?? 0));
  expect(sent).toBeGreaterThan(most * 500);
}

test("what is late, thinned or lost stands in its place, and the ledger explains it", async () => {
  await send("gw-1", [...readings("gw-1", 3), rollupEvent(9)]);
  const lost = {
    ...{ kind: "loss", to: 40, reason: "corrupt", count: 31 },
    ...{ device: null, topic: null, bootMs: 302_000, observedAt: null },
  } as const;
  await send("gw-1", [lost as Event]);
  const { rows } = start();
  await until("all is written", () => (rows() ?? 0) >= 5);
  await until("nothing is left", () => (rows() ?? 0) === 5);
  await endAll();
  await opened(async (historian) => {
    const [series] = await historian.series({ metric: "temperature", limit: 1 }, never);
    const points = [];
    const range = { from: 0, to: 4e12, limit: 10, order: "ascending" } as const;
    for await (const some of historian.points({ series: [series?.id ?? 0], ...range }, never))
      points.push(...some);
    expect(points.map(({ value, window }) => [value, window?.count, window?.min])).toEqual([
      [21.5, 6, 20],
      [24, 1, 24],
    ]);
    const losses = await historian.losses({ from: 0, to: 4e12, limit: 10 }, never);
    expect(losses).toMatchObject([{ gateway: "gw-1", from: 10, to: 40, reason: "corrupt" }]);
    const { marks } = await historian.begin();
    expect(marks[0]?.epochs[0]?.logs.telemetry.stretches).toMatchObject([
      { from: 4, to: 9, state: "thinned" },
      { from: 10, to: 40, state: "lost", reason: "corrupt" },
    ]);
  });
});

test("what the journal lost while the historian was away is booked as a gap", async () => {
  engine = await startEngine(server.url, []);
  await send("gw-1", readings("gw-1", 10));
  const first = start();
  await until("all is written", () => first.rows() === 10);
  await endAll();
  const until_ = await send("gw-1", readings("gw-1", 5));
  await send("gw-1", readings("gw-1", 5));
  const manager = await jetstreamManager(connection);
  await until("the engine has taken it", async () => {
    const found = await manager.streams
      .getMessage("ENGINE", { last_by_subj: "mark.*.gw-1" })
      .catch(() => null);
    return found?.string().includes(",20,") ?? false;
  });
  await manager.streams.purge(telemetryStream, { seq: until_ + 1 });
  const second = start();
  await until("what is there is written", () => second.rows() === 5);
  await endAll();
  await opened(async (historian) => {
    expect((await storedValues(historian)).get("gw-1")).toEqual([...upTo(10), 16, 17, 18, 19, 20]);
    const losses = await historian.losses({ from: 0, to: 4e12, limit: 10 }, never);
    expect(losses).toMatchObject([{ from: 11, to: 15, reason: "gap(journal)" }]);
  });
});

test("while one process has the history open, others ask it: the command line and another cloud", async () => {
  const { rows } = start();
  await send("gw-1", readings("gw-1", 14));
  await until("it is written", () => rows() === 14);
  const printed = async (flags: QueryFlags) => {
    const output = new PassThrough();
    const command = {
      ...{ settings: historySchema.parse(settings), dataDir: folder, output },
      ...{ clock: systemClock(), signal: never },
    };
    expect(await query(command, { from: "0", ...flags })).toBe(0);
    output.end();
    return text(output);
  };
  // Its socket is told of once it tends to the history.
  await until("it says where it is", () => existsSync(join(folder, "history", "peer.json")));
  const asked = await printed({ device: "d1", json: true });
  expect(
    asked
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { value: number }).value),
  ).toEqual([2, 9]);
  const offline = { gateway: "gw-*", bucket: "1h", json: true };
  const during = await printed(offline);
  await endAll();
  expect(await printed(offline)).toBe(during);
  expect(await printed({ series: true })).toContain("gw-1  d6  seq");
  expect((await printed({ format: "csv", limit: "1" })).split("\r\n")[1]).toBe(
    "gw-1,d0,seq,,2026-01-01T00:00:00.000Z,1,good,true,2026-01-01T00:00:00.000Z",
  );
  const file = join(folder, "all.parquet");
  await printed({ format: "parquet", output: file });
  const reader = await (await DuckDBInstance.create()).connect();
  const found = await reader.run(`SELECT count(*)::INT, sum(value)::INT FROM '${file}'`);
  expect(await found.getRows()).toEqual([[14, 105]]);
  reader.closeSync();
});

test("a second process waits for the file, and goes on when the first is killed", async () => {
  const first = start();
  await until("the first writes", () => first.rows() !== undefined);
  const second = start();
  await send("gw-1", readings("gw-1", 10));
  await until("it is written", () => first.rows() === 10);
  expect(second.rows()).toBeUndefined();
  first.process.kill("SIGKILL");
  await send("gw-1", readings("gw-1", 10));
  await until("the second writes", () => second.rows() === 10);
  await endAll();
  expect((await opened(storedValues)).get("gw-1")).toEqual(upTo(20));
});

async function inPostgres(act: (postgres: PostgresServer) => Promise<void>): Promise<void> {
  const postgres = await startPostgres(program ?? "");
  try {
    settings = { kind: "postgres", url: await postgres.database(), retentionDays: 0 };
    await act(postgres);
  } finally {
    await endAll("SIGKILL");
    await postgres.stop();
  }
}

test.skipIf(program === undefined)(
  "goes on by itself after nats-server and the database were away",
  async () => {
    await inPostgres(async (postgres) => {
      const { rows } = start();
      await send("gw-1", readings("gw-1", 10));
      await until("it is written", () => rows() === 10);
      await postgres.kill();
      await send("gw-1", readings("gw-1", 10));
      await server.kill();
      await server.start();
      await postgres.restart();
      await send("gw-1", readings("gw-1", 10));
      await until("all of it is written", () => rows() === 30);
      await endAll();
      expect((await opened(storedValues)).get("gw-1")).toEqual(upTo(30));
    });
  },
  120_000,
);

test.skipIf(program === undefined)(
  "one that was stopped for a while finds another writing, and changes nothing",
  async () => {
    await inPostgres(async () => {
      const first = start();
      await send("gw-1", readings("gw-1", 10));
      await until("the first writes", () => first.rows() === 10);
      first.process.kill("SIGSTOP");
      const second = start();
      await send("gw-1", readings("gw-1", 10));
      await until("the second writes", () => second.rows() === 10);
      first.process.kill("SIGCONT"); // it has read what the second wrote, and may not write it
      await send("gw-1", readings("gw-1", 10));
      await until("one of them writes", async () => (await lastPlace()) >= (await lastSequence()));
      await endAll();
      expect((await opened(storedValues)).get("gw-1")).toEqual(upTo(30));
    });
  },
  120_000,
);
