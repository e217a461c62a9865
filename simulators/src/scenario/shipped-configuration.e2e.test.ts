// The shipped nats-server configuration carries the whole path as docs/security.md tells it: TLS, keys that
// are made where they are used, gateways in an account of their own, and nothing open that should not be.
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { startShippedNats } from "@causeway/shared/testing/system-shipped-nats.ts";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { runProgram, startProgram, until } from "./system-program.ts";

test("readings cross from the gateways' account, and strangers stay out", async () => {
  const nats = await startShippedNats();
  const { folder, url: server, caFile } = nats;
  onTestFinished(() => nats.server.remove());
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const passwd = await runProgram("causeway-edge", ["passwd", "device"], "device-secret");
  const [mqtt, cloudHttp, edgeHttp] = [await freePort(), await freePort(), await freePort()];
  const cloudConfig = write(
    "cloud.yaml",
    `nats:
  servers: ["${server}"]
  auth: { nkeySeedFile: ${folder}/cloud/cloud.nk }
  tls: { caFile: ${caFile} }
gateways: { usersFile: ${nats.usersFile}, systemSeedFile: ${nats.systemSeedFile} }
dataDir: ${folder}/cloud-data
http: { host: 127.0.0.1, port: ${cloudHttp}, tokenFile: ${write("token", "http-secret\n")} }
`,
  );
  const edgeConfig = write(
    "edge.yaml",
    `gateway: gateway1
dataDir: ${folder}/edge
mqtt:
  listeners: [{ host: 127.0.0.1, port: ${mqtt} }]
  auth: { passwordFile: ${write("mqtt-passwords", passwd.output)} }
uplink:
  servers: ["${server}"]
  auth: { nkeySeedFile: ${folder}/gateway.nk }
  tls: { caFile: ${caFile} }
http: { host: 127.0.0.1, port: ${edgeHttp} }
`,
  );
  const start = (name: "causeway-cloud" | "causeway-edge", config: string) => {
    const program = startProgram(name, ["run", "--config", config], join(folder, `${name}.log`));
    onTestFinished(async () => {
      program.kill("SIGKILL");
      await program.exited;
    });
  };
  /** What `join` prints is what the operator runs. */
  const joined = async (...flags: string[]) => {
    const ran = await runProgram("causeway-edge", ["join", "--config", edgeConfig, ...flags]);
    expect(ran.code, ran.errors).toBe(0);
    const [, command = ""] = /^ {2}causeway-cloud (gateways add .*)$/m.exec(ran.output) ?? [];
    return command.split(" ");
  };
  const gateways = async (...args: string[]) => {
    const ran = await runProgram("causeway-cloud", [...args, "--config", cloudConfig]);
    expect(ran.code, ran.errors + ran.output).toBe(0);
    return ran.output;
  };
  start("causeway-cloud", cloudConfig);
  const isReady = () =>
    fetch(`http://127.0.0.1:${cloudHttp}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
  await until(isReady, 30_000, "the cloud");
  const add = await joined();
  expect(statSync(join(folder, "gateway.nk")).mode & 0o777).toBe(0o600);
  expect(await joined()).toEqual(add);
  await gateways(...add, "--site", "hall");
  start("causeway-edge", edgeConfig);
  const status = async () => {
    const answer = await fetch(`http://127.0.0.1:${edgeHttp}/api/status`).catch(() => undefined);
    if (answer === undefined) return { uplink: { link: "down", untakenEvents: -1 } };
    return (await answer.json()) as { uplink: { link: string; untakenEvents: number } };
  };
  await until(async () => (await status()).uplink.link === "up", 20_000, "the link");

  const url = ["--url", `mqtt://127.0.0.1:${mqtt}`];
  const fleet = ["fleet", "--devices", "3", "--interval", "20", "--count", "30", ...url];
  const password = ["--username", "device", "--password-file", write("device", "device-secret")];
  const published = await runProgram("causeway-sim", [...fleet, ...password]);
  expect(published.code, published.errors).toBe(0);
  await until(async () => (await status()).uplink.untakenEvents === 0, 20_000, "all taken");

  const listed = `http://127.0.0.1:${cloudHttp}/api/gateways`;
  expect((await fetch(listed)).status).toBe(401);
  const basic = Buffer.from("anyone:http-secret").toString("base64");
  expect((await fetch(listed, { headers: { authorization: `Basic ${basic}` } })).status).toBe(200);
  const tail = [
    "tail",
    "--json",
    "--from",
    "start",
    "--until-idle",
    "1000",
    "--config",
    cloudConfig,
  ];
  const lines = (await runProgram("causeway-cloud", tail)).output.trim().split("\n");
  expect(lines.filter((line) => line.includes('"metric":"seq"'))).toHaveLength(30);
  const device = await connectAsync(`mqtt://127.0.0.1:${mqtt}`, {
    ...{ clientId: "valve-1", username: "device", password: "device-secret" },
  });
  onTestFinished(() => void device.end(true));
  device.on("message", (_topic, payload) => {
    const { id } = JSON.parse(payload.toString()) as { id: string };
    device.publish(`devices/valve-1/replies/${id}`, '{"ok":true}', { qos: 1 });
  });
  await device.subscribeAsync("devices/valve-1/commands/+", { qos: 1 });
  const command = ["command", "send", "gateway1", "valve-1", "open", "--wait", "--expires", "30s"];
  const sent = await runProgram("causeway-cloud", [...command, "--config", cloudConfig]);
  expect(sent.output + sent.errors).toContain("done");

  await gateways("gateways", "revoke", "gateway1", "--note", "stolen");
  await until(async () => (await status()).uplink.link !== "up", 10_000, "the cut");
  device.publish("devices/valve-1/telemetry", '{"level":7}', { qos: 1 });
  const renewed = await joined("--renew");
  expect(renewed).not.toEqual(add);
  await gateways(...renewed);
  await until(async () => (await status()).uplink.link === "up", 60_000, "the link with a new key");
  await until(async () => (await status()).uplink.untakenEvents === 0, 20_000, "what waited");
  expect(await gateways("gateways", "show", "gateway1")).toMatch(
    /at hall {2}permitted[\s\S]*revoked/,
  );

  // One device, and last: after some failures the gateway bids an address wait, wrong or not.
  const stranger = ["fleet", "--devices", "1", "--count", "1", ...url, "--username", "device"];
  expect((await runProgram("causeway-sim", stranger)).code).not.toBe(0);
});
