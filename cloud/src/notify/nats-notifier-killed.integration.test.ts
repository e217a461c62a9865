// What a notifier has to do later it still does, and once, where it is killed or stands still
// meanwhile: escalations, repeats, what is held back, and what another process took over.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { gatewayId, isRuleName } from "@causeway/shared/names.ts";
import { decodeHead, headRecord } from "@causeway/shared/notify/plan-codec.ts";
import type { PlanSettings } from "@causeway/shared/notify/plan-settings.ts";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { notifyStream, subjects } from "@causeway/shared/subjects.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NatsOperationsStore } from "../operate/nats-operations.ts";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";

const patience = { timeout: 30_000, interval: 20 };
const resolved = { state: "resolved" } as const;
const undamped = { changes: 0, within: 3_600_000, quiet: 600_000 };

interface Told {
  readonly key: string;
  readonly reason: string;
  readonly kind: string;
  readonly alerts: readonly AlertTransition[];
  /** When it came. */
  readonly at: number;
}

let server: NatsServer;
let connection: NatsConnection;
let client: JetStreamClient;
let manager: JetStreamManager;
let hook: HttpHook;
let told: Told[];
let children: ChildProcess[];
let last: number;

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  client = jetstream(connection);
  manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  [told, children, last] = [[], [], 0];
  hook = await HttpHook.open();
  hook.answer = ({ body }) => {
    const { alerts, notification } = JSON.parse(body);
    told.push({ ...notification, alerts, at: Date.now() });
    return { status: 204 };
  };
});

afterEach(async () => {
  await Promise.all(children.map(killed));
  await connection.close();
  hook.close();
  await server.remove();
});

