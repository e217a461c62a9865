// The goal: a command reaches its device over real programs and a real link, whatever is killed on
// the way, and exactly one last word of it comes back.
import { generateKeyPairSync } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IClientOptions, MqttClient } from "mqtt";
import { connect, connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { until } from "./system-program.ts";
import type { StackOptions } from "./system-stack.ts";
import { Stack } from "./system-stack.ts";

const patienceMs = 60_000;

async function startStack(options: StackOptions = {}): Promise<Stack> {
  const stack = await Stack.start(options);
  onTestFinished(() => stack.remove());
  return stack;
}

interface Got {
  readonly id: string;
  readonly payload: unknown;
}

/** A device that answers each command; what it got, repeats too. */
class Device {
  readonly got: Got[] = [];
  readonly client: MqttClient;
  /** What it replies; undefined leaves it without. */
  answer: string | undefined = '{"ok":true}';
  readonly #name: string;

  constructor(stack: Stack, name: string, options: IClientOptions = {}) {
    this.#name = name;
    this.client = connect(stack.mqttUrl, { clientId: name, reconnectPeriod: 100, ...options });
    onTestFinished(() => void this.client.end(true));
    this.client.on("error", () => {}); // it dials again
    this.client.on("message", (_topic, payload) => {
      const { id, payload: own } = JSON.parse(payload.toString()) as Got;
      this.got.push({ id, payload: own });
      if (this.answer !== undefined)
        this.client.publish(`devices/${name}/replies/${id}`, this.answer, { qos: 1 });
    });
  }

  async subscribed(): Promise<this> {
    const { client } = this;
    if (!client.connected) await new Promise((resolve) => client.once("connect", resolve));
    await this.client.subscribeAsync(`devices/${this.#name}/commands/+`, { qos: 1 });
    return this;
  }
}

interface Line {
  readonly id: string;
  readonly state: string;
  readonly detail: string;
}

async function send(stack: Stack, body: object): Promise<Line> {
  const response = await fetch(`${stack.cloudUrl}/api/commands`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ gateway: "g1", by: "test", ...body }),
  });
  expect([200, 201], await response.clone().text()).toContain(response.status);
  return (await response.json()) as Line;
}

async function stateOf(stack: Stack, id: string): Promise<Line> {
  return (await (await fetch(`${stack.cloudUrl}/api/commands/${id}`)).json()) as Line;
}

function becomes(stack: Stack, id: string, state: string): Promise<void> {
  const isSo = async () => (await stateOf(stack, id)).state === state;
  return until(isSo, patienceMs, `${id} ${state}`);
}

interface Reply {
  readonly command: string;
  readonly state: string;
  readonly final: boolean;
  readonly detail: string;
  readonly payload?: string;
}

async function replies(stack: Stack): Promise<readonly Reply[]> {
  await stack.allTaken();
  const asked = ["--kind", "reply", "--json", "--from", "start", "--until-idle", "1000"];
  const { output, errors } = await stack.command("tail", ...asked);
  expect(errors).toBe("");
  return output.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Reply]));
}

/** Of each command, in order of their last words. */
function finals(all: readonly Reply[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { command, state, final } of all) {
    if (final) found.set(command, [...(found.get(command) ?? []), state]);
  }
  return found;
}

