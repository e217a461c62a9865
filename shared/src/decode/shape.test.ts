// The goal: a payload that is read by its shape becomes, byte for byte, the block that the decoder
// makes of it; one that the decoder would take otherwise is never read by a shape.
import { describe, expect, test } from "vitest";
import { BlockBuilder } from "../block-codec.ts";
import type { Random } from "../random.ts";
import { seededRandom } from "../random.ts";
import { integer, mutatedBytes, pick } from "../testing/random-events.ts";
import { decodeNativeTopic as decode } from "./native-topic.ts";
import { shapeBytesMax, shapeNumbersMax } from "./shape.ts";
import { Shapes } from "./shapes.ts";

const native = "devices/pump-7/telemetry";

/** Learns a first payload; whether a second is then read by its shape. */
function fits(first: string, second: string, topic = native): boolean {
  const shapes = new Shapes();
  const payload = Buffer.from(first);
  const decoded = decode(topic, payload);
  if (decoded.kind === "readings") shapes.missed(topic, decoded.device, payload);
  return shapes.read(topic, Buffer.from(second)) !== undefined;
}

/** Two blocks of the same payloads: one as it comes, one by the decoder alone. */
class Pair {
  readonly shapes = new Shapes();
  readonly #shaped = new BlockBuilder("boot");
  readonly #decoded = new BlockBuilder("boot");
  #bootMs = 5_000;

  /** Whether a shape read it. */
  add(topic: string, payload: Uint8Array): boolean {
    const bootMs = this.#bootMs;
    this.#bootMs += 7 ** (bootMs % 8);
    const shaped = this.shapes.read(topic, payload);
    const decoded = decode(topic, payload);
    if (decoded.kind === "quarantined") {
      expect(shaped, Buffer.from(payload).toString()).toBeUndefined();
      return false;
    }
    const { device, observedAt, readings } = decoded;
    const event = { kind: "reading" as const, device, topic, bootMs, observedAt, readings };
    this.#decoded.add(event);
    if (shaped === undefined) {
      this.shapes.missed(topic, device, payload);
      this.#shaped.add(event);
      return false;
    }
    this.#shaped.add({ kind: "shaped", ...shaped, topic, bootMs, payload });
    return true;
  }

