/**
 * Goal: `causeway-edge run` starts, tells what is wrong in one coded line with its exit code, and
 * ends in order and in time, with the cloud away.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { authorityFile, pairFiles } from "./testing/file-certificates.ts";
import { packetTypes, publishPacket, RawMqtt } from "./testing/mqtt-raw-client.ts";
import { EdgeProcess, edgeFolder, edgeLauncher } from "./testing/system-edge-process.ts";

const startMsMax = 8_000;
const stopMsMax = 10_000;
const cleanUps: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
});

function folderOf(settings: Readonly<Record<string, unknown>> = {}) {
  const made = edgeFolder(settings);
  cleanUps.push(made.remove);
  return made;
}

function run(config: string, ...more: readonly string[]): EdgeProcess {
  const edge = new EdgeProcess([edgeLauncher, "run", "--config", config, ...more]);
  cleanUps.push(() => edge.kill());
  return edge;
}

async function expectFailure(edge: EdgeProcess, exitCode: number, code: RegExp): Promise<void> {
  const { code: found, stderr, tookMs } = await edge.ended;
  expect(stderr).toMatch(code);
  expect(stderr, "no stack, and told once").toMatch(
    /^[A-Z_]+: [^\n]+(\n[^\n ]*edge\.yaml[^\n]+)*\n$/,
  );
  expect(found).toBe(exitCode);
  expect(tookMs).toBeLessThan(startMsMax);
}

const server = pairFiles("server");
const other = pairFiles("renewed");
const auth = { anonymous: true };
const mutual = {
  host: "0.0.0.0",
  port: 0,
  tls: { ...server, caFile: authorityFile, requireCertificate: true },
};
const listener = (host: string) => ({ listeners: [{ host, port: 0 }] });

describe.concurrent("a configuration that cannot be used ends with exit code 2", () => {
  test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ["an unknown key", { colour: "red" }, /edge\.yaml:\d+:\d+ colour: unknown setting/],
    ["an unknown nested key", { http: { hots: "x" } }, /edge\.yaml:\d+:\d+ http\.hots: unknown/],
    ["a wrong type", { uplink: { servers: "nats://x" } }, /uplink\.servers: /],
    ["a port out of range", { http: { port: 70_000 } }, /http\.port: /],
    ["a missing gateway", { gateway: undefined }, /gateway: /],
    ["a gateway name that is no token", { gateway: "a b.c" }, /gateway: use 1 to 64/],
    ["no servers", { uplink: { servers: [] } }, /uplink\.servers: /],
    [
      "anonymous off loopback",
      { mqtt: { ...listener("0.0.0.0"), auth: { anonymous: true } } },
      /^SECURITY_REFUSED: .*0\.0\.0\.0/,
    ],
    [
      "anonymous on all of IPv6",
      { mqtt: { ...listener("::"), auth: { anonymous: true } } },
      /^SECURITY_REFUSED: /,
    ],
    ["no way to authenticate", { mqtt: { ...listener("127.0.0.1") } }, /^SECURITY_REFUSED: /],
    [
      "HTTP off loopback without a token",
      { http: { host: "0.0.0.0", port: 0 } },
      /^SECURITY_REFUSED: /,
    ],
    [
      "a password file that is not there",
      { mqtt: { ...listener("127.0.0.1"), auth: { passwordFile: "/nowhere" } } },
      /^CONFIG_UNREADABLE: \/nowhere/,
    ],
    [
      "any certificate of an authority, off loopback, that names nobody",
      { mqtt: { listeners: [mutual], auth: { anonymous: true } } },
      /^SECURITY_REFUSED: .*0\.0\.0\.0/,
    ],
    [
      "a key that is not the certificate's",
      { mqtt: { listeners: [{ port: 0, tls: { ...server, keyFile: other.keyFile } }], auth } },
      /^CONFIG_INVALID: .*renewed-key\.pem is not the key of .*server\.pem/,
    ],
    [
      "a certificate that is not there",
      { mqtt: { listeners: [{ port: 0, tls: { ...server, certFile: "/nowhere" } }], auth } },
      /^CONFIG_UNREADABLE: \/nowhere/,
    ],
    [
      "a source's key that is not its certificate's",
      {
        mqtt: {
          listeners: [],
          sources: [{ name: "a", url: "mqtts://x", tls: { ...server, keyFile: other.keyFile } }],
        },
      },
      /^CONFIG_INVALID: .*renewed-key\.pem is not the key of .*server\.pem/,
    ],
    [
      "a source's password that is not there",
      {
        mqtt: {
          listeners: [],
          sources: [{ name: "a", url: "mqtt://x", auth: { user: "u", passwordFile: "/nowhere" } }],
        },
      },
      /^CONFIG_UNREADABLE: \/nowhere/,
    ],
    [
      "an ACL that is not there",
      { mqtt: { ...listener("127.0.0.1"), auth: { ...auth, aclFile: "/nowhere" } } },
      /^CONFIG_UNREADABLE: \/nowhere/,
    ],
    [
      "a token file that is not there",
      { http: { port: 0, tokenFile: "/nowhere" } },
      /^CONFIG_UNREADABLE: /,
    ],
  ])("%s", async (_what, settings, code) => {
    await expectFailure(run(folderOf(settings).config), 2, code);
  });

  test("a file that is not there, and one that is no YAML", async () => {
    await expectFailure(run("/nowhere/edge.yaml"), 2, /^CONFIG_UNREADABLE: /);
    const { config } = folderOf();
    writeFileSync(config, "gateway: [");
    await expectFailure(run(config), 2, /^CONFIG_UNREADABLE: .*edge\.yaml:1:/);
  });

  test("a --set and a CAUSEWAY_ variable that name no setting", async () => {
    const { config } = folderOf();
    await expectFailure(run(config, "--set", "mqtt.colour=red"), 2, /--set mqtt\.colour/);
    const command = [edgeLauncher, "run", "--config", config];
    const edge = new EdgeProcess(command, { CAUSEWAY_COLOUR: "red" });
    await expectFailure(edge, 2, /CAUSEWAY_COLOUR/);
  });

  test("another gateway's data folder", async () => {
    const { config } = folderOf();
    const first = run(config);
    await first.ready();
    first.child.kill("SIGTERM");
    await first.ended;
    await expectFailure(run(config, "--set", "gateway=other"), 2, /belongs to gateway gw/);
  });

  test("an unknown command and an unknown option", async () => {
    for (const args of [["walk"], ["run", "--colour"]]) {
      expect((await new EdgeProcess([edgeLauncher, ...args]).ended).code).toBe(2);
    }
  });
});

describe.concurrent("a machine that cannot serve ends with exit code 1", () => {
  test("a data folder that another process has open", async () => {
    const { config } = folderOf();
    await run(config).ready();
    await expectFailure(run(config), 1, /^OUTBOX_LOCKED: .*data/);
  });

  test("a data folder below a file", async () => {
    const { folder, config } = folderOf();
    writeFileSync(join(folder, "file"), "");
    const edge = run(config, "--set", `dataDir=${join(folder, "file", "data")}`);
    await expectFailure(edge, 1, /^DATA_DIR_UNUSABLE: /);
  });

  test("a data folder where nothing can be made", async () => {
    const edge = run(folderOf().config, "--set", "dataDir=/proc/causeway");
    await expectFailure(edge, 1, /^DATA_DIR_UNUSABLE: /);
  });

  test("a data folder that another user owns", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "only root can become another user");
    const { folder, config, dataDir } = folderOf();
    mkdirSync(join(dataDir, "outbox"), { recursive: true });
    for (const path of [folder, config]) chmodSync(path, 0o755);
    const edge = new EdgeProcess([
      "setpriv",
      "--reuid=65534",
      "--clear-groups",
      edgeLauncher,
      "run",
      "--config",
      config,
    ]);
    await expectFailure(edge, 1, /^DATA_DIR_UNUSABLE: .*outbox/);
  });

  test.each([
    ["MQTT", "mqtt.listeners.0.port", /^BROKER_ADDRESS_IN_USE: 127\.0\.0\.1:\d+/],
    ["HTTP", "http.port", /^HTTP_ADDRESS_IN_USE: 127\.0\.0\.1:\d+/],
  ])("a taken %s port", async (_what, setting, code) => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, "127.0.0.1", resolve));
    cleanUps.push(() => void squatter.close());
    const address = squatter.address();
    const port = typeof address === "object" ? address?.port : 0;
    await expectFailure(run(folderOf().config, "--set", `${setting}=${port}`), 1, code);
  });
});

describe("ending", () => {
  test("SIGTERM ends with 0 while no cloud answers, and what was acknowledged is kept", async () => {
    const { config } = folderOf();
    const edge = run(config);
    const { mqttPort } = await edge.ready();
    const client = await RawMqtt.open(mqttPort);
    client.send(publishPacket({ topic: "devices/d1/telemetry/t", id: 5 }));
    await client.count(packetTypes.puback, 1);
    const beganMs = Date.now();
    edge.child.kill("SIGTERM");
    const { code, signal, stdout } = await edge.ended;
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(Date.now() - beganMs).toBeLessThan(stopMsMax);
    expect(stdout).toContain('"msg":"stopped"');
    const again = run(config);
    const { httpUrl } = await again.ready();
    const status = (await (await fetch(`${httpUrl}/api/status`)).json()) as {
      uplink: { untakenEvents: number };
    };
    expect(status.uplink.untakenEvents).toBeGreaterThanOrEqual(2);
    const ready = await fetch(`${httpUrl}/readyz`);
    expect(ready.status, "devices are acknowledged without a cloud").toBe(200);
    expect(await ready.json()).toMatchObject({
      ready: true,
      reasons: [expect.stringContaining("link down: ")],
    });
  });

  test("SIGTERM before it is ready ends it too", async () => {
    const edge = run(folderOf().config);
    await new Promise<void>((resolve) => edge.child.once("spawn", resolve));
    edge.child.kill("SIGTERM");
    expect((await edge.ended).tookMs).toBeLessThan(stopMsMax);
  });

  test("with --end-with-stdin it ends when stdin closes, without it it goes on", async () => {
    const bound = run(folderOf().config, "--end-with-stdin");
    const free = run(folderOf().config);
    await Promise.all([bound.ready(), free.ready()]);
    bound.child.stdin.end();
    free.child.stdin.end();
    const { code, stdout } = await bound.ended;
    expect(code).toBe(0);
    expect(stdout).toContain("stdin closed");
    expect(free.child.exitCode).toBeNull();
  });
});

describe.concurrent("the other commands", () => {
  test("check says that a configuration is good, and what is wrong with a bad one", async () => {
    const check = (config: string) => new EdgeProcess([edgeLauncher, "check", "--config", config]);
    expect((await check(folderOf().config).ended).code).toBe(0);
    expect((await check(folderOf({ colour: "red" }).config).ended).code).toBe(2);
  });

  test("check reads the files that a configuration names", async () => {
    const { folder, config } = folderOf();
    const acl = join(folder, "acl");
    const check = (listeners: readonly object[], more: object) => {
      const set = `mqtt=${JSON.stringify({ listeners, auth: { aclFile: acl, ...more } })}`;
      return new EdgeProcess([edgeLauncher, "check", "--config", config, "--set", set]).ended;
    };
    writeFileSync(acl, "user * publish devices/%u/#\n");
    expect(await check([mutual], { certificateIdentity: "cn" })).toMatchObject({ code: 0 });
    const expired = [{ port: 0, tls: pairFiles("expired") }];
    expect(await check(expired, { anonymous: true })).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^warning: .*expired\.pem expired on 2021-01-01: [^\n]+\n$/),
    });
    const wrong = [{ port: 0, tls: { ...server, keyFile: other.keyFile } }];
    expect(await check(wrong, { anonymous: true })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^CONFIG_INVALID: .*is not the key of/),
    });
    writeFileSync(acl, "user * publish #\nuser a pulbish b\nuser a publish b#\n");
    expect(await check([mutual], { certificateIdentity: "cn" })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^CONFIG_INVALID: .*acl:2: .*pulbish.*\n.*acl:3: .*\n$/),
    });
  });

  test("a line that passwd writes admits its user and no other", async () => {
    const passwd = new EdgeProcess([edgeLauncher, "passwd", "pump"]);
    passwd.child.stdin.end("secret\n");
    const { stdout, code } = await passwd.ended;
    expect(code).toBe(0);
    const { folder, config } = folderOf();
    writeFileSync(join(folder, "passwords"), stdout);
    const auth = [
      "--set",
      "mqtt.auth.anonymous=false",
      "--set",
      `mqtt.auth.passwordFile=${join(folder, "passwords")}`,
    ];
    const { mqttPort } = await run(config, ...auth).ready();
    await RawMqtt.open(mqttPort, { user: "pump", password: "secret" });
    const wrong = new RawMqtt(mqttPort);
    await expect(
      RawMqtt.open(mqttPort, {}).then((client) => client.untilClosed()),
    ).resolves.toBeUndefined();
    wrong.close();
  });
});
