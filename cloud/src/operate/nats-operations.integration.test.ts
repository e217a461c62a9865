// What people say reaches every process, survives restarts, and is refused where a stranger's page
// says it.
import { silentLogger } from "@causeway/shared/log.ts";
import { isRuleName } from "@causeway/shared/names.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HttpApi } from "../api/http-api.ts";
import { token } from "../api/testing/http-api.ts";
import { alerts } from "../cli/nats-commands.ts";
import { acknowledge, addSilence, endSilence, listSilences } from "../cli/nats-silences.ts";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { FleetView } from "../views/fleet-view.ts";
import { NatsOperationsFeed, NatsOperationsStore } from "./nats-operations.ts";

const clock = systemClock();
const patience = { timeout: 20_000, interval: 20 };
let server: NatsServer;
let connection: NatsConnection;
let ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection));
});

afterEach(async () => {
  for (const end of ends.toReversed()) await end();
  ends = [];
  await connection.close();
  await server.remove();
});

async function following(): Promise<NatsOperationsFeed> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const own = { jetstream: jetstream(connection), manager };
  const feed = new NatsOperationsFeed({
    ...{ connection, ...own, clock, random: systemRandom, log: silentLogger },
  });
  feed.start();
  ends.push(() => feed.stop());
  await feed.loaded();
  return feed;
}

const lines: string[] = [];
function parts() {
  lines.length = 0;
  return {
    settings: { servers: [server.url] },
    ...{ clock, random: systemRandom, signal: new AbortController().signal },
    write: (line: string) => lines.push(line),
    warn: (line: string) => lines.push(line),
  };
}

async function tell(id: string): Promise<void> {
  const one = transition({ id });
  if (!isRuleName(one.rule)) throw new Error(one.rule);
  const message = JSON.stringify({ v: 1, transitions: [one] });
  await jetstream(connection).publish(subjects.alert(3, one.gateway, one.rule), message);
}

test("a silence from the command line is in force everywhere until it is ended", async () => {
  const feed = await following();
  const flags = { match: ["device=freezer-*"], for: "1h", comment: "defrost", author: "ann" };
  expect(await addSilence(parts(), { ...flags, json: true })).toBe(0);
  const { id } = JSON.parse(lines[0] ?? "") as { id: string };
  await vi.waitFor(() => expect(feed.operations.silences).toMatchObject([{ id }]), patience);
  await tell("a1");
  await alerts(parts(), { json: false, openOnly: true, transitions: false, shadow: false });
  expect(lines).toEqual([expect.stringContaining(`[silenced by ${id}]`)]);
  await listSilences(parts(), {});
  expect(lines).toEqual([expect.stringMatching(/active.*device=freezer-\* {2}by ann: defrost/)]);
  await endSilence(parts(), id);
  await listSilences(parts(), {});
  expect(lines).toEqual([]);
  await listSilences(parts(), { all: true });
  expect(lines).toHaveLength(1);
  await expect(endSilence(parts(), "nothing")).rejects.toThrow("SILENCE_UNKNOWN");
});

test("an acknowledgement is kept with its note over a restart of all; unknown alerts are refused", async () => {
  const feed = await following();
  await tell("a1");
  await acknowledge(parts(), "a1", { note: "on my way", by: "ann" });
  await vi.waitFor(() => expect(feed.operations.acknowledgements.has("a1")).toBe(true), patience);
  await expect(acknowledge(parts(), "a2", { note: "", by: "ann" })).rejects.toThrow(
    "ALERT_UNKNOWN",
  );
  await server.kill();
  await server.start();
  const again = await following();
  expect(again.operations.acknowledgements.get("a1")).toMatchObject({
    by: "ann",
    note: "on my way",
  });
  await alerts(parts(), { json: true, openOnly: true, transitions: false, shadow: false });
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ id: "a1", acknowledged: { by: "ann" } });
  await jetstream(connection).publish("$KV.SILENCES.broken", "nonsense");
  await tell("a3");
  await acknowledge(parts(), "a3", { note: "", by: "ann" });
  const own = again.operations.acknowledgements;
  await vi.waitFor(() => expect(own.has("a3")).toBe(true), patience);
});

test("the beginning of an id is enough to acknowledge, where no other alert begins so", async () => {
  const feed = await following();
  await tell("3f9c0a1b2c3d4e5f");
  await tell("3f9cffffffffffff");
  const flags = { note: "", by: "ann", json: true };
  await expect(acknowledge(parts(), "3f9c", flags)).rejects.toThrow("2 alerts begin so");
  await expect(acknowledge(parts(), "3f", flags)).rejects.toThrow("ALERT_UNKNOWN: 3f: see");
  expect(await acknowledge(parts(), "3f9c0", flags)).toBe(0);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ id: "3f9c0a1b2c3d4e5f", by: "ann" });
  const own = feed.operations.acknowledgements;
  await vi.waitFor(() => expect([...own.keys()]).toEqual(["3f9c0a1b2c3d4e5f"]), patience);
  await alerts(parts(), { json: false, openOnly: true, transitions: false, shadow: false });
  expect(lines).toEqual([
    expect.stringMatching(/^3f9c0a1b2c3d {2}firing .*\[acknowledged by ann\]$/),
    expect.stringMatching(/^3f9cffffffff {2}firing/),
  ]);
});