  check(what: string): void {
    const [found, expected] = [this.#shaped.finish(1), this.#decoded.finish(1)];
    expect(found.subarray(5).toString(), what).toBe(expected.subarray(5).toString());
    expect(found.equals(expected), what).toBe(true);
  }
}

const digits = (random: Random, count: number) =>
  Array.from({ length: count }, () => integer(random, 10)).join("");

/** As devices spell numbers, and as nobody should. */
function numberText(random: Random, digitsMax: number): string {
  const sign = random.next() < 0.3 ? "-" : "";
  const whole = pick(random, [
    "0",
    `${1 + integer(random, 9)}${digits(random, integer(random, digitsMax))}`,
  ]);
  const zeros = "0".repeat(integer(random, 9));
  const fraction = pick(random, [
    digits(random, 1 + integer(random, digitsMax)),
    `${zeros}${digits(random, 2)}`,
  ]);
  const padded = `${fraction}${"0".repeat(integer(random, 3))}`;
  const number = random.next() < 0.4 ? `${sign}${whole}` : `${sign}${whole}.${padded}`;
  return random.next() < 0.05 ? `${number}${pick(random, ["e3", "E-7", "e+21", "e999"])}` : number;
}

function valueText(random: Random): string {
  if (random.next() < 0.85) return numberText(random, 17);
  return pick(random, ["true", "false", "null", "NaN", "-inf", '"on"', '"21.5"', "tru", "-", ""]);
}

const two = (random: Random, below: number) => `${integer(random, below)}`.padStart(2, "0");

/** Most of them are one minute. */
function timeText(random: Random): string {
  const date = pick(random, ["2023-11-14", "2023-11-14", "1969-12-31", "2023-02-30", "9999-12-31"]);
  const minute = pick(random, ["22:13", "22:13", "22:13", "24:00", "23:60", two(random, 99)]);
  const fraction = pick(random, [
    "",
    `.${digits(random, 3)}`,
    `.${digits(random, 1 + integer(random, 6))}`,
  ]);
  const seconds = pick(random, [`:${two(random, 60)}`, `:${two(random, 60)}`, ":60", ""]);
  const zone = pick(random, ["Z", "Z", "Z", "z", "", "+01:00", "x"]);
  const text = `"${date}${pick(random, ["T", "T", "T", " "])}${minute}${seconds}${fraction}${zone}"`;
  return random.next() < 0.8 ? text : numberText(random, 17);
}

const templates = [
  '{"ts":@,"rpm":#}',
  '[{"rpm":#,"ts": @}]',
  '{"ts":@,"seen":@,"a":#}',
  '{"seq":#,"temperature":#,"humidity":#}',
  '{"ts":#,"rpm":#,"motor":{"temp":#,"on":#}}  ',
  '{"rpm":#,"ts":#}',
  '{ "a" : # ,\n\t"b" : [#, #] }\r\n',
  '[{"ts":#,"a":#}]',
  '[{"a":#},{"a":#,"ts":#}]',
  '{"a":{"value":#,"unit":"Cel"},"b":{"unit":"%","value":#}}',
  '{"a":{"value":#,"quality":"uncertain"},"b":#}',
  '{"a":{"value":#,"quality":#},"b":#}',
  '{"10":#,"2":#,"x":#,"1":#}',
  '{"a":#,"a":#}',
  '{"__proto__":#,"constructor":#,"°C":#,"a\\"b\\u00e9":#}',
  '{"ts":"1970-01-01T00:00:01.002Z","a":{"value":#,"unit":#}}',
  '{"ts":"1970-01-01T00:00:01.001Z","a":#}',
  '{"ts":{"value":#},"a":#}',
  '{"\ufeff":#}',
  '\ufeff{"a":#}',
  '{"":#,"b":#}',
  '{"state":"on","a":#,"b":null}',
  '{"state":"off \\u00e9\\ud800","mode":"ä\\/","a":#}',
  '{"state":"on","a":#,"b":{"value":"off","unit":"%"}}',
  '{"a":[#,"none",#]}',
  '{"e":#,"-1.5e3":#,"#NaN":"# \\" true"}',
  "#",
  "[#,#]",
];

test("shapes make of 40,000 payloads the blocks that the decoder makes of them", () => {
  let read = 0;
  for (let run = 0; run < 100; run++) {
    const seed = `shape ${run}`;
    const random = seededRandom(seed);
    const pair = new Pair();
    const some = Array.from({ length: 3 }, () => pick(random, templates));
    const topics = ["devices/a/telemetry", "devices/b/telemetry", "devices/a/telemetry/m"];
    for (let count = 0; count < 400; count++) {
      const isPlain = random.next() < 0.5;
      const valueAt = () => (isPlain ? numberText(random, 5) : valueText(random));
      const text = pick(random, some)
        .replaceAll("#", valueAt)
        .replaceAll("@", () => timeText(random));
      const isMutated = random.next() < 0.1;
      const payload = Buffer.from(text);
      const words = ["0", ".", "-", ",", '"', " ", "e1", "ö"];
      if (
        pair.add(pick(random, topics), isMutated ? mutatedBytes(random, payload, words) : payload)
      ) {
        read++;
      }
    }
    pair.check(seed);
  }
  // Both ways are gone, else nothing is compared.
  expect(read).toBeGreaterThan(3_000);
  expect(read).toBeLessThan(32_000);
});

describe("a payload of the same shape", () => {
  const first = '{"a":1,"b":true}';
  const spellings: readonly (readonly [value: string, isRead: boolean])[] = [
    ["0", true],
    ["-7", true],
    ["21.50", true],
    ["3.0", true],
    ["0.000001", true],
    ["-0.5", true],
    ["false", true],
    ["123456789012345", true],
    ["0.0000001", false],
    ["-0", false],
    ["-0.0", false],
    ["1e3", false],
    ["1234567890123456", false],
    ["0.1234567890123456", false],
    ["1.", false],
    [".5", false],
    ["01", false],
    ["+1", false],
    ["--1", false],
    ["null", false],
    ["NaN", false],
    ['"1"', false],
    ["truth", false],
    ["", false],
  ];
  test.each(spellings)("with the value %s", (value, isRead) => {
    expect(fits(first, `{"a":${value},"b":7}`)).toBe(isRead);
    const pair = new Pair();
    pair.add(native, Buffer.from(first));
    pair.add(native, Buffer.from(`{"a":${value},"b":7}`));
    pair.check(value);
  });

  test("may end in blanks, and in nothing else", () => {
    expect(fits(first, '{"a":1,"b":2} \r\n\t')).toBe(true);
    expect(fits(`${first}  `, '{"a":1,"b":2}')).toBe(true);
    for (const end of ["}", ",", "\0", "\u00a0"]) expect(fits(first, first + end)).toBe(false);
    expect(fits(first, '{"a":1,"b":2')).toBe(false);
    expect(fits(first, "")).toBe(false);
  });

  test("tells its own time, in whole milliseconds or ISO 8601 in UTC", () => {
    for (const first of ["1700000000000", '"2023-11-14T22:13:20Z"', '"1999-12-31T23:59:59.999Z"']) {
      const isRead = (ts: string) => fits(`{"ts":${first},"a":1}`, `{"ts":${ts},"a":2}`);
      for (const ts of [
        "1700000000001",
        "0",
        '"2023-11-14T22:13:59Z"',
        '"2023-11-14T22:14:00.001Z"',
      ]) {
        expect(isRead(ts), ts).toBe(true);
      }
      for (const ts of ["true", "-1", "1.5", "1e3", "01", "1700000000000000", "null", '"on"']) {
        expect(isRead(ts), ts).toBe(false);
      }
      for (const ts of [
        "02-30T00:00:00Z",
        "01-01T24:00:00Z",
        "01-01T00:00:60Z",
        "01-01T00:00:00+01:00",
        "01-01T00:00:00x",
      ]) {
        expect(isRead(`"2023-${ts}"`), ts).toBe(false);
      }
      expect(isRead('"2023-01-01T00:00:00Z ')).toBe(false);
    }
  });

  test("may tell its time in any way: what a shape leaves to the decoder stays right", () => {
    const pair = new Pair();
    const random = seededRandom("times");
    let read = 0;
    for (let count = 0; count < 20_000; count++) {
      if (pair.add(native, Buffer.from(`{"ts":${timeText(random)},"a":1}`))) read++;
    }
    expect(read).toBeGreaterThan(1_500);
    pair.check("times");
  });
});

test("a shape is not learnt where a number is no reading of its own", () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":{"value":1,"quality":"uncertain"}}',
    '{"a":{"value":1,"unit":2}}',
    '[{"ts":1,"a":1},{"ts":2,"a":2}]',
    '{"ts":"1970-01-01T00:00:01.002Z","a":{"value":1,"unit":2}}',
    '{"state":"unavailable","a":1}',
    '{"state":"on","a":1,"b":null}',
    '{"ts":1}',
  ]) {
    expect(fits(text, text), text).toBe(false);
  }
});

