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

/** Says the time, again and again. */
async function sayTime(url: string): Promise<void> {
  const client = await mqtt.connectAsync(url, { clientId: "fresh" });
  const timer = setInterval(() => {
    client.publish("devices/fresh/telemetry", JSON.stringify({ at: Date.now() }), { qos: 1 });
  }, sayEveryMs);
  onTestFinished(async () => {
    clearInterval(timer);
    await client.endAsync(true);
  });
}

async function heardAt(stack: Stack): Promise<number> {
  const answer = await fetch(`${stack.cloudUrl}/api/series?limit=1000`);
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
