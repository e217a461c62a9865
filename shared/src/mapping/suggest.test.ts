// What is suggested for a topic loads as it stands, and passes its own example.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { DeviceMessage } from "../decode/testing/device-message.ts";
import { bytesOf } from "../decode/testing/device-message.ts";
import { ownMessages } from "../decode/testing/own-messages.ts";
import { seededRandom } from "../random.ts";
import { loadSettings } from "../settings.ts";
import { integer, mutatedBytes, pick } from "../testing/random-events.ts";
import { examplesInRoutes, faultsOfRouteExamples } from "./route-examples.ts";
import { routesSchema } from "./routes.ts";
import { suggest } from "./suggest.ts";

const file = join(import.meta.dirname, "../../../../shared/device-payloads/messages.jsonl");
const publicMessages: readonly DeviceMessage[] = existsSync(file)
  ? readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];

const schema = z.strictObject({ routes: routesSchema });

function loaded(route: string) {
  const text = `routes:\n${route.replaceAll(/^/gm, "  ")}`;
  return loadSettings(schema, { fileName: "edge.yaml", text, environment: {}, sets: [] });
}

function suggested(topic: string, ...payloads: readonly string[]): string {
  return (
    suggest(
      topic,
      payloads.map((payload) => Buffer.from(payload)),
    ) ?? "nothing"
  );
}

const messages = [...ownMessages, ...publicMessages];

test.each(messages.map((message) => [`${message.family} on ${message.topic}`, message] as const))(
  "%s",
  (_name, message) => {
    const route = suggest(message.topic, [bytesOf(message)]);
    const document = loaded(route ?? "none");
    expect(faultsOfRouteExamples(document)).toEqual([]);
    expect(examplesInRoutes(document)).toBe(message.payload === "" ? 0 : 1);
  },
);

test("of random topics and mutated payloads, either nothing is suggested or what loads and passes", () => {
  const words = [
    "{",
    "}",
    '"',
    ":",
    "\n",
    "NaN",
    "#",
    "- ",
    "ts",
    "\u0000",
    "é",
    "~",
    "é".repeat(200),
  ];
  const levels = [
    "a",
    "",
    "{x}",
    "d-1",
    "state",
    "$SYS",
    "70b3d57ed0",
    "ж".repeat(140),
    "a b",
    "'",
  ];
  let found = 0;
  for (let run = 0; run < 1_000; run++) {
    const seed = `suggest ${run}`;
    const random = seededRandom(seed);
    const topic = Array.from({ length: 1 + integer(random, 5) }, () => pick(random, levels)).join(
      "/",
    );
    const payload = mutatedBytes(random, bytesOf(pick(random, messages)), words);
    const route = suggest(topic, [payload]);
    if (route === undefined) continue;
    found += 1;
    const document = loaded(route);
    expect(faultsOfRouteExamples(document), seed).toEqual([]);
  }
  expect(found).toBeGreaterThan(500);
});

describe("of a topic", () => {
  test.each([
    ["plant/line-3/press-12/temp", "21.5", "plant/line-3/{device}/{metric}"],
    ["plant/press-12/state", '{"a":1}', "plant/{device}/state"],
    ["sensors/kitchen", '{"a":1}', "sensors/{device}"],
    ["gw/eui-70b3d57ed0/up", "\u0001\u0002", "gw/{device}/{metric}"],
    ["boiler", '{"a":1}', "topic: boiler\n  device: boiler"],
  ])("%s with %s the levels are %s", (topic, payload, pattern) => {
    expect(suggested(topic, payload)).toContain(pattern);
  });

  test.each([
    ["of a time that is read anyway nothing", '{"ts":1782907200,"a":1}', undefined],
    [
      "a field that is a time",
      '{"measured_at":"2026-07-01 12:00:00","a":1}',
      "field: measured_at\n    format: auto",
    ],
    [
      "its format where that is certain",
      '{"date_time":"31.12.2026 10:00:00","a":1}',
      "format: DD.MM.YYYY HH:mm:ss",
    ],
    [
      "nothing where a day could be a month",
      '{"date_time":"03/04/2026 10:00:00","a":1}',
      undefined,
    ],
    ["nothing of a number that is none", '{"when":7,"a":1}', undefined],
  ])("it says %s", (_name, payload, expected) => {
    const route = suggested("x/d1", payload);
    if (expected === undefined) expect(route).not.toContain("time:\n");
    else expect(route).toContain(expected);
  });

  test("units are those that a name spells out", () => {
    const route = suggested("x/d1", '{"t_celsius":1,"energy.kwh":2,"temp":3,"volt":"x"}');
    expect(route).toContain("unit:\n    t_celsius: Cel\n    energy.kwh: kWh\n  examples");
  });

  test("nothing is said where no level can be a device", () => {
    expect(suggested("/", "1")).toBe("nothing");
    expect(suggested("{}", "1")).toBe("nothing");
  });
});
