// What a receiver did not take stays to be looked at, and nothing else takes it for its own.

import { titleOf } from "@causeway/shared/notify/message.ts";
import { notificationOf } from "@causeway/shared/notify/notification.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { parseGatewaySubject, subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";
import { deadAlerts } from "../cli/nats-dead-alerts.ts";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { deadLetters } from "./nats-dead-letters.ts";

const told = notificationOf(transition());

async function listed(url: string, receiver: string | undefined): Promise<readonly string[]> {
  const lines: string[] = [];
  const parts = {
    ...{ settings: { servers: [url] }, clock: systemClock(), random: systemRandom },
    ...{ write: (line: string) => void lines.push(line), warn: () => {} },
    signal: new AbortController().signal,
  };
  expect(await deadAlerts(parts, receiver, true)).toBe(0);
  return lines;
}

test("a notification that was given up is listed with its reason, and ends after 30 days", async () => {
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const connection = await connectTest(server.url);
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  expect(await listed(server.url, undefined)).toEqual([]);
  const keep = deadLetters(jetstream(connection), systemClock());
  await keep("ops", told, "HTTP 400");
  await keep("phone", { ...told, key: "second" }, "HTTP 410");
  const all = (await listed(server.url, undefined)).map((line) => JSON.parse(line));
  expect(all).toMatchObject([
    { receiver: "ops", reason: "HTTP 400", notification: told },
    { receiver: "phone", notification: { key: "second" } },
  ]);
  expect(titleOf(all[0].notification.firing[0])).toBe(titleOf(transition()));
  expect(await listed(server.url, "phone")).toHaveLength(1);
  const stored = await manager.streams.getMessage("ENGINE", {
    last_by_subj: subjects.deadNotification("ops"),
  });
  expect(stored?.header.get("Nats-TTL")).toBe("720h");
});

test("no reader of a gateway's dead letters takes one of a receiver for them", () => {
  expect(parseGatewaySubject(subjects.deadNotification("ops"))).toBeUndefined();
  expect(parseGatewaySubject(subjects.deadLetters(7, "gw-1"))).toBeDefined();
});
