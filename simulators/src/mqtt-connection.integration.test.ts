// The real connection keeps what a Connection promises, against a real broker.
import { deviceId } from "@causeway/shared/names.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { afterEach, expect, test } from "vitest";
import type { ConnectionListener } from "./connection.ts";
import { MqttConnection } from "./mqtt-connection.ts";
import { AedesBroker } from "./testing/aedes-broker.ts";
import { connectionContract } from "./testing/connection.contract.ts";

const clock = systemClock();
const never = new AbortController().signal;
const brokers: AedesBroker[] = [];

afterEach(async () => {
  for (const broker of brokers.splice(0)) await broker.away();
});

async function openBroker(password?: string): Promise<AedesBroker> {
  const broker = new AedesBroker(password);
  await broker.back();
  brokers.push(broker);
  return broker;
}

const deaf: ConnectionListener = {
  online() {},
  offline() {},
  sent() {},
  acknowledged() {},
  written() {},
  refused() {},
};

connectionContract("a connection over MQTT", async () => {
  const broker = await openBroker();
  return {
    connect: (windowMax, listener) =>
      new MqttConnection(
        { url: broker.url, clientId: "pump", qos: 1, windowMax },
        listener,
        clock,
        systemRandom,
      ),
    received: () => broker.received.map(({ payload }) => payload),
    untilReceived: (count) => broker.untilReceived(count),
    silence: () => broker.silence(),
    away: () => broker.away(),
    back: () => broker.back(),
    stop: () => broker.away(),
  };
});

const device = deviceId("pump");

function publishOf(seq: number) {
  return { device, topic: "devices/pump/telemetry", payload: `{"seq":${seq}}`, seq };
}

test("what is sent again says so by DUP, what is new does not", async () => {
  const broker = await openBroker();
  const options = { url: broker.url, clientId: "pump", qos: 1, windowMax: 10 } as const;
  const connection = new MqttConnection(options, deaf, clock, systemRandom);
  connection.start();
  broker.silence();
  connection.publish(publishOf(1));
  await broker.untilReceived(1);
  await broker.away();
  await broker.back();
  await connection.below(1, never);
  connection.publish(publishOf(2));
  await connection.below(1, never);
  expect(broker.received.map(({ payload, dup }) => [payload, dup])).toEqual([
    ['{"seq":1}', false],
    ['{"seq":1}', true],
    ['{"seq":2}', false],
  ]);
  await connection.stop();
});

test("QoS 0 and QoS 2 come to their ends too", async () => {
  const broker = await openBroker();
  const ended: string[] = [];
  const listener = (name: string) => ({
    ...deaf,
    acknowledged: () => ended.push(`${name} acknowledged`),
    written: () => ended.push(`${name} written`),
  });
  for (const qos of [0, 2] as const) {
    const options = { url: broker.url, clientId: `q${qos}`, qos, windowMax: 10 };
    const connection = new MqttConnection(options, listener(`q${qos}`), clock, systemRandom);
    connection.start();
    connection.publish(publishOf(1));
    await connection.below(1, never);
    await connection.stop();
  }
  expect(ended).toEqual(["q0 written", "q2 acknowledged"]);
});

test("a wrong password is told as a refusal", async () => {
  const broker = await openBroker("right");
  const refusal = await new Promise<string>((resolve) => {
    const credentials = { username: "pump", password: "wrong" };
    const options = {
      url: broker.url,
      clientId: "pump",
      qos: 1,
      windowMax: 1,
      ...credentials,
    } as const;
    const listener = {
      ...deaf,
      refused: (reason: string) => resolve(connection.stop().then(() => reason)),
    };
    const connection = new MqttConnection(options, listener, clock, systemRandom);
    connection.start();
  });
  expect(refusal).toMatch(/Not authorized|Bad username/);
});
