// The shipped nats-server configuration carries the whole path: gateways in an account of their own,
// passwords everywhere, and nothing open that should not be.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { runProgram, startProgram, until } from "./system-program.ts";

const configFile = join(dirname(fileURLToPath(import.meta.url)), "../../../deploy/nats/nats.conf");
const environment = { NATS_CLOUD_PASSWORD: "cloud-secret", NATS_GATEWAY1_PASSWORD: "edge-secret" };
test("readings cross from the gateways' account, and strangers stay out", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-shipped-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startNatsServer({ configFile, environment });
  onTestFinished(() => server.remove());
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const passwd = await runProgram("causeway-edge", ["passwd", "device"], "device-secret");
  const [mqtt, cloudHttp, edgeHttp] = [await freePort(), await freePort(), await freePort()];
  const cloudConfig = write(
    "cloud.yaml",
    `nats:
  servers: ["${server.url}"]
  auth: { user: cloud, passwordFile: ${write("cloud-password", "cloud-secret\n")} }
dataDir: ${folder}/cloud
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
  servers: ["${server.url}"]
  auth: { user: gateway1, passwordFile: ${write("edge-password", "edge-secret\n")} }
http: { host: 127.0.0.1, port: ${edgeHttp} }
`,
  );
  for (const [name, config] of [
    ["causeway-cloud", cloudConfig],
    ["causeway-edge", edgeConfig],
  ] as const) {
    const program = startProgram(name, ["run", "--config", config], join(folder, `${name}.log`));
    onTestFinished(async () => {
      program.kill("SIGKILL");
      await program.exited;
    });
  }
  const status = async () => {
    const answer = await fetch(`http://127.0.0.1:${edgeHttp}/api/status`);
    return (await answer.json()) as { uplink: { link: string; untakenEvents: number } };
  };
  await until(async () => (await status()).uplink.link === "up", 20_000, "the link");

  const url = ["--url", `mqtt://127.0.0.1:${mqtt}`];
  const fleet = ["fleet", "--devices", "3", "--interval", "20", "--count", "30", ...url];
  const password = ["--username", "device", "--password-file", write("device", "device-secret")];
  const published = await runProgram("causeway-sim", [...fleet, ...password]);
  expect(published.code, published.errors).toBe(0);
  await until(async () => (await status()).uplink.untakenEvents === 0, 20_000, "all taken");

  const gateways = `http://127.0.0.1:${cloudHttp}/api/gateways`;
  expect((await fetch(gateways)).status).toBe(401);
  const basic = Buffer.from("anyone:http-secret").toString("base64");
  expect((await fetch(gateways, { headers: { authorization: `Basic ${basic}` } })).status).toBe(
    200,
  );
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

  // One device, and last: after some failures the gateway bids an address wait, wrong or not.
  const stranger = ["fleet", "--devices", "1", "--count", "1", ...url, "--username", "device"];
  expect((await runProgram("causeway-sim", stranger)).code).not.toBe(0);
});
