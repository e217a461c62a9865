// `causeway-cloud dlq` as a person uses it: see what was not understood, try a route, redrive, look again.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hotRules } from "../engine/testing/engine-world.ts";
import type { RunningEngine } from "../engine/testing/nats-engine.ts";
import { startEngine, until } from "../engine/testing/nats-engine.ts";
import { journalMessage, quarantinedEvent } from "../testing/journal-writer.ts";
import { connectTest, prepareStreams, publishMessage } from "../testing/nats-journal-writer.ts";
import type { DeadFlags } from "./nats-dead-letters.ts";
import { deadLetters } from "./nats-dead-letters.ts";
import { operators } from "./nats-operators.ts";

let server: NatsServer;
let connection: NatsConnection;
let running: RunningEngine;
let folder: string;
let written: string[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
  running = await startEngine(server.url, hotRules);
  folder = mkdtempSync(join(tmpdir(), "causeway-dlq-"));
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await running.stop();
  await connection.close();
  await server.remove();
});

function parts() {
  written = [];
  return {
    settings: { servers: [server.url] },
    clock: systemClock(),
    random: systemRandom,
    write: (line: string) => void written.push(line),
    warn: () => {},
    signal: new AbortController().signal,
  };
}

async function dlq(act: string, args: readonly string[] = [], flags: Partial<DeadFlags> = {}) {
  const code = await deadLetters(parts(), act, args, { limit: "10000", by: "ana", ...flags });
  return { code, lines: written };
}

async function publish(texts: readonly string[]): Promise<void> {
  const events = texts.map((text, at) => quarantinedEvent(`s${at}`, text, 1_000 * at));
  const head = { nonce: `1.${systemRandom.hex(8)}` };
  await publishMessage(connection, journalMessage(0, 1, events, { head }));
  await until("letters", async () => (await dlq("list")).lines.length > 0);
}

function routesFile(mapping: string): string {
  const file = join(folder, "routes.yaml");
  writeFileSync(file, `routes:\n  - topic: plant/{device}/up\n    mapping: ${mapping}\n`);
  return file;
}

test("a route is tried on letters before it redrives them, and both say what stays and why", async () => {
  await publish(['{"t":[20]}', '{"t":[21]}', "?"]);
  const [line = ""] = (await dlq("list")).lines;
  expect(line).toMatch(/g1 {2}quarantined {2}3 .*not-understood on plant\/\+\/up: no adapter/);
  const group = line.slice(0, 6);
  const shown = await dlq("show", [group], { limit: "1" });
  expect(shown.lines.join()).toContain('plant/s2/up\n  not-understood: no adapter\n  1 bytes: "?"');

  const wrong = await dlq("redrive", [group], {
    mapping: routesFile("{ t: payload.x }"),
    dryRun: true,
  });
  expect(wrong.code).toBe(1);
  expect(wrong.lines.at(-1)).toContain("stays: mapping: t: No such key: x");

  const mapping = routesFile("{ t: 'payload.t[0]' }");
  const tried = await dlq("redrive", [group], { mapping, dryRun: true });
  expect(tried.lines.join("\n")).toContain("s0  t = 20");
  expect((await dlq("list", [], { json: true })).lines.join()).toContain('"count":3');

  const redriven = await dlq("redrive", [group], { mapping });
  expect(redriven).toEqual({
    code: 1,
    lines: ["2 of 3 redriven, 2 readings; these stay open: 1 mapping"],
  });
  const again = await dlq("redrive", [group], { mapping });
  expect(again.lines).toEqual(["0 of 1 redriven, 0 readings; these stay open: 1 mapping"]);

  expect((await dlq("discard", [group], { reason: "noise" })).lines).toEqual(["1 discarded"]);
  expect((await dlq("list")).lines).toEqual([]);
  const settled = await dlq("settled", ["g1"]);
  expect(settled.lines.map((one) => one.replace(/^[^ ]+ +/, ""))).toEqual([
    `g1/1-00000001/telemetry/1  redriven with ${mapping} by ana`,
    `g1/1-00000001/telemetry/2  redriven with ${mapping} by ana`,
    "g1/1-00000001/telemetry/3  discarded by ana: noise",
  ]);
  await operators(parts(), { limit: 10 }, false);
  expect(written.join("\n")).toMatch(/dlq\.discard[\s\S]*dlq\.redrive/);
});

test("one letter alone is named by its id", async () => {
  await publish(['{"t":[20]}', '{"t":[21]}']);
  const [line = ""] = (await dlq("list")).lines;
  const flags = { mapping: routesFile("{ t: 'payload.t[0]' }"), id: ["g1/1-00000001/telemetry/2"] };
  const { lines } = await dlq("redrive", [line.slice(0, 16)], flags);
  expect(lines).toEqual(["1 of 1 redriven, 1 readings"]);
  expect((await dlq("list")).lines.join()).toContain("quarantined  1 ");
});

test.each([
  ["a group that is not there", "show", ["beef00"], {}, "DEAD_LETTER_UNKNOWN"],
  ["a discard without a reason", "discard", ["beef00"], {}, "CLI_USAGE"],
  ["an act that there is not", "burn", ["beef00"], {}, "CLI_USAGE"],
  ["a mapping that is not there", "redrive", ["beef00"], { mapping: "/none" }, "INPUT_UNREADABLE"],
])("%s is refused", async (_what, act, args, flags, code) => {
  const asked = async () => dlq(act, args, flags);
  await expect(asked()).rejects.toMatchObject({ code });
});
