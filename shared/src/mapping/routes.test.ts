// A user's own topics become the readings that the route says, or are kept with the reason (P1 to P3).
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { Decoder } from "../decode/decode.ts";
import type { Decoded } from "../decode/decoded.ts";
import { loadSettings, SettingsInvalid } from "../settings.ts";
import { faultsOfRouteExamples } from "./route-examples.ts";
import { unknownTopicsWays } from "./route-settings.ts";
import { compileRoutes, routesSchema } from "./routes.ts";

const schema = z.strictObject({
  routes: routesSchema,
  unknownTopics: z.enum(unknownTopicsWays).default("generic"),
});

function load(text: string) {
  return loadSettings(schema, { fileName: "edge.yaml", text, environment: {}, sets: [] });
}

function decode(text: string, topic: string, payload: string | Uint8Array): Decoded {
  const decoder = new Decoder(compileRoutes(load(text)));
  const context = { memory: new Map(), presentMs: () => 1_782_907_200_000 };
  return decoder.decode(topic, Buffer.from(payload), context);
}

/** `device metric value unit`, one line each. */
function said(decoded: Decoded): readonly string[] {
  if (decoded.kind === "quarantined")
    return [`${decoded.device} ${decoded.reason}: ${decoded.detail}`];
  if (decoded.kind !== "readings") return [decoded.kind === "told" ? decoded.name : decoded.kind];
  const { device, observedAt, readings } = decoded;
  return readings.map(({ metric, value, unit, quality, observedAt: own }) => {
    const time = own ?? observedAt;
    const at = time === null ? "" : ` ${new Date(time).toISOString()}`;
    const how = quality === "good" ? "" : ` ${quality}`;
    return `${device} ${metric} ${value}${unit === undefined ? "" : ` ${unit}`}${how}${at}`;
  });
}

const route = (text: string) => `routes: [{ ${text} }]`;