test("a text is the shape's own, so a payload of another text is another shape", () => {
  expect(fits('{"state":"on","a":1}', '{"state":"on","a":2}')).toBe(true);
  expect(fits('{"state":"on","a":1}', '{"state":"of","a":2}')).toBe(false);
  expect(fits('{"state":"on","a":1}', '{"state":1,"a":2}')).toBe(false);
});

test("a plain value is never read by a shape, whatever it looks like", () => {
  expect(fits('{"a":1}', '{"a":1}', "devices/pump-7/telemetry/m")).toBe(false);
});

test("a large payload, or one of many numbers, is left to the decoder", () => {
  const many = (count: number) => `[${Array(count).fill("1").join()}]`;
  const text = (count: number) => `{"a":${many(count)}}`;
  expect(fits(text(shapeNumbersMax), text(shapeNumbersMax))).toBe(true);
  expect(fits(text(shapeNumbersMax + 1), text(shapeNumbersMax + 1))).toBe(false);
  const long = (length: number) => `{"a":1}${" ".repeat(length - 7)}`;
  expect(fits(long(shapeBytesMax), long(shapeBytesMax))).toBe(true);
  expect(fits(long(shapeBytesMax + 1), long(shapeBytesMax + 1))).toBe(false);
});

test("devices that send in turns are read by shape, and one whose shape changes is again", () => {
  const pair = new Pair();
  const send = (text: string) => pair.add(native, Buffer.from(text));
  const turns = ['{"a":1}', '{"b":2}', '{"a":1,"b":2}'];
  for (let round = 0; round < 10; round++) for (const text of turns) send(text);
  expect(turns.map(send)).toEqual([true, true, true]);
  for (let count = 0; count < 10_000; count++) send(`{"state":"${count}"}`);
  const others = ['{"c":1}', '{"d":2}', '{"e":1,"b":2}', '{"f":"on","b":2}', '{"f":"off","b":2}'];
  for (let round = 0; round < 2_000; round++) for (const text of others) send(text);
  expect(others.map(send)).toEqual([true, true, true, true, true]);
  pair.check("in turns");
});

test("shapes of ever new topics and payloads take no more memory than their bounds", () => {
  const pair = new Pair();
  for (let count = 0; count < 20_000; count++) {
    pair.add(`devices/d${count}/telemetry`, Buffer.from(`{"m${count % 500}":1}`));
  }
  expect(pair.add("devices/d19999/telemetry", Buffer.from('{"m499":2}'))).toBe(true);
  expect(pair.add("devices/d0/telemetry", Buffer.from('{"m0":2}'))).toBe(false);
  pair.check("ever new");
});
