// The goal: the registry tells what was seen of each device, the same however often and from wherever
// the journal is read, within its bounds.
import type { Event } from "@causeway/shared/event.ts";
import { expect, test } from "vitest";
import type { TakenEvent } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { JournalReader, nothingCommitted } from "../ingest/journal-reader.ts";
import { journalMessage } from "../testing/journal-writer.ts";
import { event, taken } from "../views/testing/taken.ts";
import type { RegistryBounds } from "./registry.ts";
import { defaultRegistryBounds, Registry } from "./registry.ts";
import { decodeGateway, encodeGateway } from "./registry-codec.ts";

const source = { partition: 3, gateway: taken().gateway, lane: "live" as const };

function reading(device: string, metric: string, value: unknown, over = {}): Event {
  const quality = value === null ? "bad" : "good";
  const readings = [{ metric, value, quality, ...over }];
  return event({ kind: "reading", device, topic: `devices/${device}/telemetry`, readings });
}

function take(registry: Registry, over: Partial<TakenEvent>): void {
  const folded = { source, taken: [taken(over)], dead: [], doubt: undefined, findings: [] };
  registry.take(folded, over.receivedAt ?? 0);
}

function row(registry: Registry, device: string) {
  return registry.gateways.get("gw-1")?.devices.get(device);
}

test("a device is known by its first event, with family, topic, metric, unit and quality", () => {
  const registry = new Registry();
  take(registry, { receivedAt: 5_000, event: reading("tank", "level", 3, { unit: "m" }) });
  take(registry, { receivedAt: 9_000, event: reading("tank", "level", null, { unit: "m" }) });
  expect(row(registry, "tank")).toMatchObject({
    ...{ family: "native", firstSeen: 5_000, lastSeen: 9_000, events: 2, readings: 2 },
    topics: ["devices/tank/telemetry"],
    metrics: [{ metric: "level", unit: "m", quality: "bad" }],
  });
});

test("what comes late counts, tells when it was first seen, and nothing of how it is now", () => {
  const registry = new Registry();
  take(registry, { receivedAt: 9_000, event: reading("tank", "level", 3) });
  take(registry, { receivedAt: 1_000, late: true, event: reading("tank", "level", null) });
  take(registry, { receivedAt: 1_000, late: true, event: reading("tank", "fw", "0.9") });
  expect(row(registry, "tank")).toMatchObject({
    ...{ firstSeen: 1_000, lastSeen: 9_000, events: 3, late: 2, firmware: "" },
    metrics: [{ metric: "level", quality: "good" }, { metric: "fw" }],
  });
});

test("firmware and the gateway's version are as told last", () => {
  const registry = new Registry();
  take(registry, { receivedAt: 1, event: reading("plug", "StatusFWR.Version", "13.1") });
  take(registry, { receivedAt: 2, event: reading("plug", "StatusFWR.Version", "14.0") });
  const started = { kind: "system", name: "started", detail: "causeway-edge 1.2", fields: {} };
  take(registry, { receivedAt: 3, event: event(started) });
  expect(row(registry, "plug")?.firmware).toBe("14.0");
  expect(registry.gateways.get("gw-1")?.version).toBe("causeway-edge 1.2");
});

test("an older word of presence that comes after a newer one changes nothing", () => {
  const registry = new Registry();
  const presence = (online: boolean, reason: string) =>
    event({ kind: "presence", device: "plug", online, reason });
  take(registry, { receivedAt: 20, event: presence(false, "lost") });
  take(registry, { receivedAt: 10, event: presence(true, "connected") });
  expect(row(registry, "plug")).toMatchObject({
    isOnline: false,
    presenceReason: "lost",
    presenceAt: 20,
  });
});

test("the same notice again counts; takeovers and forks are notices", () => {
  const registry = new Registry();
  const notice = { kind: "system", name: "client-takeover-loop", detail: "plug from a and b" };
  for (const at of [1, 2]) take(registry, { receivedAt: at, event: event(notice) });
  const fork = { kind: "conflict", epoch: "2-0000000b", other: "2-0000000a" } as const;
  const findings = [{ kind: "fork" as const, id: "x", fork }];
  registry.take({ source, taken: [], dead: [], doubt: undefined, findings }, 7);
  expect(registry.gateways.get("gw-1")?.notices).toEqual([
    { name: "client-takeover-loop", detail: "plug from a and b", at: 2, count: 2 },
    { name: "identity-conflict", detail: "epoch 2-0000000b beside 2-0000000a", at: 7, count: 1 },
  ]);
});

