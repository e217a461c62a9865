// Goal: a command is handed to those who take it for its device, and counts as delivered when they
// say so, on a real broker with real clients (H1-H3).
import type { Command } from "@causeway/shared/command/command.ts";
import { encodeCommand, encodeSigned } from "@causeway/shared/command/command.ts";
import type { ReplyEvent } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { expect, test } from "vitest";
import type { MqttEdge } from "../testing/mqtt-edge.ts";
import type { RawMqtt } from "../testing/mqtt-raw-client.ts";
import {
  answerPacket,
  packetTypes,
  publishPacket,
  subscribePacket,
} from "../testing/mqtt-raw-client.ts";
import { restartEdge, startEdge } from "../testing/system-test-edge.ts";
import { parseAcl } from "./acl.ts";

const { puback, publish, suback } = packetTypes;

/** Resolves once the gateway has it on its disk. */
function send(edge: MqttEdge, id: string, more: Partial<Command> = {}): Promise<void> {
  const now = Date.now();
  const command: Command = {
    ...{ id, gateway: gatewayId("gw"), device: "d", name: "do", payload: `"${id}"`, json: true },
    ...{ reply: true, issuedAt: now, expiresAt: now + 60_000, by: "x", causationid: null, ...more },
  };
  const text = encodeSigned({ body: encodeCommand(command), signature: undefined });
  return new Promise((resolve) => edge.dispatcher.take(text, resolve));
}

async function subscribed(
  edge: MqttEdge,
  clientId: string,
  { filter = "devices/d/commands/+", qos = 1, clean = true } = {},
): Promise<RawMqtt> {
  const client = await edge.connect({ clientId, clean });
  client.send(subscribePacket(filter, qos));
  await client.count(suback, 1);
  return client;
}

async function states(edge: MqttEdge): Promise<string[]> {
  // What is queued for the disk goes first.
  await new Promise<void>((resolve) => edge.outbox.records.write([], () => resolve()));
  const events = await edge.events("priority");
  return events
    .filter((event): event is ReplyEvent => event.kind === "reply")
    .map(({ command, state }) => `${command} ${state}`);
}

async function become(edge: MqttEdge, wanted: readonly string[]): Promise<void> {
  await expect.poll(() => states(edge), { timeout: 10_000 }).toEqual(wanted);
}

const idsIn = (client: RawMqtt) =>
  client.published().map(({ payload }) => (JSON.parse(payload) as { id: string }).id);

function acknowledge(client: RawMqtt): void {
  client.send(...client.published().map(({ id }) => answerPacket(puback, id ?? 0)));
}

test("a client takes them whose id is the device's name, or whose filter names it or commands (H1)", async () => {
  const edge = await startEdge();
  for (const [number, [clientId, filter]] of [
    ["d", "#"],
    ["x", "devices/d/#"],
    ["bridge", "devices/+/commands/+"],
    ["y", "+/d/commands/do"],
  ].entries()) {
    const id = `c${number}`;
    const client = await subscribed(edge, clientId as string, { filter: filter as string });
    await send(edge, id);
    await client.count(publish, 1);
    expect(idsIn(client), filter).toEqual([id]);
    acknowledge(client);
    await expect.poll(() => states(edge)).toContain(`${id} delivered`);
    client.close();
    await client.untilClosed();
  }
});

test("one that reads along gets a copy and counts not; alone it gets nothing (H1)", async () => {
  const edge = await startEdge();
  const reading = await subscribed(edge, "dashboard", { filter: "#" });
  await send(edge, "c");
  await reading.ping();
  expect(reading.published()).toEqual([]);
  const device = await subscribed(edge, "d");
  await Promise.all([device.count(publish, 1), reading.count(publish, 1)]);
  expect([idsIn(device), idsIn(reading)]).toEqual([["c"], ["c"]]);
  acknowledge(reading);
  await reading.ping();
  expect(await states(edge)).toEqual(["c accepted"]);
  acknowledge(device);
  await become(edge, ["c accepted", "c delivered"]);
});

