// The goal: with deploy/nats/nats.conf and the file that `causeway-cloud gateways` writes, a gateway that
// has been taken over can do no harm to another, nor to the cloud. What is denied is denied by the
// server, and what is not denied changes nothing: both are looked at.
import { readFileSync, writeFileSync } from "node:fs";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { inboxPrefix, subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { ShippedNats } from "@causeway/shared/testing/system-shipped-nats.ts";
import { startShippedNats } from "@causeway/shared/testing/system-shipped-nats.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import { headers as natsHeaders, nkeys } from "@nats-io/nats-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureStreams } from "../ingest/nats-streams.ts";
import { encodeEntry, GatewayBook, gatewayRequest } from "./gateway-entry.ts";
import { reloadServers } from "./nats-server-reload.ts";
import { usersText } from "./users-file.ts";

const mebibyte = 1_024 * 1_024;
const bounds = { telemetryBytesMax: 64 * mebibyte, engineBytesMax: 64 * mebibyte, replicas: 1 };
const names = ["g1", "g2"] as const;
let nats: ShippedNats;
let cloud: NatsConnection;
/** The one that was taken over, and its neighbour. */
let attacker: NatsConnection;
let neighbour: NatsConnection;
/** What the server denied the attacker. */
const denied: string[] = [];
const heardByNeighbour: Msg[] = [];

beforeAll(async () => {
  nats = await startShippedNats();
  cloud = await connectNats(nats.settings, { name: "cloud", reconnect: false }, systemRandom);
  const manager = await jetstreamManager(cloud);
  await ensureStreams(manager, streamPlans(bounds), silentLogger);
  const book = new GatewayBook();
  const files = names.map((gateway) => {
    const pair = nkeys.createUser();
    const file = `${nats.folder}/${gateway}.nk`;
    writeFileSync(file, pair.getSeed(), { mode: 0o600 });
    const request = { act: "add", gateway, key: pair.getPublicKey(), by: "test" };
    book.take(gateway, encodeEntry(book.after(gatewayRequest(request), 0)));
    return file;
  });
  writeFileSync(nats.usersFile, usersText(book));
  const { systemSeedFile } = nats;
  const parts = { clock: systemClock(), random: systemRandom };
  expect(await reloadServers(nats.settings, { systemSeedFile }, parts)).toBe(1);
  const js = jetstream(cloud);
  for (const gateway of names) {
    await js.publish(subjects.mark(5, gateway), `mark of ${gateway}`);
    // One for each attack that would steer it elsewhere.
    for (let at = 0; at < 20; at++)
      await js.publish(subjects.command(gateway, `c${at}`), `command for ${gateway}`);
    const consumer = { durable_name: gateway, filter_subject: subjects.commands(gateway) };
    await manager.consumers.add("CMD", { ...consumer, ack_policy: "explicit" });
  }
  await js.publish(subjects.checkpoint(0), "checkpoint");
  [attacker, neighbour] = (await Promise.all(
    names.map((name, at) => connectAs(name, files[at] ?? "")),
  )) as [NatsConnection, NatsConnection];
  void (async () => {
    for await (const status of attacker.status())
      if (status.type === "error") denied.push(status.error.message);
  })();
  neighbour.subscribe(`${inboxPrefix(gatewayId("g2"))}.>`, {
    callback: (_failure, message) => void heardByNeighbour.push(message),
  });
  await neighbour.flush();
});

afterAll(async () => {
  for (const connection of [attacker, neighbour, cloud]) await connection?.close();
  await nats?.server.remove();
});

function connectAs(gateway: string, nkeySeedFile: string): Promise<NatsConnection> {
  const purpose = { name: gateway, inboxPrefix: inboxPrefix(gatewayId(gateway)), reconnect: false };
  return connectNats({ ...nats.settings, auth: { nkeySeedFile } }, purpose, systemRandom);
}

/** All that the streams hold, and who reads them. */
async function contents(): Promise<object> {
  const manager = await jetstreamManager(cloud);
  const found: Record<string, object> = {};
  for await (const { config, state } of manager.streams.list()) {
    const { messages, first_seq, last_seq, consumer_count } = state;
    found[config.name] = { config, messages, first_seq, last_seq, consumer_count };
  }
  return found;
}

