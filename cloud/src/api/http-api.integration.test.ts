// The API over a real socket: who is let in, what is told, and how it ends.
import { request } from "node:http";
import { silentLogger } from "@causeway/shared/log.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { derivedEvent } from "@causeway/shared/testing/derived-event.ts";
import { afterEach, expect, test, vi } from "vitest";
import { defaultViewBounds, FleetView } from "../views/fleet-view.ts";
import { readings, taken } from "../views/testing/taken.ts";
import type { HttpApiOptions } from "./http-api.ts";
import { HttpApi } from "./http-api.ts";
import { clientsMax } from "./http-clients.ts";
import { apiOptions, token } from "./testing/http-api.ts";

const open: HttpApi[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((api) => api.stop()));
});

async function started(over: Partial<HttpApiOptions> = {}): Promise<string> {
  const api = new HttpApi(apiOptions(over));
  await api.start();
  open.push(api);
  return api.url();
}

/** Reads a stream until `enough` of its text has come. */
async function readUntil(response: Response, enough: (text: string) => boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (enough(text)) return text;
  }
  throw new Error(`the stream ended after: ${text}`);
}

function put(view: FleetView, position: number, value: number): void {
  view.apply(taken({ position, event: readings("tank", { level: value }) }));
}

test("health is open to all, and readiness says what is missing", async () => {
  const reasons: string[] = [];
  const ready = () => ({ ready: reasons.length === 0, reasons });
  const url = await started({ tokens: [token("secret")], ready });
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  reasons.push("the engine is starting");
  const refused = await fetch(`${url}/readyz`);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toEqual({ ready: false, reasons: ["the engine is starting"] });
});

test("everything else asks for the token", async () => {
  const url = await started({ tokens: [token("secret")] });
  for (const path of ["/metrics", "/api/status", "/api/stream", "/nothing"]) {
    const refused = await fetch(url + path);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer /);
    expect(refused.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  }
  const bearer = { authorization: "Bearer secret" };
  expect((await fetch(`${url}/api/status`, { headers: bearer })).status).toBe(200);
  const basic = { authorization: `Basic ${Buffer.from("me:secret").toString("base64")}` };
  expect((await fetch(`${url}/api/status`, { headers: basic })).status).toBe(200);
  const wrong = { authorization: "Bearer guess" };
  expect((await fetch(`${url}/api/status`, { headers: wrong })).status).toBe(401);
});

test("an address that strangers reach is refused without a token", () => {
  const address = { host: "0.0.0.0", port: 0 };
  expect(() => new HttpApi(apiOptions({ address }))).toThrow(/^SECURITY_REFUSED/);
});

test("a stranger's name that points at this machine is turned away", async () => {
  const url = new URL(await started());
  const status = await new Promise((resolve, reject) => {
    const headers = { host: "evil.example" };
    const asked = request({ host: url.hostname, port: url.port, path: "/api/status", headers });
    asked.on("response", (response) => resolve(response.resume().statusCode));
    asked.on("error", reject).end();
  });
  expect(status).toBe(403);
});

test("answers forbid guessing, framing and storing, and allow no other origin", async () => {
  const url = await started();
  const api = await fetch(`${url}/api/status`, { headers: { origin: "https://evil.example" } });
  expect(api.headers.get("x-content-type-options")).toBe("nosniff");
  expect(api.headers.get("cache-control")).toBe("no-store");
  expect(api.headers.get("access-control-allow-origin")).toBeNull();
  const page = await fetch(`${url}/`);
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/default-src 'none'; script-src 'self'/);
  expect(policy).not.toMatch(/unsafe|\*/);
});

