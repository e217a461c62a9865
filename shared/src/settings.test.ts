// The goal: whoever writes a setting wrongly is told where it stands and what is wrong with it, and
// what wins over what is never a surprise.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CodedError } from "./errors.ts";
import { loadSettings } from "./settings.ts";

const schema = z.strictObject({
  gateway: z.string().min(1),
  dataDir: z.string().default("data"),
  mqtt: z
    .strictObject({
      listeners: z
        .array(
          z.strictObject({
            host: z.string().default("127.0.0.1"),
            port: z.int().min(1).max(65_535),
          }),
        )
        .default([]),
      auth: z.strictObject({ anonymous: z.boolean().default(false) }).prefault({}),
      packetBytesMax: z.int().default(1_000),
    })
    .prefault({}),
  servers: z.array(z.string()).optional(),
  labels: z.record(z.string(), z.string()).default({}),
});

interface Given {
  readonly text?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly sets?: readonly string[];
}

function load({ text = "gateway: plant-3\n", environment = {}, sets = [] }: Given) {
  return loadSettings(schema, { fileName: "edge.yaml", text, environment, sets });
}

/** What is thrown, without its code. */
function told(given: Given): { readonly code: string; readonly lines: readonly string[] } {
  try {
    load(given);
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    return {
      code: failure.code,
      lines: failure.message.slice(failure.code.length + 2).split("\n"),
    };
  }
  throw new Error("nothing was thrown");
}

describe("the file", () => {
  test("gives the settings, and the schema what it leaves out, at any depth", () => {
    expect(load({})).toEqual({
      gateway: "plant-3",
      dataDir: "data",
      mqtt: { listeners: [], auth: { anonymous: false }, packetBytesMax: 1_000 },
      labels: {},
    });
    const text = "gateway: a\nmqtt:\n  listeners: [{ port: 1883 }]\n";
    expect(load({ text }).mqtt).toEqual({
      listeners: [{ host: "127.0.0.1", port: 1_883 }],
      auth: { anonymous: false },
      packetBytesMax: 1_000,
    });
  });

  test("tells a wrong value by line, column and path", () => {
    const text = "gateway: a\nmqtt:\n  listeners:\n    - host: x\n      port: 99999\n";
    expect(told({ text })).toEqual({
      code: "CONFIG_INVALID",
      lines: [expect.stringMatching(/^edge\.yaml:5:7 mqtt\.listeners\.0\.port: .*65535/)],
    });
  });

  test("tells a missing value by the nearest thing that is there", () => {
    expect(told({ text: "gateway: a\nmqtt:\n  listeners:\n    - host: x\n" }).lines).toEqual([
      expect.stringMatching(/^edge\.yaml:4:7 mqtt\.listeners\.0\.port: /),
    ]);
    expect(told({ text: "" }).lines).toEqual([expect.stringMatching(/^edge\.yaml:1:1 gateway: /)]);
  });

  test("tells every unknown setting at its own place", () => {
    expect(told({ text: "gateway: a\nmqt: 1\nmqtt:\n  auth:\n    anonymus: true\n" })).toEqual({
      code: "CONFIG_INVALID",
      lines: [
        "edge.yaml:5:5 mqtt.auth.anonymus: unknown setting",
        "edge.yaml:2:1 mqt: unknown setting",
      ],
    });
  });

  test("tells a top that is no map", () => {
    expect(told({ text: "- gateway\n" }).lines).toEqual([
      expect.stringMatching(/^edge\.yaml:1:1 \(top\): /),
    ]);
  });

  const unreadable: readonly (readonly [name: string, text: string, place: string])[] = [
    ["a bracket that is left open", "gateway: [a\n", "edge.yaml:2:1"],
    ["a key twice", "gateway: a\ngateway: b\n", "edge.yaml:2:1"],
    ["a second document", "gateway: a\n---\ngateway: b\n", "edge.yaml:2:1"],
    ["an alias of nothing", "gateway: *x\n", "edge.yaml"],
    [
      "aliases that explode",
      [
        "a: &a [x,x,x,x,x,x,x,x,x]",
        "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]",
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]",
        "d: [*c,*c,*c,*c,*c,*c,*c,*c,*c]",
      ].join("\n"),
      "edge.yaml",
    ],
  ];
  test.each(unreadable)("is refused with its place for %s", (_name, text, place) => {
    const { code, lines } = told({ text });
    expect(code).toBe("CONFIG_UNREADABLE");
    expect(lines[0]?.startsWith(place), lines[0]).toBe(true);
    expect(lines[0]).not.toMatch(/at line|YAML\./); // the place is told, and nobody here programs
  });
});

