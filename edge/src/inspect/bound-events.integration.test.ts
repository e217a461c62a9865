// Goal: a gateway that something fills tells the cloud so, once and by name, and goes on taking all of it.
import { expect, test } from "vitest";
import { packetTypes, publishPacket, RawMqtt } from "../testing/mqtt-raw-client.ts";
import { EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";
import { defaultInspectionBounds } from "./inspection.ts";

const { rowsMax } = defaultInspectionBounds.topics;
const beyond = 200;

test("topics, devices, metrics and series of rules beyond their bounds are each told once", async () => {
  const { config } = testFolder({
    heartbeatMs: 1_000,
    rules: [{ name: "hot", detector: "limits", hi: 50, metrics: ["x"] }],
    alarms: { seriesMax: 100 },
  });
  const edge = runEdge(config);
  const { mqttPort, httpUrl } = await edge.ready();
  const client = await RawMqtt.open(mqttPort);
  const metrics = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`m${n}`, n]));
  const topics = Array.from({ length: rowsMax + beyond }, (_, n) => `devices/d${n}/telemetry`);
  const all = [
    publishPacket({ topic: "devices/mad/telemetry", payload: JSON.stringify(metrics), id: 1 }),
    ...topics.map((topic, at) => publishPacket({ topic, payload: '{"x":1}', id: at + 2 })),
  ];
  for (let at = 0; at < all.length; at += 500) {
    client.send(...all.slice(at, at + 500));
    await client.count(packetTypes.puback, Math.min(all.length, at + 500));
  }
  const figure = async (name: string) => {
    const text = await (await fetch(`${httpUrl}/metrics`)).text();
    return Number(new RegExp(`^causeway_edge_${name} (\\S+)$`, "m").exec(text)?.[1]);
  };
  expect(await figure("topics_beyond_total")).toBe(beyond + 1);
  expect(await figure("topics")).toBe(rowsMax);
  await expect
    .poll(() => figure("rules_beyond_readings_total"), { timeout: 20_000 })
    .toBe(topics.length - 100);
  const published = await figure("appended_total");
  // Two heartbeats later all of it has been looked at.
  await expect
    .poll(() => figure("appended_total"), { timeout: 20_000 })
    .toBeGreaterThan(published + 2);
  edge.child.kill("SIGTERM");
  await edge.ended;
  const own = ["outbox", "export", "--all", "--config", config];
  const { stdout } = await new EdgeProcess([edgeLauncher, ...own]).ended;
  const told = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { name?: string; kind: string; detail: string })
    .filter(({ name }) => name?.endsWith("-bound"));
  expect(told.map(({ name }) => name).toSorted()).toEqual([
    ...["devices-bound", "metrics-bound", "rules-series-bound", "topics-bound"],
  ]);
  const detail = (name: string) => told.find((event) => event.name === name)?.detail;
  expect(detail("topics-bound")).toMatch(/^more than 4096 topics, as "devices\/d4095\/telemetry"/);
  expect(detail("metrics-bound")).toMatch(/^device "mad" has more than 512 metrics, as "m512"/);
  expect(detail("rules-series-bound")).toMatch(
    /^rules know 100 series; .*raise alarms\.seriesMax$/,
  );
});