/** SIGKILL reaches it anywhere. */
function spawned(plan: Partial<PlanSettings> = {}): ChildProcess {
  const file = fileURLToPath(new URL("./testing/system-notifier-child.ts", import.meta.url));
  const child = spawn(process.execPath, [file, server.url, hook.url, JSON.stringify(plan)], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  children.push(child);
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

async function tell(...transitions: readonly Partial<AlertTransition>[]): Promise<void> {
  for (const over of transitions) {
    const at = Date.now();
    const one = transition({ at, firingAt: at, fingerprint: over.id ?? "f", ...over });
    if (!isRuleName(one.rule)) throw new Error(one.rule);
    const gateway = one.gateway.startsWith("@") ? "site" : one.gateway;
    const subject = subjects.alert(3, gatewayId(gateway), one.rule);
    const message = JSON.stringify({ v: 1, transitions: [one] });
    last = (await client.publish(subject, message)).seq;
  }
}

async function head() {
  const query = { last_by_subj: subjects.ledger("hook", headRecord) };
  const found = await manager.streams.getMessage(notifyStream, query);
  return found === null ? undefined : decodeHead(found.string());
}

/** Its ledger holds all that was told to the stream, and nothing is under way. */
async function taken(): Promise<void> {
  await vi.waitFor(async () => {
    const { place, first, next } = (await head()) ?? { place: { sequence: -1 }, first: 0, next: 1 };
    expect(place.sequence).toBeGreaterThanOrEqual(last);
    expect(first).toBe(next);
  }, patience);
}

async function until(count: number): Promise<void> {
  await vi.waitFor(() => expect(told.length).toBeGreaterThanOrEqual(count), patience);
}

function lines(): readonly string[] {
  return told.map(({ reason, alerts }) => {
    const ids = alerts.map(({ id, state }) => `${state === "firing" ? "" : "-"}${id}`);
    return `${reason} ${ids.toSorted().join(",")}`;
  });
}

test("an alert is escalated in time though the notifier was killed meanwhile, and once", async () => {
  const plan = { escalateAfter: 2_500, repeatInterval: 0 };
  const first = spawned(plan);
  await taken();
  const toldAt = Date.now();
  await tell({ id: "a" }, { id: "short", rule: "other" });
  await taken();
  await killed(first);
  await tell({ id: "short", rule: "other", ...resolved });
  const second = spawned(plan);
  await until(1);
  expect(told[0]?.at).toBeGreaterThanOrEqual(toldAt + 2_500);
  expect(told[0]?.at).toBeLessThan(toldAt + 10_000);
  await taken();
  await killed(second);
  spawned(plan);
  await tell({ id: "a", ...resolved });
  await until(2);
  expect(lines()).toEqual(["escalation a", "changed -a"]);
}, 60_000);

test("it is repeated and acknowledged as though the notifier had never been killed", async () => {
  const plan = { repeatInterval: 1_500 };
  let child = spawned(plan);
  await taken();
  await tell({ id: "known", rule: "one" }, { id: "unknown", rule: "two" });
  await until(2);
  await taken();
  const store = new NatsOperationsStore(client, manager);
  await store.acknowledge("known", { by: "ann", note: "", at: Date.now() });
  const before = told.length;
  for (let repeat = 0; repeat < 3; repeat++) {
    await killed(child);
    child = spawned(plan);
    const { length } = told;
    await until(length + 1);
    await taken();
  }
  const repeats = told.slice(before);
  expect(new Set(repeats.map(({ alerts }) => alerts[0]?.id))).toEqual(new Set(["unknown"]));
  const times = told.filter(({ alerts }) => alerts[0]?.id === "unknown").map(({ at }) => at);
  for (const [index, at] of times.entries())
    if (index > 0) expect(at - (times[index - 1] ?? 0)).toBeGreaterThan(1_200);
  expect(new Set(told.map(({ key }) => key)).size).toBe(told.length);
  await tell({ id: "known", rule: "one", ...resolved });
  await vi.waitFor(() => expect(lines()).toContain("changed -known"), patience);
}, 60_000);

test("what follows from a silent gateway or a site that is down stays quiet over a kill", async () => {
  let child = spawned({ repeatInterval: 0 });
  await taken();
  const silent = { id: "silent", device: "", metric: "", rule: "system-gateway-silent" };
  const down = { id: "down", device: "", metric: "", rule: "site-down", gateway: "@hall" };
  await tell(silent, down);
  await until(2);
  await taken();
  await killed(child);
  await tell({ id: "device" }, { ...silent, id: "hall-silent", gateway: "hall-1" });
  await tell({ id: "hall-device", gateway: "hall-2" });
  child = spawned({ repeatInterval: 0 });
  await taken();
  await killed(child);
  child = spawned({ repeatInterval: 0 });
  await tell({ id: "elsewhere", gateway: "gw-2" });
  await until(3);
  expect(lines().toSorted()).toEqual(["new down", "new elsewhere", "new silent"]);
  await tell({ ...silent, ...resolved }, { ...down, ...resolved });
  await until(7);
  await taken();
  const after = told
    .slice(3)
    .flatMap(({ alerts }) => alerts.map(({ id, state }) => `${id} ${state}`));
  expect(after.toSorted()).toEqual([
    ...["device firing", "down resolved", "hall-device firing", "hall-silent firing"],
    "silent resolved",
  ]);
}, 60_000);

test("who was off is told how it stands, one message a group, not what was meanwhile (P6, N5)", async () => {
  const plan = { groupWait: 200, groupInterval: 200, flap: undamped };
  const first = spawned(plan);
  await taken();
  await tell({ id: "before", rule: "one" });
  await until(1);
  await taken();
  await killed(first);
  for (let episode = 0; episode < 300; episode++) {
    const own = { id: `e${episode}`, fingerprint: "f", rule: "one" };
    await tell(own, { ...own, ...resolved });
  }
  await tell({ id: "now", rule: "one" }, { id: "other", rule: "two" });
  spawned(plan);
  await until(3);
  await taken();
  await tell({ id: "end", rule: "three" });
  await until(4);
  expect(lines().slice(0, 1)).toEqual(["new before"]);
  expect(lines().slice(1).toSorted()).toEqual(["changed -e299,now", "new end", "new other"]);
  const ended = told.flatMap(({ alerts }) => alerts).find(({ id }) => id === "e299");
  expect(ended?.reason).toContain("it fired 299 times before that, untold");
}, 60_000);

test("a receiver that was away is told how it stands, apart from what was on its way (N5)", async () => {
  let isAway = true;
  const { answer } = hook;
  hook.answer = (request) => (isAway ? { status: 503 } : answer(request));
  spawned({ flap: undamped });
  await taken();
  await tell({ id: "first", rule: "one" });
  await vi.waitFor(() => expect(hook.requests.length).toBeGreaterThan(0), patience);
  for (let episode = 0; episode < 30; episode++) {
    const own = { id: `e${episode}`, fingerprint: "f", rule: "two" };
    await tell(own, { ...own, ...resolved });
  }
  await tell({ id: "first", rule: "one", ...resolved });
  await vi.waitFor(async () => expect((await head())?.place.sequence).toBe(last), patience);
  isAway = false;
  await until(3);
  await taken();
  expect(lines()[0]).toBe("new first");
  expect(lines().slice(1).toSorted()).toEqual(["changed -first", "new -e29"]);
}, 60_000);

test("of two processes the one that stands still is replaced, and is no harm when it goes on (N2)", async () => {
  let isHeld = true;
  const { answer } = hook;
  hook.answer = (request) => {
    const given = answer(request);
    return isHeld ? undefined : given; // the first gets no answer before it stands still
  };
  const first = spawned();
  await taken();
  await tell({ id: "a", rule: "one" });
  await until(1);
  first.kill("SIGSTOP");
  isHeld = false;
  await tell({ id: "b", rule: "two" });
  const second = spawned();
  await until(3);
  await taken();
  expect(told.slice(1).map(({ key }) => key)).toEqual(["a/firing", "b/firing"]);
  first.kill("SIGCONT");
  for (let round = 0; round < 10; round++) {
    await tell({ id: `r${round}`, rule: `rule-${round}` });
    await vi.waitFor(() => expect(lines()).toContain(`new r${round}`), patience);
  }
  await taken();
  await killed(second);
  await tell({ id: "c", rule: "three" });
  await vi.waitFor(() => expect(lines()).toContain("new c"), patience);
  await taken();
  const keys = Map.groupBy(told, ({ key }) => key);
  expect(keys.size).toBe(13);
  const again = [...keys].filter(([, each]) => each.length > 1).map(([key]) => key);
  expect(again).toEqual(["a/firing"]); // its answer was withheld
}, 90_000);
