/** Goal: a few lines make a whole configuration, and each wrong one is refused by its path. */
import { CodedError } from "@causeway/shared/errors.ts";
import { loadSettings } from "@causeway/shared/settings.ts";
import { describe, expect, test } from "vitest";
import { edgeSchema } from "./config.ts";

const least = `
gateway: gw-1
dataDir: data
uplink: { servers: ["nats://127.0.0.1:4222"] }
`;

const load = (text: string, environment: Record<string, string> = {}, sets: string[] = []) =>
  loadSettings(edgeSchema, { fileName: "edge.yaml", text, environment, sets });

function faultOf(text: string): string {
  try {
    load(text);
  } catch (failure) {
    if (failure instanceof CodedError) return failure.message;
    throw failure;
  }
  return "accepted";
}

test("the least configuration listens on loopback only and admits nobody without a password", () => {
  const config = load(least);
  expect(config.mqtt.listeners).toEqual([{ host: "127.0.0.1", port: 1883, protocol: "mqtt" }]);
  expect(config.mqtt.auth.anonymous).toBe(false);
  expect(config.http).toMatchObject({ host: "127.0.0.1", port: 8081 });
});

test("with a source the gateway needs no listener of its own", () => {
  const sources = 'mqtt: { listeners: [], sources: [{ name: plant, url: "mqtt://10.0.0.2" }] }';
  expect(load(`${least}${sources}`).mqtt).toMatchObject({
    listeners: [],
    sources: [{ name: "plant", filters: ["#"] }],
  });
});

test("the defaults fit each other", () => {
  const { mqtt, outbox, uplink } = load(least);
  expect(mqtt.packetBytesMax).toBeLessThan(outbox.pendingBytesMax);
  expect(outbox.pendingBytesMax).toBeLessThan(outbox.bytesMax);
  expect(outbox.tailBytesMax).toBeLessThan(outbox.bytesMax);
  expect(uplink.batchBytes).toBeLessThan(uplink.windowBytes);
});

test("environment wins over the file, and --set over both", () => {
  const text = `${least}heartbeatMs: 1000\n`;
  expect(load(text).heartbeatMs).toBe(1_000);
  const environment = { CAUSEWAY_HEARTBEAT_MS: "2000", CAUSEWAY_MQTT__AUTH__ANONYMOUS: "true" };
  expect(load(text, environment)).toMatchObject({
    heartbeatMs: 2_000,
    mqtt: { auth: { anonymous: true } },
  });
  expect(load(text, environment, ["heartbeatMs=3000"]).heartbeatMs).toBe(3_000);
});

describe("refused, with place and path", () => {
  test.each([
    ["an unknown key", `${least}color: red`, "edge.yaml:5:1 color: unknown setting"],
    [
      "a typo deep down",
      `${least}mqtt:\n  auth:\n    anonymus: true`,
      "edge.yaml:7:5 mqtt.auth.anonymus: unknown",
    ],
    ["no gateway", least.replace("gateway: gw-1", ""), "gateway: "],
    ["a gateway with a dot", least.replace("gw-1", "gw.1"), "edge.yaml:2:1 gateway: "],
    ["a gateway of 65 characters", least.replace("gw-1", "g".repeat(65)), "gateway: "],
    ["an empty data folder", least.replace("data\n", '""\n'), "dataDir: "],
    ["no listener", `${least}mqtt: { listeners: [] }`, "mqtt.listeners: "],
    ["a port as text", `${least}http: { port: "80" }`, "edge.yaml:5:9 http.port: "],
    ["a port below zero", `${least}http: { port: -1 }`, "http.port: "],
    [
      "an unknown protocol",
      `${least}mqtt: { listeners: [{ port: 1, protocol: mqtts }] }`,
      "mqtt.listeners.0.protocol: ",
    ],
    [
      "a certificate without its key",
      `${least}mqtt: { listeners: [{ port: 1, tls: { certFile: a } }] }`,
      "mqtt.listeners.0.tls.keyFile: ",
    ],
    [
      "certificates of clients without their authority",
      `${least}mqtt: { listeners: [{ port: 1, tls: { certFile: a, keyFile: b, requireCertificate: true } }] }`,
      "mqtt.listeners.0.tls.caFile: ",
    ],
    [
      "two sources of one name",
      `${least}mqtt: { sources: [{ name: a, url: "mqtt://x" }, { name: a, url: "mqtt://y" }] }`,
      "mqtt.sources: ",
    ],
    [
      "a source with a filter that is none",
      `${least}mqtt: { sources: [{ name: a, url: "mqtt://x", filters: ["a/#/b"] }] }`,
      "mqtt.sources.0.filters.0: ",
    ],
    [
      "a source's password in its address",
      `${least}mqtt: { sources: [{ name: a, url: "mqtt://u:p@x" }] }`,
      "mqtt.sources.0.url: ",
    ],
    [
      "a source's certificate without its key",
      `${least}mqtt: { sources: [{ name: a, url: "mqtts://x", tls: { certFile: a } }] }`,
      "mqtt.sources.0.tls: ",
    ],
    ["a fraction", `${least}heartbeatMs: 1000.5`, "heartbeatMs: "],
    [
      "a packet bound that no device could use",
      `${least}mqtt: { packetBytesMax: 10 }`,
      "mqtt.packetBytesMax: ",
    ],
    [
      "an outbox smaller than a megabyte",
      `${least}outbox: { bytesMax: 1000 }`,
      "outbox.bytesMax: ",
    ],
    [
      "a batch larger than nats-server takes",
      `${least.replace("servers", "batchBytes: 2000000, servers")}`,
      "uplink.batchBytes: ",
    ],
    ["a log level that is none", `${least}logLevel: loud`, "logLevel: "],
  ])("%s", (_what, text, fault) => {
    expect(faultOf(text)).toContain(fault);
    expect(faultOf(text)).toMatch(/^CONFIG_INVALID: /);
  });

  test("all faults are told at once", () => {
    const text = "gateway: a b\nhttp: { port: x }\n";
    expect(faultOf(text).split("\n").length).toBeGreaterThanOrEqual(4);
  });
});
