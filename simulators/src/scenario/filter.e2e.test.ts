// The goal: what filters keep back never crosses the link, what they let through comes with its own
// time, also over kill -9, and the cloud is told how much it was.
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { until } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

const patienceMs = 30_000;
const minuteMs = 60_000;

interface Line {
  readonly id: string;
  readonly kind?: string;
  readonly name?: string;
  readonly fields?: { readonly suppressed?: number; readonly held?: number };
  readonly metric?: string;
  readonly value: unknown;
  readonly observedAt: number | string | null;
}

const edge = `heartbeatMs: 5000
filters:
  - { name: tanks, metrics: [level], deadband: { absolute: 1 }, heartbeat: 4s }
  - { name: shaking, metrics: [vibration], downsample: { window: 1m, keep: [min, max, mean, last] } }
  - { name: slow, metrics: ["*", "!state"], rateLimit: { every: 1h } }
rules:
  - { name: too-hot, detector: limits, hi: 90, metrics: [heat] }
`;

test("filters send what is news, with its own time, over kill -9, and never stand before a rule", async () => {
  const stack = await Stack.start({ edge });
  onTestFinished(() => stack.remove());
  const client = await mqtt.connectAsync(stack.mqttUrl, { clientId: "tank", reconnectPeriod: 100 });
  onTestFinished(() => void client.end(true));
  const began = Math.floor(Date.now() / minuteMs) * minuteMs - 10 * minuteMs;
  let seconds = 0;
  const publish = async (readings: Readonly<Record<string, unknown>>) => {
    const payload = JSON.stringify({ ts: began + 1_000 * seconds++, ...readings });
    await client.publishAsync("devices/tank/telemetry", payload, { qos: 1 });
  };
  await publish({ level: 50, vibration: 3, heat: 20, state: "open" });
  await publish({ level: 50.4, vibration: 9, heat: 99, state: "open" });
  await publish({ level: 50.6, vibration: 6, heat: 20, state: "shut" });
  const status = async () =>
    (await stack.gateway.status()) as never as {
      filter: { held: number; suppressed: number };
      uplink: { untakenEvents: number };
      alarms: { rules: { judged: number } };
    };
  expect((await status()).filter).toMatchObject({ held: 4, suppressed: 1 });
  await stack.gateway.end("SIGKILL");
  await stack.gateway.start();
  // The level that was held is sent when its heartbeat is due.
  await until(async () => (await status()).filter.held === 3, patienceMs, "the heartbeat");
  seconds = 60;
  await publish({ level: 53, vibration: 1, pressure: 1 });
  await publish({ level: 53.2, pressure: 2 });
  const isTold = async () => (await status()).filter.suppressed === 3;
  await until(isTold, patienceMs, "the window to be closed");
  await stack.allTaken();

  const lines = async () => {
    const all = ["--kind", "all", "--from", "start", "--until-idle", "1500"];
    const tail = await stack.command("tail", "--json", ...all);
    expect(tail.code, tail.errors).toBe(0);
    return tail.output
      .trim()
      .split("\n")
      .map((line): Line => JSON.parse(line));
  };
  const found = await lines();
  expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
  const of = (metric: string) =>
    found.flatMap((line) => {
      if (line.metric !== metric) return [];
      const at = line.observedAt === null ? null : new Date(line.observedAt).getTime();
      return [[line.value, at === null ? null : (at - began) / 1_000]];
    });
  expect(of("level")).toEqual([
    [50, 0],
    [50.6, 2],
    [53, 60],
  ]);
  expect(of("vibration")).toEqual([[6, 2]]);
  expect(of("vibration.min")).toEqual([[3, 0]]);
  expect(of("vibration.max")).toEqual([[9, 1]]);
  expect(of("vibration.mean")).toEqual([[6, 0]]);
  expect(of("heat")).toEqual([
    [20, 0],
    [99, 1],
    [20, 2],
  ]);
  expect(of("state")).toEqual([
    ["open", 0],
    ["open", 1],
    ["shut", 2],
  ]);
  expect(of("pressure")).toEqual([[1, 60]]);
  expect(found.some(({ kind }) => kind === "alarm")).toBe(true);
  const heartbeats = found.filter(({ name }) => name === "heartbeat");
  expect(heartbeats.at(-1)?.fields?.suppressed).toBeGreaterThanOrEqual(1);
}, 120_000);