describe("the environment", () => {
  test("nests by two underscores and minds neither case nor single ones", () => {
    const environment = {
      CAUSEWAY_DATA_DIR: "/var/lib/causeway",
      CAUSEWAY_MQTT__AUTH__ANONYMOUS: "true",
      CAUSEWAY_MQTT__PACKETBYTESMAX: "5",
      CAUSEWAY_MQTT__LISTENERS__0__PORT: "1883",
      CAUSEWAY_LABELS__Site_A: "north",
      CAUSEWAY_SERVERS: "[nats://a, nats://b]",
    };
    expect(load({ environment })).toEqual({
      gateway: "plant-3",
      dataDir: "/var/lib/causeway",
      mqtt: {
        listeners: [{ host: "127.0.0.1", port: 1_883 }],
        auth: { anonymous: true },
        packetBytesMax: 5,
      },
      labels: { Site_A: "north" },
      servers: ["nats://a", "nats://b"],
    });
  });

  test("of other programs is left alone, and so is what tests read", () => {
    const environment = {
      PATH: "/bin",
      CAUSEWAY: "x",
      CAUSEWAY_REQUIRE: "a",
      CAUSEWAY_GATEWAY: undefined,
    };
    expect(load({ environment }).gateway).toBe("plant-3");
  });

  const unknown = [
    "CAUSEWAY_GATEWEY",
    "CAUSEWAY_MQTT__AUTH__X",
    "CAUSEWAY_",
    "CAUSEWAY_MQTT__LISTENERS__X__PORT",
    "CAUSEWAY_GATEWAY__X",
  ];
  test.each(unknown)("with a name that is no setting is refused: %s", (name) => {
    const { code, lines } = told({ environment: { [name]: "1" } });
    expect([code, lines]).toEqual([
      "CONFIG_INVALID",
      [`${name} names no setting: unset it or correct its name`],
    ]);
  });

  test("is named, not the file, where its value is wrong", () => {
    expect(told({ environment: { CAUSEWAY_MQTT__PACKET_BYTES_MAX: "much" } }).lines).toEqual([
      expect.stringMatching(/^CAUSEWAY_MQTT__PACKET_BYTES_MAX mqtt\.packetBytesMax: /),
    ]);
    const { code, lines } = told({ environment: { CAUSEWAY_GATEWAY: "[a" } });
    expect([code, lines]).toEqual(["CONFIG_INVALID", ["CAUSEWAY_GATEWAY: not a YAML value"]]);
  });
});

describe("--set", () => {
  test("nests by dots, reaches into lists, and keeps what stands beside", () => {
    const text = "gateway: a\nmqtt:\n  listeners: [{ host: x, port: 1 }, { host: y, port: 2 }]\n";
    const sets = ["mqtt.listeners.1.port=3", "mqtt.auth.anonymous=true", "labels.site=a=b"];
    expect(load({ text, sets })).toMatchObject({
      mqtt: {
        listeners: [
          { host: "x", port: 1 },
          { host: "y", port: 3 },
        ],
        auth: { anonymous: true },
      },
      labels: { site: "a=b" },
    });
  });

  test("takes a whole part as YAML", () => {
    expect(load({ sets: ["mqtt.listeners=[{port: 7}]"] }).mqtt.listeners).toEqual([
      { host: "127.0.0.1", port: 7 },
    ]);
  });

  test.each(["gateway", "=a", ""])("that is no path=value is bad usage: %j", (set) => {
    expect(told({ sets: [set] }).code).toBe("CLI_USAGE");
  });

  test("of no setting is refused, and a wrong value is told as its own", () => {
    expect(told({ sets: ["mqtt.x=1"] }).lines).toEqual(["--set mqtt.x names no setting"]);
    expect(told({ sets: ["mqtt.listeners.0.port=0"] }).lines).toEqual([
      expect.stringMatching(/^--set mqtt\.listeners\.0\.port mqtt\.listeners\.0\.port: /),
    ]);
  });

  test("cannot reach the prototype of all objects", () => {
    const { labels } = load({ sets: ["labels.__proto__=x"] });
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
  });
});

test("--set wins over the environment, and that over the file; a later --set over an earlier one", () => {
  const text = "gateway: file\ndataDir: file\nlabels: { a: file, b: file }\n";
  const environment = { CAUSEWAY_GATEWAY: "environment", CAUSEWAY_DATA_DIR: "environment" };
  const sets = ["gateway=first", "gateway=second", "labels.b=set"];
  expect(load({ text, environment, sets })).toMatchObject({
    gateway: "second",
    dataDir: "environment",
    labels: { a: "file", b: "set" },
  });
});

test("a wrong value is told as the source that won", () => {
  const environment = { CAUSEWAY_MQTT__PACKET_BYTES_MAX: "1" };
  const sets = ["mqtt.packetBytesMax=2", "mqtt.packetBytesMax=much"];
  expect(told({ environment, sets }).lines).toEqual([
    expect.stringMatching(/^--set mqtt\.packetBytesMax mqtt\.packetBytesMax: /),
  ]);
});