const bounds: RegistryBounds = {
  ...defaultRegistryBounds,
  ...{ devicesPerGatewayMax: 2, metricsPerDeviceMax: 2, topicsPerDeviceMax: 1, gatewaysMax: 1 },
};

test("beyond a bound nothing is added, what comes is counted, and a sentence tells of it", () => {
  const registry = new Registry(bounds);
  for (const device of ["a", "b"]) take(registry, { event: reading(device, "x", 1) });
  expect(registry.fullness()).toBeUndefined();
  for (const metric of ["y", "z", "x"]) take(registry, { event: reading("a", metric, 1) });
  expect(row(registry, "a")).toMatchObject({ readings: 4, beyond: 1 });
  expect(row(registry, "a")?.metrics).toHaveLength(2);
  expect(registry.fullness()).toMatch(/gw-1 publish more metrics than are listed/);
  for (const device of ["c", "d", "b"]) take(registry, { event: reading(device, "x", 1) });
  expect(registry.devices).toBe(2);
  expect(registry.gateways.get("gw-1")?.devicesBeyond).toBe(2);
  expect(registry.fullness()).toMatch(/gw-1 has more than 2 devices/);
  const other = { ...source, gateway: "gw-2" as typeof source.gateway };
  const own = [taken({ gateway: other.gateway })];
  registry.take({ source: other, taken: own, dead: [], doubt: undefined, findings: [] }, 1);
  expect([...registry.gateways.keys()]).toEqual(["gw-1"]);
  expect(registry.fullness()).toMatch(/holds 1 gateways/);
});

test("names and topics of a gateway are bounded by characters, restored or not", () => {
  const registry = new Registry({ ...defaultRegistryBounds, charactersPerGatewayMax: 60 });
  for (const device of ["a", "b", "c", "d"]) take(registry, { event: reading(device, "x", 1) });
  const gateway = registry.gateways.get("gw-1");
  expect([...(gateway?.devices.keys() ?? [])]).toEqual(["a", "b", "c"]);
  expect(registry.fullness()).toMatch(/too long in all/);
  if (gateway === undefined) throw new Error("gw-1");
  const mark = new JournalReader(nothingCommitted).markOf("gw-1");
  const again = decodeGateway("gw-1", encodeGateway({ row: gateway, mark }), registry.bounds);
  expect(again.row.characters).toBe(gateway.characters);
});

test("what is forgotten begins anew when it speaks again", () => {
  const registry = new Registry(bounds);
  for (const device of ["a", "b"])
    take(registry, { receivedAt: 1, event: reading(device, "x", 1) });
  registry.forget("gw-1", "a");
  expect([registry.devices, row(registry, "a")]).toEqual([1, undefined]);
  take(registry, { receivedAt: 50, event: reading("a", "x", 1) });
  expect(row(registry, "a")).toMatchObject({ firstSeen: 50, events: 1 });
  registry.forget("gw-1", "");
  expect([registry.devices, registry.gateways.size]).toEqual([0, 0]);
});

/** 60 batches of two gateways, with repeats and restarts of a batch. */
function journal(): readonly JournalMessage[] {
  const messages: JournalMessage[] = [];
  for (let index = 0; index < 60; index++) {
    const gateway = index % 2 === 0 ? "g1" : "g2";
    const from = 1 + Math.floor(index / 2) * 2;
    const events = [0, 1].map((own) => ({
      ...reading(`d${(index + own) % 5}`, `m${index % 3}`, index),
      bootMs: index * 700 + own,
    }));
    messages.push(journalMessage(messages.length + 1, from, events, { gateway }));
    if (index % 7 === 0)
      messages.push(journalMessage(messages.length + 1, from, events, { gateway }));
  }
  return messages;
}