describe("a route", () => {
  const levels = route('topic: "plant/{line}/{device}/{metric}", device: "{line}-{device}"');

  test.each(
    [
      ["21.5", ["l1-d1 temp 21.5"]],
      ["ON", ["l1-d1 temp ON"]],
      ['{"value":21.5,"unit":"°C"}', ["l1-d1 temp 21.5 Cel"]],
      ['{"value":21.5,"unit":"°C","quality":"bad"}', ["l1-d1 temp 21.5 Cel bad"]],
      ['{"min":1,"max":{"value":2,"unit":"V"}}', ["l1-d1 temp.min 1", "l1-d1 temp.max 2 V"]],
      ['{"ts":1782907200,"value":1}', ["l1-d1 temp 1 2026-07-01T12:00:00.000Z"]],
      [
        '[{"ts":1782907200,"a":1},{"ts":1782907201,"a":2}]',
        ["l1-d1 temp.a 1 2026-07-01T12:00:00.000Z", "l1-d1 temp.a 2 2026-07-01T12:00:01.000Z"],
      ],
      ["NaN", ["l1-d1 temp null bad"]],
      ["a b,c\n", ["l1-d1 binary: "]],
      ["", ["cleared"]],
    ].filter(([payload]) => payload !== "a b,c\n") as [string, string[]][],
  )("names device and metric by levels: %s", (payload, expected) => {
    expect(said(decode(levels, "plant/l1/d1/temp", payload))).toEqual(expected);
  });

  test("keeps bytes that nothing decodes, with the reason, under the route's device", () => {
    const bytes = Buffer.from([0, 1, 2]);
    expect(said(decode(levels, "plant/l1/d1/temp", bytes))).toEqual([
      expect.stringMatching(/^l1-d1 binary: 3 bytes/),
    ]);
  });

  test("leaves other topics alone", () => {
    expect(said(decode(levels, "plant/l1/d1", "5"))).toEqual(["plant/l1 d1 5"]);
    expect(said(decode(levels, "tele/k/SENSOR", '{"A":{"T":1}}'))).toEqual(["k A.T 1"]);
  });

  test("that comes first has the topic", () => {
    const text = `routes: [{ topic: "a/{device}/x", metric: first }, { topic: "a/#", device: second }]`;
    expect(said(decode(text, "a/d/x", "1"))).toEqual(["d first 1"]);
    expect(said(decode(text, "a/d/y", "1"))).toEqual(["second y 1"]);
  });

  test.each([
    ["adapter: json", '{"a":{"b":1}}', ["d a.b 1"]],
    ["adapter: json", "nope", ['d not-json: "nope" is no JSON']],
    ["adapter: plain", "007", ["d t 007"]],
    ["adapter: plain", '{"a":1}', ['d t {"a":1}']],
    ["adapter: bytes", "ab", ["d t 6162"]],
    ["adapter: csv", "temp,hum\n1,2\n", ["d temp 1", "d hum 2"]],
    ["adapter: csv", "date,temp\n2026-07-01T12:00:00Z,1\n", ["d temp 1 2026-07-01T12:00:00.000Z"]],
    ["adapter: influx-line", "m v=1", ["d m.v 1"]],
    [
      'adapter: tasmota, as: "tele/{device}/SENSOR"',
      '{"AM":{"Temperature":1}}',
      ["d AM.Temperature 1"],
    ],
    ["adapter: senml", '[{"n":"x","u":"Cel","v":1}]', ["d x 1 Cel"]],
    ["mapping: payload.v", '{"v":7}', ["d t 7"]],
    ['mapping: \'[reading("a", payload.v, "V"), nothing()]\'', '{"v":7}', ["d a 7 V"]],
    ['mapping: \'{"a": payload.v, "b": true}\'', '{"v":7}', ["d a 7", "d b true"]],
    [
      "mapping: { a: payload.v, b: { value: payload.w, if: has(payload.w) } }",
      '{"v":7}',
      ["d a 7"],
    ],
    [
      "mapping: { a: { value: payload.v, unit: °C, quality: 'payload.v < 10' } }",
      '{"v":17}',
      ["d a 17 Cel bad"],
    ],
    ["mapping: '[]'", "", ["cleared"]],
    ["mapping: '[]'", "x", ["dropped"]],
    ["mapping: payload.v", "{}", ["d mapping: No such key: v"]],
    ["mapping: payload", '{"v":{"w":1}}', ["d mapping: v: an object is no value of a reading"]],
    ["mapping: raw", "x", ["d mapping: value: a frame is no value of a reading"]],
    ["mapping: { a: payload.v / 0 }", '{"v":7}', ["d a null bad"]],
    [
      'mapping: \'[{"metric": "a", "value": 1, "time": payload.at}]\'',
      '{"at":"2026-07-01T12:00:00Z"}',
      ["d a 1 2026-07-01T12:00:00.000Z"],
    ],
    [
      'mapping: \'[{"metric": "a", "value": 1, "time": "soon"}]\'',
      "{}",
      ['d mapping: a: "soon" is no time'],
    ],
    ['mapping: \'[{"metric": "a", "value": 1, "unit": 5}]\'', "{}", ["d mapping: a: 5 is no unit"]],
    ["mapping: '{\"a\\n\": 1}'", "{}", ['d metric-name: metric "a\\n"']],
  ])("%s of %s", (how, payload, expected) => {
    const text = route(`topic: "x/{device}/t", ${how}`);
    expect(said(decode(text, "x/d/t", payload))).toEqual(expected);
  });

  test.each([
    ["rename: { a: b, 'x.*': 'y.*' }", '{"a":1,"x":{"z":2}}', ["d b 1", "d y.z 2"]],
    ["rename: { a: b }, drop: [b]", '{"a":1,"c":2}', ["d c 2"]],
    ['drop: ["*"]', '{"a":1}', ["dropped"]],
    ['drop: ["!a"]', '{"a":1,"c":2}', ["d a 1"]],
    ["scale: 0.1, unit: V", '{"a":213}', ["d a 21.3 V"]],
    ["scale: { factor: 1.8, offset: 32 }", '{"a":100,"s":"x"}', ["d a 212", "d s x"]],
    [
      "scale: { a: 0.001, 'b*': { offset: -273.15 } }",
      '{"a":1234,"b1":300,"c":5}',
      ["d a 1.234", "d b1 26.850000000000023", "d c 5"],
    ],
    ["scale: 1.0e+308", '{"a":1e10}', ["d a null bad"]],
    ["unit: { a: °C, '*': V }", '{"a":1,"b":2}', ["d a 1 Cel", "d b 2 V"]],
    ["quality: payload.ok", '{"ok":false,"a":1}', ["d ok false bad", "d a 1 bad"]],
    [
      'quality: \'payload.s == 0 ? "good" : "uncertain"\', drop: [s]',
      '{"s":3,"a":1}',
      ["d a 1 uncertain"],
    ],
    [
      "quality: payload.s",
      '{"s":3,"a":1}',
      ["d mapping: quality: 3 is no quality: good, uncertain, bad, true or false"],
    ],
    ["time: at", '{"at":"2026-07-01 12:00","a":1}', ["d a 1 2026-07-01T12:00:00.000Z"]],
    [
      "time: { field: at.t, zone: Europe/Berlin }",
      '{"at":{"t":"2026-07-01 12:00"},"a":1}',
      ["d a 1 2026-07-01T10:00:00.000Z"],
    ],
    ["time: at", '{"a":1}', ["d a 1"]],
    ["time: at", '{"at":"soon","a":1}', ['d bad-time: "soon" is no time']],
    [
      "time: { cel: payload.day + 'T00:00:00Z' }, drop: [day]",
      '{"day":"2026-07-01","a":1}',
      ["d a 1 2026-07-01T00:00:00.000Z"],
    ],
    [
      "adapter: csv, time: { field: day, format: DD.MM.YYYY }",
      "day;a\n01.07.2026;1\n02.07.2026;2\n",
      ["d a 1 2026-07-01T00:00:00.000Z", "d a 2 2026-07-02T00:00:00.000Z"],
    ],
    ['metric: "m.{*}"', '{"a":1}', ["d m.a 1"]],
    ["metric: m", '{"a":1}', ["d m 1"]],
    [
      "metric: m",
      '{"a":1,"b":2}',
      ['d mapping: "a" and "b" are both named "m": write {*} for their own names'],
    ],
    ["metric: { cel: payload.n }, drop: []", "5", undefined],
    ["device: { cel: payload.id }, drop: [id]", '{"id":7,"a":1}', ["7 a 1"]],
    ["device: { cel: payload.id }", '{"a":1}', ["null mapping: device: No such key: id"]],
    ["device: { cel: payload.id }", '{"id":"a+b"}', ['null device-name: device "a+b"']],
  ])("%s of %s", (how, payload, expected) => {
    const text = route(`topic: "x/{device}", ${how}`);
    if (expected === undefined) expect(() => load(text)).toThrow(SettingsInvalid);
    else expect(said(decode(text, "x/d", payload))).toEqual(expected);
  });

  test("of our own topics, and of a family, changes what they say", () => {
    const own = route(
      'topic: "devices/+/telemetry", drop: [seq], scale: { t: 0.1 }, idempotencyKey: seq',
    );
    const decoded = decode(own, "devices/d1/telemetry", '{"seq":7,"t":215}');
    expect(said(decoded)).toEqual(["d1 t 21.5"]);
    expect(decoded).toMatchObject({ key: "7", route: { index: 0, hasKey: true } });
    const tele = route('topic: "tele/+/SENSOR", device: kitchen, rename: { "*.Temperature": "*" }');
    expect(said(decode(tele, "tele/x/SENSOR", '{"AM":{"Temperature":1}}'))).toEqual([
      "kitchen AM 1",
    ]);
  });

  test.each([
    ["seq", '{"seq":7}', "7"],
    ["h.seq", '{"h":{"seq":"a"}}', "a"],
    ["ts", '{"ts":1782907200,"a":1}', "1782907200"],
    ["seq", '{"a":1}', undefined],
    ["{ cel: 'payload.boot + payload.seq' }", '{"boot":"x","seq":"7"}', "x7"],
  ])("tells messages apart by %s of %s", (key, payload, expected) => {
    const decoded = decode(route(`topic: "x/{device}", idempotencyKey: ${key}`), "x/d", payload);
    expect(decoded.key).toBe(expected);
  });

  test("may quarantine what neither a route nor a family has", () => {
    const text = `unknownTopics: quarantine\nroutes: [{ topic: "x/{device}" }, { topic: y/z }]`;
    expect(said(decode(text, "a/b", "1"))).toEqual([
      "null topic-unknown: no route has this topic, and no family",
    ]);
    expect(said(decode(text, "x/d", '{"a":1}'))).toEqual(["d a 1"]);
    expect(said(decode(text, "y/z", "1"))).toEqual(["y z 1"]);
    expect(said(decode(text, "tele/k/SENSOR", '{"A":{"T":1}}'))).toEqual(["k A.T 1"]);
  });
});

