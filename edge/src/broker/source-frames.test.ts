/** Goal: what a broker sends is understood however it is cut, and no more than the bound is gathered. */
import { describe, expect, test } from "vitest";
import { connectPacket, publishPacket, subscribePacket } from "../testing/mqtt-raw-client.ts";
import type { Frame } from "./source-frames.ts";
import { connectBytes, FrameReader, pubackBytes, subscribeBytes } from "./source-frames.ts";

const bytesMax = 1_000;
const large = publishPacket({ topic: "a/b", id: 7, payload: "x".repeat(200_000), dup: true });
const sent = [
  Buffer.from([0x20, 2, 1, 0]),
  Buffer.from([0x90, 4, 0, 1, 1, 0x80]),
  publishPacket({ topic: "a/b", id: 300, payload: "1" }),
  publishPacket({ topic: "ü", qos: 0, payload: "", retain: true }),
  large,
  publishPacket({ topic: "a", qos: 0, payload: "x".repeat(2_000) }),
  Buffer.from([0xd0, 0]),
  publishPacket({ topic: "a/b", id: 301, payload: "y".repeat(900) }),
];
const common = { isRepeat: false, isRetained: false };
const heard: readonly Frame[] = [
  { kind: "connack", returnCode: 0, isSessionPresent: true },
  { kind: "suback", codes: [1, 0x80] },
  { kind: "publish", topic: "a/b", qos: 1, messageId: 300, payload: Buffer.from("1"), ...common },
  {
    kind: "publish",
    topic: "ü",
    qos: 0,
    messageId: undefined,
    payload: Buffer.alloc(0),
    isRepeat: false,
    isRetained: true,
  },
  {
    kind: "too-large",
    topic: "a/b",
    qos: 1,
    messageId: 7,
    bytes: 200_007,
    isRepeat: true,
    isRetained: false,
  },
  { kind: "too-large", topic: "a", qos: 0, messageId: undefined, bytes: 2_003, ...common },
  { kind: "pingresp" },
  {
    kind: "publish",
    topic: "a/b",
    qos: 1,
    messageId: 301,
    payload: Buffer.from("y".repeat(900)),
    ...common,
  },
];

describe("reading", () => {
  test.each([1, 2, 3, 7, 1_000, 65_536, 1_000_000])("in pieces of %d bytes", (piece) => {
    const bytes = Buffer.concat(sent);
    const reader = new FrameReader(bytesMax);
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length; at += piece) {
      frames.push(...reader.read(bytes.subarray(at, at + piece)));
    }
    expect(frames).toEqual(heard);
  });

  test.each<[string, Buffer]>([
    ["a length of five bytes", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["a topic beyond the packet", Buffer.from([0x30, 3, 0, 9, 97])],
    ["no topic at all", Buffer.from([0x30, 1, 0])],
    ["no room for the message id", Buffer.from([0x32, 3, 0, 1, 97])],
    ["a QoS of 3", Buffer.from([0x36, 5, 0, 1, 97, 0, 1])],
    ["a CONNACK of three bytes", Buffer.from([0x20, 3, 0, 0, 0])],
    ["a packet of a client", connectPacket()],
    ["a SUBACK of a megabyte", Buffer.from([0x90, 0x80, 0x80, 0x40])],
    ["a topic beyond a large packet", Buffer.from([0x30, 0x88, 0x27, 0xff, 0xff])],
  ])("%s is no MQTT of a broker", (_what, bytes) => {
    expect(() => new FrameReader(bytesMax).read(bytes)).toThrow();
  });
});

test("what is said is what a client says", () => {
  const user = { user: "gw", password: "geheim-ü" };
  expect(connectBytes({ clientId: "c1", keepaliveSeconds: 300, ...user })).toEqual(
    connectPacket({ clientId: "c1", keepAlive: 300, clean: false, ...user }),
  );
  const nobody = { user: undefined, password: undefined };
  expect(connectBytes({ clientId: "c1", keepaliveSeconds: 30, ...nobody })).toEqual(
    connectPacket({ clientId: "c1", keepAlive: 30, clean: false }),
  );
  expect(subscribeBytes(["a/#"])).toEqual(subscribePacket("a/#", 1));
  expect(pubackBytes(0x1234)).toEqual(Buffer.from([0x40, 2, 0x12, 0x34]));
});
