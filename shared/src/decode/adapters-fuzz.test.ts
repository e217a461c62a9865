// The goal: no payload makes an adapter throw, hang or take more than its size deserves; what comes
// out is always readings that the schema takes, presence, something told, or bytes with a reason.
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Event } from "../event.ts";
import { eventSchema, readingsPerEventMax } from "../event.ts";
import { seededRandom } from "../random.ts";
import { mutatedBytes, pick } from "../testing/random-events.ts";
import { adapters } from "./decode.ts";
import type { Decoded } from "./decoded.ts";
import { sparkplugBytes } from "./sparkplug-payload.ts";
import { bytesOf, LearningDecoder } from "./testing/device-message.ts";
import { ownMessages } from "./testing/own-messages.ts";

const mutationsPerFamily = 10_000;
/** A collection of garbage may fall into any one decoding. */
const slowestMs = 1_000;
const payloadBytesMax = 256 * 1_024;

const words = [
  ...['"', "{", "[", "]}", ":null", "NaN", "-0", "1e999", "0.1e-400", '"\\ud800"', "\u0000", "\n"],
  ...["__proto__", '"time":', '"Time":"', '"n":"', '"value":{}', "1714536000", "{{", "~", ",", ";"],
  ...[" ", "=", "\\", "é", "\u0008\u0001", "\u0012\u0002", "\u009f", '{"a":', "[[[["],
];

const families = [...new Set(ownMessages.map(({ family }) => family))];

/** Always an event that the wire takes. */
function check(decoded: Decoded, context: string): void {
  const { presences = [], learnt = [] } = decoded;
  expect(learnt.length, context).toBeLessThanOrEqual(4_096);
  expect(presences.length, context).toBeLessThanOrEqual(4_096);
  const checked = eventSchema.safeParse(eventOf(decoded));
  expect(checked.success ? "" : `${context}: ${checked.error.message}`).toBe("");
}

function eventOf(decoded: Decoded): Event {
  const place = { topic: "t", bootMs: 0, observedAt: null };
  if (decoded.kind === "readings") {
    const { device, observedAt, readings } = decoded;
    return { ...place, kind: "reading", device, observedAt, readings };
  }
  if (decoded.kind === "presences") {
    const [{ device, online, reason }] = decoded.presences;
    return { ...place, kind: "presence", device, online, reason };
  }
  if (decoded.kind === "told") {
    const { device, name, detail } = decoded;
    return { ...place, kind: "system", device, name, detail: detail.slice(0, 1_024) };
  }
  const { device, reason, detail } = decoded;
  const bytes = { payload: "", bytes: 0 };
  return {
    ...place,
    kind: "quarantined",
    device,
    reason,
    detail: detail.slice(0, 1_024),
    ...bytes,
  };
}

describe("mutated payloads", () => {
  test.each(families)("of %s become what the schema takes, each in its time", (family) => {
    const seed = `adapters ${family} ${process.env["CAUSEWAY_SEED"] ?? "1"}`;
    const random = seededRandom(seed);
    const decoder = new LearningDecoder(() => 1_714_536_000_000);
    const messages = ownMessages.filter((message) => message.family === family);
    for (let at = 0; at < mutationsPerFamily; at++) {
      const message = pick(random, messages);
      const payload = mutatedBytes(random, bytesOf(message), words);
      const begin = performance.now();
      const decoded = decoder.decode(message.topic, payload);
      const ms = performance.now() - begin;
      if (ms > slowestMs) throw new Error(`seed ${seed}, mutation ${at} took ${ms} ms`);
      // The schema costs more than decoding does.
      if (at % 8 === 0) check(decoded, `seed ${seed}, mutation ${at}`);
    }
  });
});

