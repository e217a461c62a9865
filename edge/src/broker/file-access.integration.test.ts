/**
 * Goal: the files that say who may connect may change under a running gateway: what can be used is
 * in force at once, what cannot is told and changes nothing, and no connection breaks that need not.
 */
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { LogFields, Logger } from "@causeway/shared/log.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { authority, authorityFile, pairFiles, pairTexts } from "../testing/file-certificates.ts";
import { connectPacket, packetTypes, publishPacket, RawMqtt } from "../testing/mqtt-raw-client.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";
import { passwordLine } from "./access.ts";
import type { Access } from "./admission.ts";
import { FileAccess } from "./file-access.ts";
import type { AuthSettings, ListenerSettings } from "./listener-settings.ts";

const { puback } = packetTypes;
const salt = Buffer.alloc(16, 5);
const lines = new Map(["a", "b"].map((user) => [user, passwordLine(user, user, salt)]));
const passwordsOf = (...users: string[]) => users.map((user) => lines.get(user)).join("\n");

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "causeway-access-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** As careful programs write: nobody sees half of it. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

interface Line {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

function recorder(): { log: Logger; lines: Line[] } {
  const told: Line[] = [];
  const as = (level: string) => (fields: LogFields, message: string) =>
    void told.push({ level, fields, message });
  const log = { debug: as("debug"), info: as("info"), warn: as("warn"), error: as("error") };
  return { log, lines: told };
}

/** Files in a folder that is watched, and the access that they make. */
function openAccess(
  files: Readonly<Record<string, string>>,
  settings: { auth: AuthSettings; listeners?: readonly ListenerSettings[] },
  wallMs?: number,
) {
  const clock = new VirtualClock(wallMs);
  const { log, lines: told } = recorder();
  for (const [path, text] of Object.entries(files)) writeFileSync(path, text);
  const plain = [{ host: "127.0.0.1", port: 0, protocol: "mqtt" as const }];
  const listeners = [...(settings.listeners ?? plain)];
  const access = new FileAccess({ auth: settings.auth, listeners }, clock, log);
  const changes: Access[] = [];
  onTestFinished(() => access.stop());
  const start = () => access.start((changed) => changes.push(changed));
  return { access, clock, told, changes, start };
}

const usersOf = (access: Access | undefined) => [...(access?.passwords?.keys() ?? [])];

describe("reading", () => {
  test("a folder that changes is read half a second later, once for many changes", async () => {
    const path = join(newFolder(), "passwords");
    const auth = { anonymous: false, passwordFile: path };
    const { access, clock, changes, start } = openAccess({ [path]: passwordsOf("a") }, { auth });
    start();
    expect(changes.map(usersOf)).toEqual([["a"]]);
    for (const users of [["b"], ["a", "b"]]) replace(path, passwordsOf(...users));
    await vi.waitFor(async () => {
      await clock.advance(100);
      expect(changes.length).toBeGreaterThan(1);
    });
    expect(changes.slice(1).map(usersOf)).toEqual([["a", "b"]]);
    expect(clock.bootMs()).toBeGreaterThanOrEqual(500);
    expect(usersOf(access.access)).toEqual(["a", "b"]);
  });

  test("what no watch tells is found within half a minute", async () => {
    const [elsewhere, folder] = [join(newFolder(), "passwords"), newFolder()];
    const path = join(folder, "passwords");
    symlinkSync(elsewhere, path);
    const auth = { anonymous: false, passwordFile: path };
    const { clock, changes, start } = openAccess({ [elsewhere]: passwordsOf("a") }, { auth });
    start();
    replace(elsewhere, passwordsOf("b"));
    await clock.advance(29_999);
    expect(changes.map(usersOf)).toEqual([["a"]]);
    await clock.advance(1);
    expect(changes.map(usersOf)).toEqual([["a"], ["b"]]);
  });

  test("a change before the start is not lost", () => {
    const path = join(newFolder(), "passwords");
    const auth = { anonymous: false, passwordFile: path };
    const { access, changes, start } = openAccess({ [path]: passwordsOf("a") }, { auth });
    replace(path, passwordsOf("b"));
    access.reload();
    start();
    expect(changes.map(usersOf)).toEqual([["b"]]);
  });
});

describe("what cannot be used is told once, and what was in force stays", () => {
  const { cert, key } = pairTexts("server");
  const renewed = pairTexts("renewed");

  function files() {
    const folder = newFolder();
    const [passwordFile, aclFile] = [join(folder, "passwords"), join(folder, "acl")];
    const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const good = {
      [passwordFile]: passwordsOf("a"),
      [aclFile]: "user a publish x\n",
      [certFile]: cert,
      [keyFile]: key,
    };
    const tls = { certFile, keyFile, caFile: authorityFile, requireCertificate: false };
    const settings = {
      auth: { anonymous: false, passwordFile, aclFile },
      listeners: [{ host: "127.0.0.1", port: 0, protocol: "mqtt" as const, tls }],
    };
    return { folder, good, settings };
  }

  test.each<[string, string, string | undefined, RegExp]>([
    ["a plain password", "passwords", "a:secret", /passwords:1: not name:scrypt/],
    ["an empty password file", "passwords", "", /passwords: the file is empty/],
    ["no password file", "passwords", undefined, /passwords: there is no such file/],
    ["a broken rule", "acl", "user a publish x\nuser a\n", /acl:2: write it as/],
    ["another's key", "key.pem", renewed.key, /key\.pem is not the key of/],
    ["another's certificate", "cert.pem", renewed.cert, /key\.pem is not the key of/],
    ["half a certificate", "cert.pem", cert.slice(0, 300), /cert\.pem holds no certificate/],
  ])("%s", async (_what, name, text, reason) => {
    const { folder, good, settings } = files();
    const path = join(folder, name);
    const { access, told, changes, clock, start } = openAccess(good, settings);
    start();
    const before = access.access;
    if (text === undefined) rmSync(path);
    else replace(path, text);
    for (let round = 0; round < 3; round++) await clock.advance(30_000);
    const faults = told.filter(({ level }) => level === "error");
    expect(faults).toMatchObject([{ fields: { reason: expect.stringMatching(reason) } }]);
    expect(access.access).toEqual(before);
    expect(changes).toHaveLength(1);
    expect(access.status().refusedFiles).toBe(1);
    replace(path, good[path] ?? "");
    access.reload();
    expect(access.status().refusedFiles).toBe(0);
    expect(changes, "nothing has changed in the end").toHaveLength(1);
  });

  test("one bad file does not keep a good one from being taken", () => {
    const { folder, good, settings } = files();
    const { access, changes, start } = openAccess(good, settings);
    start();
    replace(join(folder, "acl"), "nonsense");
    replace(join(folder, "passwords"), passwordsOf("b"));
    replace(join(folder, "cert.pem"), renewed.cert);
    replace(join(folder, "key.pem"), renewed.key);
    access.reload();
    expect(usersOf(changes.at(-1))).toEqual(["b"]);
    expect(changes.at(-1)?.pairs[0]?.cert).toBe(renewed.cert.trimEnd());
    expect(changes.at(-1)?.acl?.grants({ user: "a", client: "a" }).mayPublish("x")).toBe(true);
  });
});

test("a certificate that has expired is told at the start and each day, and counted", async () => {
  const listeners = [
    { host: "127.0.0.1", port: 0, protocol: "mqtt" as const },
    ...(["server", "expired"] as const).map((name) => ({
      host: "127.0.0.1",
      port: 0,
      protocol: "mqtt" as const,
      tls: { ...pairFiles(name), requireCertificate: false },
    })),
  ];
  const now = Date.UTC(2021, 0, 11);
  const settings = { auth: { anonymous: true }, listeners };
  const { access, told, clock, start } = openAccess({}, settings, now);
  start();
  const wanted = {
    level: "warn",
    fields: { fault: expect.stringMatching(/expired\.pem expired/) },
  };
  expect(told).toMatchObject([wanted]);
  expect(access.status().certificateDaysLeft).toBe(-10);
  await clock.advance(86_390_000);
  expect(told).toHaveLength(1);
  await clock.advance(60_000);
  expect(told).toMatchObject([wanted, wanted]);
  expect(access.status().certificateDaysLeft).toBe(-12);
});

// The whole program -------------------------------------------------------------------------------

const listener = { host: "127.0.0.1", port: 0 };

test("a user that is gone is disconnected, one that stays is not, by SIGHUP at once", async () => {
  const [elsewhere, folder] = [join(newFolder(), "passwords"), newFolder()];
  const passwordFile = join(folder, "passwords");
  // No watch sees the folder in which the file is.
  symlinkSync(elsewhere, passwordFile);
  writeFileSync(elsewhere, passwordsOf("a", "b"));
  const mqtt = { listeners: [listener], auth: { passwordFile } };
  const edge = runEdge(testFolder({ mqtt }).config);
  const { mqttPort } = await edge.ready();
  const enter = (user: string) => RawMqtt.open(mqttPort, { clientId: user, user, password: user });
  const [a, b] = [await enter("a"), await enter("b")];
  replace(elsewhere, passwordsOf("b"));
  edge.child.kill("SIGHUP");
  await a.untilClosed();
  b.send(publishPacket({ topic: "devices/b/telemetry/t", id: 9 }));
  await b.count(puback, 1);
  replace(elsewhere, "nonsense");
  edge.child.kill("SIGHUP");
  await b.ping();
  await (await enter("b")).ping();
  edge.child.kill("SIGTERM");
  const { code, stdout } = await edge.ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(/"level":"error".*passwords:1: not name.*stays/);
});

test("a new certificate is shown to new connections, a bad one never, and the old ones stay", async () => {
  const folder = newFolder();
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const write = (texts: { cert: string; key: string }) => {
    replace(certFile, texts.cert);
    replace(keyFile, texts.key);
  };
  write(pairTexts("server"));
  const tls = { certFile, keyFile };
  const mqtt = { listeners: [{ ...listener, tls }], auth: { anonymous: true } };
  const edge = runEdge(testFolder({ mqtt }).config);
  const { mqttPort, httpUrl } = await edge.ready();
  const metric = async (name: string) => {
    const text = await (await fetch(`${httpUrl}/metrics`)).text();
    return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
  };
  const dial = async () => {
    const socket = connectTls({ port: mqttPort, ca: authority, servername: "localhost" });
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
    return socket;
  };
  const shown = (socket: TLSSocket) => socket.getPeerX509Certificate()?.toString().trim();
  const before = await dial();
  expect(shown(before)).toBe(pairTexts("server").cert.trim());
  expect(await metric("causeway_edge_certificate_days_left")).toBeGreaterThan(30_000);

  replace(keyFile, pairTexts("renewed").key);
  await vi.waitFor(async () => expect(await metric("causeway_edge_access_files_refused")).toBe(1), {
    timeout: 10_000,
    interval: 100,
  });
  expect(shown(await dial())).toBe(pairTexts("server").cert.trim());

  write(pairTexts("renewed"));
  await vi.waitFor(async () => expect(shown(await dial())).toBe(pairTexts("renewed").cert.trim()), {
    timeout: 10_000,
    interval: 100,
  });
  expect(await metric("causeway_edge_access_files_refused")).toBe(0);
  const old = new RawMqtt(before);
  old.send(connectPacket({ clientId: "old" }));
  await old.count(packetTypes.connack, 1);
  await old.ping();
});
