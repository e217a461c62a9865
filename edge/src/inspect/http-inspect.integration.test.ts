// Goal: whoever looks over HTTP sees what comes in, and nobody who looks costs a device anything.
import { request } from "node:http";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { HttpStatus } from "../status/http-status.ts";
import { wellStatus } from "../testing/edge-status.ts";
import { InspectedIntake } from "../testing/inspected.ts";
import type { InspectLine } from "./inspected.ts";
import type { TopicList } from "./views.ts";

async function serve(token?: string) {
  const intake = new InspectedIntake(systemClock());
  const address = { host: "127.0.0.1", port: 0 };
  const http = new HttpStatus({ address, token, status: () => wellStatus, inspect: intake.http });
  await http.start();
  onTestFinished(() => http.stop());
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${http.url()}${path}`, { headers });
  return { intake, http, get };
}

/** Lines of a stream as they come. */
async function* linesOf(response: Response): AsyncGenerator<InspectLine> {
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const lines = (rest + Buffer.from(chunk).toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield JSON.parse(line) as InspectLine;
  }
}

test("the stream begins with the gateway and goes on with each message, raw beside mapped", async () => {
  const { intake, get } = await serve();
  const response = await get("/api/inspect?topic=devices/%2B/telemetry");
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = linesOf(response);
  expect((await lines.next()).value).toEqual({ kind: "hello", gateway: "gw", version: "0.1.0" });
  intake.publish("other/topic", "1");
  intake.publish("devices/a/telemetry", '{"x":1}');
  intake.publish("devices/a/telemetry", '{"x":');
  expect((await lines.next()).value).toMatchObject({
    ...{ topic: "devices/a/telemetry", raw: '{"x":1}', result: "readings", device: "a" },
    mapped: [{ kind: "reading", metric: "x", value: 1, quality: "good" }],
  });
  expect((await lines.next()).value).toMatchObject({ result: "quarantined", reason: "not-json" });
  await lines.return(undefined);
  await expect.poll(() => intake.inspection.figures().readers).toBe(0);
});

test("a reader that stops reading holds up nothing, and is told what it missed", async () => {
  const { intake, http } = await serve();
  const response = await new Promise<import("node:http").IncomingMessage>((resolve) =>
    request(`${http.url()}/api/inspect`, resolve).end(),
  );
  response.pause();
  await expect.poll(() => intake.inspection.figures().readers).toBe(1);
  const large = JSON.stringify({ text: "x".repeat(3_000) });
  const began = process.memoryUsage().arrayBuffers;
  const dropped = () => {
    for (let n = 0; n < 1_000; n++) intake.publish("devices/a/telemetry", large);
    return intake.inspection.figures().dropped;
  };
  await expect.poll(dropped, { timeout: 20_000, interval: 200 }).toBeGreaterThan(8_000);
  expect(process.memoryUsage().arrayBuffers - began).toBeLessThan(32 * 1_024 * 1_024);
  let text = "";
  response.on("data", (chunk) => {
    text += chunk;
  });
  response.resume();
  await expect.poll(() => text, { timeout: 10_000 }).toMatch(/"kind":"dropped","count":\d{3,}/);
  response.destroy();
});

test("so many readers and no more", async () => {
  const { intake, get } = await serve();
  const { feedsMax } = intake.inspection.bounds;
  const readers = await Promise.all(Array.from({ length: feedsMax }, () => get("/api/inspect")));
  const refused = await get("/api/inspect");
  expect([refused.status, await refused.text()]).toEqual([
    503,
    `${feedsMax} readers look already: close one\n`,
  ]);
  await readers[0]?.body?.cancel();
  await expect.poll(async () => (await get("/api/inspect")).status).toBe(200);
});

test("lists are asked for by filter, device and refusal, and a wrong question is told", async () => {
  const { intake, get } = await serve();
  intake.publish("devices/a/telemetry", '{"x":1}');
  intake.publish("tele/b/SENSOR", '{"x":');
  const topics = async (query: string) => {
    const { topics } = (await (await get(`/api/topics?${query}`)).json()) as TopicList;
    return topics.map(({ topic }) => topic);
  };
  expect(await topics("")).toEqual(["tele/b/SENSOR", "devices/a/telemetry"]);
  expect(await topics("topic=devices/%23")).toEqual(["devices/a/telemetry"]);
  expect(await topics("device=b")).toEqual(["tele/b/SENSOR"]);
  expect(await topics("refused=1")).toEqual(["tele/b/SENSOR"]);
  expect(await topics("limit=1")).toEqual(["tele/b/SENSOR"]);
  expect(await (await get("/api/devices?device=a")).json()).toMatchObject({
    ...{ total: 1, beyond: 0 },
    devices: [{ device: "a", metrics: ["x"], messages: 1 }],
  });
  for (const query of ["topic=a/%23/b", "limit=0", "limit=x", "limit=1e9"]) {
    expect((await get(`/api/topics?${query}`)).status, query).toBe(400);
  }
});

test("a stranger's page that points its name here is refused, and with a token all without it", async () => {
  const { http } = await serve();
  const named = (host: string) =>
    new Promise<number | undefined>((resolve) => {
      const headers = { host };
      request(`${http.url()}/api/topics`, { headers }, ({ statusCode }) =>
        resolve(statusCode),
      ).end();
    });
  expect(await named("rebound.example:8081")).toBe(403);
  expect(await named("localhost:8081")).toBe(200);
  const { get } = await serve("secret");
  for (const path of ["/api/inspect", "/api/topics", "/inspect"]) {
    expect((await get(path)).status).toBe(401);
  }
});
