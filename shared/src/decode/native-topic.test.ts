// The goal: every device publish becomes readings or a quarantined event with its reason: nothing is
// guessed, nothing throws, and no payload takes longer than its size deserves.
import { describe, expect, test } from "vitest";
import { eventSchema, readingsPerEventMax, textCharactersMax } from "../event.ts";
import { seededRandom } from "../random.ts";
import { mutatedBytes, mutatedJson, pick } from "../testing/random-events.ts";
import type { Readings, Refused } from "./decoded.ts";
import { nestingMax } from "./native.ts";
import { decodeNativeTopic as decode } from "./native-topic.ts";

const native = "devices/pump-7/telemetry";
const plain = "devices/pump-7/telemetry/rpm";

/** Text, or bytes as Latin-1. */
const payloadOf = (payload: string | Uint8Array) => Buffer.from(payload);

/** `metric=value`, with quality and reason where it is not good; the reason where it is refused. */
function told(decoded: Readings | Refused): string {
  if (decoded.kind === "quarantined") return decoded.reason;
  return decoded.readings
    .map(({ metric, value, unit, quality, reason, observedAt }) => {
      const text = `${metric}=${JSON.stringify(value)}${unit === undefined ? "" : ` ${unit}`}`;
      const time = observedAt === undefined ? "" : ` @${observedAt}`;
      return quality === "good" ? `${text}${time}` : `${text} ${quality}(${reason})${time}`;
    })
    .join(", ");
}

describe("a topic", () => {
  const topics: readonly (readonly [topic: string, told: string])[] = [
    ["devices/pump-7/telemetry", "rpm=1"],
    ["devices/Насос 7/telemetry", "rpm=1"],
    ["devices/pump-7/telemetry/motor/temp", 'motor/temp="{\\"rpm\\":1}"'],
    ["devices/pump-7/telemetry/", "metric-name"],
    [`devices/pump-7/telemetry/${"m".repeat(257)}`, "metric-name"],
    ["devices/pump-7/telemetry/a\u0007", "metric-name"],
    ["devices//telemetry", "device-name"],
    [`devices/${"d".repeat(129)}/telemetry`, "device-name"],
    ["devices/pump-7/state", "topic-unknown"],
    ["devices/pump-7", "topic-unknown"],
    ["/devices/pump-7/telemetry", "topic-unknown"],
    ["Devices/pump-7/telemetry", "topic-unknown"],
    ["", "topic-unknown"],
  ];
  test.each(topics)("%j", (topic, expected) => {
    expect(told(decode(topic, payloadOf('{"rpm":1}')))).toBe(expected);
  });

  test("names the device in the refusal where it has one", () => {
    expect(decode(native, payloadOf("{"))).toMatchObject({ device: "pump-7" });
    expect(decode("devices//telemetry", payloadOf("{"))).toMatchObject({ device: null });
  });
});

