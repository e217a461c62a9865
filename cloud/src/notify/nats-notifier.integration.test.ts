// Every transition reaches every receiver, in order and under one key, whatever fails meanwhile:
// the receiver, the notifier, the nats-server.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingHttpHeaders, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { LogFields, Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId, isRuleName } from "@causeway/shared/names.ts";
import { httpWebhook } from "@causeway/shared/notify/http-webhook.ts";
import { logReceiver } from "@causeway/shared/notify/log-receiver.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import { notificationOf } from "@causeway/shared/notify/notification.ts";
import { headRecord } from "@causeway/shared/notify/plan-codec.ts";
import type { PlanSettings } from "@causeway/shared/notify/plan-settings.ts";
import { defaultPlan } from "@causeway/shared/notify/plan-settings.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import { sign, signingKey } from "@causeway/shared/notify/signature.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { engineStream, notifyStream, subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { NatsBucketFeed } from "../nats-bucket-feed.ts";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { NatsNotifier } from "./nats-notifier.ts";
import { ToldTable, toldSubjects } from "./told-table.ts";

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

  address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/hook`;
  }

  receiver(timeoutMs = 5_000): Receiver {
    const url = this.address();
    return httpWebhook({ name: "hook", url, timeoutMs, key, userAgent: "test" }, clock);
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
  settings: Partial<PlanSettings> = { tell: "each" },
): Promise<NatsNotifier> {
  const connection = await connected();
  const client = jetstream(connection);
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const notifier = new NatsNotifier({
    connection,
    jetstream: client,
    manager,
    receivers: [receiver],
    clock,
    batches: new NatsEngineStore(connection, client, manager, systemRandom),
    settingsOf: () => ({ ...defaultPlan, ...settings }),
    spokenOf: {
      loaded: async () => {},
      circumstances: () => circumstancesOf(new Operations(), emptyFleet),
    },
    standbyMs: 900,
    random: systemRandom,
    log,
  });
  notifiers.push(notifier);
  notifier.start();
  return notifier;
}

/** Has taken what was there before it came. */
async function started(...args: Parameters<typeof startNotifier>): Promise<NatsNotifier> {
  const notifier = await startNotifier(...args);
  await vi.waitFor(
    () => expect(notifier.status()).toMatchObject([{ waitingFor: undefined }]),
    patience,
  );
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
  const notifier = await started(hook.receiver());
  await tell(transition(), resolved);
  await tell(transition({ id: "second" }));
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
  const notifier = await started(hook.receiver());
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
  const attempt = await httpWebhook(options, clock).deliver(
    notificationOf(transition()),
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
  const notifier = await started(hook.receiver(), log);
  await tell(transition({ id: "bad" }));
  await tell(transition({ id: "good" }));
  await vi.waitFor(() => expect(hook.ids()).toEqual(["bad/firing", "good/firing"]), patience);
  expect(lines).toMatchObject([
    { code: "RECEIVER_FAILED", receiver: "hook", notification: "bad/firing", reason: "HTTP 400" },
  ]);
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ dead: 1, delivered: 1 }]));
});

test("who was told, and whom it did not reach, is known of an alert to any process", async () => {
  await layStreams();
  hook.answer = ({ body }) => (body.includes('"refused"') ? 410 : 204);
  await started(hook.receiver());
  await tell(transition(), transition({ state: "resolved" }));
  await tell(transition({ id: "refused" }));
  const told = await followedTold();
  const outcomes = (alert: string) =>
    told.of(alert).map(({ receiver, state, outcome }) => `${receiver} ${state} ${outcome}`);
  await vi.waitFor(() => expect(outcomes("refused")).toEqual(["hook firing dead"]), patience);
  expect(outcomes("a1b2c3d4")).toEqual(["hook firing delivered", "hook resolved delivered"]);
  expect(told.of("refused")).toMatchObject([{ detail: "HTTP 410" }]);
});

async function followedTold(): Promise<ToldTable> {
  const connection = await connected();
  const told = new ToldTable();
  const parts = { connection, jetstream: jetstream(connection), clock, random: systemRandom };
  const own = { ...parts, log: silentLogger };
  const feed = new NatsBucketFeed(own, notifyStream, told, toldSubjects);
  feed.start();
  onTestFinished(() => feed.stop());
  await feed.loaded();
  return told;
}

test("what came late is told one by one only where that is asked for", async () => {
  await layStreams();
  const notifier = await started(hook.receiver(), silentLogger, { tell: "each", late: "off" });
  const lines: LogFields[] = [];
  const log = { ...silentLogger, warn: (fields: LogFields) => void lines.push(fields) };
  await started(logReceiver("log", log));
  await tell(transition({ id: "old", late: true }), transition({ id: "new" }));
  await vi.waitFor(() => expect(lines).toHaveLength(2), patience);
  expect(lines).toMatchObject([{ id: "old", late: true }, { id: "new" }]);
  await vi.waitFor(() => expect(notifier.status()).toMatchObject([{ delivered: 1 }]), patience);
  expect(hook.ids()).toEqual(["new/firing"]);
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

test("of two notifiers one tells, and the other goes on where it ends (N2)", async () => {
  await layStreams();
  const told: string[] = [];
  const receiver = (name: string): Receiver => ({
    name: "shared",
    async deliver({ key: sent }) {
      told.push(`${name} ${sent}`);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return { kind: "delivered" };
    },
  });
  const first = await started(receiver("first"));
  await tell(transition({ id: "one" }), transition({ id: "two" }));
  await vi.waitFor(() => expect(told).toEqual(["first one/firing"]), patience);
  const second = await startNotifier(receiver("second"));
  await vi.waitFor(() => expect(first.status()).toMatchObject([{ delivered: 2 }]), patience);
  expect(told).toEqual(["first one/firing", "first two/firing"]);
  await first.stop();
  await tell(transition({ id: "three" }));
  await vi.waitFor(() => expect(second.status()).toMatchObject([{ delivered: 1 }]), patience);
  expect(told.slice(2)).toEqual(["second three/firing"]);
});

test("two notifiers that wake together tell every notification once", async () => {
  await layStreams();
  const keys: string[] = [];
  const receiver: Receiver = {
    name: "shared",
    async deliver({ key: told }) {
      keys.push(told);
      return { kind: "delivered" };
    },
  };
  await started(receiver);
  await started(receiver);
  const ids = Array.from({ length: 60 }, (_, index) => `alert-${index}`);
  for (const id of ids) await tell(transition({ id }));
  await vi.waitFor(() => expect(keys.length).toBeGreaterThanOrEqual(60), patience);
  expect(keys).toEqual(ids.map((id) => `${id}/firing`));
});

test("a hundred gateways that fall silent at once are one notification each, within 5 s", async () => {
  await layStreams();
  const told: { readonly group: unknown; readonly at: number }[] = [];
  const receiver: Receiver = {
    name: "storm",
    async deliver({ group }) {
      told.push({ group, at: clock.bootMs() });
      return { kind: "delivered" };
    },
  };
  await started(receiver, silentLogger, {});
  const gateways = Array.from({ length: 100 }, (_, index) => `gw-${index}`);
  const writing = gateways.flatMap((gateway) => {
    const devices = Array.from({ length: 100 }, (_, index) => {
      const name = `${gateway}-${index}`;
      const place = { gateway, device: name, fingerprint: name, id: name };
      return transition({ ...place, rule: "missing" });
    });
    const own = { device: "", metric: "", fingerprint: gateway, id: gateway };
    const silent = transition({ ...own, gateway, rule: "system-gateway-silent" });
    return [devices, [silent]];
  });
  const decidedAt = clock.bootMs();
  for (const transitions of writing) await tell(...transitions);
  const writtenAt = clock.bootMs();
  await vi.waitFor(() => expect(told).toHaveLength(100), patience);
  expect(new Set(told.map(({ group }) => JSON.stringify(group))).size).toBe(100);
  expect(told.map(({ group }) => group)).toContainEqual({
    gateway: "gw-7",
    rule: "system-gateway-silent",
  });
  const last = Math.max(...told.map(({ at }) => at));
  expect(last - writtenAt, `written within ${writtenAt - decidedAt} ms`).toBeLessThan(5_000);
});

test("what was told as firing is withdrawn after a rollback that has lost it (N4)", async () => {
  await layStreams();
  const told: Notification[] = [];
  const receiver: Receiver = {
    name: "people",
    async deliver(notification) {
      told.push(notification);
      return { kind: "delivered" };
    },
  };
  const first = await started(receiver, silentLogger, { groupInterval: 500, groupWait: 0 });
  await tell(transition({ id: "lost" }));
  await vi.waitFor(() => expect(first.status()).toMatchObject([{ delivered: 1 }]), patience);
  await first.stop();
  const manager = await jetstreamManager(await connected());
  await manager.streams.delete(engineStream);
  await layStreams();
  await started(receiver, silentLogger, { groupInterval: 500, groupWait: 0 });
  await vi.waitFor(() => expect(told).toHaveLength(2), patience);
  expect(told[1]).toMatchObject({ kind: "withdrawn", resolved: [{ id: "lost" }], firing: [] });
  await tell(transition({ id: "lost" }));
  await vi.waitFor(() => expect(told).toHaveLength(3), patience);
  expect(told[2]).toMatchObject({ kind: "alerts", firing: [{ id: "lost" }] });
  expect(new Set(told.map((notification) => notification.key)).size).toBe(3);
});

test("a receiver begins where its consumer of former versions stood", async () => {
  await layStreams();
  await tell(transition({ id: "told" }));
  await tell(transition({ id: "untold" }));
  const manager = await jetstreamManager(await connected());
  const name = "notify-hook";
  const plan = { durable_name: name, filter_subject: "alert.>", ack_policy: AckPolicy.Explicit };
  await manager.consumers.add(engineStream, plan);
  const consumer = await jetstream(await connected()).consumers.get(engineStream, name);
  await (await consumer.next())?.ackAck();
  await startNotifier(hook.receiver());
  await vi.waitFor(() => expect(hook.ids()).toEqual(["untold/firing"]), patience);
  await expect(manager.consumers.info(engineStream, name)).rejects.toThrow(/not found/);
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

/** A process of its own that tells the hook; SIGKILL reaches it anywhere. */
function spawnNotifier(): ChildProcess {
  const child = fileURLToPath(new URL("./testing/system-notifier-child.ts", import.meta.url));
  const url = hook.address();
  return spawn(process.execPath, [child, server.url, url], {
    stdio: ["pipe", "inherit", "inherit"],
  });
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("a notifier that is killed again and again tells every alert, each under one key (N1)", async () => {
  await layStreams();
  hook.answer = () => (systemRandom.next() < 0.2 ? 503 : 204);
  let child = spawnNotifier();
  onTestFinished(() => killed(child));
  const manager = await jetstreamManager(await connected());
  await vi.waitFor(async () => {
    const head = await manager.streams.getMessage(notifyStream, {
      last_by_subj: subjects.ledger("hook", headRecord),
    });
    expect(head).not.toBeNull();
  }, patience);
  const ids = Array.from({ length: 60 }, (_, index) => `alert-${index}`);
  for (const [index, id] of ids.entries()) {
    await tell(transition({ id, fingerprint: id, rule: `rule-${index % 7}` }));
    if (index % 10 !== 9) continue;
    const before = hook.requests.length;
    await vi.waitFor(() => expect(hook.requests.length).toBeGreaterThan(before), patience);
    await killed(child);
    child = spawnNotifier();
  }
  const shown = () =>
    hook.requests.map(({ headers, body }) => {
      const { alerts } = JSON.parse(body) as { alerts?: readonly { id: string }[] };
      return { key: String(headers["webhook-id"]), ids: (alerts ?? []).map(({ id }) => id) };
    });
  await vi.waitFor(() => {
    expect(new Set(shown().flatMap((one) => one.ids)).size).toBe(ids.length);
  }, patience);
  const keys = new Map<string, Set<string>>();
  for (const { key: sent, ids: alerts } of shown())
    for (const id of alerts) keys.set(id, (keys.get(id) ?? new Set()).add(sent));
  for (const [id, own] of keys) expect([...own], id).toHaveLength(1);
}, 120_000);
