// What real devices publish comes out of the whole path as their families' rules say, with what a
// gateway learnt from them before it was killed.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceMessage, Said } from "@causeway/shared/decode/testing/device-message.ts";
import {
  bytesOf,
  inOrder,
  LearningDecoder,
  missing,
  saidIn,
} from "@causeway/shared/decode/testing/device-message.ts";
import { ownMessages } from "@causeway/shared/decode/testing/own-messages.ts";
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { Stack } from "./system-stack.ts";

const file = join(import.meta.dirname, "../../../../shared/device-payloads/messages.jsonl");
const publicMessages: readonly DeviceMessage[] = existsSync(file)
  ? readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];
if (publicMessages.length === 0) process.stderr.write(`only our own messages: none at ${file}\n`);

interface Line extends Said {
  readonly id: string;
  readonly kind?: string;
  readonly topic: string;
  readonly quality: string;
}

test("device messages of all families come out as readings, exactly once, over a kill", async () => {
  const messages = inOrder([...ownMessages, ...publicMessages]);
  const about = messages.filter(({ note, kind }) => note === "before" || kind === "metadata");
  const others = messages.filter((message) => !about.includes(message));
  const stack = await Stack.start();
  onTestFinished(() => stack.remove());
  // What QoS 0 was not yet on the disk would go with the gateway.
  await publish(
    stack.mqttUrl,
    about.map((message) => ({ ...message, qos: 1 })),
  );
  await stack.gateway.end("SIGKILL");
  await stack.gateway.start();
  await publish(stack.mqttUrl, others);
  await stack.allTaken();
  const all = ["--kind", "all", "--from", "start", "--until-idle", "1500"];
  const tail = await stack.command("tail", "--json", ...all);
  expect(tail.code, tail.errors).toBe(0);
  const lines = tail.output
    .trim()
    .split("\n")
    .map((line): Line => JSON.parse(line));
  const readings = lines.filter(({ quality }) => quality !== undefined);
  expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);

  const decoder = new LearningDecoder();
  const counts = new Map<string, number>();
  for (const message of [...about, ...others]) {
    const said = readings.filter(({ topic }) => topic === message.topic);
    const isRaw = message.family.endsWith("-raw");
    expect(isRaw ? [] : missing(message, said), message.topic).toEqual([]);
    const own = saidIn(decoder.read(message)).length;
    counts.set(message.topic, (counts.get(message.topic) ?? 0) + own);
  }
  for (const [topic, count] of counts) {
    const found = readings.filter((line) => line.topic === topic);
    expect(found, topic).toHaveLength(count);
  }
  const kinds = new Set(lines.map(({ kind = "reading" }) => kind));
  expect([...kinds]).toEqual(expect.arrayContaining(["presence", "system"]));
});

async function publish(url: string, messages: readonly DeviceMessage[]): Promise<void> {
  const client = await mqtt.connectAsync(url, { clientId: "devices", reconnectPeriod: 0 });
  for (const message of messages) {
    const { topic, qos = 1, retain = false } = message;
    await client.publishAsync(topic, bytesOf(message), { qos, retain });
  }
  // Behind what had no acknowledgement of its own.
  await client.publishAsync("devices/last/telemetry/x", "1", { qos: 1 });
  await client.endAsync();
}
