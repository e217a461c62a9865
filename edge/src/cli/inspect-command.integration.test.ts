// Goal: whoever stands before a gateway sees what comes in and why something is refused, from the real one.
import { readFileSync, writeFileSync } from "node:fs";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Inspected } from "../inspect/inspected.ts";
import type { DeviceView, TopicView } from "../inspect/views.ts";
import { packetTypes, publishPacket, RawMqtt } from "../testing/mqtt-raw-client.ts";
import { EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";

type Message = readonly [topic: string, payload: string | Buffer];

async function publish(port: number, clientId: string, ...messages: readonly Message[]) {
  const client = await RawMqtt.open(port, { clientId });
  for (const [at, [topic, payload]] of messages.entries()) {
    client.send(publishPacket({ topic, payload, id: at + 1 }));
    await client.count(packetTypes.puback, at + 1);
  }
  return client;
}

const messages: readonly Message[] = [
  ["tele/kitchen/SENSOR", '{"AM2301": {"Temperature": 21.5}}'],
  ["devices/pump-7/telemetry", '{"rpm":1480}'],
  ["devices/pump-7/telemetry", '{"rpm":1481}'],
  ["devices/pump-8/telemetry", '{"rpm":'],
  ["lora/up", Buffer.from([3, 0x67, 0xff, 0x1b])],
];

/** A command about a gateway, with what it has printed so far. */
class Shown {
  readonly process: EdgeProcess;
  #stdout = "";
  #stderr = "";

  constructor(...args: readonly string[]) {
    this.process = new EdgeProcess([edgeLauncher, ...args]);
    const { child } = this.process;
    child.stdout.on("data", (chunk) => {
      this.#stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      this.#stderr += chunk;
    });
    onTestFinished(() => this.process.kill());
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  async prints(text: string | RegExp, where: "stdout" | "stderr" = "stdout"): Promise<void> {
    await expect.poll(() => this[where], { timeout: 15_000 }).toMatch(text);
  }
}

const ended = (...args: readonly string[]) => new EdgeProcess([edgeLauncher, ...args]).ended;
const linesIn = <Line>(text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

describe("inspect", () => {
  test("shows each message as it comes, raw beside mapped, and ends with Ctrl-C", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    const shown = new Shown("inspect", "--url", httpUrl);
    await shown.prints(/^gateway gw, .*Ctrl-C ends\n/);
    await publish(mqttPort, "probe", ...messages);
    await shown.prints("03 67 ff 1b");
    const blocks = shown.stdout.split(/^(?=\d{4}-)/m).slice(1);
    expect(blocks).toHaveLength(5);
    const [head, raw, ...mapped] = blocks[0]?.trimEnd().split("\n") ?? [];
    expect(head).toMatch(
      /^\S+Z {2}tele\/kitchen\/SENSOR {2}tasmota {2}33 bytes {2}QoS 1 from probe$/,
    );
    expect(raw).toBe('   {"AM2301":{"Temperature":21.5}}');
    expect(mapped).toEqual([expect.stringMatching(/^-> kitchen {2}AM2301\.Temperature {2}21\.5/)]);
    expect(blocks[3]).toContain('\n   {"rpm":\n!  quarantined: not-json: ');
    expect(blocks[4]).toMatch(
      /^.*lora\/up.*\n {3}03 67 ff 1b\n! {2}quarantined: binary: .*\n {3}.*mapping/,
    );
    shown.process.child.kill("SIGINT");
    const { code, stderr } = await shown.process.ended;
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("--json prints an object a line, of the topics, devices and refusals that are wanted", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    const looks = [["--topic", "devices/+/telemetry"], ["--device", "kitchen"], ["--refused"]];
    const shown = looks.map((look) => new Shown("inspect", "--json", "--url", httpUrl, ...look));
    const status = async () =>
      ((await (await fetch(`${httpUrl}/api/status`)).json()) as { inspection: { readers: number } })
        .inspection.readers;
    await expect.poll(status, { timeout: 15_000 }).toBe(3);
    await publish(mqttPort, "probe", ...messages);
    await Promise.all(shown.map((one, at) => one.prints(["pump-8", "kitchen", "lora"][at] ?? "")));
    const [topics = [], devices = [], refused = []] = shown.map(({ stdout }) =>
      linesIn<Inspected>(stdout),
    );
    expect(topics.map(({ raw }) => raw)).toEqual(['{"rpm":1480}', '{"rpm":1481}', '{"rpm":']);
    expect(topics[0]).toMatchObject({
      ...{ kind: "message", topic: "devices/pump-7/telemetry", client: "probe", family: "native" },
      ...{ qos: 1, bytes: 12, encoding: "utf8", result: "readings", device: "pump-7" },
      mapped: [{ kind: "reading", device: "pump-7", metric: "rpm", value: 1_480, quality: "good" }],
    });
    expect(Math.abs((topics[0]?.receivedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(devices.map(({ topic }) => topic)).toEqual(["tele/kitchen/SENSOR"]);
    expect(refused.map(({ topic, reason }) => `${topic} ${reason}`)).toEqual([
      "devices/pump-8/telemetry not-json",
      "lora/up binary",
    ]);
    expect(refused[1]).toMatchObject({ raw: "A2f/Gw==", encoding: "base64" });
  });

  test("goes on when the gateway restarts, and says that it waits", async () => {
    const port = await freePort();
    const { config } = testFolder({ http: { host: "127.0.0.1", port } });
    const first = runEdge(config);
    await first.ready();
    const shown = new Shown("inspect", "--url", `http://127.0.0.1:${port}`);
    await shown.prints("Ctrl-C ends");
    await first.kill();
    await shown.prints("the gateway is away: waiting for it\n", "stderr");
    const { mqttPort } = await runEdge(config).ready();
    await expect.poll(() => shown.stdout.match(/Ctrl-C/g)?.length, { timeout: 15_000 }).toBe(2);
    await publish(mqttPort, "probe", ["devices/a/telemetry", '{"x":1}']);
    await shown.prints("-> a  x  1\n");
    shown.process.child.kill("SIGTERM");
    expect((await shown.process.ended).code).toBe(0);
    expect(shown.stderr, "told once").toBe("the gateway is away: waiting for it\n");
  });

  test("ends where nobody reads what it prints", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    const shown = new Shown("inspect", "--json", "--url", httpUrl);
    shown.process.child.stdout.destroy();
    let published = 0;
    const end = shown.process.ended.then(({ code, stderr }) => ({ code, stderr }));
    const isOver = Promise.race([end, new Promise((resolve) => setTimeout(resolve, 20_000))]);
    const client = await publish(mqttPort, "probe");
    while (shown.process.child.exitCode === null && published < 10_000) {
      client.send(publishPacket({ topic: "devices/a/telemetry", payload: '{"x":1}', id: 1 }));
      await client.count(packetTypes.puback, ++published);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await isOver).toEqual({ code: 0, stderr: "" });
  });

  test("nothing that a device publishes reaches the terminal as control characters", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    const attack = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e";
    await publish(
      mqttPort,
      `c${attack}`,
      [`plant/${attack}/x`, `{"m":"${attack}"}`],
      [
        "devices/d/telemetry",
        `{"m":{"value":1,"unit":"${attack}"}}`.replaceAll("\u001b", "\\u001b"),
      ],
    );
    for (const args of [["--once"], ["--once", "--json"], ["--topics"], ["--topics", "--json"]]) {
      const { stdout } = await ended("inspect", "--url", httpUrl, ...args);
      expect(stdout.length).toBeGreaterThan(100);
      expect(stdout).toMatch(/^[\n\x20-\x7e…]*$/);
    }
    const { stdout } = await ended("devices", "--url", httpUrl);
    expect(stdout).toMatch(/^[\n\x20-\x7e…]*$/);
  });

  test("--once prints the newest of each topic and is 1 where one was refused", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    await publish(mqttPort, "probe", ...messages);
    const { code, stdout } = await ended("inspect", "--once", "--json", "--url", httpUrl);
    expect(code).toBe(1);
    expect(linesIn<Inspected>(stdout).map(({ raw, reason }) => `${raw} ${reason}`)).toEqual([
      '{"AM2301": {"Temperature": 21.5}} undefined',
      '{"rpm":1481} undefined',
      '{"rpm": not-json',
      "A2f/Gw== binary",
    ]);
    const own = ["--topic", "devices/pump-7/telemetry"];
    const good = await ended("inspect", "--once", "--url", httpUrl, ...own);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/\{"rpm":1481\}\n-> pump-7 {2}rpm {2}1481\n$/);
  });

  test("--topics and devices are tables for people and lines for programs", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    await publish(mqttPort, "pump-7", ...messages);
    const { stdout } = await ended("inspect", "--topics", "--url", httpUrl);
    expect(stdout.split("\n").map((line) => line.split(/\s{2,}/)[0])).toEqual([
      ...["TOPIC", "lora/up", "devices/pump-8/telemetry", "devices/pump-7/telemetry"],
      ...["tele/kitchen/SENSOR", "4 topics", ""],
    ]);
    const json = await ended("inspect", "--topics", "--json", "--url", httpUrl);
    expect(linesIn<TopicView>(json.stdout)[1]).toMatchObject({
      ...{ topic: "devices/pump-8/telemetry", messages: 1, refused: 1, reason: "not-json" },
      ...{ lastMinute: 1, lastHour: 1, bytes: { last: 7, mean: 7, max: 7 } },
    });
    const people = await ended("devices", "--url", httpUrl);
    expect(people.stdout).toMatch(
      /^pump-7 {2,}native {2,}2 .*127\.0\.0\.1:\d+, online \(connected\)$/m,
    );
    const { stdout: line } = await ended("devices", "pump-7", "--json", "--url", httpUrl);
    expect(linesIn<DeviceView>(line)).toMatchObject([
      {
        ...{ device: "pump-7", family: "native", messages: 2, metrics: ["rpm"], client: "pump-7" },
        presence: { online: true, reason: "connected", at: expect.any(Number) },
        connection: { address: expect.stringMatching(/^127\.0\.0\.1:/), since: expect.any(Number) },
      },
    ]);
  });

  test("two clients that share an id show as what they are, with their address", async () => {
    const { mqttPort, httpUrl } = await runEdge(testFolder().config).ready();
    for (let n = 0; n < 5; n++) await publish(mqttPort, "twin", ["devices/t/telemetry", '{"x":1}']);
    const { stdout } = await ended("devices", "t", "--json", "--url", httpUrl);
    expect(linesIn<DeviceView>(stdout)).toMatchObject([
      { client: "twin", takeovers: 4, sharedAt: expect.any(Number) },
    ]);
    expect((await ended("devices", "--url", httpUrl)).stdout).toContain(
      "several share this client id: taken over 4 times",
    );
    expect((await ended("status", "--url", httpUrl)).stdout).toMatch(
      /^ {2}Shared client ids +1: /m,
    );
  });

  test("--suggest writes a route that passes its own example, and that the gateway then goes by", async () => {
    const { config } = testFolder();
    const edge = runEdge(config);
    const { mqttPort, httpUrl } = await edge.ready();
    const [topic, payload] = [
      "plant/line-4/scale",
      '{"at":"05.01.2026 12:00:00","weight_kg":21.5}',
    ];
    const none = await ended("inspect", "--suggest", topic, "--url", httpUrl);
    expect([none.code, none.stdout]).toEqual([1, ""]);
    expect(none.stderr).toMatch(/^nothing has come on plant\/line-4\/scale: /);
    await publish(mqttPort, "probe", [topic, payload]);
    const { code, stdout } = await ended("inspect", "--suggest", topic, "--url", httpUrl);
    expect(code).toBe(0);
    await edge.kill();
    const settings = JSON.parse(readFileSync(config, "utf8")) as object;
    const lines = Object.entries(settings).map(
      ([key, value]) => `${key}: ${JSON.stringify(value)}`,
    );
    writeFileSync(config, `${lines.join("\n")}\nroutes:\n${stdout}`);
    const check = await ended("check", "--config", config);
    expect([check.code, check.stderr]).toEqual([0, ""]);
    const next = await runEdge(config).ready();
    await publish(next.mqttPort, "probe", [topic, payload]);
    const once = await ended("inspect", "--once", "--json", "--url", next.httpUrl);
    expect(linesIn<Inspected>(once.stdout)).toMatchObject([
      { topic, route: expect.any(String), result: "readings", raw: payload },
    ]);
  });

  test("what becomes nothing says why: dropped by a route, a repeat by its key, kept back by a filter", async () => {
    const { config } = testFolder({
      routes: [
        { name: "noise", topic: "noise/{device}", drop: ["*"] },
        { name: "scale", topic: "scale/{device}", idempotencyKey: "seq" },
      ],
      filters: [{ devices: ["oven"], deadband: { absolute: 5 } }],
    });
    const { mqttPort, httpUrl } = await runEdge(config).ready();
    const live = new Shown("inspect", "--json", "--url", httpUrl);
    const people = new Shown("inspect", "--url", httpUrl);
    await people.prints("Ctrl-C ends");
    await expect
      .poll(async () => (await (await fetch(`${httpUrl}/metrics`)).text()).includes("readers 2"), {
        timeout: 15_000,
      })
      .toBe(true);
    await publish(
      mqttPort,
      "probe",
      ...([
        ["noise/n1", '{"x":1}'],
        ["scale/s1", '{"seq":7,"kg":2}'],
        ["scale/s1", '{"seq":7,"kg":2}'],
        ["devices/oven/telemetry", '{"t":200,"door":false}'],
        ["devices/oven/telemetry", '{"t":201,"door":true}'],
      ] as const),
    );
    await live.prints("201");
    const lines = linesIn<Inspected>(live.stdout);
    expect(lines.map(({ result, route, filtered }) => [result, route, filtered])).toEqual([
      ["dropped", "noise", undefined],
      ["readings", "scale", undefined],
      ["repeat", "scale", undefined],
      ["readings", undefined, undefined],
      ["readings", undefined, 1],
    ]);
    await people.prints("-> 1 of them kept back by a filter");
    expect(people.stdout).toContain("  route noise  ");
    expect(people.stdout).toContain("-> dropped by its route");
    expect(people.stdout).toContain("-> a repeat, by the key of its route");
  });

  test("what the broker refuses is shown, too", async () => {
    const { config, folder } = testFolder();
    const aclFile = `${folder}/acl`;
    writeFileSync(aclFile, "user * publish devices/#\n");
    const { mqttPort, httpUrl } = await runEdge(config, [
      ...["--set", `mqtt.auth.aclFile=${aclFile}`],
    ]).ready();
    const shown = new Shown("inspect", "--refused", "--url", httpUrl);
    await shown.prints("Ctrl-C ends");
    const client = await RawMqtt.open(mqttPort, { clientId: "stranger" });
    client.send(publishPacket({ topic: "tele/x/SENSOR", payload: "{}", id: 1 }));
    await client.untilClosed();
    await shown.prints(/publish-denied {2}client "stranger" at \S+ may not publish on "tele/);
  });

  test("what cannot be asked is told with its cure", async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const { httpUrl } = await runEdge(testFolder().config).ready();
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["inspect", "--url", nowhere], 1, /^GATEWAY_UNREACHABLE: .*ECONNREFUSED.*--url\n$/],
      [["inspect", "--url", nowhere, "--once"], 1, /^GATEWAY_UNREACHABLE: /],
      [["devices", "--url", nowhere], 1, /^GATEWAY_UNREACHABLE: /],
      [["inspect", "--url", httpUrl, "--topic", "a/#/b"], 2, /^CLI_USAGE: --topic a\/#\/b/],
    ];
    for (const [args, exitCode, told] of cases) {
      const { code, stderr, stdout } = await ended(...args);
      expect(stderr).toMatch(told);
      expect([code, stdout]).toEqual([exitCode, ""]);
    }
  });
});