/** As their README tells them (github.com/Milesight-IoT/SensorDecoders). */
test.each([
  [
    "em500-co2",
    "AXVkA2cZAQRocwV9ZwQGc2gn",
    [
      "battery 100 %",
      "temperature 28.1 Cel",
      "humidity 57.5 %RH",
      "co2 1127 ppm",
      "pressure 1008.8 hPa",
    ],
  ],
  [
    "am319",
    "A2fuAARofAUAAQbLAgd9qAMIfSUACXNmJwp9BwALfSAADH0wAA==",
    [
      ...["temperature 23.8 Cel", "humidity 62 %RH", "pir true", "light_level 2", "co2 936 ppm"],
      ...["tvoc 0.37", "pressure 1008.6 hPa", "hcho 0.07", "pm2_5 32 ug/m3", "pm10 48 ug/m3"],
    ],
  ],
])("a frame of a Milesight %s is read by a mapping", (device, base64, expected) => {
  const text = `routes:
  - topic: milesight/{device}/up
    mapping: >
      raw.walk(i, u8(raw, i + 1) in [0x67, 0x7d, 0x73] ? 4 : 3).map(r,
        u8(r, 1) == 0x75 ? reading("battery", u8(r, 2), "%") :
        u8(r, 1) == 0x67 ? reading("temperature", i16le(r, 2) / 10, "°C") :
        u8(r, 1) == 0x68 ? reading("humidity", u8(r, 2) / 2, "%RH") :
        u8(r, 1) == 0x73 ? reading("pressure", u16le(r, 2) / 10, "hPa") :
        u8(r, 1) == 0x00 ? reading("pir", u8(r, 2) == 1) :
        u8(r, 1) == 0xcb ? reading("light_level", u8(r, 2)) :
        u8(r, 0) in [0x05, 0x07] ? reading("co2", u16le(r, 2), "ppm") :
        u8(r, 0) == 0x08 ? reading("tvoc", u16le(r, 2) / 100) :
        u8(r, 0) == 0x0a ? reading("hcho", u16le(r, 2) / 100) :
        u8(r, 0) == 0x0b ? reading("pm2_5", u16le(r, 2), "µg/m³") :
        u8(r, 0) == 0x0c ? reading("pm10", u16le(r, 2), "µg/m³") : nothing())`;
  const decoded = decode(text, `milesight/${device}/up`, Buffer.from(base64, "base64"));
  expect(said(decoded)).toEqual(expected.map((line) => `${device} ${line}`));
});

