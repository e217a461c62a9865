/**
 * Goal: of what a real gateway acknowledged nothing is lost or doubled by its filters when it is
 * killed, and no alarm waits behind one.
 */
import { join } from "node:path";
import type { ReadingEvent } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { MqttClient } from "mqtt";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test, vi } from "vitest";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { EdgeStatus } from "../status/edge-status.ts";
import { eventsOf } from "../testing/mqtt-edge.ts";
import { wide } from "../testing/outbox-life.ts";
import { EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";

const patience = { timeout: 20_000 };
const underWayMax = 20;

async function statusOf(url: string): Promise<EdgeStatus> {
  return (await fetch(`${url}/api/status`)).json() as Promise<EdgeStatus>;
}

async function connect(port: number, clientId: string): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, reconnectPeriod: 0 });
  client.on("error", () => {});
  onTestFinished(() => void client.end(true));
  return client;
}

/** What lies in the outbox of a gateway that has ended. */
async function readingsOf(dataDir: string): Promise<ReadingEvent[]> {
  const outbox = await Outbox.open({
    ...{ gateway: "gw", clock: systemClock(), random: systemRandom, bounds: wide },
    openStore: () => openLevelStore(join(dataDir, "outbox")),
    log: silentLogger,
  });
  const events = await eventsOf(outbox, "telemetry");
  await outbox.close();
  return events.filter((event) => event.kind === "reading");
}

test("over kill -9 each acknowledged reading is sent once, held, or counted", async () => {
  const { config, dataDir } = testFolder({
    filters: [
      { name: "band", metrics: ["t"], deadband: { absolute: 1 }, heartbeat: "2s" },
      { name: "rate", metrics: ["r"], rateLimit: { every: "1s" } },
      { name: "window", metrics: ["w"], downsample: { window: "1s", keep: ["last", "count"] } },
    ],
  });
  const acked = new Set<number>();
  const unsure = new Set<number>();
  let value = 0;
  for (let life = 0; life < 5; life++) {
    const edge = runEdge(config);
    const { mqttPort } = await edge.ready();
    const client = await connect(mqttPort, `device-${life}`);
    const goal = acked.size + 300;
    const end = new AbortController();
    const send = async () => {
      while (!end.signal.aborted) {
        // The whole part walks, the fraction tells which it is.
        const own = ++value;
        const number = (own % 7) + own * 1e-6;
        const payload = JSON.stringify({ t: number, r: own, w: own });
        unsure.add(own);
        try {
          await client.publishAsync("devices/d1/telemetry", payload, { qos: 1 });
        } catch {
          return;
        }
        unsure.delete(own);
        acked.add(own);
        if (acked.size === goal) end.abort();
      }
    };
    const senders = Array.from({ length: underWayMax }, send);
    await new Promise((resolve) => end.signal.addEventListener("abort", resolve));
    await edge.kill();
    client.end(true);
    await Promise.all(senders);
  }
  const last = runEdge(config);
  const { httpUrl } = await last.ready();
  const status = () => statusOf(httpUrl);
  await vi.waitFor(async () => expect((await status()).filter?.held).toBe(0), patience);
  const { suppressed = 0 } = (await status()).filter ?? {};
  last.child.kill("SIGTERM");
  await last.ended;
  const readings = (await readingsOf(dataDir)).flatMap((event) => event.readings);
  const sent = readings.filter(({ metric }) => metric !== "w.count");
  for (const metric of ["t", "r", "w"]) {
    const values = sent.flatMap((reading) => (reading.metric === metric ? [reading.value] : []));
    expect(new Set(values).size, `no reading of ${metric} twice`).toBe(values.length);
    const known = (own: number) => acked.has(own) || unsure.has(own);
    const numbers = values.map((each) =>
      metric === "t" ? (Number(each) % 1) * 1e6 : Number(each),
    );
    expect(numbers.filter((own) => !known(Math.round(own)))).toEqual([]);
  }
  const told = sent.length + suppressed;
  expect(told).toBeGreaterThanOrEqual(3 * acked.size);
  expect(told).toBeLessThanOrEqual(3 * (acked.size + unsure.size));
  expect(told % 3, "a publish is taken whole").toBe(0);
  const gathered = readings.flatMap(({ metric, value }) => (metric === "w.count" ? [value] : []));
  const inWindows = gathered.reduce<number>((sum, count) => sum + Number(count), 0);
  expect(inWindows, "all of w is in windows").toBe(told / 3);
  expect(suppressed).toBeGreaterThan(acked.size);
}, 120_000);

