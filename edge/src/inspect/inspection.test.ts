// Goal: what came in can be looked at by topic and by device, within bounds, and looking costs no publish.
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { InspectedIntake } from "../testing/inspected.ts";
import type { Feed } from "./feed.ts";
import type { InspectLine } from "./inspected.ts";
import { quietMs } from "./rows.ts";
import { listDevices, listTopics } from "./views.ts";

const away = () => ({ connection: undefined, takeovers: 0, sharedMs: undefined });
const all = { refused: false, limit: 100, withLast: true };
const linesOf = (feed: Feed) =>
  feed
    .take()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as InspectLine);

test("a topic has its family, counts, sizes and newest payload, raw beside mapped", async () => {
  const clock = new VirtualClock();
  const { inspection, ...intake } = whole(clock);
  for (let n = 0; n < 90; n++) {
    intake.publish("tele/kitchen/SENSOR", `{"AM2301":{"Temperature":${n}},"TempUnit":"C"}`);
    await clock.advance(1_000);
  }
  expect(listTopics(inspection, all)).toMatchObject({
    total: 1,
    beyond: 0,
    topics: [
      {
        ...{ topic: "tele/kitchen/SENSOR", family: "tasmota", device: "kitchen" },
        ...{ messages: 90, refused: 0, result: "readings", agoMs: 1_000 },
        bytes: { last: 44, mean: 44, max: 44 },
        last: {
          ...{ raw: '{"AM2301":{"Temperature":89},"TempUnit":"C"}', encoding: "utf8" },
          ...{ result: "readings", device: "kitchen", receivedAt: clock.wallMs() - 1_000 },
          mapped: [{ kind: "reading", metric: "AM2301.Temperature", value: 89, unit: "Cel" }],
        },
      },
    ],
  });
  const { lastMinute = 0, lastHour } = listTopics(inspection, all).topics[0] ?? {};
  expect(lastMinute).toBeGreaterThan(55);
  expect(lastMinute).toBeLessThan(65);
  expect(lastHour).toBe(90);
});

test("what is refused comes first, with its reason, its bytes and a cure, whatever came after it", async () => {
  const clock = new VirtualClock();
  const { inspection, ...intake } = whole(clock);
  intake.publish("devices/a/telemetry", '{"x":');
  intake.publish("devices/b/telemetry", '{"x":');
  await clock.advance(10);
  intake.publish("devices/a/telemetry", '{"x":1}');
  intake.publish("devices/c/telemetry", '{"x":1}');
  intake.publish("lora/up", Buffer.from([3, 0xff, 0xee]));
  const { topics } = listTopics(inspection, all);
  expect(topics.map(({ topic, result }) => `${topic} ${result}`)).toEqual([
    "lora/up quarantined",
    "devices/b/telemetry quarantined",
    "devices/a/telemetry readings",
    "devices/c/telemetry readings",
  ]);
  expect(topics[0]).toMatchObject({
    reason: "binary",
    lastRefused: { raw: "A//u", encoding: "base64", reason: "binary", cure: /decodes/ },
  });
  expect(topics[2]).toMatchObject({
    ...{ reason: "not-json", refused: 1, refusedAgoMs: 10 },
    last: { raw: '{"x":1}' },
    lastRefused: { raw: '{"x":', reason: "not-json" },
  });
  const only = listTopics(inspection, { ...all, refused: true, topic: "devices/+/telemetry" });
  expect(only.topics.map(({ topic }) => topic)).toEqual([
    "devices/b/telemetry",
    "devices/a/telemetry",
  ]);
});

test("a device has its rate, sizes, refusals, metrics, presence and connection", async () => {
  const clock = new VirtualClock();
  const { inspection, ...intake } = whole(clock);
  intake.publish("tele/plug/LWT", "Online", "DVES_1");
  intake.publish("tele/plug/SENSOR", '{"a":1,"b":2}', "DVES_1");
  intake.publish("tele/plug/SENSOR", '{"a":', "DVES_1");
  inspection.presence("never-published", true, "connected");
  const clients = (id: string) =>
    id === "DVES_1"
      ? {
          connection: { address: "10.0.0.7:5123", user: "plug", sinceMs: 0 },
          ...{ takeovers: 5, sharedMs: 0 },
        }
      : away();
  await clock.advance(2_000);
  const at = clock.wallMs() - 2_000;
  const { devices } = listDevices(inspection, clients, { limit: 10 });
  expect(devices.find(({ device }) => device === "plug")).toMatchObject({
    ...{ family: "tasmota", messages: 3, refused: 1, lastMinute: 3, lastSeen: at, agoMs: 2_000 },
    metrics: [expect.any(String), "a", "b"],
    presence: { online: true, at },
    client: "DVES_1",
    connection: { address: "10.0.0.7:5123", user: "plug", since: at },
    ...{ takeovers: 5, sharedAt: at },
  });
  expect(devices.find(({ device }) => device === "never-published")).toMatchObject({
    messages: 0,
    presence: { online: true, reason: "connected" },
    client: "never-published",
  });
});

