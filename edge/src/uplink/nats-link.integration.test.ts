/**
 * Goal: each way in which a real nats-server refuses is classified as the table says, and a connection
 * that is cut is dialled anew.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { NatsLink } from "./nats-link.ts";

const users = `
authorization { users: [
  { user: cloud, password: cloud }
  { user: gw, password: gw, permissions: {
    publish: { allow: ["tlm.gw.live"] }, subscribe: { allow: ["_INBOX_gw.>"] } } }
] }
max_payload: 64KB
`;

async function server(settings = users): Promise<NatsServer> {
  const started = await startNatsServer({ settings });
  onTestFinished(() => started.remove());
  return started;
}

interface Bounds {
  readonly max_bytes?: number;
  readonly max_msg_size?: number;
}

async function makeStream({ url }: NatsServer, bounds: Bounds = {}): Promise<void> {
  const connection = await connect({ servers: url, user: "cloud", pass: "cloud" });
  const manager = await jetstreamManager(connection);
  const discard = "new" as const;
  await manager.streams.add({ name: "TLM", subjects: ["tlm.*.*"], discard, ...bounds });
  await connection.close();
}

/** A link that is dialled, with what it was told. */
function link({ url, folder }: NatsServer, settings: Partial<NatsSettings> = {}) {
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "gw");
  const made = new NatsLink({
    gateway: gatewayId("gw"),
    settings: { servers: [url], auth: { user: "gw", passwordFile }, ...settings },
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
  });
  const told: string[] = [];
  made.listen((state, reason) => told.push(reason === undefined ? state : `${state} ${reason}`));
  made.start();
  onTestFinished(() => made.close());
  const when = (pattern: RegExp) =>
    vi.waitFor(() => expect(told.at(-1)).toMatch(pattern), { timeout: 10_000, interval: 10 });
  return { made, told, when };
}

const body = () => new Uint8Array(1_000);

test("a stream that is full is waited for", async () => {
  const nats = await server();
  await makeStream(nats, { max_bytes: 4_000 });
  const { made, when } = link(nats);
  await when(/^up/);
  expect(await made.publish("live", [], body())).toEqual({ kind: "stored" });
  let outcome = await made.publish("live", [], body());
  for (let more = 0; more < 5 && outcome.kind === "stored"; more++) {
    outcome = await made.publish("live", [], body());
  }
  expect(outcome).toMatchObject({ kind: "failed", fault: "wait-full" });
  expect(outcome).toMatchObject({ reason: expect.stringMatching(/^10077 maximum bytes exceeded/) });
});

test("what is too large for the stream, or for the server, is split", async () => {
  const nats = await server();
  await makeStream(nats, { max_msg_size: 500 });
  const { made, when } = link(nats);
  await when(/^up/);
  expect(await made.publish("live", [], body())).toMatchObject({
    fault: "split",
    reason: expect.stringContaining("10054"),
  });
  expect(await made.publish("live", [], new Uint8Array(65_000))).toMatchObject({ fault: "split" });
});

test("a lane or a mark that the server denies is told with its cure", async () => {
  const nats = await server();
  await makeStream(nats);
  const { made, when } = link(nats);
  await when(/^up/);
  expect(await made.publish("priority", [], body())).toMatchObject({
    fault: "denied",
    reason: expect.stringContaining("NATS_DENIED"),
  });
  await expect(made.readMark()).rejects.toThrow(/permissions violation/i);
  expect(await made.publish("live", [], body()), "the other lane goes on").toEqual({
    kind: "stored",
  });
});

test.each([
  ["Nats-Rollup", "sub", 10_111],
  ["Nats-TTL", "1s", 10_166],
  ["Nats-Batch-Id", "b", 10_174],
  ["Nats-Schedule", "@at 2030-01-01T00:00:00Z", 10_188],
])("a header %s, which is not ours, is a coded refusal", async (name, value, code) => {
  const nats = await server();
  await makeStream(nats);
  const { made, when } = link(nats);
  await when(/^up/);
  const more: [string, string][] = name === "Nats-Batch-Id" ? [["Nats-Batch-Sequence", "1"]] : [];
  expect(await made.publish("live", [[name, value], ...more], body())).toMatchObject({
    fault: "denied",
    reason: expect.stringMatching(new RegExp(`^${code} .*NATS_HEADERS_REFUSED`)),
  });
});

test("no stream is tried again, and no answer is known as such", async () => {
  const nats = await server();
  const { made, when } = link(nats);
  await when(/^up/);
  expect(await made.publish("live", [], body())).toMatchObject({ fault: "retry" });
  nats.pause();
  onTestFinished(async () => nats.resume());
  expect(await made.publish("live", [], body())).toMatchObject({ fault: "no-answer" });
});

test("credentials that are refused are told as the reason that the link is down", async () => {
  const nats = await server();
  const { told, when } = link(nats, { auth: undefined });
  await when(/^down NATS_AUTH_FAILED/);
  expect(told.length).toBe(1);
});

test("TLS that cannot be is told as the reason that the link is down", async () => {
  const { when } = link(await server(), { tls: {} });
  await when(/^down NATS_TLS_FAILED/);
});

test("a connection that is cut is dialled anew, though its server answers nothing", async () => {
  const nats = await server();
  await makeStream(nats);
  const { made, told, when } = link(nats);
  await when(/^up/);
  nats.pause();
  made.cut();
  await when(/^down/);
  nats.resume();
  await when(/^up/);
  expect(await made.publish("live", [], body())).toEqual({ kind: "stored" });
  expect(told.filter((state) => state === "up")).toHaveLength(2);
}, 30_000);