describe("a native payload", () => {
  const many = (count: number) =>
    `{${Array.from({ length: count }, (_, at) => `"m${at}":1`).join()}}`;
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

  const payloads: readonly (readonly [payload: string, told: string])[] = [
    // values
    ['{"a":1,"b":-2.5e-3,"c":"on","d":true,"e":false}', 'a=1, b=-0.0025, c="on", d=true, e=false'],
    ['{"a":null}', "a=null bad(null)"],
    ['{"a":1e999,"b":-1e999}', "a=null bad(out-of-range), b=null bad(out-of-range)"],
    [
      '{"a":"unavailable","b":"Unknown","c":"N/A","d":"none"}',
      "a=null bad(unavailable), b=null bad(unknown), c=null bad(n/a), d=null bad(none)",
    ],
    ['{"a":"NaN","b":"-Infinity"}', "a=null bad(nan), b=null bad(infinity)"],
    ['{"a":"unavailable now","b":""}', 'a="unavailable now", b=""'],
    ['{"a":"007","b":"21.5","c":"true"}', 'a="007", b="21.5", c="true"'],
    // bare words, as printf writes them
    [
      '{"a":NaN,"b":nan,"c":NAN,"d":-nan}',
      "a=null bad(nan), b=null bad(nan), c=null bad(nan), d=null bad(nan)",
    ],
    [
      '{"a":Infinity,"b":-inf,"c":+INF}',
      "a=null bad(infinity), b=null bad(infinity), c=null bad(infinity)",
    ],
    ['{"a":[1,NaN,[inf,2]]}', "a.0=1, a.1=null bad(nan), a.2.0=null bad(infinity), a.2.1=2"],
    ['{"a":NaN,"b":"is NaN, \\"nan\\" or inf"}', 'a=null bad(nan), b="is NaN, \\"nan\\" or inf"'],
    ['{"nan":1,"x nan":NaN}', "nan=1, x nan=null bad(nan)"],
    ['{"a":NaNs}', "not-json"],
    ['{"a":1NaN}', "not-json"],
    ['{"a":NaN', "not-json"],
    // paths
    ['{"motor":{"rpm":1,"temp":{"in":2}}}', "motor.rpm=1, motor.temp.in=2"],
    ['{"motor":{"rpm":1},"motor.rpm":2}', "motor.rpm=1, motor.rpm=2"],
    ['{"a":{},"b":[],"c":1}', "c=1"],
    ['{"__proto__":1,"constructor":{"prototype":2}}', "__proto__=1, constructor.prototype=2"],
    // one reading with its unit
    ['{"t":{"value":61,"unit":"Cel"}}', "t=61 Cel"],
    ['{"t":{"value":61,"unit":"Cel","quality":"uncertain"}}', "t=61 Cel uncertain(device)"],
    ['{"t":{"value":NaN,"unit":"Cel","quality":"uncertain"}}', "t=null Cel bad(nan)"],
    ['{"t":{"value":61,"unit":7,"quality":"fine"}}', "t=61"],
    [`{"t":{"value":61,"unit":"${"u".repeat(65)}"}}`, "t=61"],
    ['{"t":{"value":61,"other":1}}', "t.value=61, t.other=1"],
    ['{"t":{"value":{"x":1}}}', "t.value.x=1"],
    ['{"value":61,"unit":"Cel"}', 'value=61, unit="Cel"'],
    // arrays of objects
    ['[{"a":1},{"a":2}]', "a=1, a=2"],
    ['[{"ts":5,"a":1},{"a":2},{"ts":7,"a":3,"b":4}]', "a=1 @5, a=2, a=3 @7, b=4 @7"],
    ["[]", "no-readings"],
    ["[1]", "not-an-object"],
    ['[{"a":1},null]', "not-an-object"],
    ['[[{"a":1}]]', "not-an-object"],
    ['[{"a":1},{"ts":"soon","a":2}]', "bad-time"],
    // what is none
    ["", "empty"],
    [" ", "not-json"],
    ["{", "not-json"],
    ['{"a":1}x', "not-json"],
    ["{'a':1}", "not-json"],
    ["1", "not-an-object"],
    ["null", "not-an-object"],
    ['"a"', "not-an-object"],
    ["{}", "no-readings"],
    ['{"ts":1}', "no-readings"],
    ['{"a":{"b":[]}}', "no-readings"],
    ['{"":1}', "metric-name"],
    ['{"a\\u0000":1}', "metric-name"],
    ['{"a\\ud83d":1}', "metric-name"],
    [`{"${"m".repeat(257)}":1}`, "metric-name"],
    [`{"a":"${"x".repeat(textCharactersMax)}"}`, `a="${"x".repeat(textCharactersMax)}"`],
    [`{"a":"${"x".repeat(textCharactersMax + 1)}"}`, "text-too-long"],
    [nested(nestingMax), "a.a.a.a.a.a.a.a=1"],
    [nested(nestingMax + 1), "too-deep"],
    [many(readingsPerEventMax + 1), "too-many-readings"],
    [`[${many(3_000)},${many(3_000)}]`, "too-many-readings"],
    [`{"a":[${"1,".repeat(readingsPerEventMax)}1]}`, "too-many-readings"],
  ];
  test.each(
    payloads.map(([payload, expected]) => [
      payload.slice(0, 70),
      expected.slice(0, 70),
      payload,
      expected,
    ]),
  )("%s is %s", (_short, _told, payload = "", expected) => {
    expect(told(decode(native, payloadOf(payload)))).toBe(expected);
  });

  test("may hold as many readings as an event", () => {
    const decoded = decode(native, payloadOf(many(readingsPerEventMax)));
    expect(decoded.kind === "readings" && decoded.readings.length).toBe(readingsPerEventMax);
  });

  test("may begin with a byte order mark", () => {
    expect(told(decode(native, payloadOf('\ufeff{"a":1}')))).toBe("a=1");
  });

  const notUtf8 = [
    [0xff],
    [0xc3, 0x28],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xc0, 0x80],
  ];
  test.each(notUtf8)("is refused where its bytes are no UTF-8: %j", (...bytes) => {
    const payload = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expect(told(decode(native, payload))).toBe("not-utf8");
    expect(told(decode(plain, payload))).toBe("not-utf8");
  });
});

