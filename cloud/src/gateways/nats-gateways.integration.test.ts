// The goal: who was added is let in, who was revoked is cut off at once, and nobody else notices; over
// TLS, with the shipped configuration.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { connectNats, type NatsSettings } from "@causeway/shared/nats-connection.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { inboxPrefix } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { ownNkey, renewedNkey } from "@causeway/shared/system-nkey.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import type { ShippedNats } from "@causeway/shared/testing/system-shipped-nats.ts";
import { startShippedNats } from "@causeway/shared/testing/system-shipped-nats.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { GatewayParts } from "../cli/nats-gateways.ts";
import { gatewayAccess } from "../cli/nats-gateways.ts";
import { ensureStreams } from "../ingest/nats-streams.ts";
import { NatsGateways } from "./nats-gateways.ts";

const mebibyte = 1_024 * 1_024;
const bounds = { telemetryBytesMax: 64 * mebibyte, engineBytesMax: 64 * mebibyte, replicas: 1 };
let nats: ShippedNats;
let cloud: NatsConnection;

beforeAll(async () => {
  nats = await startShippedNats();
  cloud = await connected(nats.settings);
  await ensureStreams(await jetstreamManager(cloud), streamPlans(bounds), silentLogger);
});

afterAll(async () => {
  await cloud?.close();
  await nats?.server.remove();
});

function connected(settings: NatsSettings): Promise<NatsConnection> {
  return connectNats(settings, { name: "test", reconnect: false, timeoutMs: 5_000 }, systemRandom);
}

async function connectAs(gateway: string, more: Partial<NatsSettings> = {}) {
  const auth = { nkeySeedFile: seedOf(gateway) };
  const purpose = { name: gateway, inboxPrefix: inboxPrefix(gatewayId(gateway)), reconnect: false };
  const connection = await connectNats({ ...nats.settings, auth, ...more }, purpose, systemRandom);
  onTestFinished(() => connection.close());
  return connection;
}

const seedOf = (gateway: string) => join(nats.folder, `${gateway}.nk`);
const keyOf = (gateway: string) => ownNkey(seedOf(gateway)).publicKey;

interface Told {
  readonly code: number;
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
}

/** As `causeway-cloud gateways` would. */
async function gateways(
  act: string,
  args: readonly string[],
  flags: object = {},
  users: GatewayParts["users"] = nats,
  settings = nats.settings,
): Promise<Told> {
  const [lines, warnings]: [string[], string[]] = [[], []];
  const parts = {
    ...{ settings, clock: systemClock(), random: systemRandom, users },
    ...{ write: (line: string) => lines.push(line), warn: (line: string) => warnings.push(line) },
    signal: new AbortController().signal,
  };
  const own = { note: "", label: [], by: "ann", ...flags };
  const code = await gatewayAccess(parts, act, args, own);
  return { code: code ?? -1, lines, warnings };
}

const publish = (connection: NatsConnection, gateway: string) =>
  connection.request(`tlm.${gateway}.live`, "x", { timeout: 2_000 });

test("who was added may publish at once, and who was not may not connect", async () => {
  keyOf("plant-1");
  await expect(connectAs("plant-1")).rejects.toThrow(/^NATS_AUTH_FAILED/);
  const said = { site: "hall", label: ["zone=cold"] };
  const told = await gateways("add", ["plant-1", keyOf("plant-1")], said);
  expect(told).toMatchObject({ code: 0, warnings: [] });
  expect(told.lines[0]).toBe("plant-1 may connect");
  const answer = await publish(await connectAs("plant-1"), "plant-1");
  expect(answer.string()).toContain('"stream":"TLM"');
  const again = await gateways("add", ["plant-1", keyOf("plant-1")], { ...said, json: true });
  expect(JSON.parse(again.lines[0] ?? "")).toMatchObject({
    ...{ outcome: "unchanged", gateway: "plant-1", site: "hall", labels: { zone: "cold" } },
  });
});

test("who is revoked is cut off at once, stays out, and another's link does not notice", async () => {
  await gateways("add", ["plant-2", keyOf("plant-2")]);
  await gateways("add", ["plant-3", keyOf("plant-3")]);
  const [revoked, other] = [await connectAs("plant-2"), await connectAs("plant-3")];
  const cut = revoked.closed();
  const publishing = { ends: false, failures: 0, count: 0 };
  const busy = (async () => {
    while (!publishing.ends) {
      await publish(other, "plant-3").catch(() => publishing.failures++);
      publishing.count++;
    }
  })();
  expect(await gateways("revoke", ["plant-2"])).toMatchObject({ code: 0, warnings: [] });
  await cut;
  await expect(connectAs("plant-2")).rejects.toThrow(/^NATS_AUTH_FAILED/);
  for (let at = 0; at < 5; at++) await gateways("apply", []);
  publishing.ends = true;
  await busy;
  expect(other.isClosed()).toBe(false);
  expect(publishing.count).toBeGreaterThan(20);
  expect(publishing.failures).toBe(0);
  const again = gateways("add", ["plant-2", keyOf("plant-2")]);
  await expect(again).rejects.toThrow(/^GATEWAY_KEY_REFUSED/);
  expect((await gateways("revoke", ["plant-2"])).lines[0]).toBe("plant-2 is revoked, as before");
  await expect(gateways("revoke", ["plant-22"])).rejects.toThrow(/^DEVICE_UNKNOWN/);
});

