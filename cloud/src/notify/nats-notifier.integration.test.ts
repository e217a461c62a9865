// Every transition reaches every receiver, in order and under one key, whatever fails meanwhile:
// the receiver, the notifier, the nats-server.
import type { IncomingHttpHeaders, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { LogFields, Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId, isRuleName } from "@causeway/shared/names.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AlertTransition } from "../alert/alert.ts";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { HttpWebhook } from "./http-webhook.ts";
import { logReceiver } from "./log-receiver.ts";
import { NatsNotifier } from "./nats-notifier.ts";
import type { Receiver } from "./receiver.ts";
import { sign, signingKey } from "./signature.ts";
import { transition } from "./testing/transition.ts";

const clock = systemClock();
const key = signingKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "test");
const patience = { timeout: 30_000, interval: 20 };

interface Request {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver on a socket; `answer` decides the status of each request. */
class Hook {
  readonly requests: Request[] = [];
  answer: (request: Request) => number = () => 204;
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (incoming, response) => {
      let body = "";
      for await (const chunk of incoming) body += chunk;
      const request = { headers: incoming.headers, body };
      this.requests.push(request);
      response.writeHead(this.answer(request)).end();
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  ids(): readonly unknown[] {
    return this.requests.map(({ headers }) => headers["webhook-id"]);
  }

  receiver(timeoutMs = 5_000): Receiver {
    const { port } = this.#server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/hook`;
    return new HttpWebhook({ name: "hook", url, timeoutMs, key, userAgent: "test" }, clock);
  }
}

let server: NatsServer;
let hook: Hook;
let connections: NatsConnection[] = [];
let notifiers: NatsNotifier[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  hook = new Hook();
  await hook.open();
});

afterEach(async () => {
  await Promise.all(notifiers.map((notifier) => notifier.stop()));
  await Promise.all(connections.map((connection) => connection.close()));
  [notifiers, connections] = [[], []];
  hook.close();
  await server.remove();
});

async function connected(): Promise<NatsConnection> {
  const connection = await connectTest(server.url);
  connections.push(connection);
  return connection;
}

async function layStreams(): Promise<void> {
  await prepareStreams(await jetstreamManager(await connected()));
}

async function startNotifier(
  receiver: Receiver,
  log: Logger = silentLogger,
): Promise<NatsNotifier> {
  const connection = await connected();
  const notifier = new NatsNotifier({
    connection,
    jetstream: jetstream(connection),
    manager: await jetstreamManager(connection, { checkAPI: false }),
    receivers: [receiver],
    clock,
    random: systemRandom,
    log,
  });
  notifiers.push(notifier);
  notifier.start();
  return notifier;
}

async function tell(...transitions: readonly AlertTransition[]): Promise<void> {
  const [{ rule, gateway }] = transitions as [AlertTransition];
  if (!isRuleName(rule)) throw new Error(rule);
  const subject = subjects.alert(3, gatewayId(gateway), rule);
  await jetstream(await connected()).publish(subject, JSON.stringify({ v: 1, transitions }));
}

test("a transition arrives once, whole and signed, in the order of the stream", async () => {
  await layStreams();
  const resolved = transition({ state: "resolved" });
  await tell(transition(), resolved);
  await tell(transition({ id: "second" }));
  const notifier = await startNotifier(hook.receiver());
  await vi.waitFor(() => expect(hook.requests).toHaveLength(3), patience);
  expect(hook.ids()).toEqual(["a1b2c3d4/firing", "a1b2c3d4/resolved", "second/firing"]);
  const [{ headers, body }] = hook.requests as [Request];
  expect(JSON.parse(body)).toMatchObject({ ...transition(), title: /^critical: too-warm at/ });
  const timestamp = Number(headers["webhook-timestamp"]);
  expect(Math.abs(timestamp * 1_000 - Date.now())).toBeLessThan(60_000);
  const signed = { id: "a1b2c3d4/firing", timestamp, body };
  expect(headers["webhook-signature"]).toBe(sign(key, signed));
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ delivered: 3, retries: 0 }]));
});

test("a receiver that is away is tried again under the same id; those behind wait", async () => {
  await layStreams();
  hook.answer = () => (hook.requests.length <= 2 ? 503 : 200);
  const notifier = await startNotifier(hook.receiver());
  await tell(transition(), transition({ state: "resolved" }));
  await vi.waitFor(() => expect(hook.requests).toHaveLength(4), patience);
  const first = "a1b2c3d4/firing";
  expect(hook.ids()).toEqual([first, first, first, "a1b2c3d4/resolved"]);
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ delivered: 2, retries: 2 }]));
  expect(notifier.status()).toMatchObject([{ waitingFor: undefined, dead: 0 }]);
});