test("what is wrong with a silence is told of its flag, and a label that nobody has is doubted", async () => {
  const flags = { match: ["zone=cold"], for: "1h", comment: "defrost", author: "ann" };
  const fault = (over: object) => addSilence.bind(undefined, parts(), { ...flags, ...over });
  expect(fault({ comment: undefined })).toThrow(/^CLI_USAGE: --comment: say why/);
  expect(fault({ for: undefined, until: "2026-11-22T10:00" })).toThrow(/--until: .* with its zone/);
  expect(fault({ for: undefined })).toThrow(/--for or --until/);
  expect(fault({ for: "2x" })).toThrow(/--for: /);
  expect(fault({ match: [] })).toThrow(/--match: at least one label/);
  const fleet = { gateways: [{ match: ["*"], labels: { zone: "cold" } }], devices: [] };
  await addSilence(parts(), flags);
  expect(lines).toEqual([
    expect.stringContaining("zone=cold"),
    expect.stringContaining("label zone"),
  ]);
  await addSilence(parts(), flags, fleet);
  expect(lines).toHaveLength(1);
});

async function opened() {
  const feed = await following();
  const view = new FleetView();
  view.applyAlert(transition({ id: "a1" }));
  const store = new NatsOperationsStore(jetstream(connection), await jetstreamManager(connection));
  const api = new HttpApi({
    address: { host: "127.0.0.1", port: 0 },
    ...{ tokens: [token("secret")], view, version: "1", log: silentLogger, clock },
    ready: () => ({ ready: true, reasons: [] }),
    engineMetrics: () => [],
    operations: {
      ...{ view: feed.operations, store },
      newId: () => systemRandom.hex(12),
    },
  });
  await api.start();
  ends.push(() => api.stop());
  const send = (method: string, path: string, body?: unknown, head: Record<string, string> = {}) =>
    fetch(api.url() + path, {
      method,
      headers: {
        authorization: "Bearer secret",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...head,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return { url: api.url(), feed, send };
}

const request = { matchers: { device: "freezer-1" }, for: "1h", author: "ann", comment: "defrost" };

test("silences and acknowledgements by HTTP show in the list of alerts, and in the stream", async () => {
  const { send, feed } = await opened();
  const stream = await send("GET", "/api/stream");
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of stream.body ?? []) text += decoder.decode(chunk, { stream: true });
  })().catch(() => {});
  const made = await send("POST", "/api/silences", request);
  expect(made.status).toBe(201);
  const { id } = (await made.json()) as { id: string };
  expect((await send("POST", "/api/alerts/a1/ack", { by: "bob", note: "seen" })).status).toBe(201);
  await vi.waitFor(() => expect(feed.operations.acknowledgements.size).toBe(1), patience);
  const shown = await (await send("GET", "/api/alerts")).json();
  const standing = { silencedBy: id, acknowledged: { by: "bob", note: "seen" } };
  expect(shown).toMatchObject({ alerts: [{ id: "a1", ...standing }] });
  expect(await (await send("GET", "/api/silences")).json()).toMatchObject({ silences: [{ id }] });
  await vi.waitFor(() => expect(text).toMatch(/event: silences\n[^\n]*"bob"/), patience);
  const type = { "content-type": "application/json" };
  expect((await send("DELETE", `/api/silences/${id}`, undefined, type)).status).toBe(200);
  await vi.waitFor(async () => {
    expect(await (await send("GET", "/api/silences")).json()).toEqual({ silences: [] });
  }, patience);
  await stream.body?.cancel().catch(() => {});
  await Promise.all(ends.splice(0).map((end) => end()));
  await reading;
});

test("what another origin's page or a form can send changes nothing", async () => {
  const { url, send, feed } = await opened();
  const status = async (...args: Parameters<typeof send>) => (await send(...args)).status;
  const { length } = feed.operations.silences;
  expect(await status("POST", "/api/silences", request, { origin: "https://evil.example" })).toBe(
    403,
  );
  expect(await status("POST", "/api/silences", request, { "sec-fetch-site": "cross-site" })).toBe(
    403,
  );
  expect(await status("DELETE", "/api/silences/x", undefined, { origin: "null" })).toBe(403);
  expect(await status("POST", "/api/silences", request, { "content-type": "text/plain" })).toBe(
    415,
  );
  const form = { "content-type": "application/x-www-form-urlencoded" };
  expect(await status("POST", "/api/alerts/a1/ack", { by: "x" }, form)).toBe(415);
  expect((await fetch(`${url}/api/silences`, { method: "POST" })).status).toBe(401);
  expect(await status("POST", "/api/silences", { ...request, for: "soon" })).toBe(400);
  const json = { "content-type": "application/json" };
  expect(await status("POST", "/api/silences", undefined, json)).toBe(400);
  expect(await status("POST", "/api/silences", JSON.parse('{"__proto__": {"a": 1}}'))).toBe(400);
  expect(await status("POST", "/api/alerts/unknown/ack", { by: "ann" })).toBe(404);
  expect(await status("DELETE", "/api/silences/unknown")).toBe(404);
  expect(feed.operations.silences).toHaveLength(length);
  expect(await status("POST", "/api/silences", request, { origin: url })).toBe(201);
});