test("what rules emitted last is told, the newest first, and no more than is asked for", async () => {
  const view = new FleetView();
  const url = await started({ view });
  for (let number = 1; number <= 300; number++)
    view.applyDerived(derivedEvent({ id: `${number}` }));
  const ask = async (query: string) => {
    const answer = await fetch(`${url}/api/derived${query}`);
    const { derived = [] } = (await answer.json()) as { derived?: { id: string }[] };
    return [answer.status, derived.length, derived[0]?.id];
  };
  expect(await ask("")).toEqual([200, 50, "300"]);
  expect(await ask("?limit=200")).toEqual([200, 200, "300"]);
  expect(await ask("?limit=201")).toEqual([400, 0, undefined]);
});

test("errors are told as problems, without the inside", async () => {
  const lines: string[] = [];
  const log = { ...silentLogger, error: (_: unknown, line: string) => void lines.push(line) };
  const engineMetrics = () => {
    throw new Error("the inside");
  };
  const url = await started({ log, engineMetrics });
  const missing = await fetch(`${url}/api/nothing`);
  expect(missing.status).toBe(404);
  expect(await missing.json()).toEqual({ type: "about:blank", title: "Not Found", status: 404 });
  const failed = await fetch(`${url}/api/status`);
  expect(failed.status).toBe(500);
  expect(failed.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  expect(await failed.text()).not.toMatch(/inside|stack/);
  expect(lines).toEqual(["a request failed"]);
  expect((await fetch(`${url}/api/latest?limit=0`)).status).toBe(400);
  expect((await fetch(`${url}/%zz`)).status).toBe(400);
  const posted = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
  expect((await fetch(`${url}/api/status`, posted)).status).toBe(404);
});

test("the fleet is told as JSON", async () => {
  const view = new FleetView();
  const url = await started({ view });
  for (const [index, device] of ["a", "b", "c"].entries()) {
    view.apply(taken({ position: index + 1, event: readings(device, { level: index }) }));
  }
  view.applyAlert(transition());
  const json = async (path: string): Promise<unknown> => (await fetch(url + path)).json();
  expect(await json("/api/status")).toMatchObject({
    version: "1.2.3",
    ready: true,
    counters: { events: 3, series: 3 },
  });
  expect(await json("/api/latest?limit=2")).toMatchObject({
    total: 3,
    series: [{ device: "c" }, { device: "b" }],
  });
  expect(await json("/api/gateways")).toMatchObject({ gateways: [{ gateway: "gw-1", events: 3 }] });
  expect(await json("/api/alerts")).toMatchObject({
    total: 1,
    counts: { firing: 1 },
    alerts: [{ id: transition().id }],
  });
});

test("the latest values are found by site and tag, by those of routes too, and what gave way is told", async () => {
  const view = new FleetView({ ...defaultViewBounds, seriesMax: 2 });
  const tagged = [["gw-1", ["line-2"], ["c"]]] as const;
  const fleet: FleetDocument = {
    gateways: [{ match: ["gw-1"], site: "hall" }],
    devices: [{ match: ["b"], tags: ["cold"] }],
    service: { out: [], as: [], tags: tagged },
  };
  const url = await started({ view, fleet: () => fleet });
  for (const [index, device] of ["a", "b", "c"].entries()) {
    view.apply(taken({ position: index + 1, event: readings(device, { level: index }) }));
  }
  const latest = async (query: string): Promise<unknown> =>
    (await fetch(`${url}/api/latest?${query}`)).json();
  expect(await latest("tag=cold")).toMatchObject({ total: 1, series: [{ device: "b" }] });
  expect(await latest("tag=line-2&site=hall")).toMatchObject({
    ...{ total: 1, evicted: 1, series: [{ device: "c", site: "hall", tags: ["line-2"] }] },
  });
  expect(await latest("tag=line-2&site=yard")).toMatchObject({ total: 0, series: [] });
  const overview: unknown = await (await fetch(`${url}/api/overview`)).json();
  expect(overview).toMatchObject({ problems: [{ kind: "series-full" }] });
});

test("metrics are those of the process, the view and the engine, labels and all", async () => {
  const metric = (receiver: string, value: number) => {
    const kind = "counter" as const;
    return { name: "told_total", help: "Told", kind, value, labels: { receiver } };
  };
  const url = await started({ engineMetrics: () => [metric("ops", 3), metric('a"b', 4)] });
  for (let scrape = 0; scrape < 2; scrape++) {
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    expect(text).toMatch(/^told_total\{receiver="ops"\} 3$/m);
    expect(text).toMatch(/^told_total\{receiver="a\\"b"\} 4$/m);
    expect(text).toMatch(/^causeway_cloud_view_events_total 0$/m);
    expect(text).toMatch(/^process_cpu_seconds_total /m);
  }
});

test("a stream tells what there is, then what changes, and goes on where it was cut", async () => {
  const view = new FleetView();
  put(view, 1, 10);
  const url = await started({ view });
  const first = await fetch(`${url}/api/stream`);
  expect(first.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  let sent = false;
  const text = await readUntil(first, (so) => {
    if (!sent && so.includes('"value":10')) {
      sent = true;
      put(view, 2, 20);
      view.applyAlert(transition());
    }
    return so.includes('"value":20') && so.includes("event: alert\n");
  });
  const ids = [...text.matchAll(/^id: (.+)$/gm)];
  const lastEventId = ids.at(-1)?.[1] ?? "";
  put(view, 3, 30);
  const headers = { "last-event-id": lastEventId };
  const second = await fetch(`${url}/api/stream`, { headers });
  const rest = await readUntil(second, (so) => so.includes('"value":30'));
  expect(rest).toMatch(/"resumed":true/);
  expect(rest).not.toMatch(/"value":10/);
});

test("a client that reads nothing is dropped, the others are served", async () => {
  const view = new FleetView();
  const url = await started({ view });
  const slow = await fetch(`${url}/api/stream`);
  const dropped = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(/^causeway_cloud_stream_dropped_total (\d+)$/m.exec(text)?.[1]);
  };
  expect(await dropped()).toBe(0);
  let position = 0;
  const long = "x".repeat(250);
  await vi.waitFor(
    async () => {
      for (let index = 0; index < 500; index++) {
        position++;
        const device = `d${"0".repeat(100)}${index}`;
        const event = readings(device, { ["m".repeat(200)]: `${long}${position}` });
        view.apply(taken({ position, event }));
      }
      expect(await dropped()).toBe(1);
    },
    { timeout: 30_000, interval: 250 },
  );
  await expect(readUntil(slow, () => false)).rejects.toThrow();
  expect((await fetch(`${url}/livez`)).status).toBe(200);
});

test("streams are bounded in number", async () => {
  const url = await started();
  const aborter = new AbortController();
  const { signal } = aborter;
  const answers = await Promise.all(
    Array.from({ length: clientsMax }, () => fetch(`${url}/api/stream`, { signal })),
  );
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  const refused = await fetch(`${url}/api/stream`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("30");
  aborter.abort();
});

test("stopping ends open streams at once", async () => {
  const api = new HttpApi(apiOptions());
  await api.start();
  const stream = await fetch(`${api.url()}/api/stream`);
  const ended = readUntil(stream, () => false);
  const begunAt = performance.now();
  await Promise.all([api.stop(), expect(ended).rejects.toThrow()]);
  expect(performance.now() - begunAt).toBeLessThan(1_000);
});

test("a port that is taken is told with its cure", async () => {
  const port = Number(new URL(await started()).port);
  const second = new HttpApi(apiOptions({ address: { host: "127.0.0.1", port } }));
  await expect(second.start()).rejects.toThrow(/^HTTP_ADDRESS_IN_USE: 127\.0\.0\.1:\d+ is taken/);
  const nowhere = new HttpApi(
    apiOptions({ address: { host: "192.0.2.1", port: 0 }, tokens: [token("t")] }),
  );
  await expect(nowhere.start()).rejects.toThrow(/^HTTP_LISTEN_FAILED/);
});