test("what a connection did not acknowledge goes again with the next, until its PUBACK (H2)", async () => {
  const edge = await startEdge();
  const first = await subscribed(edge, "d");
  await send(edge, "c");
  await first.count(publish, 1);
  first.close();
  const second = await subscribed(edge, "d");
  await second.count(publish, 1);
  expect(idsIn(second)).toEqual(["c"]);
  acknowledge(second);
  await become(edge, ["c accepted", "c delivered"]);
  second.close();
  const third = await subscribed(edge, "d");
  await third.ping();
  expect(third.published()).toEqual([]);
});

test("a subscription of QoS 0 has it at QoS 0, and it is delivered once it has left (H2)", async () => {
  const edge = await startEdge();
  const client = await subscribed(edge, "d", { qos: 0 });
  await send(edge, "c", { reply: false });
  await client.count(publish, 1);
  expect(client.published()).toMatchObject([{ qos: 0, payload: '"c"' }]);
  await become(edge, ["c accepted", "c done"]);
});

test("a session that is away has it in its queue, over restarts, and once (H3)", async () => {
  let edge = await startEdge();
  (await subscribed(edge, "d", { clean: false })).close();
  await send(edge, "c1");
  edge = await restartEdge(edge);
  await send(edge, "c2");
  const client = await edge.connect({ clientId: "d", clean: false });
  await client.count(publish, 2);
  expect(idsIn(client)).toEqual(["c1", "c2"]);
  acknowledge(client);
  await become(edge, ["c1 accepted", "c2 accepted", "c1 delivered", "c2 delivered"]);
  edge = await restartEdge(edge);
  const again = await edge.connect({ clientId: "d", clean: false });
  await again.ping();
  expect(again.published()).toEqual([]);
});

test("a session that is thrown away with its queue loses no command (H3)", async () => {
  const edge = await startEdge();
  (await subscribed(edge, "d", { clean: false })).close();
  await send(edge, "c");
  // With clean=1 the session ends, and its queue with it.
  const client = await subscribed(edge, "d");
  await client.count(publish, 1);
  expect(idsIn(client)).toEqual(["c"]);
});

test("what expires in a session's queue is taken out of it", async () => {
  const edge = await startEdge();
  (await subscribed(edge, "d", { clean: false })).close();
  await send(edge, "c", { expiresAt: Date.now() + 1_500 });
  await expect.poll(() => edge.broker.status().queuedMessages).toBe(1);
  await become(edge, ["c accepted", "c expired"]);
  const client = await edge.connect({ clientId: "d", clean: false });
  await client.ping();
  expect(client.published()).toEqual([]);
});

test("a reply is acknowledged with its event, a repeat of it too, and only that of its device counts", async () => {
  const edge = await startEdge();
  const client = await subscribed(edge, "d");
  await send(edge, "c");
  await client.count(publish, 1);
  const reply = (device: string, id: number) =>
    publishPacket({ topic: `devices/${device}/replies/c`, payload: "ok", qos: 1, id });
  client.send(reply("other", 7));
  await client.count(puback, 1);
  expect(await states(edge)).toEqual(["c accepted"]);
  client.send(reply("d", 8), reply("d", 9));
  await client.count(puback, 3);
  expect(await states(edge)).toEqual(["c accepted", "c done"]);
  // Others go where a device that makes them up crowds nothing out.
  const strays = (await edge.events()).filter(({ kind }) => kind === "reply");
  expect(strays).toMatchObject([{ state: "answered" }, { state: "answered" }]);
});

test("whom the ACL does not let read a topic gets no command on it", async () => {
  const acl = parseAcl("user * subscribe devices/%c/commands/+", "acl");
  const edge = await startEdge({ access: { passwords: undefined, acl, pairs: [] } });
  const stranger = await edge.connect({ clientId: "x" });
  stranger.send(subscribePacket("devices/d/commands/+", 1));
  await stranger.count(suback, 1);
  await send(edge, "c");
  const device = await subscribed(edge, "d");
  await device.count(publish, 1);
  await stranger.ping();
  expect(stranger.published()).toEqual([]);
});