function folded(
  messages: readonly JournalMessage[],
  registry: Registry,
  reader: JournalReader,
): void {
  for (const message of messages)
    for (const each of reader.fold(message)) registry.take(each, message.storedAt);
}

function kept(registry: Registry, reader: JournalReader) {
  return [...registry.gateways.values()].map((gateway) => {
    const mark = reader.markOf(gateway.gateway);
    return { gateway: gateway.gateway, pieces: encodeGateway({ row: gateway, mark }) };
  });
}

test("kept at any message and read again from any message before it, it is the same", () => {
  const messages = journal();
  const [whole, reader] = [new Registry(), new JournalReader(nothingCommitted)];
  folded(messages, whole, reader);
  for (const [cut, again] of [
    [1, 0],
    [17, 17],
    [30, 3],
    [44, 20],
    [68, 0],
  ] as const) {
    const [first, firstReader] = [new Registry(), new JournalReader(nothingCommitted)];
    folded(messages.slice(0, cut), first, firstReader);
    const own = kept(first, firstReader).map(({ gateway, pieces }) =>
      decodeGateway(gateway, pieces, first.bounds),
    );
    const second = new Registry();
    for (const each of own) second.restore(each.row);
    const marks = own.map(({ mark }) => mark);
    const secondReader = new JournalReader(nothingCommitted, undefined, marks);
    folded(messages.slice(again), second, secondReader);
    expect(kept(second, secondReader)).toEqual(kept(whole, reader));
    expect(second.devices).toBe(whole.devices);
  }
});

test("a gateway whose pieces are of different times is refused, not half restored", () => {
  const registry = new Registry();
  const random = (length: number) =>
    Array.from({ length }, (_, at) => ((at * 7919) % 65_521).toString(36)).join("");
  for (let device = 0; device < 6_000; device++)
    take(registry, {
      event: reading(`${random(16)}${device}${device * 7_919_777}`, `m${device}`, device),
    });
  const gateway = registry.gateways.get("gw-1");
  if (gateway === undefined) throw new Error("gw-1");
  const mark = new JournalReader(nothingCommitted).markOf("gw-1");
  const pieces = encodeGateway({ row: gateway, mark });
  const [first = "", ...others] = pieces;
  expect(decodeGateway("gw-1", pieces, registry.bounds).row.devices.size).toBe(6_000);
  const torn = [first.replace(/.$/, "!"), ...others];
  expect(() => decodeGateway("gw-1", torn, registry.bounds)).toThrow(/^BATCH_MALFORMED/);
  expect(() => decodeGateway("gw-1", others, registry.bounds)).toThrow(/^BATCH_MALFORMED/);
});

test("a device has the tags of its topics, as each told last, over keeping too", () => {
  const registry = new Registry();
  const tell = (device: string, topic: string, tags: readonly string[], late = false) => {
    const said = tags.length === 0 ? {} : { tags };
    const own = { ...reading(device, "level", 3), topic, ...said } as Event;
    take(registry, { event: own, late });
  };
  tell("tank", "a", ["cold", "x"]);
  tell("tank", "b", ["line"]);
  tell("pump", "a", ["cold", "x"]);
  tell("other", "c", []);
  expect(row(registry, "tank")?.tags).toEqual(["cold", "line", "x"]);
  const version = registry.tagsVersion;
  tell("tank", "a", ["cold", "x"]);
  tell("tank", "a", [], true);
  expect(registry.tagsVersion).toBe(version);
  tell("tank", "a", []);
  expect(registry.tagsVersion).toBeGreaterThan(version);
  const told = [
    ["gw-1", ["line"], ["tank"]],
    ["gw-1", ["cold", "x"], ["pump"]],
  ];
  expect(registry.tagged()).toEqual(told);
  const gateway = registry.gateways.get("gw-1");
  if (gateway === undefined) throw new Error("no gateway");
  const mark = new JournalReader(nothingCommitted).markOf("gw-1");
  const { row: kept } = decodeGateway(
    "gw-1",
    encodeGateway({ row: gateway, mark }),
    registry.bounds,
  );
  const again = new Registry();
  again.restore(kept);
  expect(again.tagged()).toEqual(told);
});
