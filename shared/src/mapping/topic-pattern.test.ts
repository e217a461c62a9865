import { describe, expect, test } from "vitest";
import { parseTemplate } from "./template.ts";
import { covers, parseTopicPattern } from "./topic-pattern.ts";

function partsOf(pattern: string, topic: string) {
  const parsed = parseTopicPattern(pattern);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed.match(topic, topic.split("/"));
}

describe("a topic of a route", () => {
  test.each([
    ["a/b", "a/b", {}],
    ["a/b", "a/c", undefined],
    ["a/b", "a/b/c", undefined],
    ["plant/{line}/+device/temp", "plant/l1/d1/temp", { line: "l1", device: "d1" }],
    ["plant/+/temp", "plant//temp", {}],
    ["plant/#", "plant", {}],
    ["plant/#rest", "plant/a/b", { rest: "a/b" }],
    ["plant/#rest", "plant", { rest: "" }],
    ["#", "a/b", {}],
    ["#", "$SYS/broker", undefined],
    ["+/x", "$SYS/x", undefined],
    ["$SYS/{x}", "$SYS/x", { x: "x" }],
  ])("%s on %s", (pattern, topic, parts) => {
    expect(partsOf(pattern, topic)).toEqual(parts);
  });

  test.each([
    ["a/#/b", "put it last"],
    ["a/b{c}", "fills its level"],
    ["a/b+", "fills its level"],
    ["a/{b}/{b}", "two levels are called b"],
    ["a/{1b}", "a letter first"],
    ["a/{}", "a letter first"],
    ["{__proto__}", "a letter first"],
    ["a/#b c", "a letter first"],
    ["$share/g/a", "leave $share"],
    ["a/".repeat(101), "at most 100"],
  ])("is refused as %s", (pattern, why) => {
    expect(parseTopicPattern(pattern)).toContain(why);
  });

  test("is an MQTT filter without its names", () => {
    expect(parseTopicPattern("a/{b}/+c/#d")).toMatchObject({ filter: "a/+/+/#" });
  });
});

test.each([
  ["a/#", "a/b", true],
  ["a/#", "a", true],
  ["a/#", "a/#", true],
  ["a/+", "a/b", true],
  ["a/+", "a/+", true],
  ["a/+", "a/#", false],
  ["a/b", "a/+", false],
  ["a/+/c", "a/b", false],
  ["#", "$SYS/x", false],
  ["$SYS/#", "$SYS/x", true],
])("whether %s covers %s", (filter, other, expected) => {
  expect(covers(filter, other)).toBe(expected);
});

describe("a template", () => {
  test("puts parts of the topic, and the decoded name, where they stand", () => {
    const template = parseTemplate("{line}-{device}.{*}", ["line", "device", "*"]);
    if (typeof template === "string") throw new Error(template);
    expect(template.fill({ line: "l1", device: "d1" }, "temp")).toBe("l1-d1.temp");
  });

  test.each([
    ["{x}", 'no level of the topic is called "x": there is {line}'],
    ["{line", "a { without its }"],
    ["line}", "a { without its }"],
  ])("is refused as %s", (text, why) => {
    expect(parseTemplate(text, ["line"])).toBe(why);
  });
});