test("a command reaches its device once, and its reply is the last word", async () => {
  const stack = await startStack();
  const device = await new Device(stack, "valve").subscribed();
  const payload = ["--payload", '{"open":1.0}', "--expires", "30s", "--id", "first"];
  const asked = ["command", "send", "g1", "valve", "set", "--json", ...payload];
  const sent = await stack.command(...asked, "--wait");
  expect(sent.code, sent.errors).toBe(0);
  expect(JSON.parse(sent.output)).toMatchObject({
    id: "first",
    state: "done",
    answer: '{"ok":true}',
  });
  // Again under the same id: nothing happens, and nothing else may take the id.
  const again = await stack.command(...asked);
  expect(JSON.parse(again.output)).toMatchObject({ id: "first", state: "done" });
  const other = await stack.command("command", "send", "g1", "valve", "other", "--id", "first");
  expect(other.errors).toContain("COMMAND_TAKEN");
  device.answer = '{"ok":false,"error":"stuck"}';
  const failed = await stack.command("command", "send", "g1", "valve", "set", "--wait");
  expect(failed).toMatchObject({ code: 1, output: expect.stringContaining("failed") });
  expect(failed.output).toContain("stuck");
  expect(device.got.map(({ payload: own }) => own)).toEqual([{ open: 1 }, ""]);
  const told = await replies(stack);
  expect([...finals(told).values()]).toEqual([["done"], ["failed"]]);
  const post = (headers: Record<string, string>) =>
    fetch(`${stack.cloudUrl}/api/commands`, { method: "POST", headers, body: "{}" });
  const json = { "content-type": "application/json" };
  expect((await post({ "content-type": "text/plain" })).status).toBe(415);
  expect((await post({ ...json, "sec-fetch-site": "cross-site" })).status).toBe(403);
  expect(await (await post(json)).text()).toContain("COMMAND_INVALID");
  expect((await fetch(`${stack.cloudUrl}/api/commands/none`)).status).toBe(404);
  const listed = await fetch(`${stack.cloudUrl}/api/commands?gateway=g1&state=failed`);
  expect(await listed.json()).toMatchObject({ commands: [{ name: "set", state: "failed" }] });
  // A device that answers once more changes nothing.
  await device.client.publishAsync("devices/valve/replies/first", "late", { qos: 1 });
  const late = (await replies(stack)).at(-1);
  expect(late).toMatchObject({
    command: "first",
    state: "answered",
    final: false,
    payload: "late",
  });
});

test("it waits for a device that is away, in its session's queue or until it subscribes, or expires", async () => {
  const stack = await startStack();
  const session = { clean: false };
  const first = await new Device(stack, "sleepy", session).subscribed();
  await first.client.endAsync();
  const queued = await send(stack, { device: "sleepy", name: "wake", payload: 1 });
  const waiting = await send(stack, { device: "absent", name: "wake", payload: 2 });
  const hopeless = await send(stack, { device: "nobody", name: "wake", expires: "3s" });
  await becomes(stack, queued.id, "accepted");
  await becomes(stack, hopeless.id, "expired");
  expect((await stateOf(stack, hopeless.id)).detail).toBe("no client took commands for the device");
  // Over a crash too.
  await stack.gateway.end("SIGKILL");
  await stack.startEdge();
  const [sleepy, absent] = [new Device(stack, "sleepy", session), new Device(stack, "absent")];
  await absent.subscribed();
  await becomes(stack, queued.id, "done");
  await becomes(stack, waiting.id, "done");
  expect([sleepy.got, absent.got]).toEqual([
    [expect.objectContaining({ id: queued.id, payload: 1 })],
    [expect.objectContaining({ id: waiting.id, payload: 2 })],
  ]);
  expect([...finals(await replies(stack)).values()].map(({ length }) => length)).toEqual([1, 1, 1]);
});

test("without a reply it is done with the device's PUBACK, its payload as it was given", async () => {
  const stack = await startStack();
  const client = await connectAsync(stack.mqttUrl, { clientId: "plug" });
  onTestFinished(() => void client.end(true));
  const got: string[] = [];
  client.on("message", (_topic, payload) => got.push(payload.toString()));
  await client.subscribeAsync("devices/plug/commands/power", { qos: 1 });
  const asked = [
    "command",
    "send",
    "g1",
    "plug",
    "power",
    "--payload",
    "ON",
    "--no-reply",
    "--wait",
  ];
  const sent = await stack.command(...asked);
  expect(sent).toMatchObject({ code: 0, output: expect.stringContaining("acknowledged by plug") });
  expect(got).toEqual(["ON"]);
});

/** The private key's file; the public one's has `.pub` behind it. */
function writeKeys(stack: Stack, name: string): string {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const file = join(stack.folder, name);
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(`${file}.pub`, publicKey.export({ type: "spki", format: "pem" }));
  return file;
}

