import { expect, test } from "vitest";
import {
  brokerUrl,
  deviceNameOf,
  duration,
  gatherList,
  oneCharacter,
  speed,
  wholeNumber,
} from "./arguments.ts";

test("a whole number is refused outside its bounds and when it is none", () => {
  const read = wholeNumber(1, 10);
  expect(read("10")).toBe(10);
  for (const text of ["0", "11", "1.5", "", "x", "-1", "0x5"]) {
    expect(() => read(text)).toThrow("from 1 to 10");
  }
});

test("a time without a unit is in the unit of its flag", () => {
  expect(duration("ms", 1, 5_000)("100")).toBe(100);
  expect(duration("s", 1, 5_000)("5")).toBe(5_000);
  expect(() => duration("s", 1, 5_000)("6")).toThrow("from 1 ms to 5 s");
});

test("speed 0 and max are as fast as it goes", () => {
  expect(speed("max")).toBe(Infinity);
  expect(speed("0")).toBe(Infinity);
  expect(speed("0.5")).toBe(0.5);
  for (const text of ["", "fast", "-1"]) expect(() => speed(text)).toThrow("max");
});

test("lists may be repeated and may hold commas", () => {
  expect(gatherList("c", gatherList("a, b", undefined))).toEqual(["a", "b", "c"]);
  expect(() => gatherList("a,,b", undefined)).toThrow("empty");
});

test("a delimiter is one character, and tab has a name", () => {
  expect(oneCharacter(";")).toBe(";");
  expect(oneCharacter("tab")).toBe("\t");
  for (const text of ["", ";;", '"']) expect(() => oneCharacter(text)).toThrow("one character");
});

test("a broker's address names a protocol that is MQTT and holds no password", () => {
  expect(brokerUrl("mqtts://gateway:8883")).toBe("mqtts://gateway:8883");
  for (const text of ["http://x", "127.0.0.1", ""])
    expect(() => brokerUrl(text)).toThrow("mqtt://");
  expect(() => brokerUrl("mqtt://me:secret@x")).toThrow("--password-file");
});

test.each([
  ["a/b/pump.csv.gz", "pump"],
  ["pump.csv", "pump"],
  ["pump", "pump"],
  ["pump.v2.csv", "pump.v2"],
])("%s is a recording of the device %s", (fileName, device) => {
  expect(deviceNameOf(fileName)).toBe(device);
});
