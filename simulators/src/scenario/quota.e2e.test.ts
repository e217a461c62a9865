/**
 * Goal: a gateway that sends beyond its quota is slowed down and told of, then goes freely again; a
 * day's budget outlives the process. Nothing is lost of what waits.
 */
import { readFileSync, writeFileSync } from "node:fs";
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { runProgram, until } from "./system-program.ts";
import { pause } from "./system-scenario.ts";
import type { GatewayProgram } from "./system-stack.ts";
import { Stack } from "./system-stack.ts";

interface BudgetNumbers {
  readonly uplink: {
    readonly lanes: Readonly<Record<"priority" | "live", { readonly untakenEvents: number }>>;
    readonly budget: {
      readonly capBytesPerSecond?: number;
      readonly day?: { readonly usedBytes: number };
      readonly holds: { readonly live?: { readonly why: string } };
    };
  };
}

async function budgetOf(gateway: GatewayProgram): Promise<BudgetNumbers["uplink"]["budget"]> {
  return ((await gateway.status()) as unknown as BudgetNumbers).uplink.budget;
}

/** So many readings a second, in characters that do not compress; answers with what ends it. */
async function publish(url: string, perSecond: number, characters: number): Promise<() => void> {
  const client = await mqtt.connectAsync(url, { clientId: "busy" });
  const text = () =>
    Array.from({ length: characters }, () => Math.random().toString(36)[2]).join("");
  const timer = setInterval(() => {
    for (let each = 0; each < perSecond / 10; each++) {
      client.publish("devices/busy/telemetry", JSON.stringify({ text: text() }), { qos: 1 });
    }
  }, 100);
  onTestFinished(() => client.endAsync(true));
  return () => clearInterval(timer);
}

test("beyond its quota a gateway is slowed down, and people are told; then both end", async () => {
  const quotas = 'quotas: { entries: [{ gateways: ["g*"], eventsPerSecond: 50 }] }';
  const stack = await Stack.start({ cloud: quotas });
  onTestFinished(() => stack.remove());
  const { gateway, cloudUrl } = stack;
  const api = async (path: string) => (await fetch(`${cloudUrl}${path}`)).json() as never;
  const end = await publish(stack.mqttUrl, 200, 40);
  const cap = async () => (await budgetOf(gateway)).capBytesPerSecond;
  await until(async () => (await cap()) !== undefined, 60_000, "the gateway knows a cap");
  const bytesPerSecond = (await cap()) ?? 0;
  await pause(1_000);
  const before = (await gateway.status()).pump;
  await pause(5_000);
  const sent = (await gateway.status()).pump.bytes - before.bytes;
  expect(sent, `at ${bytesPerSecond} bytes a second`).toBeLessThan(bytesPerSecond * 10);
  const { alerts } = (await api("/api/alerts?state=firing")) as {
    alerts: { rule: string; gateway: string; reason: string }[];
  };
  expect(alerts.filter(({ rule }) => rule === "system-quota")).toMatchObject([
    { gateway: "g1", reason: expect.stringMatching(/ events a second/) },
  ]);
  expect(await api("/api/gateways/g1")).toMatchObject({
    quota: { eventsPerSecond: 50, isOver: true, capBytesPerSecond: expect.any(Number) },
  });
  end();
  const isFree = async () => (await cap()) === undefined;
  await until(isFree, 300_000, "it is paid back, and the gateway may send freely");
  await stack.allTaken(120_000);
  expect((await api("/api/gateways/g1")) as object).toMatchObject({ quota: { isOver: false } });
  expect((await stack.command("audit", "--json")).code, "nothing is missing").toBe(0);
}, 500_000);

/** Where it is noon now, so that no midnight comes in between. */
function noonZone(): string {
  const ahead = 12 - new Date().getUTCHours();
  return ahead === 0 ? "UTC" : `Etc/GMT${ahead > 0 ? `-${ahead}` : `+${-ahead}`}`;
}

test("a day that is used up is told, holds live data over a kill -9, and lets alarms go", async () => {
  const stack = await Stack.start({});
  onTestFinished(() => stack.remove());
  const { gateway } = stack;
  await gateway.end("SIGTERM");
  const text = readFileSync(gateway.config, "utf8");
  const budget = `budget: { megabytesPerDay: 0.1, zone: ${noonZone()} }`;
  writeFileSync(gateway.config, text.replace("uplink: {", `uplink: { ${budget},`));
  await gateway.start();
  const end = await publish(stack.mqttUrl, 200, 100);
  const isHeld = async () => (await budgetOf(gateway)).holds.live?.why === "day";
  await until(isHeld, 30_000, "the day's bytes are used up");
  await pause(1_000);
  end();
  const { untakenEvents } = (await gateway.status()).uplink;
  expect(untakenEvents, "live data waits").toBeGreaterThan(50);
  const used = (await budgetOf(gateway)).day?.usedBytes ?? 0;
  await gateway.end("SIGKILL");
  await gateway.start();
  expect(await isHeld()).toBe(true);
  expect((await budgetOf(gateway)).day?.usedBytes).toBeGreaterThanOrEqual(used);
  const said = await runProgram("causeway-edge", ["status", "--config", gateway.config]);
  expect(said.output).toMatch(
    /Budget +0\.1 of 0\.1 MB used since midnight; the day's budget is used up until 00:00 /,
  );
  const priorityTaken = async () => {
    const { lanes } = ((await gateway.status()) as unknown as BudgetNumbers).uplink;
    return lanes.priority.untakenEvents === 0 && lanes.live.untakenEvents > 50;
  };
  await until(priorityTaken, 20_000, "that it was started is told");
}, 120_000);
