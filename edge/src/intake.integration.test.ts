// Goal: what device families say becomes events with their publish, what they told before is known after
// a restart, and who must be asked is asked.
import { sparkplugBytes } from "@causeway/shared/decode/sparkplug-payload.ts";
import { expect, test } from "vitest";
import type { MqttEdge } from "./testing/mqtt-edge.ts";
import { packetTypes, publishPacket, subscribePacket } from "./testing/mqtt-raw-client.ts";
import { restartEdge, startEdge } from "./testing/system-test-edge.ts";

const { puback, publish } = packetTypes;
const topicOf = (type: string, device = "") => `spBv1.0/g/${type}/n${device}`;

/** One publish of QoS 1 after the other, each acknowledged. */
async function send(
  edge: MqttEdge,
  ...messages: readonly (readonly [topic: string, payload: object | string])[]
) {
  const client = await edge.connect();
  for (const [at, [topic, payload]] of messages.entries()) {
    const bytes = typeof payload === "string" ? payload : Buffer.from(sparkplugBytes(payload));
    client.send(publishPacket({ topic, payload: bytes, id: at + 1 }));
    await client.count(puback, at + 1);
  }
  return client;
}

const level = { name: "Level", alias: 7, datatype: 10, doubleValue: 1 };
const birth = { seq: 0, metrics: [{ name: "bdSeq", datatype: 8, longValue: 1 }, level] };
const data = (seq: number) => ({ seq, metrics: [{ alias: 7, doubleValue: seq }] });

test("an alias is known after a restart, and presence goes with the event that tells it", async () => {
  const edge = await startEdge();
  await send(edge, [topicOf("NBIRTH"), birth], [topicOf("DBIRTH", "/d"), { seq: 1, metrics: [] }]);
  const next = await restartEdge(edge);
  await send(
    next,
    [topicOf("NDATA"), data(2)],
    [topicOf("NDEATH"), { metrics: birth.metrics.slice(0, 1) }],
  );
  const events = await next.events("telemetry");
  expect(events).toMatchObject([
    { kind: "reading", device: "g/n" },
    { kind: "presence", device: "g/n", online: true, reason: "birth" },
    { kind: "system", device: "g/n/d", name: "device-described" },
    { kind: "presence", device: "g/n/d", online: true },
    { kind: "reading", readings: [{ metric: "Level", value: 2 }] },
    { kind: "reading", readings: [{ metric: "bdSeq", value: 1 }] },
    { kind: "presence", device: "g/n", online: false, reason: "death" },
    { kind: "presence", device: "g/n/d", online: false },
  ]);
});

test("an unknown alias is kept as bytes, and the node asked for a rebirth once", async () => {
  const edge = await startEdge();
  const node = await edge.connect({ clientId: "node" });
  node.send(subscribePacket(topicOf("NCMD")));
  await node.count(packetTypes.suback, 1);
  await send(edge, [topicOf("NDATA"), data(1)], [topicOf("NDATA"), data(2)]);
  await node.count(publish, 1);
  await node.ping();
  expect(node.published()).toMatchObject([{ topic: topicOf("NCMD"), qos: 0 }]);
  expect(node.published()[0]?.payload).toContain("Node Control/Rebirth");
  expect(await edge.events("telemetry")).toMatchObject([
    { kind: "quarantined", reason: "alias-unknown", device: "g/n" },
    { kind: "quarantined", reason: "alias-unknown" },
  ]);
});

test("a gap is noted behind its readings in the same write", async () => {
  const edge = await startEdge();
  await send(edge, [topicOf("NBIRTH"), birth], [topicOf("NDATA"), data(9)]);
  const events = await edge.events("telemetry");
  expect(events.slice(2)).toMatchObject([
    { kind: "reading", readings: [{ value: 9 }] },
    { kind: "system", name: "sequence-gap", topic: topicOf("NDATA") },
  ]);
});

test("an emptied topic is told, and a device's own format is as it was", async () => {
  const edge = await startEdge();
  await send(edge, ["N/c0/battery/1/Soc", ""], ["devices/pump/telemetry", '{"rpm":1}']);
  expect(await edge.events("telemetry")).toMatchObject([
    { kind: "system", name: "device-cleared", device: "c0" },
    { kind: "reading", device: "pump", readings: [{ metric: "rpm", value: 1 }] },
  ]);
});
