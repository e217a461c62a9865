/**
 * Goal: after an outage what devices say now is in the cloud at once, while the backlog follows behind
 * it; nothing of that is lost or comes twice.
 */
import { readFileSync, writeFileSync } from "node:fs";
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { publishBacklog } from "../testing/mqtt-backlog.ts";
import { until } from "./system-program.ts";
import { pause } from "./system-scenario.ts";
import { Stack } from "./system-stack.ts";

const isLong = process.env["CAUSEWAY_LONG"] === "1";
const textCharacters = 32;
const events = isLong ? 200_000 : 50_000;
/** A reading and its number. */
const payloadBytes = 52;
/** On a quiet machine; a commit of the engine is a second of it. */
const freshWithinMs = isLong ? 2_000 : 10_000;
const sayEveryMs = 100;

interface Row {
  readonly device: string;
  readonly metric: string;
  readonly value: unknown;
}

/** 64 kbit/s. */
const slowBytesPerSecond = 8_192;
const slowEvents = 20_000;
const slowForMs = isLong ? 60_000 : 12_000;
/** In a short run the first seconds behind the jump weigh more. */
const slowFreshMs = isLong ? 3_000 : 8_000;

/** Says the time, again and again. */
async function sayTime(url: string, everyMs = sayEveryMs): Promise<void> {
  const client = await mqtt.connectAsync(url, { clientId: "fresh" });
  const timer = setInterval(() => {
    client.publish("devices/fresh/telemetry", JSON.stringify({ at: Date.now() }), { qos: 1 });
  }, everyMs);
  onTestFinished(async () => {
    clearInterval(timer);
    await client.endAsync(true);
  });
}

async function heardAt(stack: Stack): Promise<number> {
  const answer = await fetch(`${stack.cloudUrl}/api/latest?limit=1000`);
  const { series } = (await answer.json()) as { series: readonly Row[] };
  const row = series.find(({ device, metric }) => device === "fresh" && metric === "at");
  return Number(row?.value ?? 0);
}

test("after an outage of 200,000 events what is fresh is there within 2 s, and all in the end", async () => {
  const stack = await Stack.start({ proxied: true });
  onTestFinished(() => stack.remove());
  const { gateway } = stack;
  await gateway.end("SIGTERM");
  const text = readFileSync(gateway.config, "utf8");
  writeFileSync(gateway.config, text.replace("uplink: {", "uplink: { freshAfterMs: 1000,"));
  await gateway.start();
  await sayTime(stack.mqttUrl);
  await until(async () => (await heardAt(stack)) > 0, 30_000, "the cloud hears the device");
  stack.proxy.set({ refuse: true });
  stack.proxy.cut();
  await publishBacklog(stack.mqttUrl, events * payloadBytes, textCharacters);
  await pause(2_000);
  const { untakenEvents } = (await gateway.status()).uplink;
  expect(untakenEvents).toBeGreaterThan(events * 0.9);
  stack.proxy.set({ refuse: false });
  await until(async () => (await gateway.status()).uplink.link === "up", 30_000, "the link is up");
  const upAt = Date.now();
  await until(async () => (await heardAt(stack)) >= upAt, 30_000, "what is fresh is there");
  const freshMs = Date.now() - upAt;
  const { lanes } = (await gateway.status()).uplink;
  await stack.allTaken(300_000);
  const drainedMs = Date.now() - upAt;
  const figures = { untakenEvents, freshMs, historyThen: lanes.history.untakenEvents, drainedMs };
  if (isLong) process.stdout.write(`${JSON.stringify(figures)}\n`);
  expect(freshMs, JSON.stringify(figures)).toBeLessThan(freshWithinMs);
  expect((await stack.command("audit", "--json")).code, "nothing is missing").toBe(0);
}, 400_000);

test("on a link of 64 kbit/s what is fresh stays fresh, and the backlog trickles behind it", async () => {
  const stack = await Stack.start({ proxied: true, uplink: { freshAfterMs: 1_000 } });
  onTestFinished(() => stack.remove());
  const { gateway } = stack;
  const historyLeft = async () => (await gateway.status()).uplink.lanes.history.untakenEvents;
  await sayTime(stack.mqttUrl, 200);
  await until(async () => (await heardAt(stack)) > 0, 30_000, "the cloud hears the device");
  stack.proxy.set({ refuse: true });
  stack.proxy.cut();
  await publishBacklog(stack.mqttUrl, slowEvents * payloadBytes, textCharacters);
  await pause(2_000);
  stack.proxy.set({ refuse: false, bytesPerSecond: slowBytesPerSecond });
  await until(async () => (await gateway.status()).uplink.link === "up", 30_000, "the link is up");
  const upAt = Date.now();
  await until(async () => (await heardAt(stack)) >= upAt, 30_000, "what is fresh is there");
  const [freshMs, historyFirst] = [Date.now() - upAt, await historyLeft()];
  const ages: number[] = [];
  for (const endAt = Date.now() + slowForMs; Date.now() < endAt; await pause(100)) {
    ages.push(Date.now() - (await heardAt(stack)));
  }
  const historyThen = await historyLeft();
  const p95 = ages.sort((one, other) => one - other)[Math.floor(ages.length * 0.95)] ?? 0;
  const figures = JSON.stringify({ freshMs, p95, historyFirst, historyThen });
  if (isLong) process.stdout.write(`${figures}\n`);
  expect(p95, figures).toBeLessThan(slowFreshMs);
  expect(historyThen, `a backlog that lasts: ${figures}`).toBeGreaterThan(0);
  expect(historyThen, `and trickles: ${figures}`).toBeLessThan(historyFirst);
  stack.proxy.set({ bytesPerSecond: undefined });
  await stack.allTaken(120_000);
  expect((await stack.command("audit", "--json")).code, "nothing is missing").toBe(0);
}, 300_000);