test("beyond a bound counts go on, and one event tells of it until it is left", async () => {
  const clock = new VirtualClock();
  const rows = { rowsMax: 10, charactersMax: 10_000 };
  const intake = new InspectedIntake(clock, { topics: rows, devices: rows });
  const { inspection } = intake;
  for (let n = 0; n < 100; n++) intake.publish(`devices/d${n}/telemetry`, '{"x":1}');
  expect(inspection.figures()).toMatchObject({
    ...{ topics: 10, devices: 10, topicsBeyond: 90, devicesBeyond: 90 },
  });
  expect(intake.told).toEqual([
    expect.stringMatching(/^topics-bound: more than 10 topics, as "devices\/d10\/telemetry"/),
    expect.stringMatching(/^devices-bound: more than 10 devices, as "d10"/),
  ]);
  await clock.advance(quietMs);
  intake.publish("devices/late/telemetry", '{"x":1}');
  expect(listTopics(inspection, all).topics[0]?.topic, "the quiet make room").toBe(
    "devices/late/telemetry",
  );
});

test("metrics under ever new names are told of as their device's, and are bounded", async () => {
  const clock = new VirtualClock();
  const intake = new InspectedIntake(clock, { metricsPerDeviceMax: 20 });
  for (let n = 0; n < 50; n++) {
    intake.publish("devices/mad/telemetry", `{"m${n}":1}`);
    await clock.advance(1_000);
  }
  const [device] = listDevices(intake.inspection, away, { limit: 1 }).devices;
  expect([device?.metrics.length, device?.moreMetrics]).toEqual([20, true]);
  expect(intake.told).toEqual([
    expect.stringMatching(/^metrics-bound: device "mad" has more than 20 metrics, as "m20"/),
  ]);
  expect(intake.inspection.figures().metricsBeyond).toBe(30);
});

test("a reader sees what its filters want, and a slow one is told what it missed", async () => {
  const clock = new VirtualClock();
  const { inspection, ...intake } = whole(clock);
  let awakened = 0;
  const open = (filter: object) =>
    inspection.open({ refused: false, ...filter }, () => {
      awakened++;
    });
  const [every, pumps, one, bad] = [
    open({}),
    open({ topic: "devices/+/telemetry/#" }),
    open({ device: "plug" }),
    open({ refused: true }),
  ];
  intake.publish("devices/p1/telemetry", '{"x":1}');
  intake.publish("tele/plug/SENSOR", '{"x":1}');
  intake.publish("devices/p2/telemetry", "{");
  inspection.notice("publish-denied", "client x may not publish");
  const topics = (feed: Feed) =>
    linesOf(feed).map((line) => (line.kind === "message" ? line.topic : line.kind));
  const [p1, plug, p2] = ["devices/p1/telemetry", "tele/plug/SENSOR", "devices/p2/telemetry"];
  expect(topics(every)).toEqual([p1, plug, p2, "notice"]);
  expect(topics(pumps)).toEqual([p1, p2]);
  expect(topics(one)).toEqual([plug]);
  expect(topics(bad)).toEqual([p2, "notice"]);
  expect(awakened, "once for all that waits").toBe(4);
  for (let n = 0; n < 2_000; n++) intake.publish(p1, '{"x":1}');
  const lines = linesOf(every);
  expect(lines.filter(({ kind }) => kind === "message")).toHaveLength(497);
  expect(lines.at(-1)).toEqual({ kind: "dropped", count: 1_503 });
  await clock.advance(1_000);
  intake.publish(p1, '{"x":2}');
  expect(linesOf(every)).toMatchObject([{ kind: "message", raw: '{"x":2}' }]);
  for (const feed of [every, pumps, one, bad]) inspection.close(feed);
  expect(inspection.figures()).toMatchObject({ readers: 0, dropped: 1_503 + 1_502 });
});

function whole(clock: VirtualClock) {
  const intake = new InspectedIntake(clock);
  return { inspection: intake.inspection, publish: intake.publish.bind(intake) };
}