test("only what the cloud's key signed is taken where the gateway has its public half", async () => {
  const stack = await startStack();
  const [key, wrong] = [writeKeys(stack, "key"), writeKeys(stack, "wrong")];
  await stack.gateway.end("SIGTERM");
  appendFileSync(stack.gateway.config, `downlink: { publicKeyFile: ${key}.pub }\n`);
  await stack.startEdge();
  const device = await new Device(stack, "valve").subscribed();
  const asked = ["command", "send", "g1", "valve", "set", "--wait", "--expires", "30s"];
  const unsigned = await stack.command(...asked);
  expect(unsigned.output).toContain("it is not signed");
  const forged = await stack.command(...asked, "--set", `commands.signingKeyFile=${wrong}`);
  expect(forged.output).toContain("by none of this gateway's keys");
  expect(device.got).toEqual([]);
  const signed = await stack.command(...asked, "--set", `commands.signingKeyFile=${key}`);
  expect(signed).toMatchObject({ code: 0, output: expect.stringContaining("done") });
  expect([...finals(await replies(stack)).values()].flat()).toEqual(["refused", "refused", "done"]);
});

test("1,000 commands come once and in order", async () => {
  const stack = await startStack();
  const numbers = Array.from({ length: 100 }, (_unused, number) => number);
  const lanes = Array.from({ length: 10 }, async (_unused, lane) => {
    const device = await new Device(stack, `d${lane}`, { clean: lane % 2 === 0 }).subscribed();
    for (const number of numbers)
      await send(stack, { device: `d${lane}`, name: "count", payload: number });
    return device;
  });
  const devices = await Promise.all(lanes);
  const isDone = async () => devices.every(({ got }) => got.length >= numbers.length);
  await until(isDone, patienceMs, "1,000 commands");
  for (const { got } of devices) expect(got.map(({ payload }) => payload)).toEqual(numbers);
  const told = finals(await replies(stack));
  expect(told.size).toBe(1_000);
  const isOnce = ([word, ...more]: string[]) => word === "done" && more.length === 0;
  expect([...told.values()].every(isOnce)).toBe(true);
});

test("kills, a cut link and a restarted nats-server cost no command, and double no last word", async () => {
  const stack = await startStack({ proxied: true });
  const devices = [
    await new Device(stack, "d0").subscribed(),
    await new Device(stack, "d1", { clean: false }).subscribed(),
  ];
  const ids: string[] = [];
  for (let round = 0; round < 8; round++) {
    for (let number = 0; number < 10; number++) {
      const asked = { device: `d${number % 2}`, name: "do", payload: [round, number] };
      ids.push((await send(stack, { ...asked, expires: "10m" })).id);
    }
    await new Promise((resolve) => setTimeout(resolve, 37 * round));
    if (round === 3) await stack.nats.kill();
    if (round === 3) await stack.nats.start();
    if (round === 5) await cut(stack);
    await stack.gateway.end("SIGKILL");
    await stack.startEdge();
    const isBack = async () => (await fetch(`${stack.cloudUrl}/readyz`)).ok;
    await until(isBack, patienceMs, "the cloud ready");
  }
  for (const id of ids) await becomes(stack, id, "done");
  for (const id of ids) {
    const times = devices.flatMap(({ got }) => got.filter((each) => each.id === id)).length;
    expect(times, id).toBeGreaterThan(0);
  }
  const told = finals(await replies(stack));
  expect(told.size).toBe(ids.length);
  expect([...told.values()].filter(({ length }) => length !== 1)).toEqual([]);
});

async function cut(stack: Stack): Promise<void> {
  stack.proxy.cut();
  await new Promise((resolve) => setTimeout(resolve, 300));
}

test("a rule that fires sends a command, and its reply is an event", async () => {
  const stack = await startStack({
    cloud: `rules:
  - { name: too-warm, detector: limits, metrics: [temperature], hi: 30 }
receivers:
  - { name: cooler, kind: command, device: fan, command: run, payload: { at: "{value}", why: "{rule} at {device}" } }
`,
  });
  const fan = await new Device(stack, "fan").subscribed();
  const sensor = await connectAsync(stack.mqttUrl, { clientId: "sensor" });
  onTestFinished(() => void sensor.end(true));
  await sensor.publishAsync("devices/sensor/telemetry/temperature", "41.5", { qos: 1 });
  await until(async () => fan.got.length > 0, patienceMs, "the command");
  expect(fan.got).toEqual([
    { id: expect.stringMatching(/^alert-/), payload: { at: 41.5, why: "too-warm at sensor" } },
  ]);
  await becomes(stack, fan.got[0]?.id ?? "", "done");
  const told = await replies(stack);
  expect(told.map(({ state }) => state)).toContain("done");
  expect(told.every(({ command }) => command === fan.got[0]?.id)).toBe(true);
});
