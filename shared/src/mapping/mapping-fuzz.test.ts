// The goal: no payload makes a route throw, hang, or say what an event could not hold.
import { describe, expect, test } from "vitest";
import { Decoder } from "../decode/decode.ts";
import { bytesOf } from "../decode/testing/device-message.ts";
import { ownMessages } from "../decode/testing/own-messages.ts";
import { eventSchema } from "../event.ts";
import { seededRandom } from "../random.ts";
import { integer, mutatedBytes, pick } from "../testing/random-events.ts";
import { compileRoutes, routesSchema } from "./routes.ts";

const mutations = 1_500;
/** A collection of garbage may fall into any one decoding. */
const slowestMs = 1_000;

const tlv =
  "raw.walk(i, u8(raw, i + 1) == 0x67 ? 4 : 3).map(r, u8(r, 1) == 0x67 ? " +
  'reading("t", i16le(r, 2) / 10, "°C") : reading("c" + hex(slice(r, 0, 1)), u8(r, 2)))';
const ways: Readonly<Record<string, object>> = {
  usual: {},
  json: { adapter: "json" },
  plain: { adapter: "plain" },
  bytes: { adapter: "bytes" },
  csv: { adapter: "csv", time: { field: "date", format: "DD.MM.YYYY" } },
  sparkplug: { adapter: "sparkplug-b", as: "spBv1.0/g/DDATA/n/{device}" },
  tlv: { mapping: tlv },
  payload: { mapping: "payload" },
  nested: { mapping: "payload.map(a, reading(a, size(payload.map(b, b))))" },
  members: { mapping: "payload.map(k, reading(k, payload[k]))" },
  text: { mapping: 'fields(text, ",").map(f, reading(f, size(f)))' },
  metrics: {
    mapping: {
      a: { value: "payload.value", quality: "payload.quality", if: "has(payload.value)" },
    },
  },
  all: {
    device: { cel: "string(payload.id)" },
    rename: { "*.value": "*", a: "b" },
    drop: ["x*"],
    scale: { "*": { factor: 1e300, offset: -1 } },
    unit: { "*": "°C" },
    quality: "payload.ok",
    time: { cel: "payload.time", zone: "Europe/Berlin" },
    idempotencyKey: "seq",
    tags: ["cold"],
  },
};
const words = [
  ...['"', "{", "[", "]}", ":null", "NaN", "1e999", '"\\ud800"', "\u0000", "\n", ",", ";", "é"],
  ...['"__proto__":', '"constructor":1,', '"time":', '"id":', '"value":{}', '"ok":true', "[[[["],
];
const jsons = [
  '{"id":7,"ok":true,"value":21.5,"quality":"good","time":"2026-07-01 12:00:00","seq":4,"x":{"value":1}}',
  '["a","b","c"]',
  '{"value":null,"quality":false}',
];
const bombs: readonly string[] = [
  `[${"1,".repeat(100_000)}1]`,
  `${"[".repeat(100_000)}`,
  `{${Array.from({ length: 10_000 }, (_, at) => `"k${at}":1`).join()}}`,
  `${"a,".repeat(100_000)}`,
  "\u0001".repeat(250_000),
  `{"value":"${"x".repeat(250_000)}"}`,
];

describe("whatever comes", () => {
  test.each(Object.keys(ways))(
    "by way of %s is an event that the wire takes, in its time",
    (name) => {
      const routes = routesSchema.parse([{ topic: "x/{device}/#", ...ways[name] }]);
      const decoder = new Decoder(compileRoutes({ routes }));
      const own = ownMessages.filter(({ family }) => family.startsWith(name));
      const messages = own.length === 0 ? ownMessages : own;
      const kinds = new Map<string, number>();
      const take = (topic: string, payload: Uint8Array, context: string) => {
        const began = performance.now();
        const decoded = decoder.decode(topic, payload, { memory: new Map(), presentMs: () => 1 });
        expect(performance.now() - began, context).toBeLessThan(slowestMs);
        kinds.set(decoded.kind, (kinds.get(decoded.kind) ?? 0) + 1);
        if (decoded.kind !== "readings") return;
        const { device, observedAt, readings, key = "" } = decoded;
        const event = { kind: "reading", device, topic: "t", bootMs: 0, observedAt, readings };
        const checked = eventSchema.safeParse(event);
        expect(checked.success ? "" : `${context}: ${checked.error.message}`).toBe("");
        expect(key.length).toBeLessThanOrEqual(256);
      };
      for (let run = 0; run < mutations; run++) {
        const seed = `mapping ${name} ${run}`;
        const random = seededRandom(seed);
        const message = pick(random, messages);
        const random20 = Array.from({ length: integer(random, 20) }, () => integer(random, 256));
        const [bytes, ours, seen] = [
          () => Buffer.from(random20),
          () => mutatedBytes(random, Buffer.from(pick(random, jsons)), words),
          () => mutatedBytes(random, bytesOf(message), words),
        ];
        const payload = pick(random, [bytes, ours, seen])();
        take(pick(random, ["x/d", "x/d/temp", "x//", `x/${message.topic}`]), payload, seed);
      }
      for (const bomb of bombs) take("x/d/bomb", Buffer.from(bomb), bomb.slice(0, 20));
      expect(kinds.get("readings")).toBeGreaterThan(0);
    },
  );
});