/** What has been sent before has had its effect, here and at the neighbour; one that is two steps away too. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await attacker.request(`${direct}.ENGINE.mark.*.g1`);
    // Through the queue of JetStream's requests, and that of the journal: both are in order.
    await (await jetstreamManager(cloud)).getAccountInfo();
    await cloud.request("tlm.settled.live", "", { headers: refusedByAll(), timeout: 5_000 });
  }
  await neighbour.flush();
}

/** The journal answers when its turn comes, and stores nothing. */
function refusedByAll() {
  const head = natsHeaders();
  head.set("Nats-Expected-Last-Sequence", "999999999");
  return head;
}

/** Undefined where nobody answers with more than a refusal. */
async function asked(subject: string, payload = ""): Promise<string | undefined> {
  try {
    const answer = await attacker.request(subject, payload, { timeout: 400 });
    return (answer.headers?.code ?? 0) >= 400 ? undefined : answer.string();
  } catch {
    return undefined;
  }
}

const direct = "$JS.API.DIRECT.GET";
const nextOwn = "$JS.API.CONSUMER.MSG.NEXT.CMD.g1";
const byPayload = (subject: string) => JSON.stringify({ last_by_subj: subject });

describe("a gateway is denied", () => {
  test.each([
    ["to publish another's readings", "tlm.g2.live", "x"],
    ["another's history", "tlm.g2.history", "x"],
    ["the lane of the cloud, also its own", "tlm.g1.redrive", "x"],
    ["readings where they are stored", "tlm.5.g1.live", "x"],
    ["the clock", "clk", "x"],
    ["a mark, also its own", "mark.5.g1", "x"],
    ["a checkpoint", "ckpt.0", "x"],
    ["a command to another", subjects.command("g2", "evil"), "x"],
    ["a command to itself", subjects.command("g1", "evil"), "x"],
    ["rules", subjects.rulesText, "rules: []"],
    ["an entry of a gateway", subjects.gatewayEntry("g1"), "x"],
    ["to read another's mark", `${direct}.ENGINE.mark.*.g2`, ""],
    ["all marks", `${direct}.ENGINE.mark.*.*`, ""],
    ["a checkpoint, by its subject", `${direct}.ENGINE.ckpt.0`, ""],
    ["a mark by a request that names it", `${direct}.ENGINE`, byPayload("mark.5.g2")],
    ["another's readings", `${direct}.TLM.tlm.*.g2.live`, ""],
    ["its own readings, for it has its mark", `${direct}.TLM.tlm.*.g1.live`, ""],
    ["a message of a stream by its number", "$JS.API.STREAM.MSG.GET.TLM", '{"seq":1}'],
    ["what a stream is", "$JS.API.STREAM.INFO.TLM", ""],
    ["which streams there are", "$JS.API.STREAM.NAMES", ""],
    ["to purge a stream", "$JS.API.STREAM.PURGE.TLM", ""],
    ["to delete a stream", "$JS.API.STREAM.DELETE.TLM", ""],
    ["to make a consumer", "$JS.API.CONSUMER.CREATE.TLM", '{"stream_name":"TLM","config":{}}'],
    ["to delete its consumer", "$JS.API.CONSUMER.DELETE.CMD.g1", ""],
    ["another's commands", "$JS.API.CONSUMER.MSG.NEXT.CMD.g2", '{"batch":1,"expires":100000000}'],
    ["to acknowledge another's commands", "$JS.ACK.CMD.g2.1.1.1.1.0", "+ACK"],
    ["the servers of the system account", "$SYS.REQ.SERVER.PING", ""],
    ["a reload", "$SYS.REQ.SERVER.PING.RELOAD", ""],
  ])("%s", async (_what, subject, payload) => {
    const before = await contents();
    const count = denied.length;
    expect(await asked(subject, payload)).toBeUndefined();
    await settled();
    expect(denied.slice(count).join("\n")).toContain(`Publish to "${subject}"`);
    expect(await contents()).toEqual(before);
  });

  test.each([
    ["to hear everything", ">"],
    ["what others publish", "tlm.*.*"],
    ["answers to all", "_INBOX.>"],
    ["answers to another", "_INBOX_g2.>"],
    ["answers to whoever begins alike", "_INBOX_g1*"],
    ["acknowledgements", "$JS.ACK.>"],
    ["what streams tell", "$JS.EVENT.>"],
    ["what the system tells", "$SYS.>"],
    ["another's commands, with a group", "cmd.g2.*"],
  ])("%s", async (_what, subject) => {
    const count = denied.length;
    const heard: string[] = [];
    const queue = subject.startsWith("cmd") ? { queue: "all" } : {};
    attacker.subscribe(subject, {
      ...queue,
      callback: (failure, message) => {
        if (failure === null) heard.push(message.subject);
      },
    });
    await settled();
    await neighbour.request("tlm.g2.live", "own");
    const mark = `${direct}.ENGINE.${subjects.markOfGateway(gatewayId("g2"))}`;
    expect((await neighbour.request(mark)).string()).toBe("mark of g2");
    await settled();
    expect(denied.slice(count).join("\n")).toContain(`Subscription to "${subject}"`);
    expect(heard).toEqual([]);
  });
});

