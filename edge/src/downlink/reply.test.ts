// Goal: what a device answers is read as it meant it, and kept as it came.
import { expect, test } from "vitest";
import { replyOf } from "./reply.ts";

const text = (payload: string) => replyOf(Buffer.from(payload));

test("any text is done, and so is JSON unless its ok is false", () => {
  expect(text("")).toEqual({ state: "done", detail: "" });
  expect(text("OK")).toEqual({ state: "done", detail: "", payload: "OK" });
  expect(text('{"ok":true,"at":1}')).toMatchObject({
    state: "done",
    payload: '{"ok":true,"at":1}',
  });
  expect(text('{"ok":false,"error":"no water"}')).toMatchObject({
    state: "failed",
    detail: "no water",
  });
  const hostile = text('{"ok":false,"error":"no\\u001b[31m\\nwater"}');
  expect(hostile.detail).toBe("no [31m water");
  for (const odd of ["{", "null", "[]", '{"ok":"false"}', "false", '{"error":1}'])
    expect(text(odd), odd).toMatchObject({ state: "done", payload: odd });
});

test("bytes that are no text are kept as base64, and what is long is cut and says so", () => {
  const bytes = Buffer.from([0xff, 0x00, 0x80]);
  expect(replyOf(bytes)).toMatchObject({ payload: "/wCA", encoding: "base64" });
  const long = text("ä".repeat(40_000));
  expect(long.detail).toBe("the first 48000 of 80000 bytes");
  expect(Buffer.byteLength(long.payload ?? "")).toBe(48_000);
});
