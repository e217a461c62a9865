// The goal: Homie's values are what the device said that they are, and units what it told before.
import { describe, expect, test } from "vitest";
import { LearningDecoder, told } from "./testing/device-message.ts";

function after(...before: readonly (readonly [tail: string, payload: string])[]) {
  const decoder = new LearningDecoder();
  const says = (tail: string, payload: string) =>
    told(decoder.decode(`homie/${tail}`, Buffer.from(payload)));
  for (const [tail, payload] of before) says(tail, payload);
  return says;
}

describe("a value of version 4", () => {
  test.each([
    ["integer", "7", "7"],
    ["integer", "many", '"many" uncertain: not-integer'],
    ["float", "21.50", "21.5"],
    ["float", "nan", "null bad: nan"],
    ["boolean", "false", "false"],
    ["boolean", "0", '"0" uncertain: not-boolean'],
    ["string", "007", '"007"'],
    ["string", "12.5", '"12.5"'],
    ["string", "unknown", '"unknown"'],
    ["enum", "1", '"1"'],
    ["color", "255,100,0", '"255,100,0"'],
  ])("of type %s that is %j is told as such", (datatype, payload, value) => {
    expect(after(["car/engine/t/$datatype", datatype])("car/engine/t", payload)).toEqual([
      `car engine/t=${value}`,
    ]);
  });

  test("of no type yet is a number where it looks like one", () => {
    expect(after()("car/engine/t", "21.5")).toEqual(["car engine/t=21.5"]);
    expect(after()("car/engine/t", "007")).toEqual(['car engine/t="007"']);
  });

  test("has the unit that was told, also where it is set", () => {
    const says = after(["car/engine/t/$unit", "°C"], ["car/engine/t/$datatype", "float"]);
    expect(says("car/engine/t", "21.5")).toEqual(["car engine/t=21.5 Cel (°C)"]);
    expect(says("car/engine/t/set", "22")).toEqual(["car engine/t/set=22 Cel (°C)"]);
  });

  test("of another device has a unit of its own", () => {
    expect(after(["car/engine/t/$unit", "°C"])("bus/engine/t", "1")).toEqual(["bus engine/t=1"]);
  });
});

describe("version 5", () => {
  const properties = { power: { datatype: "float", unit: "W" }, name: { datatype: "string" } };
  const description = JSON.stringify({ homie: "5.0", nodes: { em: { properties } } });

  test("describes a device at once, and anew with each description", () => {
    const says = after(["5/meter/$description", description]);
    expect(says("5/meter/em/power", "1")).toEqual(["meter em/power=1 W"]);
    expect(says("5/meter/em/name", "1")).toEqual(['meter em/name="1"']);
    expect(says("5/meter/em/power/$target", "2")).toEqual(["meter em/power/$target=2 W"]);
    says("5/meter/$description", '{"homie":"5.0"}');
    expect(says("5/meter/em/power", "1")).toEqual(["meter em/power=1"]);
  });

  test("writes the empty text as U+0000, since nothing clears the topic", () => {
    const says = after(["5/meter/$description", description]);
    expect(says("5/meter/em/name", "\0")).toEqual(['meter em/name=""']);
    expect(says("5/meter/em/name", "")).toEqual(["meter cleared"]);
  });
});

test("what an attribute told goes with it", () => {
  const says = after(["car/e/t/$unit", "°C"], ["car/e/t/$datatype", "string"]);
  expect(says("car/e/t/$unit", "")).toEqual(["car cleared"]);
  expect(says("car/e/t", "21")).toEqual(['car e/t="21"']);
  says("car/e/t/$datatype", "");
  expect(says("car/e/t", "21")).toEqual(["car e/t=21"]);
  const properties = { power: { datatype: "float", unit: "W" } };
  const description = JSON.stringify({ nodes: { em: { properties } } });
  const five = after(["5/meter/$description", description]);
  expect(five("5/meter/em/power", "1")).toEqual(["meter em/power=1 W"]);
  five("5/meter/$description", "");
  expect(five("5/meter/em/power", "1")).toEqual(["meter em/power=1"]);
});

test("a state that is emptied tells that the device is removed", () => {
  expect(after()("5/car/$state", "")).toEqual(["car cleared", "car went"]);
});

test.each([
  ["ready", ["car came"]],
  ["alert", ["car came"]],
  ["lost", ["car went"]],
  ["disconnected", ["car went"]],
  ["sleeping", []],
  ["init", []],
])("the state %s tells who is there", (state, presence) => {
  expect(after()("car/$state", state)).toEqual([`car $state="${state}"`, ...presence]);
});
