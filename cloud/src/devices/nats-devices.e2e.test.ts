// The goal: an operator sees every device of a running cloud, says what is so of it, and finds both
// after kill -9; and nobody is told any more of a gateway that is out of service.
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { expect, onTestFinished, test } from "vitest";
import { storedTransitions, until } from "../engine/testing/nats-engine.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { connectTest, publishMessage } from "../testing/nats-journal-writer.ts";
import { readings } from "../views/testing/taken.ts";

const program = join(import.meta.dirname, "../../../node_modules/.bin/causeway-cloud");
const patienceMs = 60_000;

function runCloud(
  ...args: readonly string[]
): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve) => {
    execFile(program, args, (failure, output, errors) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), output, errors });
    });
  });
}

interface Cloud {
  readonly child: ChildProcess;
  readonly url: string;
}

async function startCloud(config: string, announces: boolean): Promise<Cloud> {
  const child = spawn(program, ["run", "--config", config], { stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  child.stdout.on("data", (data: Buffer) => void log.push(data.toString()));
  onTestFinished(() => killed(child));
  const ready = () =>
    log
      .join("")
      .split("\n")
      .find((line) => line.includes('"msg":"ready"'));
  await until("ready", () => ready() !== undefined, patienceMs);
  const hasTicked = () => log.join("").includes('"msg":"rules announced"');
  if (announces) await until("its first tick", hasTicked, patienceMs);
  const { addresses } = JSON.parse(ready() ?? "") as { addresses: { http: string } };
  return { child, url: addresses.http };
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

test("devices are listed, named, replaced, retired and forgotten, and kill -9 changes nothing of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-devices-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const config = join(folder, "cloud.yaml");
  const settings = `nats: { servers: ["${server.url}"] }\nhttp: { port: 0 }\ngateways: { silentAfter: 6s }\n`;
  writeFileSync(config, `${settings}rules: []\n`);
  const first = await startCloud(config, true);
  const connection = await connectTest(server.url);
  onTestFinished(() => connection.close());
  let position = 0;
  const publish = async (...devices: readonly string[]) => {
    const events = devices.map((device) => readings(device, { level: 1 }));
    const head = { nonce: `1.${systemRandom.hex(8)}` };
    const boots = { boot1: Date.now() }; // what is older counts as late
    const message = journalMessage(0, position + 1, events, { gateway: "gw-1", head, boots });
    position += events.length;
    await publishMessage(connection, message, "gw-1");
  };
  const ask = async (...args: readonly string[]) => {
    const { code, output, errors } = await runCloud(...args, "--json", "--config", config);
    expect([code, errors]).toEqual([0, ""]);
    return output
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Record<string, unknown>]));
  };
  const told = async () =>
    (await storedTransitions(connection)).map(({ rule, state }) => `${rule} ${state}`);

  await publish("old", "new", "gone", "old");
  expect(await ask("devices")).toMatchObject([
    { gateway: "gw-1", device: "gone", events: 1 },
    { gateway: "gw-1", device: "new", events: 1 },
    { gateway: "gw-1", device: "old", events: 2, metrics: 1 },
  ]);
  await ask("devices", "rename", "gw-1", "new", "Oven 2", "--by", "ann");
  await ask("devices", "replace", "gw-1", "old", "new", "--note", "the old one burnt");
  await ask("devices", "forget", "gw-1", "gone");
  const wanted = [
    { device: "new", name: "Oven 2", series: "old" },
    { device: "old", replacedBy: "new" },
  ];
  expect(await ask("devices", "list")).toMatchObject(wanted);
  const overHttp = async (url: string) => {
    const answer = await fetch(`${url}/api/devices`);
    return ((await answer.json()) as { devices: unknown[] }).devices;
  };
  await until("the api follows", async () => (await overHttp(first.url)).length === 2, patienceMs);

  await until(
    "silent",
    async () => (await told()).includes("system-gateway-silent firing"),
    patienceMs,
  );
  await ask("gateways", "retire", "gw-1", "--note", "hall is sold");
  await until(
    "ended",
    async () => (await told()).includes("system-gateway-silent resolved"),
    patienceMs,
  );

  await killed(first.child);
  await publish("new");
  const second = await startCloud(config, false);
  const events = async () => (await ask("devices", "show", "gw-1", "new"))[0]?.["events"];
  expect(await events()).toBe(2);
  await until("same", async () => (await overHttp(second.url)).length === 2, patienceMs);
  expect(await overHttp(second.url)).toMatchObject(wanted);
  // It has spoken since it was retired: it is in service again, which the keeper says.
  const said = async () => (await ask("gateways", "show", "gw-1"))[0] ?? {};
  await until("back", async () => (await said())["state"] !== "retired", patienceMs);
  await until(
    "told again",
    async () =>
      (await told()).filter((line) => line === "system-gateway-silent firing").length === 2,
    patienceMs,
  );

  const wrong = await runCloud("devices", "retire", "gw-1", "nobody", "--config", config);
  expect(wrong).toMatchObject({ code: 1, errors: expect.stringContaining("DEVICE_UNKNOWN") });
  expect(await runCloud("devices", "sell", "gw-1", "old", "--config", config)).toMatchObject({
    code: 2,
  });
  const circle = await runCloud("devices", "replace", "gw-1", "new", "old", "--config", config);
  expect(circle).toMatchObject({ code: 1, errors: expect.stringContaining("a circle") });
  const list = await runCloud("devices", "--config", config);
  expect(list.output).toMatch(/ gw-1 {2}new .*"Oven 2" {2}goes on as old$/m);
  expect(list.output).toMatch(/^2 devices: /m);
}, 200_000);
