// Topics of a user's own come out of the whole path as their routes say, exactly once, over a kill,
// and with what devices send again under the same key only once.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { until } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

const routes = `unknownTopics: quarantine
routes:
  - topic: plant/{line}/{device}/{metric}
    device: "{line}-{device}"
    scale: { temp: 0.1 }
    unit: { temp: °C }
    tags: [cold, line]
    site: hall-a
  - topic: lora/{device}/up
    mapping: >
      raw.walk(i, u8(raw, i + 1) == 0x67 ? 4 : 3).map(r,
        u8(r, 1) == 0x75 ? reading("battery", u8(r, 2), "%") :
        u8(r, 1) == 0x67 ? reading("temperature", i16le(r, 2) / 10, "°C") :
        u8(r, 1) == 0x68 ? reading("humidity", u8(r, 2) / 2, "%RH") : nothing())
    examples:
      - given: { topic: lora/d/up, hex: 01 75 64 03 67 10 01 04 68 6c }
        expect:
          - { metric: battery, value: 100 }
          - { metric: temperature, value: 27.2, unit: Cel }
          - { metric: humidity, value: 54 }
  - topic: counter/{device}
    idempotencyKey: seq
    time: { field: at, format: DD.MM.YYYY HH:mm:ss, zone: Europe/Berlin }
  - { topic: chatter/#, device: chatter, drop: ["*"] }
`;

interface Line {
  readonly id: string;
  readonly kind?: string;
  readonly topic: string | null;
  readonly device: string;
  readonly metric: string;
  readonly value: unknown;
  readonly unit: string | null;
  readonly quality: string;
  readonly observedAt: number | null;
  readonly tags?: readonly string[];
  readonly site?: string;
  readonly reason?: string;
}

test("messages on a user's own topics come out as their routes say, once, over a kill", async () => {
  const stack = await Stack.start({ edge: routes });
  onTestFinished(() => stack.remove());
  const launcher = join(import.meta.dirname, "../../../node_modules/.bin/causeway-edge");
  const checked = spawnSync(launcher, ["check", "--config", stack.gateway.config]);
  expect(checked.stdout.toString()).toContain("is good: 4 routes, 1 examples\n");
  const frame = Buffer.from("0175640367100104686c", "hex");
  const counted = (seq: number) => `{"seq":${seq},"at":"01.07.2026 14:00:0${seq}"}`;
  await publish(stack.mqttUrl, [
    ["plant/l1/d1/temp", "215"],
    ["lora/d9/up", frame],
    ["lora/d9/up", frame.subarray(0, 6)],
    ["counter/c", counted(1)],
    ["counter/c", counted(2)],
    ["counter/c", counted(1)],
    ["chatter/x/y", "1"],
    ["chat", "hello"],
    ["devices/own/telemetry", '{"x":1}'],
  ]);
  await stack.gateway.end("SIGKILL");
  await stack.gateway.start();
  await publish(stack.mqttUrl, [
    ["counter/c", counted(2)],
    ["counter/c", counted(3)],
    ["plant/l1/d1/temp", '{"value":216,"quality":"uncertain"}'],
  ]);
  await stack.allTaken();
  const tail = await stack.command(
    ...["tail", "--json", "--kind", "all", "--from", "start", "--until-idle", "1500"],
  );
  expect(tail.code, tail.errors).toBe(0);
  const lines = tail.output
    .trim()
    .split("\n")
    .map((line): Line => JSON.parse(line));
  expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
  const of = (topic: string) =>
    lines.flatMap((line) => {
      const { device, metric, value, unit, quality, reason } = line;
      if (line.topic !== topic) return [];
      return quality === undefined
        ? [`${device} ${line.kind} ${reason}`]
        : [`${device} ${metric} ${value} ${unit} ${quality}`];
    });
  expect(of("plant/l1/d1/temp")).toEqual([
    "l1-d1 temp 21.5 Cel good",
    "l1-d1 temp 21.6 Cel uncertain",
  ]);
  expect(of("lora/d9/up")).toEqual([
    "d9 battery 100 % good",
    "d9 temperature 27.2 Cel good",
    "d9 humidity 54 %RH good",
    "d9 quarantined mapping",
  ]);
  expect(of("counter/c")).toEqual([1, 2, 3].map((seq) => `c seq ${seq} null good`));
  expect(of("chatter/x/y")).toEqual([]);
  expect(of("chat")).toEqual(["null quarantined topic-unknown"]);
  expect(of("devices/own/telemetry")).toEqual(["own x 1 null good"]);
  const said = lines.filter(({ topic }) => topic === "plant/l1/d1/temp");
  for (const line of said) expect(line).toMatchObject({ tags: ["cold", "line"], site: "hall-a" });
  const times = lines.filter(({ topic }) => topic === "counter/c");
  expect(times.map(({ observedAt }) => observedAt)).toEqual(
    [1, 2, 3].map((second) => Date.UTC(2026, 6, 1, 12, 0, second)),
  );
});

test("rules and history select by tags of routes, and go on doing so over a restart of the cloud", async () => {
  const cloud = `rules: [{ name: too-warm, detector: limits, hi: 25, tags: [cold], flap: off }]`;
  const stack = await Stack.start({ edge: routes, cloud });
  onTestFinished(() => stack.remove());
  const open = async () => {
    const { output } = await stack.command("alerts", "--json");
    const lines = output.trim().split("\n").filter(Boolean);
    return lines
      .map((line) => JSON.parse(line) as { rule: string; device: string; state: string })
      .filter(({ rule, state }) => rule === "too-warm" && state === "firing")
      .map(({ device }) => device);
  };
  // Nobody knows the tag before the first message; the rules are told within ticks after it.
  const fires = async () => {
    await publish(stack.mqttUrl, [
      ["plant/l1/d1/temp", "300"],
      ["devices/other/telemetry/temp", "300"],
    ]);
    return (await open()).length > 0;
  };
  await until(fires, 60_000, "the rule looks at the device");
  expect(await open()).toEqual(["l1-d1"]);
  await stack.killCloud();
  await stack.startCloud();
  await publish(stack.mqttUrl, [["plant/l1/d1/temp", "301"]]);
  await stack.allTaken();
  expect(await open()).toEqual(["l1-d1"]);
  const found = async () => {
    const { output } = await stack.command("query", "--tag", "cold", "--latest", "--json");
    return output;
  };
  await until(async () => (await found()).includes("30.1"), 60_000, "history has the newest");
  expect(await found()).not.toContain("other");
});

async function publish(
  url: string,
  messages: readonly (readonly [topic: string, payload: string | Buffer])[],
): Promise<void> {
  const client = await mqtt.connectAsync(url, { clientId: "devices", reconnectPeriod: 0 });
  for (const [topic, payload] of messages) await client.publishAsync(topic, payload, { qos: 1 });
  await client.endAsync();
}
