// Alerts on the topics of a real broker.
import { spawn } from "node:child_process";
import { pbkdf2Sync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { notificationOf } from "@causeway/shared/notify/notification.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { freePort, listening } from "@causeway/shared/testing/system-ports.ts";
import { connectAsync } from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import {
  authorityFile,
  certificateFile,
  keyFile,
  openedReceiver,
  secretFile,
  strangerFile,
} from "./testing/file-receiver.ts";

const mosquitto = wantedTool("mosquitto");
const told = notificationOf(transition());
const signal = new AbortController().signal;

interface Broker {
  readonly url: string;
  readonly secureUrl: string;
}

async function startBroker(...settings: readonly string[]): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-mosquitto-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [port, securePort] = [await freePort(), await freePort()];
  const lines = [
    `user ${userInfo().username}`, // as root it would become one who may not read our keys
    "persistence false",
    "log_dest none",
    ...(settings.length > 0 ? settings : ["allow_anonymous true"]),
    `listener ${port} 127.0.0.1`,
    `listener ${securePort} 127.0.0.1`,
    `certfile ${certificateFile}`,
    `keyfile ${keyFile}`,
  ];
  const config = join(folder, "mosquitto.conf");
  writeFileSync(config, `${lines.join("\n")}\n`);
  const child = spawn(mosquitto ?? "", ["-c", config], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await listening(port, child);
  return { url: `mqtt://127.0.0.1:${port}`, secureUrl: `mqtts://localhost:${securePort}` };
}

interface Heard {
  readonly topic: string;
  readonly body: Record<string, unknown>;
  readonly retained: boolean;
  readonly qos: number;
}

async function listen(url: string): Promise<() => Promise<Heard>> {
  const client = await connectAsync(url, { reconnectPeriod: 0 }, false);
  onTestFinished(() => void client.end(true));
  const heard: Heard[] = [];
  client.on("message", (topic, payload, { retain, qos }) => {
    heard.push({ topic, body: JSON.parse(payload.toString()), retained: retain, qos });
  });
  await client.subscribeAsync("#", { qos: 1 });
  return async () => {
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    return heard.shift() as Heard;
  };
}

describe.skipIf(mosquitto === undefined)("an MQTT broker", () => {
  test("gets the alert as a webhook would, on the topic of its gateway and rule", async () => {
    const { url } = await startBroker();
    const next = await listen(url);
    const attempt = await openedReceiver({ kind: "mqtt", url }).deliver(told, signal);
    expect(attempt).toEqual({ kind: "delivered" });
    const { topic, body, retained, qos } = await next();
    expect({ topic, retained, qos }).toEqual({
      ...{ topic: "causeway/alerts/gw-1/too-warm", retained: false, qos: 1 },
    });
    expect(body).toMatchObject({ ...transition(), notification: { key: told.key } });
  });

  test("keeps the last one where the settings say so, and TLS is checked by name", async () => {
    const { url, secureUrl } = await startBroker();
    const settings = { kind: "mqtt", url: secureUrl, topic: "a/{device}/{state}", retain: true };
    const own = openedReceiver({ ...settings, tls: { caFile: authorityFile } });
    expect(await own.deliver(told, signal)).toEqual({ kind: "delivered" });
    const next = await listen(url);
    expect(await next()).toMatchObject({ topic: "a/freezer-1/firing", retained: true });
    const stranger = openedReceiver({ ...settings, tls: { caFile: strangerFile } });
    expect(await stranger.deliver(told, signal)).toMatchObject({
      kind: "retry",
      reason: expect.stringMatching(/certificate/),
    });
  });

  test("that wants a password gets it, and one that does not take it is tried again", async () => {
    const salt = Buffer.from("twelve bytes");
    const hash = pbkdf2Sync("right", salt, 101, 64, "sha512").toString("base64");
    const passwords = secretFile(`causeway:$7$101$${salt.toString("base64")}$${hash}`);
    const { url } = await startBroker("allow_anonymous false", `password_file ${passwords}`);
    const settings = { kind: "mqtt", url, user: "causeway" };
    const wrong = openedReceiver({ ...settings, passwordFile: secretFile("wrong") });
    expect(await wrong.deliver(told, signal)).toMatchObject({
      kind: "retry",
      reason: expect.stringMatching(/not authori[sz]ed|refused/i),
    });
    const right = openedReceiver({ ...settings, passwordFile: secretFile("right") });
    expect(await right.deliver(told, signal)).toEqual({ kind: "delivered" });
  });
});

test("a broker that is not there is tried again", async () => {
  const url = `mqtt://127.0.0.1:${await freePort()}`;
  expect(await openedReceiver({ kind: "mqtt", url }).deliver(told, signal)).toMatchObject({
    kind: "retry",
    reason: expect.stringMatching(/ECONNREFUSED/),
  });
});
