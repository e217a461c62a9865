// Goal: people are told little, and in time. When everything goes wrong at once they get a message for
// each gateway at most, within 5 s of the decision, and the readings of others are taken as quickly as
// before; of what happened in an outage they get one digest; a sensor that flaps says so and is left alone.
import { journalMessage, readingEvent } from "@causeway/cloud/testing/journal-writer.ts";
import { connectTest, publishMessage } from "@causeway/cloud/testing/nats-journal-writer.ts";
import { storedAlerts } from "@causeway/cloud/testing/nats-stored-alerts.ts";
import type { Event } from "@causeway/shared/event.ts";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { until } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

type Connection = Awaited<ReturnType<typeof connectTest>>;

const gateways = Array.from({ length: 100 }, (_, index) => `storm-${index}`);
const devices = Array.from({ length: 100 }, (_, index) => `d-${index}`);
const alertsInAll = gateways.length * devices.length;
const toldWithinMs = 5_000;
const lagMsMax = 5_000;
const bootedAgoMs = 8 * 24 * 3_600_000;

const cloud = (url: string, silentAfter: string) => `
gateways: { silentAfter: ${silentAfter} }
rules:
  - { name: hot, detector: limits, metrics: [temperature], hi: 50 }
  - { name: missing, detector: absence, after: 10s, gateways: ["storm-*"] }
receivers: [{ name: people, kind: webhook, url: "${url}", tell: grouped }]
`;

/** Gateways as they write to the journal; they booted long ago. */
class Fleet {
  readonly #connection: Connection;
  readonly #gateways: readonly string[];
  readonly #bootedAt = Date.now() - bootedAgoMs;
  #position = 1;

  constructor(connection: Connection, names: readonly string[]) {
    this.#connection = connection;
    this.#gateways = names;
  }

  /** A reading of every device, received `agoMs` ago. */
  async readings(value: number, agoMs: number): Promise<void> {
    const bootMs = this.#bootMs(agoMs);
    await this.#send(devices.map((device) => readingEvent(device, "temperature", value, bootMs)));
  }

  /** The gateways are there, and so is one more device; of the others there is nothing. */
  async hubs(): Promise<void> {
    await this.#send([readingEvent("hub", "load", 1, this.#bootMs(0))]);
  }

  /** Of one device: values, and how long ago each was received. */
  async course(steps: readonly { value: number; agoMs: number; observedAt?: number }[]) {
    await this.#send(
      steps.map(({ value, agoMs, observedAt = null }) => ({
        ...readingEvent("d-0", "temperature", value, this.#bootMs(agoMs)),
        observedAt,
      })),
    );
  }

