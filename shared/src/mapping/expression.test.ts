// Whatever a payload holds, an expression gives a value or says why not, within its bounds (M1 to M3).
import { describe, expect, test } from "vitest";
import { Message, parseExpression } from "./expression.ts";
import { stepsMax } from "./mapping-environment.ts";

function evaluate(source: string, payload: string | Uint8Array = "", parts = {}) {
  const expression = parseExpression(source);
  if ("message" in expression) throw new Error(expression.message);
  const topic = "plant/l1/up";
  const message = new Message(topic, topic.split("/"), parts, Buffer.from(payload));
  const found = expression.evaluate(message);
  return found.kind === "value" ? found.value : found;
}

const failed = (detail: string) => ({ kind: "failed", detail: expect.stringContaining(detail) });

describe("an expression", () => {
  test.each([
    ["payload.t / 10", '{"t":215}', 21.5],
    ["payload.t * 9 / 5 + 32", '{"t":100}', 212],
    ["payload.list[1].v + 1", '{"list":[{},{"v":1}]}', 2],
    ["has(payload.t) ? payload.t : null", "{}", null],
    ['double(fields(text, ";")[1])', "x;21.5;y", 21.5],
    ['payload["a b"]', '{"a b":true}', true],
    ["round(payload.t, 1)", '{"t":21.4499}', 21.4],
    ["max(payload.a, payload.b) - min(payload.a, 1)", '{"a":1,"b":5}', 4],
    ['levels[1] + "/" + topic', "", "l1/plant/l1/up"],
    ["size(raw)", Buffer.from([1, 2]), 2],
    ['glob(payload.s, "ok*")', '{"s":"ok now"}', true],
    ["payload.g.map(g, g.s.map(s, s + 1))", '{"g":[{"s":[1]},{"s":[2]}]}', [[2], [3]]],
    ["[1, 2.5, 'x'].filter(x, x != 1)", "", [2.5, "x"]],
    // What JSON has of JavaScript's own names is data.
    ['payload["__proto__"]', '{"__proto__":7}', 7],
  ])("%s of %s", (source, payload, value) => {
    expect(evaluate(source, payload)).toEqual(value);
  });

  test.each([
    ["u8(raw, 1)", 0xfe],
    ["i8(raw, 1)", -2],
    ["u16be(raw, 0)", 0x01fe],
    ["u16le(raw, 0)", 0xfe01],
    ["i16le(raw, 0)", -511],
    ["u24be(raw, 0)", 0x01fe10],
    ["i24le(raw, 0)", 0x10fe01],
    ["u32be(raw, 0)", 0x01fe1020],
    ["u32le(raw, -4)", 0x41ac_cccd, Buffer.from("cdccac41", "hex")],
    ["f32le(raw, 0)", 21.6, Buffer.from("cdccac41", "hex")],
    ["f64be(raw, 0)", 21.6, Buffer.from("403599999999999a", "hex")],
    ["u64be(raw, 0)", 2 ** 40, Buffer.from("0000010000000000", "hex")],
    ["bits(u8(raw, 1), 1, 3)", 7],
    ["bits(u8(raw, 1), 0, 1)", 0],
    ["hex(slice(raw, 1, 3))", "fe10"],
    ["hex(slice(raw, -1))", "20"],
    ["ascii(raw)", "ok", Buffer.from("ok\0xx")],
    ["bcd(raw)", 1234, Buffer.from([0x12, 0x34])],
    ["u8(fromHex('0A ff'), 1)", 255],
    ["u8(fromBase64('AQI='), 1)", 2],
    ["raw.walk(i, 2).map(r, u8(r, 0))", [1, 0x10]],
    ["range(size(raw)).map(i, u8(raw, i))", [1, 0xfe, 0x10, 0x20]],
  ])("%s of a frame", (source, value, frame = Buffer.from([1, 0xfe, 0x10, 0x20])) => {
    expect(evaluate(source, frame)).toEqual(value);
  });

  test.each([
    ["payload.t", "{}", "No such key: t"],
    ["payload.t", "nope", "is no JSON"],
    ["text", Buffer.from([0xff]), "no UTF-8"],
    ["payload.constructor", "{}", "No such key"],
    ["payload.t", '{"constructor":7,"t":1}', "Unsupported type"],
    ["payload.toString", "[]", ""],
    ["payload.t + 1", '{"t":"x"}', "no such overload"],
    ["u16be(raw, 3)", "abcd", "2 bytes at 3, in a frame of 4"],
    ["u8(raw, 0.5)", "a", "0.5 is no whole number"],
    ["raw.walk(i, 3)", "abcd", "the record at byte 3 has 3 of 1"],
    ["raw.walk(i, 0)", "abcd", "the record at byte 0 has 0 of 4"],
    ["bits(1, 50, 8)", "", "there are 0 to 52"],
    ["ascii(raw)", "\n", "no ASCII"],
    ["bcd(raw)", "J", "no two decimal digits"],
    ["fromHex(text)", "0", "no hexadecimal"],
    ["fromBase64(text)", "*", "no base64"],
    ["range(5000)", "", "a range of 5000, at most 4096"],
    ['fields(text, "")', "a", "need a separator"],
  ])("%s of %j says why not", (source, payload, detail) => {
    expect(evaluate(source, payload)).toEqual(failed(detail));
  });

  test.each([
    ['text.matches("(a+)+$")', "no regular expressions"],
    ["foo(1)", "no function foo"],
    ["temperature", "no variable temperature"],
    ["[1].map(payload, 1)", "needs a name of its own"],
    ["[1].map(a, [1].map(b, [1].map(c, 1)))", "2 deep is the most"],
    ["cel.bind(a, 1, a)", "no function bind"],
    ['["a"].join(",")', "no function join"],
    ["raw + 1", "no such overload"],
    ["1 +", "Unexpected"],
    ["x".repeat(9_000), "9000 characters"],
  ])("%s is refused at load", (source, why) => {
    const parsed = parseExpression(source);
    expect("message" in parsed ? parsed.message : "").toContain(why);
  });

  test("ends within its steps, whatever the payload", () => {
    const many = JSON.stringify(Array.from({ length: 2_000 }, () => 1));
    expect(evaluate("payload.map(a, payload.map(b, 1))", many)).toEqual(failed("at most 1024"));
    expect(evaluate("range(4000).map(a, range(4000))", "")).toEqual(failed(`than ${stepsMax}`));
    expect(evaluate("raw.walk(i, 1)", Buffer.alloc(20_000))).toEqual(failed(`than ${stepsMax}`));
    const huge = JSON.stringify(Array.from({ length: 20_000 }, () => 1));
    expect(evaluate("payload.map(a, a)", huge)).toEqual(failed("at most 8192"));
    // The steps of one evaluation are not those of the next.
    expect(evaluate("range(4000).map(a, 1).size()", "")).toBe(4_000);
  });
});
