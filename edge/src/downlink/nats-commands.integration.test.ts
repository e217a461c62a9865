// Goal: commands are fetched by what a gateway is permitted, are acknowledged only when that is due,
// and a link that carries none goes on carrying all else.
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { inboxPrefix } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as dial } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { NatsCommands } from "./nats-commands.ts";

const gateway = gatewayId("g1");

/** As deploy/nats/nats.conf has it; `next` is what the gateway may ask for. */
const settings = (next: string) => `
accounts {
  CORE {
    jetstream: enabled
    users: [ { user: cloud, password: c } ]
    exports: [
      { service: "$JS.API.CONSUMER.MSG.NEXT.CMD.*", response_type: stream }
      { service: "$JS.ACK.CMD.>" }
    ]
  }
  EDGE {
    imports: [
      { service: { account: CORE, subject: "$JS.API.CONSUMER.MSG.NEXT.CMD.*" } }
      { service: { account: CORE, subject: "$JS.ACK.CMD.>" } }
    ]
    users: [ { user: g1, password: g, permissions: {
      publish: { allow: [ ${next} ] }
      subscribe: { allow: [ "_INBOX_g1.>" ] }
    } } ]
  }
}
`;
const permitted = '"$JS.API.CONSUMER.MSG.NEXT.CMD.g1", "$JS.ACK.CMD.g1.>"';

async function begin(next = permitted) {
  const server = await startNatsServer({ settings: settings(next) });
  onTestFinished(() => server.remove());
  const connect = async (user: string, password: string) => {
    const connection = await dial({
      ...{ servers: server.url, user, pass: password, reconnect: false },
      ...(user === "g1" ? { inboxPrefix: inboxPrefix(gateway) } : {}),
    });
    onTestFinished(() => connection.close());
    return connection;
  };
  const cloud = await connect("cloud", "c");
  const manager = await jetstreamManager(cloud);
  await manager.streams.add({ name: "CMD", subjects: ["cmd.*.*"] });
  const consume = () =>
    manager.consumers.add("CMD", {
      ...{ durable_name: "g1", filter_subject: "cmd.g1.*", ack_policy: AckPolicy.Explicit },
      ack_wait: 1_000_000_000,
    });
  const got: { text: string; acknowledge: () => void }[] = [];
  const room = { left: 100 };
  const commands = new NatsCommands({
    ...{ gateway, clock: systemClock(), random: systemRandom, log: silentLogger },
    room: () => room.left,
    take: (text, acknowledge) => {
      room.left--;
      got.push({ text, acknowledge });
    },
  });
  const edge = await connect("g1", "g");
  const serving = commands.serve(edge);
  onTestFinished(async () => {
    await edge.close();
    await serving;
  });
  const send = (id: string) => jetstream(cloud).publish(`cmd.g1.${id}`, id);
  return { commands, consume, got, send, room, manager, edge };
}

const patience = { timeout: 15_000 };

test("commands come once their consumer is there, and again until they are acknowledged", async () => {
  const { commands, consume, got, send, manager } = await begin();
  await expect.poll(() => commands.trouble, patience).toContain("has not made");
  await send("c1");
  await consume();
  await expect.poll(() => got.map(({ text }) => text), patience).toEqual(["c1"]);
  expect(commands.trouble).toBeUndefined();
  await expect.poll(() => got.length, patience).toBe(2);
  got[0]?.acknowledge();
  const left = async () => (await manager.consumers.info("CMD", "g1")).num_ack_pending;
  await expect.poll(left, patience).toBe(0);
  await send("c2");
  await expect.poll(() => got.at(-1)?.text, patience).toBe("c2");
});

test("no more come than there is room for", async () => {
  const { consume, got, send, room } = await begin();
  room.left = 2;
  await consume();
  for (const id of ["c1", "c2", "c3"]) await send(id);
  await expect.poll(() => got.map(({ text }) => text), patience).toEqual(["c1", "c2"]);
  for (const { acknowledge } of got) acknowledge();
  // Longer than it looks for room.
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(got.length).toBe(2);
  room.left = 1;
  await expect.poll(() => got.map(({ text }) => text), patience).toEqual(["c1", "c2", "c3"]);
});

test("without the permission it says so at once, and the connection stays", async () => {
  const { commands, edge } = await begin('"tlm.g1.live"');
  await expect.poll(() => commands.trouble, patience).toContain("deploy/nats/nats.conf");
  expect(edge.isClosed()).toBe(false);
});
