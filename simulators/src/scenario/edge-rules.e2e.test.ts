// The goal: a gateway that is cut off judges by its own rules and tells people on the spot, whatever
// is killed; and the cloud has each of its alarms once, with no second one of its own.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import type { Program } from "./system-program.ts";
import { ready, runProgram, startProgram, until } from "./system-program.ts";
import { GatewayProgram } from "./system-stack.ts";

const patienceMs = 60_000;
const rules = `rules:
  - { name: too-warm, detector: limits, hi: 30, hysteresis: 1, metrics: [t], severity: critical }
`;

interface Told {
  readonly id: string;
  readonly state: string;
  readonly rule: string;
  readonly raisedBy?: string;
  readonly late: boolean;
}

test("alarms of an offline gateway reach a webhook and a topic at once, and the cloud once, over kill -9", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-edge-rules-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const hook = await HttpHook.open();
  onTestFinished(() => hook.close());
  const nats = await startNatsServer({ folder: join(folder, "nats") });
  onTestFinished(() => nats.remove());
  const cloudConfig = join(folder, "cloud.yaml");
  const cloudUrl = `http://127.0.0.1:${await freePort()}`;
  writeFileSync(
    cloudConfig,
    `nats: { servers: ["${nats.url}"] }
dataDir: ${JSON.stringify(join(folder, "cloud"))}
http: { host: 127.0.0.1, port: ${new URL(cloudUrl).port} }
${rules}`,
  );
  let cloud: Program | undefined;
  const startCloud = async () => {
    const args = ["run", "--config", cloudConfig];
    cloud = startProgram("causeway-cloud", args, join(folder, "cloud.log"));
    await ready(`${cloudUrl}/readyz`, cloud);
  };
  const killCloud = async () => {
    cloud?.kill("SIGKILL");
    await cloud?.exited;
  };
  onTestFinished(killCloud);
  await startCloud();
  const gateway = await GatewayProgram.create(
    folder,
    { servers: [nats.url] },
    `${rules}receivers:
  - { name: hook, kind: webhook, url: "${hook.url}/alarm" }
  - { name: lamp, kind: mqtt, tell: each }
  - { name: fan, kind: command, command: cool, payload: { speed: full, was: "{value}" }, reply: false }
`,
  );
  onTestFinished(() => gateway.end("SIGKILL"));
  await gateway.start();
  const onTopics: string[] = [];
  const listening = await connectAsync(gateway.mqttUrl, {
    ...{ clientId: "panel", clean: false, reconnectPeriod: 100 },
  });
  onTestFinished(() => void listening.end(true));
  listening.on("message", (topic, payload) => onTopics.push(`${topic} ${payload}`));
  await listening.subscribeAsync(["causeway/alarms/+", "devices/pump/commands/+"], { qos: 1 });
  const device = await connectAsync(gateway.mqttUrl, { clientId: "pump", reconnectPeriod: 100 });
  onTestFinished(() => void device.end(true));
  const publish = (t: number) =>
    device.publishAsync("devices/pump/telemetry", JSON.stringify({ t }), { qos: 1 });

  const allTaken = () => {
    const isTaken = async () => (await gateway.status()).uplink.untakenEvents === 0;
    return until(isTaken, patienceMs, "all taken");
  };
  await publish(20);
  await allTaken();
  await killCloud();
  await nats.stop();
  await publish(31);
  await gateway.end("SIGKILL");
  await gateway.start();
  const heard = () => hook.requests.map(({ body }) => JSON.parse(body) as Told);
  await until(async () => heard().length > 0, patienceMs, "the webhook");
  const [first] = heard();
  expect(first).toMatchObject({ state: "firing", rule: "too-warm", raisedBy: "edge", late: false });
  const keys = new Set(hook.requests.map(({ headers }) => headers["webhook-id"]));
  expect(keys).toEqual(new Set([`${first?.id}/firing`]));
  const isOnTopic = (what: string) => onTopics.some((told) => told.startsWith(what));
  await until(
    async () =>
      isOnTopic("causeway/alarms/too-warm {") &&
      isOnTopic('devices/pump/commands/cool {"speed":"full","was":31}'),
    patienceMs,
    "the topic and the command",
  );
  const status = (await gateway.status()) as never as {
    alarms: { rules: { open: readonly Told[] } };
  };
  expect(status.alarms.rules.open.map(({ id }) => id)).toEqual([first?.id]);

  await nats.start();
  await startCloud();
  const transitions = async () => {
    const asked = ["alerts", "--transitions", "--config", cloudConfig];
    const { output } = await runProgram("causeway-cloud", asked);
    const all = output.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
    return (all as Told[]).filter(({ rule }) => rule === "too-warm");
  };
  await until(async () => (await transitions()).length > 0, patienceMs, "the cloud's alert");
  await publish(35);
  await allTaken();
  const open = await transitions();
  expect(open).toEqual([expect.objectContaining({ id: first?.id, state: "firing" })]);
  expect(open[0]).toMatchObject({ raisedBy: "edge", late: false });

  await publish(20);
  await until(async () => (await transitions()).length > 1, patienceMs, "the end");
  const told = (await transitions()).map(({ id, state }) => `${id} ${state}`);
  expect(told).toEqual([`${first?.id} firing`, `${first?.id} resolved`]);
  await until(async () => heard().some(({ state }) => state === "resolved"), patienceMs, "told");
}, 180_000);