test("a spike within the rate limit still raises its alarm, and what no rule looks at is filtered", async () => {
  const { config, dataDir } = testFolder({
    filters: [{ name: "slow", rateLimit: { every: "1h" } }],
    rules: [{ name: "too-warm", detector: "limits", hi: 90, metrics: ["t"] }],
  });
  const edge = runEdge(config);
  const { mqttPort, httpUrl } = await edge.ready();
  const client = await connect(mqttPort, "pump");
  for (const t of [20, 99, 20])
    await client.publishAsync("devices/pump/telemetry", JSON.stringify({ t, u: t }), { qos: 1 });
  await vi.waitFor(async () => {
    expect((await statusOf(httpUrl)).alarms?.rules).toMatchObject({ judged: 4 });
  }, patience);
  const { filter } = await statusOf(httpUrl);
  expect(filter).toMatchObject({ needed: 3, held: 1, suppressed: 1 });
  const figures = await (await fetch(`${httpUrl}/metrics`)).text();
  expect(figures).toContain('causeway_edge_filter_suppressed_total{filter="slow",reason="rate"} 1');
  edge.child.kill("SIGTERM");
  await edge.ended;
  const values = (await readingsOf(dataDir)).map(({ readings }) =>
    readings.map(({ metric, value }) => `${metric}=${value}`).join(" "),
  );
  expect(values).toEqual(["t=20 u=20", "t=99", "t=20"]);
  const { stdout } = await new EdgeProcess([
    ...[edgeLauncher, "outbox", "export", "--config", config],
  ]).ended;
  expect(stdout).toContain('"too-warm"');
}, 60_000);

test("a route's own filter takes the place of the list, and what it holds keeps what the route says", async () => {
  const filter = { deadband: { absolute: 1 }, heartbeat: "1s" };
  const { config, dataDir } = testFolder({
    filters: [{ rateLimit: { every: "1h" } }],
    routes: [
      { topic: "plant/{device}/fine", tags: ["hall"], site: "north", filter },
      { topic: "plant/{device}/coarse" },
    ],
  });
  const first = runEdge(config);
  const { mqttPort } = await first.ready();
  const client = await connect(mqttPort, "plc");
  const publish = (topic: string, t: number) =>
    client.publishAsync(topic, JSON.stringify({ t }), { qos: 1 });
  for (const t of [1, 2.5, 2.6]) await publish("plant/press/fine", t);
  for (const t of [1, 2.5, 2.6]) await publish("plant/press/coarse", t);
  await first.kill();
  const second = runEdge(config);
  const { httpUrl } = await second.ready();
  await vi.waitFor(async () => {
    const { filter } = await statusOf(httpUrl);
    expect(filter).toMatchObject({ held: 1, suppressed: 1 });
  }, patience);
  second.child.kill("SIGTERM");
  await second.ended;
  const events = await readingsOf(dataDir);
  const told = events.map(({ topic, tags = [], site = "", readings }) => {
    return `${topic} ${readings.map(({ value }) => value)} ${tags} ${site}`.trim();
  });
  expect(told).toEqual([
    ...["plant/press/fine 1 hall north", "plant/press/fine 2.5 hall north"],
    ...["plant/press/coarse 1", "plant/press/fine 2.6 hall north"],
  ]);
}, 60_000);

test("check tells of a filter that a rule leaves nothing to do", async () => {
  const { config } = testFolder({
    filters: [{ name: "slow", metrics: ["t"], rateLimit: { every: "1s" } }],
    rules: [{ name: "too-warm", detector: "limits", hi: 90, metrics: ["t"] }],
  });
  const { code, stderr } = await new EdgeProcess([edgeLauncher, "check", "--config", config]).ended;
  expect(code).toBe(0);
  expect(stderr).toContain("warning: filters.0 (slow) keeps nothing back: rule too-warm");
});

test("a filter with two minds is refused with its place", async () => {
  const { config } = testFolder({ filters: [{ pass: true, rateLimit: { every: "1s" } }] });
  const { code, stderr } = await new EdgeProcess([edgeLauncher, "check", "--config", config]).ended;
  expect(code).toBe(2);
  expect(stderr).toMatch(/edge\.yaml:\d+:\d+ filters\.0\.pass: what passes is not filtered/);
});
