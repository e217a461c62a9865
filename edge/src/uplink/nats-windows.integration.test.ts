/** Goal: a whole gateway keeps the hours of its link, says so, and opens it for an alarm of its own rules. */
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test, vi } from "vitest";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";
import type { DialStatus } from "./nats-redial.ts";

const soon = { timeout: 20_000, interval: 50 };

/** In UTC, so long from now. */
function timeIn(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000).toISOString().slice(11, 16);
}

test("outside of its hours a gateway keeps what comes, and an alarm opens the link", async () => {
  const nats = await startNatsServer();
  onTestFinished(() => nats.remove());
  const windows = { hours: `${timeIn(120)}-${timeIn(180)}` };
  const { config } = testFolder({
    uplink: { servers: [nats.url], windows },
    rules: [{ name: "too-warm", detector: "limits", hi: 30, metrics: ["t"], severity: "critical" }],
  });
  const { mqttPort, httpUrl } = await runEdge(config).ready();
  const status = async () => {
    const answer = await fetch(`${httpUrl}/api/status`);
    return (await answer.json()) as { dial: DialStatus; uplink: { troubles: string[] } };
  };
  const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { clientId: "oven" });
  onTestFinished(() => void client.end(true));
  const publish = (t: number) =>
    client.publishAsync("devices/oven/telemetry", JSON.stringify({ t }), { qos: 1 });
  await publish(20);
  const shut = new RegExp(`keep the link closed until ${timeIn(120)} \\(UTC\\)`);
  const troubles = async () => (await status()).uplink.troubles.join();
  await vi.waitFor(async () => expect(await troubles()).toMatch(shut), soon);
  const { dial } = await status();
  expect(dial).toMatchObject({ dials: 0, shut: expect.stringMatching(shut) });
  expect(dial.server).toBeUndefined();
  await publish(35);
  await vi.waitFor(async () => expect((await status()).dial.server).toBe(nats.url), soon);
});