describe("a route that cannot be", () => {
  test.each([
    ["routes:\n  - topic: a/#/b", '2:5 routes.0.topic: "#" stands for all'],
    [
      "routes:\n  - topic: a/{device}\n    mapping: >\n      payload.x +\n      foo(3)",
      "5:7 routes.0.mapping: no function foo",
    ],
    [
      "routes:\n  - topic: a/{device}\n    mapping: { a: 1, b: payload.x + }",
      "3:36 routes.0.mapping.b: ",
    ],
    [
      "routes:\n  - topic: a/{device}\n    mapping: { a: { value: 1, if: t } }",
      "3:35 routes.0.mapping.a.if: no variable t",
    ],
    [
      "routes:\n  - topic: a/{device}\n    adapter: foo",
      "3:5 routes.0.adapter: no adapter foo: there are json, plain",
    ],
    [
      "routes:\n  - topic: a/{device}\n    adapter: csv\n    mapping: '1'",
      "4:5 routes.0.mapping: adapter and mapping both decode",
    ],
    ["routes:\n  - { topic: a/+, adapter: plain }", "2:5 routes.0: say whose readings they are"],
    [
      "routes:\n  - { topic: a/+, device: '{x}' }",
      "2:19 routes.0.device: no level of the topic is called",
    ],
    [
      "routes:\n  - { topic: 'a/{device}', metric: 5 }",
      "2:28 routes.0.metric: write a name such as",
    ],
    [
      "routes:\n  - { topic: 'a/{device}', as: tele/x/SENSOR }",
      "2:28 routes.0.as: belongs to an adapter",
    ],
    [
      "routes:\n  - { topic: 'a/{device}', adapter: tasmota, as: x/y }",
      "2:46 routes.0.as: tasmota knows no such topic as x/y",
    ],
    [
      "routes:\n  - { topic: 'a/{device}', time: { field: t, format: HH } }",
      "2:46 routes.0.time.format: a format has YYYY",
    ],
    ["routes:\n  - { topic: 'a/{device}', time: { field: t, zone: Mars } }", "routes.0.time"],
    [
      "routes:\n  - { topic: 'a/{device}', rename: { 'a*b*': c } }",
      "2:38 routes.0.rename.a*b*: one * on each side",
    ],
    ["routes:\n  - { topic: 'a/{device}', quality: payload. }", "routes.0.quality: "],
    ["routes:\n  - { topic: 'a/{device}', colour: red }", "2:28 routes.0.colour: unknown setting"],
    [
      "routes:\n  - { topic: 'a/{x}/#' , device: d }\n  - { topic: 'a/b/{device}' }",
      "routes.1.topic: no message reaches it: route a/{x}/# has all of its topics",
    ],
    ["routes:\n  - { device: d }", "2:5 routes.0.topic: "],
  ])("%s", (text, fault) => {
    expect(() => load(text)).toThrow(fault);
  });
});

