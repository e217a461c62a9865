// The cloud goes away under load and comes back; programs are killed under load: nothing is lost,
// nothing comes twice, everything is in order. CAUSEWAY_LONG=1 makes the outage a minute.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Program } from "./system-stack.ts";
import { runProgram, Stack, startProgram, until } from "./system-stack.ts";

const outageMs = process.env["CAUSEWAY_LONG"] === "1" ? 60_000 : 6_000;
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.remove();
  stack = undefined;
});

const pause = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));

interface Load {
  readonly fleet: Program;
  readonly acked: string;
}

function startLoad(on: Stack): Load {
  const acked = join(on.folder, "acked.jsonl");
  const shape = ["--devices", "20", "--interval", "50", "--seed", "outage", "--acked", acked];
  const args = ["fleet", "--url", on.mqttUrl, ...shape];
  return { fleet: startProgram("causeway-sim", args, join(on.folder, "fleet.log")), acked };
}

async function verdictOf(on: Stack, load: Load): Promise<void> {
  load.fleet.kill("SIGTERM");
  expect(await load.fleet.exited).toBe(0);
  await on.allTaken();
  const tail = await on.command("tail", "--json", "--from", "start", "--until-idle", "1500");
  const tailFile = join(on.folder, "tail.jsonl");
  writeFileSync(tailFile, tail.output);
  const verdict = await runProgram("causeway-sim", [
    "verdict",
    "--acked",
    load.acked,
    "--tail",
    tailFile,
    "--json",
  ]);
  expect(verdict.code, `${verdict.output}${verdict.errors}`).toBe(0);
  expect((await on.command("audit")).code).toBe(0);
}

test("nats-server is stopped under load and started again", async () => {
  stack = await Stack.start();
  const load = startLoad(stack);
  await pause(3_000);
  await stack.nats.stop();
  await pause(outageMs);
  await stack.nats.start();
  await pause(3_000);
  await verdictOf(stack, load);
});

test("nats-server loses its whole store under load; gateways bring back what they have", async () => {
  stack = await Stack.start();
  const load = startLoad(stack);
  await pause(4_000);
  await stack.nats.kill();
  rmSync(join(stack.nats.folder, "store"), { recursive: true });
  await pause(500);
  await stack.nats.start();
  await pause(6_000);
  await verdictOf(stack, load);
});

/** Puts a stream, or the whole store, back to a copy taken while the server was stopped. */
async function putBack(on: Stack, part: string): Promise<void> {
  const [place, copy] = [join(on.nats.folder, "store", part), join(on.folder, "copy")];
  await on.nats.stop();
  cpSync(place, copy, { recursive: true });
  await on.nats.start();
  await pause(2_000);
  // Under this load some 100 events are always on their way.
  const isTaking = async () => (await on.edgeStatus()).uplink.untakenEvents < 250;
  await until(isTaking, 20_000, "the engine takes again");
  await pause(2_000);
  await on.nats.kill();
  rmSync(place, { recursive: true });
  cpSync(copy, place, { recursive: true });
  await on.nats.start();
}

const streamFolder = (stream: string) => join("jetstream", "$G", "streams", stream);

test.each([
  ["the whole store", ""],
  ["the engine's stream", streamFolder("ENGINE")],
])(
  "%s is put back to an older copy: everything is there once and in order",
  async (_what, part) => {
    stack = await Stack.start();
    const load = startLoad(stack);
    await pause(3_000);
    await putBack(stack, part);
    await pause(4_000);
    await verdictOf(stack, load);
  },
);

test("the journal is put back to an older copy: the engine is complete, readers go on and tell", async () => {
  stack = await Stack.start();
  const load = startLoad(stack);
  await pause(3_000);
  await putBack(stack, streamFolder("TLM"));
  await pause(4_000);
  load.fleet.kill("SIGTERM");
  expect(await load.fleet.exited).toBe(0);
  await stack.allTaken();
  expect((await stack.command("audit")).code).toBe(0);
  const tail = await stack.command("tail", "--json", "--from", "start", "--until-idle", "1500");
  expect(tail.errors).toMatch(/the journal lost [0-9]+ events that the engine has/);
  const seqs = tail.output
    .split("\n")
    .filter((line) => line.includes('"metric":"seq"') && line.includes('"device":"sim-001"'))
    .map((line) => JSON.parse(line).value as number);
  expect(seqs).toEqual([...new Set(seqs)].sort((left, right) => left - right));
  const acknowledged = readFileSync(load.acked, "utf8").trim().split("\n");
  const last = acknowledged.findLast((line) => line.includes('"sim-001"')) ?? "{}";
  expect(seqs.at(-1)).toBe(JSON.parse(last).seq);
});

test("gateway, cloud and nats-server are killed under load, one after the other", async () => {
  stack = await Stack.start();
  const load = startLoad(stack);
  for (let round = 0; round < 2; round++) {
    await pause(1_000);
    stack.edge?.kill("SIGKILL");
    await stack.edge?.exited;
    await stack.startEdge();
    await pause(1_000);
    stack.cloud?.kill("SIGKILL");
    await stack.cloud?.exited;
    await stack.startCloud();
    await pause(1_000);
    await stack.nats.kill();
    await pause(500);
    await stack.nats.start();
  }
  await pause(2_000);
  await verdictOf(stack, load);
});