test("a key is renewed without a restart: the old one's link ends, the next dial has the new one", async () => {
  await gateways("add", ["plant-4", keyOf("plant-4")]);
  const old = await connectAs("plant-4");
  const { publicKey } = renewedNkey(seedOf("plant-4"));
  expect(publicKey).toBe(keyOf("plant-4"));
  await expect(gateways("add", ["plant-4", publicKey])).rejects.toThrow(/--replace/);
  await gateways("add", ["plant-4", publicKey], { replace: true });
  await old.closed();
  expect((await publish(await connectAs("plant-4"), "plant-4")).string()).toContain("TLM");
});

test("no second gateway takes a name or a key that is another's", async () => {
  await gateways("add", ["plant-5", keyOf("plant-5")]);
  const clone = gateways("add", ["plant-6", keyOf("plant-5")]);
  await expect(clone).rejects.toThrow(/^GATEWAY_KEY_REFUSED: gateway plant-6/);
  const taken = gateways("add", ["plant-5", keyOf("plant-6")]);
  await expect(taken).rejects.toThrow(/^GATEWAY_KEY_REFUSED: gateway plant-5/);
  await expect(connectAs("plant-6")).rejects.toThrow(/^NATS_AUTH_FAILED/);
});

/** Of nobody's secret half: to make one takes the client 10 ms. */
function publicKeyOf(text: string): string {
  const hash = createHash("sha256").update(text).digest();
  const bytes = Buffer.from([20 << 3, ...hash]);
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  const bits = [...bytes, crc & 0xff, crc >> 8].map((byte) => byte.toString(2).padStart(8, "0"));
  const fives = bits.join("").match(/.{5}/g) ?? [];
  return fives.map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)]).join("");
}