  #bootMs(agoMs: number): number {
    return Date.now() - this.#bootedAt - agoMs;
  }

  async #send(events: readonly Event[]): Promise<void> {
    const boots = { boot1: this.#bootedAt };
    for (const gateway of this.#gateways) {
      const message = journalMessage(0, this.#position, events, { gateway, boots });
      await publishMessage(this.#connection, message, gateway);
    }
    this.#position += events.length;
  }
}

interface Posted {
  readonly notification: {
    readonly kind: string;
    readonly group: { readonly gateway: string; readonly rule: string };
  };
  readonly alerts: readonly { readonly state: string; readonly late: boolean }[];
}

/** What came, and when, by gateway and rule. */
async function people() {
  const hook = await HttpHook.open();
  onTestFinished(() => hook.close());
  const told = new Map<string, number[]>();
  const posted: Posted[] = [];
  hook.answer = ({ body }) => {
    const message = JSON.parse(body) as Posted;
    posted.push(message);
    const { group } = message.notification;
    const key = `${group.gateway} ${group.rule}`;
    told.set(key, [...(told.get(key) ?? []), Date.now()]);
    return { status: 204 };
  };
  return { url: hook.url, told, posted };
}

/** When the first alert of a gateway was decided, and how many there are in all. */
async function decided(connection: Connection, rule: string) {
  const at = new Map<string, number>();
  let firing = 0;
  for (const { gateway, state, storedAt } of await storedAlerts(connection, rule)) {
    if (state !== "firing" || !gateway.startsWith("storm-")) continue;
    firing += 1;
    if (!at.has(gateway)) at.set(gateway, storedAt);
  }
  return { at, firing };
}

/** How long a reading of a real gateway takes until it is taken, for as long as it is asked. */
async function witness(stack: Stack) {
  const client = await mqtt.connectAsync(stack.mqttUrl);
  let isOver = false;
  const lags: number[] = [];
  const watching = (async () => {
    for (let value = 0; !isOver; value++) {
      const from = Date.now();
      await client.publishAsync("devices/w/telemetry/level", `${value}`, { qos: 1 });
      await stack.allTaken();
      lags.push(Date.now() - from);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    await client.endAsync();
    return Math.max(...lags);
  };
}

async function begun(silentAfter = "0s") {
  const { url, told, posted } = await people();
  const stack = await Stack.start({ cloud: cloud(url, silentAfter) });
  onTestFinished(() => stack.remove());
  const connection = await connectTest(stack.nats.url);
  onTestFinished(() => connection.close());
  return { stack, connection, told, posted };
}

test("10,000 devices of 100 gateways at once are a message a gateway within 5 s, and delay nobody", async () => {
  const { stack, connection, told } = await begun("15s");
  const fleet = new Fleet(connection, gateways);
  const lagMs = await witness(stack);

  await fleet.readings(99, 30_000);
  await expectTold(connection, told, "hot", alertsInAll);
  await fleet.readings(20, 29_000);
  await fleet.hubs();
  await expectTold(connection, told, "missing", alertsInAll);
  await expectTold(connection, told, "system-gateway-silent", gateways.length);

  // What follows from a gateway's silence waits for it to be heard again.
  expect([...told.keys()].filter((key) => !key.startsWith("storm-"))).toEqual([]);
  const lag = await lagMs();
  process.stdout.write(`${JSON.stringify({ slowestTakenMs: lag })}\n`);
  expect(lag).toBeLessThan(lagMsMax);
}, 180_000);

async function expectTold(
  connection: Connection,
  told: ReadonlyMap<string, readonly number[]>,
  rule: string,
  alerts: number,
): Promise<void> {
  const keys = gateways.map((gateway) => `${gateway} ${rule}`);
  await until(async () => keys.every((key) => told.has(key)), 60_000, `all told of ${rule}`);
  const { at, firing } = await decided(connection, rule);
  expect(firing).toBe(alerts);
  const delays = gateways.map((gateway) => {
    const [first = Number.POSITIVE_INFINITY] = told.get(`${gateway} ${rule}`) ?? [];
    return first - (at.get(gateway) ?? 0);
  });
  process.stdout.write(
    `${JSON.stringify({ rule, slowestToldMs: Math.round(Math.max(...delays)) })}\n`,
  );
  expect(Math.max(...delays)).toBeLessThan(toldWithinMs);
  for (const key of keys) expect(told.get(key)).toHaveLength(1);
}

const dayMs = 24 * 3_600_000;
/** A day ends, an incident of a minute, and so on. */
const incidents = Array.from({ length: 50 }, (_, index) => 7 * dayMs - index * 3 * 3_600_000);

test("of 50 incidents in a week without a link people get one digest, and a page of what is so now", async () => {
  const { connection, posted } = await begun();
  const fleet = new Fleet(connection, ["storm-away"]);
  await fleet.course(
    incidents.flatMap((agoMs) => [
      { value: 20, agoMs },
      { value: 99, agoMs: agoMs - 60_000 },
      { value: 20, agoMs: agoMs - 120_000 },
    ]),
  );
  await fleet.course([{ value: 99, agoMs: 0 }]);
  await until(async () => posted.length >= 2, 150_000, "a page and a digest");
  const [page, digest] = posted;
  expect(page).toMatchObject({ notification: { kind: "alerts" }, alerts: [{ late: false }] });
  expect(digest?.notification.kind).toBe("digest");
  expect(digest?.alerts.filter(({ late }) => late)).toHaveLength(50);
  const { firing } = await decided(connection, "hot");
  expect(firing).toBe(incidents.length + 1);
  expect(posted).toHaveLength(2);
}, 240_000);

test("a sensor that flaps at 1 Hz for an hour is told of three times at most", async () => {
  const { connection, posted } = await begun();
  const from = Date.now() - 3_600_000;
  const steps = Array.from({ length: 3_600 }, (_, second) => ({
    ...{ value: second % 2 === 0 ? 51 : 49, agoMs: 0 },
    observedAt: from + second * 1_000,
  }));
  await new Fleet(connection, ["storm-flap"]).course(steps);
  await new Fleet(connection, ["storm-other"]).course([{ value: 99, agoMs: 0 }]);
  await until(async () => posted.length >= 2, 60_000, "both told");
  const { firing } = await decided(connection, "hot");
  expect(firing).toBeLessThanOrEqual(5);
  expect(posted.length).toBeLessThanOrEqual(4);
}, 120_000);