test("a receiver that does not answer is cut off and tried again", async () => {
  await layStreams();
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const options = { name: "hook", url, timeoutMs: 100, key: undefined, userAgent: "test" };
  const attempt = await new HttpWebhook(options, clock).deliver(
    transition(),
    new AbortController().signal,
  );
  expect(attempt).toEqual({ kind: "retry", reason: "no answer within 100 ms" });
  silent.closeAllConnections();
  silent.close();
});

test("what a receiver refuses for good is told in the log and holds nothing back", async () => {
  await layStreams();
  const lines: LogFields[] = [];
  const log = { ...silentLogger, error: (fields: LogFields) => void lines.push(fields) };
  hook.answer = ({ headers }) => (headers["webhook-id"] === "bad/firing" ? 400 : 200);
  const notifier = await startNotifier(hook.receiver(), log);
  await tell(transition({ id: "bad" }));
  await tell(transition({ id: "good" }));
  await vi.waitFor(() => expect(hook.ids()).toEqual(["bad/firing", "good/firing"]), patience);
  expect(lines).toMatchObject([
    { code: "RECEIVER_FAILED", receiver: "hook", alert: "bad/firing", reason: "HTTP 400" },
  ]);
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ dead: 1, delivered: 1 }]));
});

test("late transitions are not sent, and the log gets them all", async () => {
  await layStreams();
  await tell(transition({ id: "old", late: true }), transition({ id: "new" }));
  const notifier = await startNotifier(hook.receiver());
  const lines: LogFields[] = [];
  const log = { ...silentLogger, warn: (fields: LogFields) => void lines.push(fields) };
  await startNotifier(logReceiver("log", log));
  await vi.waitFor(() => expect(hook.ids()).toEqual(["new/firing"]), patience);
  await vi.waitFor(() => expect(lines).toMatchObject([{ id: "old", late: true }, { id: "new" }]));
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ late: 1, delivered: 1 }]));
});

test("a restarted notifier repeats nothing that was acknowledged, and misses nothing", async () => {
  await layStreams();
  const first = await startNotifier(hook.receiver());
  await tell(transition({ id: "one" }));
  await vi.waitFor(() => expect(first.status()).toMatchObject([{ delivered: 1 }]), patience);
  await tell(transition({ id: "two" }));
  hook.answer = () => 503;
  await vi.waitFor(() => expect(hook.ids()).toContain("two/firing"), patience);
  await first.stop();
  const before = hook.requests.length;
  hook.answer = () => 200;
  await tell(transition({ id: "three" }));
  await startNotifier(hook.receiver());
  await vi.waitFor(() => expect(hook.ids()).toContain("three/firing"), patience);
  expect(hook.ids().slice(before)).toEqual(["two/firing", "three/firing"]);
});

test("a killed nats-server delays alerts, loses none and repeats none that was told", async () => {
  await layStreams();
  const notifier = await startNotifier(hook.receiver());
  await tell(transition({ id: "before" }));
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ delivered: 1 }]), patience);
  await server.kill();
  await server.start();
  await tell(transition({ id: "after" }));
  await vi.waitFor(() => expect(hook.ids()).toContain("after/firing"), patience);
  expect(hook.ids()).toEqual(["before/firing", "after/firing"]);
});

test("what is worked on for longer than the server waits is handed to nobody else (N2)", async () => {
  await layStreams();
  const told: string[] = [];
  const receiver = (name: string, takesMs: number): Receiver => ({
    name: "slow",
    takesLate: false,
    async deliver() {
      told.push(name);
      await new Promise((resolve) => setTimeout(resolve, takesMs));
      return { kind: "delivered" };
    },
  });
  const first = await startNotifier(receiver("first", 12_000));
  await tell(transition());
  await vi.waitFor(() => expect(told).toEqual(["first"]), patience);
  await startNotifier(receiver("second", 0));
  await vi.waitFor(() => expect(first.status()).toMatchObject([{ delivered: 1 }]), patience);
  expect(told).toEqual(["first"]);
});

test("a JetStream without its stream is waited for", async () => {
  const notifier = await startNotifier(hook.receiver());
  await vi.waitFor(() => {
    expect(notifier.status()).toMatchObject([{ waitingFor: /^JetStream: / }]);
  }, patience);
  await layStreams();
  await tell(transition());
  await vi.waitFor(() => expect(hook.ids()).toEqual(["a1b2c3d4/firing"]), patience);
});

test("an alert message that cannot be read is skipped and told in the log", async () => {
  await layStreams();
  await jetstream(await connected()).publish("alert.3.gw-1.too-warm", "nonsense");
  await tell(transition());
  const lines: LogFields[] = [];
  const log = { ...silentLogger, error: (fields: LogFields) => void lines.push(fields) };
  await startNotifier(hook.receiver(), log);
  await vi.waitFor(() => expect(hook.ids()).toEqual(["a1b2c3d4/firing"]), patience);
  expect(lines).toMatchObject([{ code: "BATCH_MALFORMED", sequence: 1 }]);
});