describe("the time in a native payload", () => {
  const at = Date.UTC(2023, 10, 14, 22, 13, 20);
  const times: readonly (readonly [ts: string, observedAt: number | null | "bad-time"])[] = [
    [`${at}`, at],
    [`${at}.4`, at],
    ["0", 0],
    ["-1", -1],
    ["null", null],
    ['"2023-11-14T22:13:20Z"', at],
    ['"2023-11-14T22:13:20z"', at],
    ['"2023-11-14T22:13:20.250Z"', at + 250],
    ['"2023-11-14T22:13:20.250999Z"', at + 250],
    ['"2023-11-14T22:13:20"', at],
    ['"2023-11-14 22:13:20"', at],
    ['"2023-11-14T22:13"', at - 20_000],
    ['"2023-11-14"', Date.UTC(2023, 10, 14)],
    ['"2023-11-15T00:13:20+02:00"', at],
    ['"2023-11-15T00:13:20+0200"', at],
    ['"2023-11-15 00:13:20+02"', at],
    ['"2023-11-14T17:43:20-04:30"', at],
    ['"2024-02-29"', Date.UTC(2024, 1, 29)],
    ['"2023-02-29"', "bad-time"],
    ['"2023-13-01"', "bad-time"],
    ['"2023-11-14T25:00:00Z"', "bad-time"],
    ['"2023-11-14T22:13:20Zulu"', "bad-time"],
    ['"2023-11-14T22:13:20 (noon)"', "bad-time"],
    ['"2023-11-14 10:13 PM"', "bad-time"],
    ['"14.11.2023"', "bad-time"],
    ['"1700000000000"', "bad-time"],
    ['"now"', "bad-time"],
    ['""', "bad-time"],
    ["true", "bad-time"],
    ["{}", "bad-time"],
    ["NaN", "bad-time"],
    ["1e999", "bad-time"],
    ["8640000000000000", 8_640_000_000_000_000],
    ["8640000000000001", "bad-time"],
    [`${"[".repeat(100_000)}${"]".repeat(100_000)}`, "bad-time"],
  ];
  test.each(times.map(([ts, expected]) => [ts.slice(0, 40), expected, ts] as const))(
    "%s is %s",
    (_short, expected, ts) => {
      const decoded = decode(native, payloadOf(`{"ts":${ts},"a":1}`));
      expect(decoded.kind === "readings" ? decoded.observedAt : decoded.reason).toBe(expected);
    },
  );

  test("stays the event's where an array has one element, and the readings' where it has more", () => {
    expect(decode(native, payloadOf('[{"ts":5,"a":1}]'))).toMatchObject({
      observedAt: 5,
      readings: [{ metric: "a", value: 1, quality: "good" }],
    });
    expect(decode(native, payloadOf('[{"ts":5,"a":1},{"ts":5,"a":1}]'))).toMatchObject({
      observedAt: null,
      readings: [{ observedAt: 5 }, { observedAt: 5 }],
    });
  });

  test("means the same on a machine in any zone", () => {
    const zone = process.env["TZ"];
    try {
      process.env["TZ"] = "Asia/Kathmandu";
      const decoded = decode(native, payloadOf('{"ts":"2023-11-14 22:13:20","a":1}'));
      expect(decoded).toMatchObject({ observedAt: at });
    } finally {
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });
});

describe("a plain payload", () => {
  const payloads: readonly (readonly [payload: string, told: string])[] = [
    ["1480", "rpm=1480"],
    [" -2.5e3\n", "rpm=-2500"],
    ["+5", "rpm=5"],
    [".5", "rpm=0.5"],
    ["5.", "rpm=5"],
    ["0", "rpm=0"],
    ["0.7", "rpm=0.7"],
    ["0e1", "rpm=0"],
    ["007", 'rpm="007"'],
    ["-01", 'rpm="-01"'],
    ["1e999", "rpm=null bad(out-of-range)"],
    ["0x10", 'rpm="0x10"'],
    ["1,5", 'rpm="1,5"'],
    ["1 2", 'rpm="1 2"'],
    ["true", "rpm=true"],
    ["false\n", "rpm=false"],
    ["True", 'rpm="True"'],
    ["on", 'rpm="on"'],
    ["nan", "rpm=null bad(nan)"],
    ["-NaN", "rpm=null bad(nan)"],
    ["+inf", "rpm=null bad(infinity)"],
    ["null", "rpm=null bad(null)"],
    ["unavailable", "rpm=null bad(unavailable)"],
    ["unavailable!", 'rpm="unavailable!"'],
    [" text as it stands ", 'rpm=" text as it stands "'],
    ['{"a":1}', 'rpm="{\\"a\\":1}"'],
    ["", "empty"],
  ];
  test.each(payloads)("%j is %s", (payload, expected) => {
    expect(told(decode(plain, payloadOf(payload)))).toBe(expected);
  });

  test("may be as long as a text, and no longer", () => {
    const most = "x".repeat(textCharactersMax);
    expect(told(decode(plain, payloadOf(most)))).toBe(`rpm="${most}"`);
    expect(told(decode(plain, payloadOf(`${most}x`)))).toBe("text-too-long");
  });
});

/** The event that the intake makes of it; the schema's word on it. */
function judged(topic: string, payload: Uint8Array) {
  const decoded = decode(topic, payload);
  const common = { topic, bootMs: 0, device: decoded.device };
  const bytes = payload.length;
  return eventSchema.safeParse(
    decoded.kind === "readings"
      ? { ...common, kind: "reading", observedAt: decoded.observedAt, readings: decoded.readings }
      : {
          ...common,
          kind: "quarantined",
          observedAt: null,
          payload: "",
          bytes,
          ...decodedWords(decoded),
        },
  );
}

function decodedWords({ reason, detail }: Extract<Readings | Refused, { kind: "quarantined" }>) {
  return { reason, detail };
}

describe("any payload", () => {
  const seeds = [
    '{"ts":1700000000000,"temperature":21.5,"door":true,"state":"on"}',
    '{"ts":"2023-11-14T22:13:20Z","motor":{"rpm":1480,"temp":{"value":61,"unit":"Cel","quality":"bad"}}}',
    '[{"ts":1,"a":[1,NaN,-inf]},{"ts":2,"a":null,"b":"unavailable"}]',
    "-12.5e3",
  ];
  const words = [
    "NaN",
    "-inf",
    '"',
    "\\",
    '\\"',
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "1e999",
    '"ts":',
    '"value":',
    "\ufeff",
    "\\u0000",
    "\\ud800",
    "__proto__",
    "0",
    "\n",
    "ö",
  ];
  const topics = [
    native,
    native,
    native,
    plain,
    "devices/\u0007/telemetry",
    `devices/a/telemetry/${"m".repeat(3_000)}`,
  ];

  test("of 20,000 mutated ones becomes an event that the schema accepts", () => {
    const startedAt = performance.now();
    let readings = 0;
    for (let run = 0; run < 20_000; run++) {
      const seed = `payload ${run}`;
      const random = seededRandom(seed);
      const text = pick(random, seeds);
      const json = /^[[{]/.test(text) && !text.includes("NaN") && random.next() < 0.3;
      const payload = json
        ? payloadOf(mutatedJson(random, JSON.parse(text)))
        : mutatedBytes(random, payloadOf(text), words);
      const topic = pick(random, topics);
      const result = judged(topic, payload);
      expect(result.error, `seed "${seed}"`).toBeUndefined();
      if (result.data?.kind === "reading") readings += 1;
    }
    // Both ends are met, else the mutations prove nothing.
    expect(readings).toBeGreaterThan(2_000);
    expect(readings).toBeLessThan(18_000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  const bytes = 256 * 1_024;
  const fill = (start: string, part: string, end: string) =>
    start + part.repeat((bytes - start.length) / part.length) + end;
  const slow: readonly (readonly [name: string, payload: string])[] = [
    ["escaped quotes in a string that never ends", fill('{"a":nan,"b":"', '\\"', "")],
    ["quotes", fill("nan", '"', "")],
    ["backslashes", fill('nan"', "\\", "")],
    ["bare words", fill('{"a":[', "nan,", "nan]}")],
    ["signs", fill("nan", "-", "")],
    ["open brackets", fill("", "[", "")],
    ["nested lists", fill('{"a":', "[", "]".repeat(bytes))],
    ["empty objects", fill('{"a":[', "{},", "{}]}")],
    ["empty elements", fill("[", "{},", "{}]")],
    [
      "long keys",
      `{"${"k".repeat(bytes / 2)}":{${Array.from({ length: 20_000 }, (_, at) => `"${at}":{}`).join()}}}`,
    ],
    ["digits", fill("", "9", "")],
    ["spaces", fill("", " ", "x")],
    ["a time without end", fill('{"ts":"2023-11-14T22:13:20.', "0", 'x"}')],
  ];
  test.each(slow)("of 256 KiB is decoded at once: %s", (_name, text) => {
    const payload = payloadOf(text);
    for (const topic of [native, plain]) {
      const startedAt = performance.now();
      expect(judged(topic, payload).error).toBeUndefined();
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    }
  });
});
