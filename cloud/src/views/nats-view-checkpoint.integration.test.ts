// A restart reads what came since the checkpoint and shows the same as one that reads all; whatever
// is wrong with the checkpoint costs time alone.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startedApi } from "../api/testing/http-api.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import { FileViewCheckpoint } from "./file-view-checkpoint.ts";
import { FleetView } from "./fleet-view.ts";
import { NatsViewFeed } from "./nats-view-feed.ts";
import { event, heartbeat, readings } from "./testing/taken.ts";

const patience = { timeout: 30_000, interval: 20 };
const clock = systemClock();
let server: NatsServer;
let connection: NatsConnection;
let folder: string;
let file: string;
let ends: (() => Promise<unknown>)[];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  folder = await mkdtemp(join(tmpdir(), "causeway-view-"));
  file = join(folder, "view.checkpoint");
  ends = [];
});

afterEach(async () => {
  for (const end of ends.toReversed()) await end();
  await connection.close();
  await server.remove();
  await rm(folder, { recursive: true, force: true });
});

interface Following {
  readonly view: FleetView;
  readonly feed: NatsViewFeed;
  readonly warnings: readonly string[];
}

async function following(everyMs = 0, isWorkedOff = () => true): Promise<Following> {
  const view = new FleetView();
  const kept = new FileViewCheckpoint(file, clock);
  const warnings: string[] = [];
  const feed = new NatsViewFeed({
    ...{ connection, jetstream: jetstream(connection), view, clock, random: systemRandom },
    manager: await jetstreamManager(connection, { checkAPI: false }),
    log: { ...silentLogger, warn: (_fields, line) => void warnings.push(line) },
    checkpoints: {
      load: () => kept.load(),
      save: (checkpoint) => kept.save(checkpoint),
      ...{ isWorkedOff, everyMs },
    },
  });
  feed.start();
  ends.push(() => feed.stop());
  return { view, feed, warnings };
}

let position = 1;
beforeEach(() => {
  position = 1;
});

/** A batch of each kind; its sequence in the journal. */
async function publish(value: number, gateway = "gw-1"): Promise<number> {
  const quarantined = { kind: "quarantined", reason: "not-json", detail: "", payload: "eA==" };
  const events = [
    readings("tank", { level: value, state: `s${value}` }),
    readings(`device-${value}`, { level: value }),
    heartbeat({ untakenEvents: value, outboxBytes: 1 }),
    event({ ...quarantined, bytes: 1, device: "tank", topic: "a/b" }),
  ];
  const options = { gateway, head: { nonce: `0.${systemRandom.hex(8)}` } };
  const message = journalMessage(0, position, events, options);
  position += events.length;
  return publishMessage(connection, message, gateway);
}

const reached = (feed: NatsViewFeed, sequence: number) =>
  vi.waitFor(() => expect(feed.status().events.sequence).toBe(sequence), patience);
/** All that is shown, without the versions, which are of a process. */
const shown = (view: FleetView) => {
  const series = view.latestSeries(1_000).map(({ version: _version, ...row }) => row);
  return [view.counters(), view.gateways(10), series, view.deadGroups()];
};

async function builtAnew(sequence: number): Promise<unknown> {
  const path = file;
  file = join(folder, "none");
  const { view, feed } = await following(1e9);
  file = path;
  await reached(feed, sequence);
  return shown(view);
}

test("a restart goes on behind the checkpoint and shows what one that reads all shows", async () => {
  const first = await following();
  let last = 0;
  for (let value = 1; value <= 20; value++) last = await publish(value);
  await reached(first.feed, last);
  await first.feed.stop();
  for (let value = 21; value <= 25; value++) last = await publish(value);
  const second = await following();
  await reached(second.feed, last);
  expect(second.feed.status().events.messages).toBe(5);
  expect(shown(second.view)).toEqual(await builtAnew(last));
});

test("what a batch sends again over a restart is a repeat still", async () => {
  const first = await following();
  await publish(1);
  position = 1;
  const last = await publish(1);
  await reached(first.feed, last);
  await first.feed.stop();
  position = 1;
  const again = await publish(1);
  const second = await following();
  await reached(second.feed, again);
  expect(second.view.counters()).toMatchObject({ events: 4, repeats: 2 });
});

