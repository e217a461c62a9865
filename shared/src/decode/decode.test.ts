// The goal: what a device of a known family publishes becomes exactly what the family's rules say, by
// real messages from public documentation, wherever they are at hand.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { refused } from "./decoded.ts";
import type { DeviceMessage } from "./testing/device-message.ts";
import { inOrder, LearningDecoder, missing, saidIn, told } from "./testing/device-message.ts";
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
      const decoded = decoder.read(message);
      const said = saidIn(decoded);
      const { device, presence, refused } = message;
      expect(missing(message, said)).toEqual([]);
      expect(said.map(({ metric }) => metric)).toEqual(message.expect.map(({ metric }) => metric));
      if (device !== undefined) expect(decoded).toMatchObject({ device });
      if (refused !== undefined) expect(decoded).toMatchObject({ reason: refused });
      // Lines of the first file do not say it.
      if (presence !== undefined)
        expect(told(decoded)).toEqual(expect.arrayContaining([...presence]));
    },
  );
});

describe("a topic of no family", () => {
  const decode = (topic: string, payload: string | Uint8Array) =>
    new LearningDecoder().decode(topic, Buffer.from(payload));

  test.each([
    ["lines of text", "Dear all,\nhello", "topic-unknown"],
    ["a long text", "x".repeat(257), "topic-unknown"],
    ["spaces", "  ", "topic-unknown"],
    ["half an object", '{"a":', "not-json"],
    ["a frame of high bytes", Buffer.from([0x03, 0xff, 0xee]), "binary"],
    ["a frame of low bytes, which is UTF-8", Buffer.from([1, 0x75, 0x64, 3]), "binary"],
  ])("keeps %s as it came", (_name, payload, reason) => {
    expect(decode("some/topic", payload)).toMatchObject({ kind: "quarantined", reason });
  });

  test.each([
    ["21.5", ["some topic=21.5"]],
    ["+5", ["some topic=5"]],
    ["007", ['some topic="007"']],
    ['"21.5"', ['some topic="21.5"']],
    ["open", ['some topic="open"']],
    ["null", ["some topic=null bad: null"]],
    ["NaN", ["some topic=null bad: nan"]],
    ["unavailable", ["some topic=null bad: unavailable"]],
    ["[1,2]", ["some/topic 0=1", "some/topic 1=2"]],
    ['{"a":1}\n{"a":2}', ["some/topic a=1", "some/topic a=2"]],
    ['{"value":21.5,"unit":"°C"}', ["some/topic value=21.5 Cel (°C)"]],
    ['{"t":{"value":21.5,"unit":"°C"}}', ["some/topic t=21.5 Cel (°C)"]],
    ['{"t":{"value":21.5,"min":1}}', ["some/topic t.value=21.5", "some/topic t.min=1"]],
    [
      '[{"name":"a","value":1,"unit":"V"},{"name":"b","value":2}]',
      ["some/topic a=1 V", "some/topic b=2"],
    ],
    [
      '[{"name":"a","value":1,"x":1},{"name":"b","value":2}]',
      [
        ...['some/topic name="a"', "some/topic value=1", "some/topic x=1"],
        ...['some/topic name="b"', "some/topic value=2"],
      ],
    ],
    ['{"time":42,"a":1}', ["some/topic time=42", "some/topic a=1"]],
    ['{"Time":"1970-01-01T00:00:12","a":1}', ["some/topic a=1"]],
    ['{"DateTime":"2024/05/01 04:00:00","a":1}', ["some/topic a=1 @2024-05-01T04:00:00.000Z"]],
  ])("says %s as it stands", (payload, said) => {
    expect(told(decode("some/topic", payload))).toEqual(said);
  });

  test.each([
    ["plant/press/status", "offline", ['plant/press availability="offline"', "plant/press went"]],
    ["plant/press/online", "true", ["plant/press online=true", "plant/press came"]],
    ["plant/press/LWT2", "online", ['plant/press LWT2="online"']],
    ["plant/press/status", "1", ["plant/press status=1"]],
    ["motor/status", "1", ["motor status=1"]],
    ["motor/status", "running", ['motor status="running"']],
  ])("%s with %s tells presence only by its word", (topic, payload, said) => {
    expect(told(decode(topic, payload))).toEqual(said);
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
