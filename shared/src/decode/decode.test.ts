// The goal: what a device of a known family publishes becomes exactly what the family's rules say, by
// real messages from public documentation, wherever they are at hand.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { refused } from "./decoded.ts";
import type { DeviceMessage } from "./testing/device-message.ts";
import { inOrder, LearningDecoder, missing, saidIn } from "./testing/device-message.ts";
import { ownMessages } from "./testing/own-messages.ts";

const path = join(import.meta.dirname, "../../../../shared/device-payloads/messages.jsonl");
const isThere = existsSync(path);
if (!isThere) process.stderr.write(`skipped: no device messages at ${path}\n`);

function messagesAt(file: string): readonly DeviceMessage[] {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as DeviceMessage);
}

/** Told by messages that the lines name and do not have. */
const before: readonly DeviceMessage[] = ownMessages.filter(({ note }) => note === "before");
/** Frames of a vendor: their bytes are kept, for a mapping of the user's to read. */
const isRaw = ({ family }: DeviceMessage) => family.endsWith("-raw");

describe.skipIf(!isThere)("the public messages", () => {
  const decoder = new LearningDecoder();
  for (const message of before) decoder.read(message);
  const messages = isThere ? inOrder(messagesAt(path)) : [];

  test.each(messages.map((message) => [message.family, message.topic, message] as const))(
    "%s on %s",
    (_family, _topic, message) => {
      const decoded = decoder.read(message);
      if (isRaw(message)) {
        expect(decoded).toMatchObject({ kind: "quarantined", reason: "binary" });
        return;
      }
      expect(missing(message, saidIn(decoded))).toEqual([]);
      if (message.expect.length === 0) expect(saidIn(decoded)).toEqual([]);
    },
  );
});

describe("our own messages", () => {
  const decoder = new LearningDecoder();
  test.each(ownMessages.map((message) => [message.family, message.topic, message] as const))(
    "%s on %s",
    (_family, _topic, message) => {
      const said = saidIn(decoder.read(message));
      expect(missing(message, said)).toEqual([]);
      expect(said.map(({ metric }) => metric)).toEqual(message.expect.map(({ metric }) => metric));
    },
  );
});

describe("a topic of no family", () => {
  const decode = (topic: string, payload: string | Uint8Array) =>
    new LearningDecoder().decode(topic, Buffer.from(payload));

  test.each([
    ["a word", "hello", "topic-unknown"],
    ["a text in JSON", '"hello"', "topic-unknown"],
    ["a list of numbers", "[1,2]", "topic-unknown"],
    ["half an object", '{"a":', "not-json"],
    ["a frame of high bytes", Buffer.from([0x03, 0xff, 0xee]), "binary"],
    ["a frame of low bytes, which is UTF-8", Buffer.from([1, 0x75, 0x64, 3]), "binary"],
  ])("keeps %s as it came", (_name, payload, reason) => {
    expect(decode("some/topic", payload)).toMatchObject({ kind: "quarantined", reason });
  });

  test("keeps a topic below devices/ to our own format", () => {
    const strange = decode("devices/pump-7/state", '{"rpm":1}');
    expect(strange).toEqual(refused(null, "topic-unknown", "no adapter knows this topic"));
  });

  test("that is longer than a device's name loses its first levels", () => {
    const long = `${"a".repeat(60)}/${"b".repeat(60)}/${"c".repeat(60)}`;
    const device = `${"b".repeat(60)}/${"c".repeat(60)}`;
    expect(decode(long, '{"x":1}')).toMatchObject({ kind: "readings", device });
    expect(decode(`${long}/x`, "1")).toMatchObject({ kind: "readings", device });
    const whole = `${"a".repeat(64)}/${"b".repeat(63)}`;
    expect(decode(whole, '{"x":1}')).toMatchObject({ device: whole });
    expect(decode("d".repeat(129), '{"x":1}')).toMatchObject({ reason: "device-name" });
    expect(decode(`x/${"d".repeat(129)}`, '{"x":1}')).toMatchObject({ reason: "device-name" });
  });
});

test("routes are forgotten at their bound and found anew, and long topics take no more room", () => {
  const decoder = new LearningDecoder();
  const own = ownMessages[0] as DeviceMessage;
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 20_000; at++) decoder.decode(`plant/line/${at}`, Buffer.from("1"));
  for (let at = 0; at < 5_000; at++) {
    decoder.decode(`${at}/${"x".repeat(60_000)}`, Buffer.from("1"));
  }
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1_024 * 1_024);
  expect(decoder.read(own).kind).toBe("readings");
});
