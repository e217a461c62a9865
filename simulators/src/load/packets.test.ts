// The goal: what the load writes is what MQTT's own parser reads, and answers are found however cut.
import { parser } from "mqtt-packet";
import { describe, expect, test } from "vitest";
import { AnswerReader, connectPacket, publishOverheadMax, writePublish } from "./packets.ts";

function parsed(bytes: Buffer): unknown[] {
  const packets: unknown[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on("packet", (packet) => packets.push(packet));
  reader.on("error", (failure) => {
    throw failure;
  });
  reader.parse(bytes);
  return packets;
}

test("a connect keeps its session and carries the credentials", () => {
  const bytes = connectPacket({ clientId: "load-1", username: "user", password: "secret" });
  expect(parsed(bytes)).toMatchObject([
    { cmd: "connect", clientId: "load-1", clean: false, username: "user", keepalive: 60 },
  ]);
  const bare = connectPacket({ clientId: "load-1", username: undefined, password: undefined });
  expect(parsed(bare)).toMatchObject([{ cmd: "connect", clientId: "load-1", clean: false }]);
});

describe("publishes", () => {
  const topic = Buffer.from("devices/load-1/telemetry");
  const written = (payload: string, messageId: number, isAgain: boolean) => {
    const target = Buffer.alloc(topic.length + payload.length + publishOverheadMax);
    const end = writePublish(target, 0, { topic, payload, messageId, isAgain });
    return target.subarray(0, end);
  };

  test.each([1, 90, 127, 128, 16_383, 16_384, 200_000])("of %i bytes come whole", (bytes) => {
    const payload = "x".repeat(bytes);
    expect(parsed(written(payload, 7, false))).toMatchObject([
      { cmd: "publish", qos: 1, dup: false, messageId: 7, topic: `${topic}` },
    ]);
    expect(parsed(written(payload, 0, false))).toMatchObject([{ qos: 0, topic: `${topic}` }]);
  });

  test("a repeat says that it is one", () => {
    expect(parsed(written("{}", 7, true))).toMatchObject([{ dup: true, messageId: 7 }]);
  });
});

describe("answers", () => {
  const connack = [0x20, 2, 0, 0];
  const pubacks = [0x40, 2, 0, 1, 0x40, 2, 0xff, 0xff];
  const bytes = Buffer.from([...connack, ...pubacks, 0xd0, 0]);

  test.each([1, 2, 3, 5, 14])("are found in pieces of %i bytes", (piece) => {
    const found: unknown[] = [];
    const reader = new AnswerReader({
      connack: (code) => found.push(["connack", code]),
      puback: (id) => found.push(id),
      pong: () => found.push("pong"),
    });
    for (let at = 0; at < bytes.length; at += piece) {
      expect(reader.read(bytes.subarray(at, at + piece))).toBe(true);
    }
    expect(found).toEqual([["connack", 0], 1, 0xffff, "pong"]);
  });

  test("what is none is told", () => {
    const reader = new AnswerReader({ connack: () => {}, puback: () => {}, pong: () => {} });
    expect(reader.read(Buffer.from("HTTP/1.1 400 Bad Request"))).toBe(false);
  });
});