test("what a gateway needs is permitted: lanes, its mark, its commands and their acknowledgement", async () => {
  for (const lane of ["priority", "live", "history"])
    expect(await asked(`tlm.g1.${lane}`, "own")).toContain('"stream":"TLM"');
  expect(await asked(`${direct}.ENGINE.mark.*.g1`)).toBe("mark of g1");
  const command = await new Promise<Msg>((resolve) => {
    const reply = "_INBOX_g1.commands";
    attacker.subscribe(reply, { max: 1, callback: (_failure, message) => resolve(message) });
    attacker.publish(nextOwn, '{"batch":1,"expires":1000000000}', { reply });
  });
  expect(command.string()).toBe("command for g1");
  const count = denied.length;
  // So that it is there for the attacks below.
  attacker.publish(command.reply ?? "", "-NAK");
  await settled();
  expect(denied.slice(count)).toEqual([]);
});

const ownPublish = { how: "its readings'", ask: "tlm.g1.live", payload: "evil", stores: true };
const ways = [
  ownPublish,
  { how: "its mark's", ask: `${direct}.ENGINE.mark.*.g1`, payload: "", stores: false },
  {
    how: "its commands'",
    ask: nextOwn,
    payload: '{"batch":1,"no_wait":true}',
    stores: false,
  },
];
const targets = [
  "tlm.g2.live",
  "tlm.g2.redrive",
  "tlm.5.g2.live",
  "mark.5.g2",
  "clk",
  "ckpt.0",
  subjects.command("g2", "evil"),
  subjects.gatewayEntry("g2"),
  subjects.rulesText,
  "$JS.API.STREAM.DELETE.ENGINE",
  "$JS.API.STREAM.PURGE.TLM",
  "$JS.ACK.CMD.g2.1.1.1.1.0",
  "$SYS.REQ.SERVER.PING",
];

describe("an answer that is steered elsewhere changes nothing there", () => {
  test.each(ways.flatMap((way) => targets.map((target) => [way.how, target, way] as const)))(
    "%s answer, at %s",
    async (_how, target, { ask, payload, stores }) => {
      const before = (await contents()) as Record<string, { last_seq: number; messages: number }>;
      attacker.publish(ask, payload, { reply: target });
      await settled();
      const after = (await contents()) as typeof before;
      const [{ TLM: was, ...others }, { TLM: is, ...othersAfter }] = [before, after];
      expect(othersAfter).toEqual(others);
      const stored = (is?.last_seq ?? 0) - (was?.last_seq ?? 0);
      // Where an acknowledgement is to be answered to, the server takes nothing.
      expect(stored).toBe(stores && !target.startsWith("$JS.ACK") ? 1 : 0);
      if (stored > 0) {
        const manager = await jetstreamManager(cloud);
        const last = await manager.streams.getMessage("TLM", { seq: is?.last_seq ?? 0 });
        expect(last?.subject).toMatch(/^tlm\.\d+\.g1\.live$/);
      }
    },
  );

  test("and another's answers have names of 22 random letters, so that none can be put among them", async () => {
    const heard = heardByNeighbour.length;
    attacker.publish("tlm.g1.live", "evil", { reply: "_INBOX_g2.guess" });
    await settled();
    // The server lets it through; the neighbour waits for no such name.
    expect(heardByNeighbour.slice(heard).map(({ subject }) => subject)).toEqual([
      "_INBOX_g2.guess",
    ]);
    const request = new Promise<string>((resolve) => {
      cloud.subscribe("probe", { callback: (_failure, message) => resolve(message.reply ?? "") });
    });
    await cloud.flush();
    void cloud.request("probe", "", { timeout: 1_000 }).catch(() => undefined);
    expect(await request).toMatch(/^_INBOX\.[A-Za-z0-9]{22}\./);
  });
});