describe("examples of routes", () => {
  const faultsOf = (examples: string) =>
    faultsOfRouteExamples(
      load(`routes:
  - { topic: b/x }
  - topic: "{kind}/{device}"
    unit: { t: Cel }
    examples: [${examples}]`),
    ).map(({ path, message }) => `${path.join(".")}: ${message}`);

  test.each([
    "{ given: { topic: a/d, payload: { t: 1 } }, expect: [{ metric: t, value: 1, unit: Cel, device: d }] }",
    '{ given: { topic: a/d, payload: \'{"t":1, "ts": 1782907200}\' }, expect: [{ metric: t, value: 1, time: 2026-07-01T12:00:00Z }] }',
    "{ given: { topic: a/d, hex: 00 01 }, expect: { quarantined: binary } }",
    "{ given: { topic: a/d, base64: AAE= }, expect: { quarantined: binary } }",
    "{ given: { topic: a/d, payload: {} }, expect: [] }",
    "{ given: { topic: a/d, payload: { t: null } }, expect: [{ metric: t, value: null }] }",
  ])("hold: %s", (example) => {
    expect(faultsOf(example)).toEqual([]);
  });

  test.each([
    [
      "{ given: { topic: a/d, payload: { t: 1 } }, expect: [{ metric: t, value: 2 }] }",
      "1.examples.0.expect.0: expected t 2; got d t 1 Cel",
    ],
    [
      "{ given: { topic: a/d, payload: { t: 1 } }, expect: [{ metric: t, value: 1, unit: V }] }",
      "1.examples.0.expect.0: expected t 1 V; got d t 1 Cel",
    ],
    [
      "{ given: { topic: a/d, payload: { t: 1 } }, expect: [{ metric: t, value: 1 }, { metric: u, value: 1 }] }",
      "1.examples.0.expect.1: expected u 1; got nothing of this name",
    ],
    [
      "{ given: { topic: a/d, payload: { t: 1 } }, expect: [] }",
      "1.examples.0.expect: got d t 1 Cel, which no line expects",
    ],
    [
      "{ given: { topic: a/d, payload: { t: 1 } }, expect: { quarantined: binary } }",
      "1.examples.0.expect.quarantined: expected quarantined: binary; got 1 readings",
    ],
    [
      "{ given: { topic: a/d, hex: '00 01' }, expect: [{ metric: t, value: 1 }] }",
      "1.examples.0.expect.0: expected t 1; got quarantined: binary",
    ],
    [
      "{ given: { topic: a/d, hex: '00 01' }, expect: [] }",
      "1.examples.0.expect: expected no readings; got quarantined: binary",
    ],
    [
      "{ given: { topic: b/x, payload: { t: 1 } }, expect: [] }",
      '1.examples.0.given.topic: route b/x, before this, has the topic "b/x"',
    ],
    [
      "{ given: { topic: q, payload: { t: 1 } }, expect: [] }",
      '1.examples.0.given.topic: no route has the topic "q"',
    ],
    [
      "{ given: { topic: a/d, hex: xy }, expect: [] }",
      '1.examples.0.given.hex: "xy" are no hexadecimal bytes',
    ],
  ])("fail: %s", (example, fault) => {
    expect(faultsOf(example)).toEqual([expect.stringContaining(fault)]);
  });
});
