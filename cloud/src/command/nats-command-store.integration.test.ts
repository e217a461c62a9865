// Goal: stream CMD holds a command once under its id, until it is closed or expired, and its state
// as the gateway last told it.
import type { Command } from "@causeway/shared/command/command.ts";
import { decodeCommand, decodeSigned } from "@causeway/shared/command/command.ts";
import type { ReplyEvent } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { commandStream, subjects } from "@causeway/shared/subjects.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { ensureStreams } from "../ingest/nats-streams.ts";
import { connectTest } from "../testing/nats-journal-writer.ts";
import { commandLine } from "./command-state.ts";
import { NatsCommandStore } from "./nats-command-store.ts";

const mebibyte = 1_024 * 1_024;

async function begin() {
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const connection = await connectTest(server.url);
  const [client, manager] = [jetstream(connection), await jetstreamManager(connection)];
  const plans = streamPlans({
    ...{ telemetryBytesMax: 64 * mebibyte, engineBytesMax: 64 * mebibyte, replicas: 1 },
  }).filter(({ name }) => name === commandStream);
  await ensureStreams(manager, plans, silentLogger);
  const batches = new NatsEngineStore(connection, client, manager, systemRandom);
  const store = new NatsCommandStore(client, manager, batches, undefined);
  /** What the gateway's consumer gives out now. */
  const fetched = async (count: number) => {
    const consumer = await client.consumers.get(commandStream, "g1");
    const got: Command[] = [];
    for await (const message of await consumer.fetch({ max_messages: count, expires: 1_000 })) {
      got.push(decodeCommand(decodeSigned(message.string()).body));
      message.ack();
    }
    return got;
  };
  return { store, manager, fetched };
}

function commandOf(id: string, more: Partial<Command> = {}): Command {
  const now = Date.now();
  return {
    ...{ id, gateway: gatewayId("g1"), device: "d", name: "do", payload: id, json: false },
    ...{ reply: true, issuedAt: now, expiresAt: now + 60_000, by: "x", causationid: null, ...more },
  };
}

function replyOf(command: string, state: ReplyEvent["state"]): ReplyEvent {
  const common = { device: null, topic: null, bootMs: 0, observedAt: null };
  return { kind: "reply", ...common, command, state, final: state !== "accepted", detail: state };
}

test("a command sent again under its id is there once, and another is refused", async () => {
  const { store, fetched } = await begin();
  const command = commandOf("c");
  const sent = await Promise.all(
    Array.from({ length: 8 }, () => store.send({ ...command, issuedAt: Date.now() }, Date.now())),
  );
  expect(sent.map(({ kind }) => kind).sort()).toEqual([...Array(7).fill("repeat"), "sent"]);
  await expect(store.send(commandOf("c", { device: "e" }), Date.now())).rejects.toThrow(
    "COMMAND_TAKEN",
  );
  expect((await fetched(5)).map(({ id }) => id)).toEqual(["c"]);
  expect(await store.send(command, Date.now())).toMatchObject({ kind: "repeat" });
  expect(await fetched(1)).toEqual([]);
});

test("an expired command is given out no more, and its state says so", async () => {
  const { store, fetched, manager } = await begin();
  const now = Date.now();
  await store.send(commandOf("short", { expiresAt: now + 1_000 }), now);
  await store.send(commandOf("long"), now);
  const left = async () => {
    const info = await manager.streams.info(commandStream, { subjects_filter: "cmd.>" });
    return Object.keys(info.state.subjects ?? {});
  };
  await expect.poll(left, { timeout: 10_000 }).toEqual([subjects.command("g1", "long")]);
  expect((await fetched(5)).map(({ id }) => id)).toEqual(["long"]);
  const state = await store.get("short");
  expect(commandLine(state, now + 60_000)).toMatchObject({
    ...{ state: "expired", detail: "the gateway did not fetch it" },
  });
});

test("states go forward only, the first last word stays, and a closed command waits for nobody", async () => {
  const { store, manager } = await begin();
  await store.send(commandOf("c"), Date.now());
  expect(await store.fold("g1", replyOf("c", "delivered"), 5)).toMatchObject({
    state: "delivered",
  });
  expect(await store.fold("g1", replyOf("c", "accepted"), 6)).toMatchObject({ state: "delivered" });
  expect(await store.fold("g1", replyOf("c", "done"), 7)).toMatchObject({ state: "done", at: 7 });
  expect(await store.fold("g1", replyOf("c", "failed"), 8)).toMatchObject({ state: "done", at: 7 });
  expect(await store.fold("g1", replyOf("unknown", "done"), 9)).toBeUndefined();
  expect(await store.fold("g2", replyOf("c", "failed"), 9)).toBeUndefined();
  const query = { last_by_subj: subjects.command("g1", "c") };
  expect(await manager.streams.getMessage(commandStream, query)).toBeNull();
  expect(await store.list({}, 10)).toMatchObject([{ state: "done" }]);
  expect(await store.list({ gateway: "g2" }, 10)).toEqual([]);
  await expect(store.get("none")).rejects.toThrow("COMMAND_UNKNOWN");
});

test("a gateway that fetches nothing gets no more than its bound", async () => {
  const { store, manager } = await begin();
  await store.ensureConsumer("g1");
  // Ten thousand of them take a while: the consumer's count is what is asked for.
  const { info } = manager.consumers;
  manager.consumers.info = async (...args) => ({
    ...(await info.apply(manager.consumers, args)),
    num_pending: 10_000,
  });
  const refused = store.send(commandOf("c"), Date.now());
  await expect(refused).rejects.toThrow("COMMANDS_FULL: gateway g1 has 10000 commands waiting");
});

test("a list over all gateways shows the newest first", async () => {
  const { store } = await begin();
  const now = Date.now();
  for (const [number, gateway] of ["g1", "g2", "g1"].entries()) {
    const times = { issuedAt: now + number, gateway: gatewayId(gateway) };
    await store.send(commandOf(`c${number}`, times), now);
  }
  expect((await store.list({}, 2)).map(({ command }) => command.id)).toEqual(["c2", "c1"]);
  const own = await store.list({ gateway: "g1" }, 10);
  expect(own.map(({ command }) => command.id)).toEqual(["c2", "c0"]);
});
