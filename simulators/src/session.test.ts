// A session counts, tells once, and ends in time.
import { CodedError } from "@causeway/shared/errors.ts";
import { deviceId } from "@causeway/shared/names.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import type { ConnectionListener, Publish } from "./connection.ts";
import { drainAfterSignalMsMax, Session } from "./session.ts";
import { MemoryBroker } from "./testing/memory-connection.ts";

const device = deviceId("pump");
const never = new AbortController().signal;

function publish(seq: number): Publish {
  return { device, topic: "devices/pump/telemetry", payload: `{"seq":${seq}}`, seq };
}

function open(clients = 1) {
  const clock = new VirtualClock();
  const broker = new MemoryBroker();
  const acked: (readonly [seq: number, resends: number])[] = [];
  const said: string[] = [];
  const listeners: ConnectionListener[] = [];
  const clientIds = Array.from({ length: clients }, (_, index) => `pump-${index}`);
  const session = new Session(clientIds, {
    clock,
    connect: (_clientId, listener) => {
      listeners.push(listener);
      return broker.connect(10, listener);
    },
    acknowledged: ({ seq }, resends) => void acked.push([seq, resends]),
    say: (text) => void said.push(text),
  });
  session.start();
  const [connection] = session.connections;
  if (connection === undefined) throw new Error("no connection");
  return { clock, broker, acked, said, listeners, session, connection };
}

test("sent, acknowledged, in flight and re-sent are counted apart", () => {
  const { broker, session, connection, acked } = open();
  connection.publish(publish(1));
  broker.silence();
  connection.publish(publish(2));
  expect(session.tally).toMatchObject({ sent: 2, acknowledged: 1, inFlight: 1, resent: 0 });
  broker.away();
  broker.back();
  expect(session.tally).toMatchObject({ sent: 2, acknowledged: 2, inFlight: 0, resent: 1 });
  expect(acked).toEqual([
    [1, 0],
    [2, 1],
  ]);
});

test("that the broker is gone is told once for all connections, and once when all are back", () => {
  const { broker, said, session } = open(3);
  broker.away();
  broker.back();
  expect(said).toEqual([
    "connected to the broker",
    "no connection to the broker, trying again: the broker went away",
    "connected to the broker",
  ]);
  expect(session.online).toBe(3);
  expect(session.offlineReason).toBe("");
});

test("draining ends when everything is acknowledged", async () => {
  const { broker, session, connection, clock } = open();
  broker.away();
  connection.publish(publish(1));
  const drained = session.drain(60_000, never);
  await clock.advance(5_000);
  broker.back();
  expect(await drained).toEqual({ failed: 0 });
});

test("draining gives up after its time and says how many are missing", async () => {
  const { broker, session, connection, clock } = open();
  broker.away();
  connection.publish(publish(1));
  connection.publish(publish(2));
  const drained = session.drain(5_000, never);
  await clock.advance(5_000);
  expect(await drained).toEqual({ failed: 2 });
});

test("after a signal draining has less than ten seconds", async () => {
  const { broker, session, connection, clock } = open();
  broker.away();
  connection.publish(publish(1));
  const signal = new AbortController();
  let over = false;
  const drained = session.drain(600_000, signal.signal).finally(() => {
    over = true;
  });
  await clock.advance(1_000);
  signal.abort();
  await clock.advance(drainAfterSignalMsMax - 1);
  expect(over).toBe(false);
  await clock.advance(1);
  expect(await drained).toEqual({ failed: 1 });
});

test("a refusal ends the run and is what it failed of", async () => {
  const { session, listeners, connection, broker } = open();
  broker.away();
  connection.publish(publish(1));
  listeners[0]?.refused("Connection refused: Not authorized");
  expect(session.ending.aborted).toBe(true);
  expect(session.failure).toBeInstanceOf(CodedError);
  expect(session.failure?.message).toContain("Not authorized");
  expect(await session.drain(60_000, never)).toEqual({ failed: 1 });
});

test("a refusal that comes when all is produced ends the draining", async () => {
  const { session, listeners, connection, broker } = open();
  broker.away();
  connection.publish(publish(1));
  session.end();
  const drained = session.drain(60_000, never);
  listeners[0]?.refused("Connection refused: Not authorized");
  expect(await drained).toEqual({ failed: 1 });
});