test("2,000 gateways come from a list in seconds, and a second time nothing changes", async () => {
  const folder = mkdtempSync(join(nats.folder, "list-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "gateways.csv");
  const rows = Array.from({ length: 2_000 }, (_row, at) => {
    const key = at === 7 ? keyOf("fleet-7") : publicKeyOf(`${at}`);
    return `fleet-${at},${key},site-${at % 20},cold`;
  });
  const bad = `fleet-x,${keyOf("fleet-7")},,`;
  writeFileSync(file, `gateway,key,site,zone\n${rows.join("\n")}\n${bad}\n`);
  const from = systemClock().bootMs();
  const told = await gateways("import", [file]);
  const tookMs = systemClock().bootMs() - from;
  expect(told.lines[0]).toBe("2000 added or changed, 0 as they were, 1 refused");
  expect(told.warnings[0]).toMatch(/^line 2002: GATEWAY_KEY_REFUSED: gateway fleet-x/);
  expect(told.code).toBe(1);
  expect(tookMs).toBeLessThan(10_000);
  expect((await publish(await connectAs("fleet-7"), "fleet-7")).string()).toContain("TLM");
  const again = await gateways("import", [file], { json: true });
  expect(JSON.parse(again.lines[0] ?? "")).toEqual({ changed: 0, unchanged: 2_000, refused: 1 });
  const { book } = await new NatsGateways(jetstream(cloud), await jetstreamManager(cloud)).load();
  expect(book.of("fleet-1999")).toMatchObject({ site: "site-19", labels: { zone: "cold" } });
});

test("of two commands at once none undoes what the other did", async () => {
  const names = Array.from({ length: 4 }, (_name, at) => `twin-${at}`);
  for (const name of names) keyOf(name);
  await Promise.all(names.map((name) => gateways("add", [name, keyOf(name)])));
  const text = readFileSync(nats.usersFile, "utf8");
  for (const name of names) expect(text).toContain(`tlm.${name}.live`);
  for (const name of names) await publish(await connectAs(name), name);
});

test("a file that nats-server cannot read is told, and what was in force stays", async () => {
  await gateways("add", ["plant-7", keyOf("plant-7")]);
  const conf = join(nats.server.folder, "nats.conf");
  const text = readFileSync(conf, "utf8");
  writeFileSync(conf, text.replace("max_payload: 1MB", "max_payload: much"));
  await expect(gateways("add", ["plant-8", keyOf("plant-8")])).rejects.toThrow(
    /^NATS_RELOAD_FAILED: causeway: /,
  );
  await publish(await connectAs("plant-7"), "plant-7");
  await expect(connectAs("plant-8")).rejects.toThrow(/^NATS_AUTH_FAILED/);
  writeFileSync(conf, text);
  expect(await gateways("apply", [])).toMatchObject({ code: 0 });
  await publish(await connectAs("plant-8"), "plant-8");
});

test("without the system account's key a signal does, by nats-server's pid; else the operator is told", async () => {
  const pidFile = join(nats.folder, "nats.pid");
  writeFileSync(pidFile, `${nats.server.pid()}\n`);
  const { usersFile } = nats;
  const told = await gateways("add", ["plant-9", keyOf("plant-9")], {}, { usersFile, pidFile });
  expect(told.warnings).toEqual([]);
  await expect
    .poll(() =>
      connectAs("plant-9").then(
        () => "in",
        () => "out",
      ),
    )
    .toBe("in");
  writeFileSync(pidFile, "none\n");
  await expect(gateways("apply", [], {}, { usersFile, pidFile })).rejects.toThrow(
    /^NATS_RELOAD_FAILED/,
  );
  expect((await gateways("apply", [], {}, { usersFile })).warnings[0]).toMatch(/--signal reload/);
  expect((await gateways("apply", [], {}, {})).warnings[0]).toMatch(/usersFile is not set/);
});

test("a server that another authority vouches for, or none, hears no key and no reading", async () => {
  await gateways("add", ["plant-10", keyOf("plant-10")]);
  const foreign = await startShippedNats();
  onTestFinished(() => foreign.server.remove());
  const wrong = { tls: { caFile: foreign.caFile } };
  await expect(connectAs("plant-10", wrong)).rejects.toThrow(/^NATS_TLS_FAILED/);
  await expect(connectAs("plant-10", { servers: [foreign.url] })).rejects.toThrow(
    /^NATS_TLS_FAILED/,
  );
  await expect(connectAs("plant-10", { tls: undefined })).rejects.toThrow(/^NATS_TLS_FAILED/);
  const open = await startNatsServer();
  onTestFinished(() => open.remove());
  const plain = { servers: [`tls://localhost:${open.port}`] };
  await expect(connectAs("plant-10", plain)).rejects.toThrow(/^NATS_TLS_FAILED/);
});

test("nobody speaks to the server without TLS, and nobody without a key", async () => {
  const plain = { servers: [`nats://localhost:${nats.server.port}`], tls: undefined };
  await expect(connectAs("plant-10", plain)).rejects.toThrow(/^NATS_/);
  const { tls, servers } = nats.settings;
  await expect(connected({ servers, ...(tls && { tls }) })).rejects.toThrow(/^NATS_AUTH_FAILED/);
});

test("with verify the server hears nobody without a certificate of its authority, key or not", async () => {
  const strict = await startShippedNats((text) => text.replace("verify: false", "verify: true"));
  onTestFinished(() => strict.server.remove());
  const foreign = nats.client("cloud");
  await expect(connected(strict.settings)).rejects.toThrow(/^NATS_/);
  const { caFile } = strict;
  const withTls = (own: object) => ({ ...strict.settings, tls: { caFile, ...own } });
  await expect(connected(withTls(foreign))).rejects.toThrow(/^NATS_/);
  const connection = await connected(withTls(strict.client("cloud")));
  await connection.rtt();
  await connection.close();
});

test("with its marks taken away the WebSocket block lets gateways in by wss://, and holds them alike", async () => {
  const port = await freePort();
  const secure = await startShippedNats((text) =>
    text
      .replace(/^# websocket \{\n(?:#.*\n)+/m, (block) => block.replaceAll(/^# ?/gm, ""))
      .replace("0.0.0.0:443", `127.0.0.1:${port}`),
  );
  onTestFinished(() => secure.server.remove());
  const byWeb = { ...secure.settings, servers: [`wss://localhost:${port}`] };
  const connection = await connected(byWeb);
  await ensureStreams(await jetstreamManager(connection), streamPlans(bounds), silentLogger);
  await connection.close();
  const users = { usersFile: secure.usersFile, systemSeedFile: secure.systemSeedFile };
  await gateways("add", ["plant-11", keyOf("plant-11")], {}, users, byWeb);
  const auth = { nkeySeedFile: seedOf("plant-11") };
  const gateway = await connectAs("plant-11", { ...byWeb, auth });
  expect((await publish(gateway, "plant-11")).string()).toContain("TLM");
  await expect(publish(gateway, "plant-1")).rejects.toThrow(/permissions violation/i);
  const cut = gateway.closed();
  await gateways("revoke", ["plant-11"], {}, users, byWeb);
  await cut;
});