/** Hostile payloads of the size that a packet may have. */
const bombs: readonly (readonly [name: string, payload: Uint8Array])[] = [
  ["nested JSON lists", Buffer.from("[".repeat(payloadBytesMax))],
  ["nested JSON objects", Buffer.from('{"a":'.repeat(payloadBytesMax / 5))],
  ["closed nested JSON", Buffer.from(`${"[".repeat(1e5)}${"]".repeat(1e5)}`)],
  ["a huge JSON list", Buffer.from(`[${"1,".repeat(payloadBytesMax / 2 - 2)}1]`)],
  ["a huge list of objects", Buffer.from(`[${'{"a":1},'.repeat(30_000)}{"a":1}]`)],
  ["many keys", Buffer.from(`{${Array.from({ length: 2e4 }, (_, at) => `"${at}":1`).join()}}`)],
  ["a long text", Buffer.from(`{"a":"${"x".repeat(payloadBytesMax - 9)}"}`)],
  ["quotes without end", Buffer.from(`NaN${'"'.repeat(payloadBytesMax - 3)}`)],
  ["backslashes", Buffer.from(`"${"\\".repeat(payloadBytesMax - 1)}`)],
  ["a CBOR list that states 2^64 items", Buffer.from("9bffffffffffffffff", "hex")],
  ["a CBOR text that states 4 GB", Buffer.from("81a1007affffffff", "hex")],
  ["nested CBOR", Buffer.alloc(payloadBytesMax, 0x81)],
  ["nested CBOR without lengths", Buffer.alloc(payloadBytesMax, 0x9f)],
  [
    "nested CBOR tags",
    Buffer.concat([Buffer.from([0x81]), Buffer.alloc(payloadBytesMax - 1, 0xc4)]),
  ],
  ["nested protobuf", nestedTemplate()],
  ["protobuf groups", Buffer.alloc(payloadBytesMax, 0x13)],
  ["many small protobuf metrics", Buffer.from("1202100f".repeat(payloadBytesMax / 4), "hex")],
  ["random bytes", randomBytes()],
  [
    "names that no device can have",
    Buffer.from('{"id":"+/#","mac":"","model":"\\u0000","channel":"#"}'),
  ],
  ["commas", Buffer.alloc(payloadBytesMax, ",")],
  ["empty lines", Buffer.alloc(payloadBytesMax, "\n")],
  ["spaces", Buffer.alloc(payloadBytesMax, " ")],
  ["a row of many columns", Buffer.from(`a,b\n${"1,".repeat(payloadBytesMax / 2 - 3)}1`)],
  ["many rows", Buffer.from(`a,b\n${"1,2\n".repeat(payloadBytesMax / 4 - 1)}`)],
  ["many lines of Influx", Buffer.from("m f=1\n".repeat(payloadBytesMax / 6))],
  ["many tags of Influx", Buffer.from(`m${",a=b".repeat(payloadBytesMax / 4 - 4)} f=1`)],
  ["many records of SenML", Buffer.from(`[${'{"n":"a"},'.repeat(25_000)}{"n":"a","v":1}]`)],
  [
    "a template of filters",
    Buffer.from(JSON.stringify({ stat_t: "a", val_tpl: `{{value${"|int".repeat(60_000)}}}` })),
  ],
  ["a compressed protobuf of 64 MB", compressedBomb()],
  ["lines of JSON", Buffer.from('{"a":1}\n'.repeat(payloadBytesMax / 8))],
  ["a line of text", Buffer.alloc(payloadBytesMax, "word ")],
  [
    "a template of conditions",
    Buffer.from(
      JSON.stringify({
        stat_t: "a",
        val_tpl: `{% if value is defined %}${"{% else ".repeat(50)}${" ".repeat(60)}{% endif`,
      }),
    ),
  ],
  ["a config of many topics", Buffer.from(JSON.stringify(manyTopics()))],
  [
    "a template of indices",
    Buffer.from(JSON.stringify({ stat_t: "a", val_tpl: `{{ value_json${"[0]".repeat(160)}` })),
  ],
];

function manyTopics(): object {
  const letters = (at: number) =>
    at.toString(26).replaceAll(/\d/g, (digit) => `x${"qrstuvwxyz"[+digit]}`);
  return Object.fromEntries(
    Array.from({ length: 8_000 }, (_, at) => [`${letters(at)}_topic`, `t/${at}`]),
  );
}

function compressedBomb(): Uint8Array {
  const body = deflateSync(Buffer.alloc(64 * 1_024 * 1_024));
  return sparkplugBytes({ uuid: "SPBV1.0_COMPRESSED", body, metrics: [] });
}

/** A metric with a template of a metric with a template, and so on. */
function nestedTemplate(): Buffer {
  let inner: Buffer = Buffer.alloc(0);
  for (let depth = 0; inner.length < 60_000; depth++) {
    const head = depth % 2 === 0 ? [0x92, 0x01] : [0x12];
    inner = Buffer.concat([Buffer.from([...head, ...varint(inner.length)]), inner]);
  }
  return Buffer.concat([Buffer.from([0x12, ...varint(inner.length)]), inner]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

function randomBytes(): Buffer {
  const random = seededRandom("random bytes");
  return Buffer.from(random.hex(2 * 65_536), "hex");
}

/** One of each kind that a family tells apart. */
function kindsOfTopic(): readonly string[] {
  const kinds = new Map<string, string>();
  for (const { topic } of ownMessages) {
    const levels = topic.split("/");
    const adapter = adapters.find((each) => each.signature(levels) !== undefined);
    const what = adapter?.signature(levels)?.what ?? "";
    const kind = `${adapter?.family}/${what.slice(0, 12)}`;
    if (!kinds.has(kind)) kinds.set(kind, topic);
  }
  return [...kinds.values()];
}

const topics = [
  ...kindsOfTopic(),
  "homeassistant/device/x/config",
  "homie/5/x/$description",
  "logger/csv/x",
  "influx/x",
  "some/topic",
];

describe("a hostile payload", () => {
  test.each(bombs)("of %s costs each adapter little", (name, payload) => {
    const decoder = new LearningDecoder();
    for (const topic of topics) {
      const begin = performance.now();
      const decoded = decoder.decode(topic, payload);
      const ms = performance.now() - begin;
      check(decoded, `${name} on ${topic}`);
      if (decoded.kind === "readings") {
        expect(decoded.readings.length).toBeLessThanOrEqual(readingsPerEventMax);
      }
      expect(ms, `${name} on ${topic}`).toBeLessThan(slowestMs);
    }
  });
});

test("every adapter has messages that are mutated", () => {
  const routed = new Set(
    ownMessages.map(({ topic }) => {
      const levels = topic.split("/");
      return adapters.find((adapter) => adapter.signature(levels) !== undefined)?.family;
    }),
  );
  expect(adapters.map(({ family }) => family).filter((family) => !routed.has(family))).toEqual([]);
});
