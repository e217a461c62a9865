// Devices by HTTP: lists in pages, one with all that is known, and what people say, with its guards.
import type { DevicePlace, FactsRequest } from "@causeway/shared/devices/device-facts.ts";
import { DeviceBook, encodeFacts, factsKey } from "@causeway/shared/devices/device-facts.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { afterEach, expect, test } from "vitest";
import { Registry } from "../devices/registry.ts";
import { FleetView } from "../views/fleet-view.ts";
import { readings, taken } from "../views/testing/taken.ts";
import { HttpApi } from "./http-api.ts";

const open: HttpApi[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((api) => api.stop()));
});

async function started(devices: readonly string[]) {
  const [registry, book] = [new Registry(), new DeviceBook()];
  const source = { partition: 3, gateway: taken().gateway, lane: "live" as const };
  for (const device of devices) {
    const own = [taken({ receivedAt: 50, event: readings(device, { x: 1 }) })];
    registry.take({ source, taken: own, dead: [], doubt: undefined, findings: [] }, 50);
  }
  const say = async (place: DevicePlace, request: FactsRequest, at: number) => {
    const facts = book.after(place, request, at);
    book.take(factsKey(place), encodeFacts(facts));
    return facts;
  };
  const api = new HttpApi({
    address: { host: "127.0.0.1", port: 0 },
    ...{ view: new FleetView(), version: "1", log: silentLogger },
    clock: systemClock(),
    ready: () => ({ ready: true, reasons: [] }),
    engineMetrics: () => [],
    devices: {
      sources: () => ({ registry, book, now: systemClock().wallMs(), silentAfterMs: undefined }),
      store: { say },
    },
  });
  await api.start();
  open.push(api);
  const get = async (path: string) => {
    const answer = await fetch(api.url() + path);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const post = async (path: string, body: unknown, head: Record<string, string> = {}) => {
    const answer = await fetch(api.url() + path, {
      ...{ method: "POST", body: JSON.stringify(body) },
      headers: { "content-type": "application/json", ...head },
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return { get, post };
}

test("devices are listed in pages, by state, and one of any name is shown with its metrics", async () => {
  const { get } = await started(["a", "b/c d", "e"]);
  const first = await get("/api/devices?limit=2");
  expect(first).toMatchObject({
    status: 200,
    body: {
      total: 3,
      states: { online: 3 },
      next: "gw-1/b/c d",
      devices: [{ device: "a" }, { device: "b/c d" }],
    },
  });
  const second = await get(`/api/devices?limit=2&after=${encodeURIComponent("gw-1/b/c d")}`);
  expect(second.body).toMatchObject({ next: null, devices: [{ device: "e" }] });
  expect((await get("/api/devices?state=offline")).body).toMatchObject({ total: 0, devices: [] });
  for (const wrong of ["limit=0", "limit=1001", "state=gone"])
    expect((await get(`/api/devices?${wrong}`)).status).toBe(400);
  const shown = await get(`/api/devices/gw-1/${encodeURIComponent("b/c d")}`);
  expect(shown.body).toMatchObject({ metrics: [{ metric: "x", unit: null, quality: "good" }] });
  expect((await get("/api/devices/gw-1/none")).status).toBe(404);
  expect((await get("/api/registry/gateways")).body).toMatchObject({
    gateways: [{ gateway: "gw-1", devices: 3 }],
  });
});

test("what people say of a device shows at once; what makes no sense is refused with its reason", async () => {
  const { get, post } = await started(["old", "new"]);
  const by = "ann";
  expect(await post("/api/devices/gw-1/new/rename", { name: "Oven", by })).toMatchObject({
    status: 200,
    body: { act: "renamed", name: "Oven", by },
  });
  expect((await post("/api/devices/gw-1/new/replace", { old: "old", by })).status).toBe(200);
  expect((await get("/api/devices/gw-1/new")).body).toMatchObject({ name: "Oven", series: "old" });
  expect((await post("/api/gateways/gw-1/retire", { by, note: "moved" })).status).toBe(200);
  expect((await get("/api/devices?state=retired")).body).toMatchObject({ total: 2 });
  expect(await post("/api/devices/gw-1/old/replace", { old: "new", by })).toMatchObject({
    status: 400,
    body: { detail: expect.stringMatching(/OPERATION_INVALID.*circle/) },
  });
  expect((await post("/api/devices/gw-1/old/rename", { by })).status).toBe(400);
  expect((await post("/api/devices/gw-1/none/retire", { by })).status).toBe(404);
  expect((await post("/api/gateways/gw-2/retire", { by })).status).toBe(404);
  expect((await post("/api/devices/gw-1/old/sell", { by })).status).toBe(400);
  expect((await post("/api/devices/gw-1/old/forget", { by })).status).toBe(200);
  expect((await get("/api/devices/gw-1/old")).status).toBe(404);
});

test("a page of another origin, and a body that is no JSON, change nothing", async () => {
  const { get, post } = await started(["a"]);
  const path = "/api/devices/gw-1/a/retire";
  expect((await post(path, { by: "eve" }, { origin: "https://evil.example" })).status).toBe(403);
  expect((await post(path, { by: "eve" }, { "content-type": "text/plain" })).status).toBe(415);
  expect((await get("/api/devices/gw-1/a")).body).toMatchObject({ state: "online", said: null });
});