test("a checkpoint that is torn, or of another journal, is not believed", async () => {
  const first = await following();
  let last = 0;
  for (let value = 1; value <= 5; value++) last = await publish(value);
  await reached(first.feed, last);
  await first.feed.stop();
  const whole = await readFile(file);
  for (const bytes of [0, 1, 20, whole.length - 1]) {
    await truncate(file, bytes);
    const { view, feed, warnings } = await following(1e9);
    await reached(feed, last);
    expect(view.counters().events).toBe(20);
    expect(warnings).toEqual(["the view that was kept cannot be read"]);
    await feed.stop();
    await writeFile(file, whole);
  }
  const manager = await jetstreamManager(connection);
  await manager.streams.purge("TLM");
  position = 1;
  const next = await publish(9);
  const { view, feed, warnings } = await following(1e9);
  await reached(feed, next);
  expect(view.counters().events).toBe(4);
  expect(warnings).toEqual(["the view that was kept is of another journal; it is made anew"]);
});

test("nothing is kept while someone has not worked off what was told", async () => {
  const { feed } = await following(0, () => false);
  await reached(feed, await publish(1));
  await feed.stop();
  expect(existsSync(file)).toBe(false);
});

test("killed again and again while it keeps, it shows the same in the end", async () => {
  const program = fileURLToPath(new URL("./testing/system-view-child.ts", import.meta.url));
  let last = 0;
  let resumed = 0;
  for (let turn = 1; turn <= 8; turn++) {
    const child = spawn(process.execPath, [program, server.url, file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for (let value = 0; value < 10; value++) last = await publish(turn * 100 + value);
    const wanted = last - Math.floor(systemRandom.next() * 8);
    await new Promise<void>((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        const told = chunk.toString().trim().split("\n").map(Number);
        if (told.some((sequence) => sequence >= wanted)) resolve();
      });
    });
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    const kept = await new FileViewCheckpoint(file, clock).load();
    if (kept !== undefined) resumed++;
  }
  expect(resumed).toBeGreaterThan(3);
  const { view, feed } = await following(1e9);
  await reached(feed, last);
  expect(shown(view)).toEqual(await builtAnew(last));
}, 60_000);

/** Reads until the id that stands behind all that there is. */
async function connected(url: string, id?: string): Promise<{ text: string; id: string }> {
  const ended = new AbortController();
  const headers: Record<string, string> = id === undefined ? {} : { "last-event-id": id };
  const answer = await fetch(`${url}/api/stream`, { headers, signal: ended.signal });
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (/^id: [^\n]*\n\n$/m.test(text)) break;
  }
  ended.abort();
  return { text, id: /^id: (.*)\n\n$/m.exec(text)?.[1] ?? "" };
}

test("a client of the stream goes on after the server restarts, and begins anew with another journal", async () => {
  const first = await following();
  for (let value = 1; value <= 5; value++) await publish(value);
  await reached(first.feed, 5);
  const serve = async ({ view, feed }: Following) => {
    const api = await startedApi({ view, places: feed });
    ends.push(() => api.stop());
    return api.url;
  };
  const before = await connected(await serve(first));
  expect(before.text).toMatch(/"resumed":false/);
  expect(before.text).toMatch(/"device-5"/);
  await first.feed.stop();
  await publish(6);
  await rm(file); // what is read anew has other versions, and the same sequences
  const second = await following();
  await reached(second.feed, 6);
  const url = await serve(second);
  const after = await connected(url, before.id);
  expect(after.text).toMatch(/"resumed":true/);
  expect(after.text).toMatch(/"device-6"/);
  expect(after.text).not.toMatch(/"device-5"/);
  const changed = before.id.replace(/-5-[0-9a-f]+$/, "-5-0000000000000000");
  expect(changed).not.toBe(before.id);
  const anew = await connected(url, changed);
  expect(anew.text).toMatch(/"resumed":false/);
  expect(anew.text).toMatch(/"device-5"/);
});