describe("a hostile header on its own lane", () => {
  test.each([
    ["makes no room by a roll-up", { "Nats-Rollup": "all" }],
    ["nor by one of its subject", { "Nats-Rollup": "sub" }],
    ["gives no message an end", { "Nats-TTL": "1s" }],
    ["begins no batch", { "Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1" }],
    ["nor a fast one", { "Nats-Fast-Batch": "b" }],
    [
      "schedules nothing",
      { "Nats-Schedule": "@at 2030-01-01T00:00:00Z", "Nats-Schedule-Target": "tlm.g2.live" },
    ],
    ["counts nothing", { "Nats-Incr": "1" }],
    ["asks of no other stream", { "Nats-Expected-Stream": "ENGINE" }],
  ])("%s", async (_what, told) => {
    const before = (await contents()) as { TLM: { messages: number; last_seq: number } };
    const head = natsHeaders();
    for (const [name, value] of Object.entries(told)) head.set(name, value);
    await attacker
      .request("tlm.g1.live", "evil", { headers: head, timeout: 400 })
      .catch(() => undefined);
    await settled();
    const after = (await contents()) as typeof before;
    // Refused, or stored as any other message of its own.
    expect({ ...after, TLM: undefined }).toEqual({ ...before, TLM: undefined });
    const stored = after.TLM.last_seq - before.TLM.last_seq;
    expect(stored).toBeLessThanOrEqual(1);
    expect(after.TLM.messages - before.TLM.messages).toBe(stored);
  });

  test("that names another's subject learns whether a number is its last, and writes nothing there", async () => {
    const head = natsHeaders();
    head.set("Nats-Expected-Last-Subject-Sequence", "999999");
    head.set("Nats-Expected-Last-Subject-Sequence-Subject", "ckpt.0");
    const before = await contents();
    const answer = await attacker.request("tlm.g1.live", "evil", { headers: head, timeout: 1_000 });
    expect(answer.string()).toContain("wrong last sequence");
    expect(await contents()).toEqual(before);
  });

  test.each(["tlm.g2.live", "clk", "cmd.g2.evil", "_INBOX_g2.trace"])(
    "that traces the message to %s stores and tells nothing there",
    async (target) => {
      const head = natsHeaders();
      head.set("Nats-Trace-Dest", target);
      head.set("Nats-Trace-Only", "true");
      const before = await contents();
      const heard = heardByNeighbour.length;
      attacker.publish("tlm.g1.live", "evil", { headers: head });
      await settled();
      expect(await contents()).toEqual(before);
      expect(heardByNeighbour.slice(heard)).toEqual([]);
    },
  );

  test("the server's configuration permits TLM none of what they would need", async () => {
    const { config } = await (await jetstreamManager(cloud)).streams.info("TLM");
    const { allow_rollup_hdrs, allow_msg_ttl, allow_atomic, allow_msg_counter } = config;
    const { allow_msg_schedules, allow_batched } = config as unknown as Record<string, unknown>;
    const open = [allow_rollup_hdrs, allow_msg_ttl, allow_atomic, allow_msg_counter];
    expect([...open, allow_msg_schedules, allow_batched].filter(Boolean)).toEqual([]);
  });
});

test("a gateway has room for the subscriptions that it needs, not for thousands", async () => {
  const other = await connectAs("g1", `${nats.folder}/g1.nk`);
  const failures: string[] = [];
  void (async () => {
    for await (const status of other.status())
      if (status.type === "error") failures.push(status.error.message);
  })();
  for (let at = 0; at < 40; at++) other.subscribe(`_INBOX_g1.${at}`, { callback: () => {} });
  await other.flush().catch(() => undefined);
  expect(failures.join("\n")).toMatch(/maximum subscriptions/i);
  await other.close();
});

test("the system account's key reloads, and reads nothing of the others", async () => {
  const settings = { ...nats.settings, auth: { nkeySeedFile: nats.systemSeedFile } };
  const system = await connectNats(settings, { name: "system", reconnect: false }, systemRandom);
  for (const subject of ["$SYS.REQ.ACCOUNT.CORE.CONNZ", "$JS.API.STREAM.DELETE.TLM", "tlm.g1.live"])
    await expect(system.request(subject, "", { timeout: 400 })).rejects.toThrow();
  await system.close();
  expect(readFileSync(nats.usersFile, "utf8")).toContain("tlm.g2.live");
});
