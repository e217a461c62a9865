// The page in a real browser: it shows the fleet, follows it live, keeps nobody out, trusts no name
// from the field, and is small.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { fastify } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import { Registry } from "../devices/registry.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { FleetView } from "../views/fleet-view.ts";
import { event, heartbeat, readings, taken } from "../views/testing/taken.ts";
import type { HttpApiOptions } from "./http-api.ts";
import { HttpApi } from "./http-api.ts";
import { addPage, contentSecurityPolicy, readPage } from "./http-page.ts";
import { apiOptions } from "./testing/http-api.ts";
import { until, untilText, violations } from "./testing/page-browser.ts";
import { openBrowser, openPage } from "./testing/system-browser.ts";

const executablePath = wantedTool("chromium");
/** To look at; the test itself reads what the page says. */
const screenshots = mkdtempSync(join(tmpdir(), "causeway-page-"));
const dist = new URL("../../page/dist/", import.meta.url);
const hostile = "<img src=x onerror=alert(1)>";

let browser: Browser;
let view: FleetView;
let registry: Registry;
let api: HttpApi;
let isReady: boolean;
let positions: number;

function apply(gateway: string, event: TakenEvent["event"]): void {
  positions++;
  const source = { partition: 1, gateway: gatewayId(gateway), lane: "live" as const };
  const position = positions;
  const id = `${gateway}/1-00000001/telemetry/${position}`;
  const receivedAt = Date.now();
  const own = taken({ id, position, receivedAt, gateway: gatewayId(gateway), event });
  const silentMs = gateway === "boat-7" ? 900_000 : 0;
  const folded = { source, taken: [own], dead: [], doubt: undefined, findings: [] };
  view.applyFolded(folded, receivedAt - silentMs);
  registry.take(folded, receivedAt - silentMs);
}

/** 20 devices with 3 metrics each, and a history of 40 values. */
function fill(): void {
  for (let step = 0; step < 40; step++) {
    for (let device = 1; device <= 20; device++) {
      const phase = step / 6 + device;
      const list = [
        { metric: "temperature", value: 20 + Math.round(300 * Math.sin(phase)) / 100, unit: "Cel" },
        { metric: "vibration", value: 1 + Math.cos(phase * 3) / 4, unit: "mm/s" },
        { metric: "energy", value: 1_000 * device + step, unit: "kWh" },
      ].map((reading) => ({ ...reading, quality: device === 5 ? "uncertain" : "good" }));
      const own = event({ device: `press-${device}`, kind: "reading", readings: list });
      apply(device <= 14 ? "plant-1" : "boat-7", own);
    }
  }
  apply("plant-1", heartbeat({ untakenEvents: 12, outboxBytes: 48_230, takenAgoMs: 40 }));
  apply("boat-7", heartbeat({ untakenEvents: 41_022, outboxBytes: 9_230_000, takenAgoMs: 9e5 }));
}

beforeAll(async () => {
  if (executablePath !== undefined) browser = await openBrowser(executablePath);
});

afterAll(async () => {
  await browser?.close();
  rmSync(screenshots, { recursive: true, force: true });
});

beforeEach(async () => {
  [view, registry, isReady, positions] = [new FleetView(), new Registry(), true, 0];
  api = await serve();
});

afterEach(() => api.stop());

async function serve(more: Partial<HttpApiOptions> = {}): Promise<HttpApi> {
  const book = new DeviceBook();
  const started = new HttpApi(
    apiOptions({
      view,
      ready: () => ({ ready: isReady, reasons: isReady ? [] : ["the engine is starting"] }),
      silentAfterMs: 180_000,
      devices: {
        sources: () => ({ registry, book, now: Date.now(), silentAfterMs: 180_000 }),
        store: { say: () => Promise.reject(new Error("not here")) },
      },
      ...more,
    }),
  );
  await started.start();
  return started;
}

const show = async (path = "", options: Parameters<typeof openPage>[2] = {}) => {
  const shown = await openPage(browser, `${api.url()}/${path}`, options);
  await until(shown.page, "output.link.live");
  return shown;
};
const text = (page: Page, selector: string) => page.locator(selector).innerText();
const picture = (name: string) => ({ path: join(screenshots, `${name}.png`), fullPage: true });

describe("the page as it is served", () => {
  test("has at most 60 kB, compressed, in all", () => {
    const files = readdirSync(dist, { recursive: true }).map(String);
    const packed = files.filter((name) => name.endsWith(".gz"));
    const bytes = packed.reduce((sum, name) => sum + readFileSync(new URL(name, dist)).length, 0);
    expect(packed.length).toBeGreaterThan(4);
    expect(bytes).toBeLessThanOrEqual(60_000);
  });

  test("is asked for anew each time, its files are kept for ever, all are compressed", async () => {
    const get = (path: string, headers = {}) => fetch(api.url() + path, { headers });
    const document = await get("/");
    expect(document.headers.get("cache-control")).toBe("no-cache");
    expect(document.headers.get("content-security-policy")).toBe(contentSecurityPolicy);
    const html = await document.text();
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(html)?.[1] ?? "";
    const tag = document.headers.get("etag") ?? "";
    expect((await get("/", { "if-none-match": tag })).status).toBe(304);
    for (const [accepted, encoding] of [
      ["gzip, deflate, br", "br"],
      ["gzip", "gzip"],
      ["br;q=0, gzip", "gzip"],
      ["identity", null],
    ] as const) {
      const answer = await get(script, { "accept-encoding": accepted });
      expect(answer.headers.get("content-encoding"), accepted).toBe(encoding);
      expect(answer.headers.get("cache-control")).toMatch(/immutable/);
      expect(answer.headers.get("content-type")).toMatch(/^text\/javascript/);
      expect(await answer.text()).toMatch(/createElement|addEventListener/);
    }
    for (const path of ["/assets/none.js", "/assets/..%2findex.html", "/assets/%2e%2e/.stamp"])
      expect((await get(path)).status, path).toBe(404);
    // It names no other host.
    expect(html).not.toMatch(/https?:\/\//);
  });

  test("says what to do where it was not built", async () => {
    expect(readPage(join(screenshots, "none"))).toBeUndefined();
    const app = fastify().withTypeProvider<ZodTypeProvider>();
    addPage(app, undefined, false);
    const answer = await app.inject("/");
    expect(answer.statusCode).toBe(503);
    expect(answer.body).toMatch(/npm run build/);
  });
});

describe.skipIf(executablePath === undefined)("the page", () => {
  test.each(["light", "dark"] as const)("shows a fleet live in %s colours", async (colorScheme) => {
    fill();
    view.applyAlert(transition({ id: "older", gateway: "plant-1", device: "press-9" }));
    view.applyAlert(transition({ id: "older", state: "resolved", device: "press-9" }));
    const { page, faults } = await show("", { colorScheme });
    await until(page, ".card", 18);
    await untilText(page, "h1", /silent/);
    expect(await text(page, "main")).toMatch(/boat-7[\s\S]*silent/);
    expect(await text(page, "main")).toMatch(/41,022/);
    expect(await text(page, ".figures")).toMatch(/Readings taken\s+2,400/);

    const hot = { metric: "temperature", value: 87.25, unit: "Cel", quality: "good" };
    apply("plant-1", event({ device: "press-3", kind: "reading", readings: [hot] }));
    const now = Date.now();
    const place = { gateway: "plant-1", device: "press-3", at: now, firingAt: now };
    view.applyAlert(transition({ ...place, reason: "87.25 Cel is above 80 Cel" }));
    await until(page, ".top .count:has-text('1')");
    await until(page, ".value:has-text('87.25')");
    await until(page, ".card.critical");
    expect(await text(page, ".card >> nth=0")).toMatch(/press-3/);
    await expect.poll(() => page.title()).toBe("(1) Causeway");
    expect(await violations(page)).toEqual([]);
    await page.screenshot(picture(`wide-${colorScheme}`));
    expect(faults).toEqual([]);
    await page.context().close();
  });

  const pages = {
    overview: "",
    gateways: "#/gateways",
    gateway: "#/gateways/boat-7",
    devices: "#/devices",
    device: "#/devices/plant-1/press-3",
    alerts: "#/alerts",
    alert: "#/alerts/a",
    silences: "#/alerts?show=silences",
    "dead letters": "#/dead-letters",
    nowhere: "#/nowhere",
  };
  test.each(Object.entries(pages))("%s keeps nobody out, wide or narrow", async (name, path) => {
    fill();
    const now = Date.now();
    const place = { gateway: "plant-1", device: "press-3", at: now, firingAt: now };
    view.applyAlert(transition({ ...place, id: "a", reason: "87.25 Cel is above 80 Cel" }));
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1_280, 390]) {
        const viewport = { width, height: 844 };
        const { page, faults } = await show(path, { colorScheme, viewport });
        await until(page, "h1");
        await expect.poll(() => page.locator(".loading").count()).toBe(0);
        expect(await violations(page), `${colorScheme} ${width}`).toEqual([]);
        const scrolled = await page.evaluate("document.documentElement.scrollWidth");
        expect(scrolled, `${colorScheme} ${width}`).toBeLessThanOrEqual(width);
        await page.screenshot(picture(`${name}-${colorScheme}-${width}`));
        // What is not there is told on the page; the browser names it on its console, too.
        const isTold = name === "device" || name === "nowhere";
        expect(faults.filter((fault) => !(isTold && /status of 404/.test(fault)))).toEqual([]);
        await page.context().close();
      }
    }
  });

  test("says since when a device is as it is only where that is known", async () => {
    fill();
    const { page } = await show("#/devices/plant-1/press-3");
    await until(page, "text=First seen");
    const facts = await text(page, "main");
    expect(facts).toContain("heard of");
    expect(facts).not.toMatch(/Since|1970/);
    await page.close();
  });

  test("shows a device's name and state beside each other on a telephone", async () => {
    fill();
    const { page } = await show("#/devices", { viewport: { width: 390, height: 844 } });
    const row = page.locator(".virtual tbody tr[aria-rowindex]").first();
    await untilText(page, ".virtual tbody tr[aria-rowindex]", /press-|boat/);
    expect((await row.boundingBox())?.width).toBeGreaterThan(340);
    expect((await row.locator("a").boundingBox())?.width).toBeGreaterThan(40);
    await page.context().close();
  });

  test("says of a gateway who lets it in, and what slows it down", async () => {
    await api.stop();
    const said = { act: "revoked", by: "ann", note: "stolen", at: 1 };
    const use = { bytes: 3_145_728, events: 9, perSecond: 2.5 };
    api = await serve({
      access: () => ({
        ...{ access: "revoked", site: "", labels: {}, key: null, said, revoked: [] },
      }),
      quota: async () => ({
        ...{ eventsPerSecond: 500, bytesPerDay: 10_485_760, capBytesPerSecond: 4_096 },
        ...{ isOver: true, used: use, zone: "UTC" },
      }),
    });
    fill();
    const { page } = await show("#/gateways/plant-1");
    await untilText(page, "main", /Let in\s+no more/);
    const shown = await text(page, "main");
    expect(shown).toMatch(/A second\s+2\.5 of 500 events/);
    expect(shown).toMatch(/Today\s+3\.0 MiB of 10\.0 MiB/);
    expect(shown).toMatch(/Slowed down to\s+4\.0 KiB a second, over its quota/);
    expect(await violations(page)).toEqual([]);
    await page.context().close();
  });

  test("says what is empty and what is not ready", async () => {
    isReady = false;
    const { page, faults } = await show();
    await untilText(page, "main", /the engine is starting/);
    expect(await text(page, "main")).toMatch(/No gateway has been heard yet/);
    expect(await text(page, "main")).toMatch(/No value has come yet/);
    expect(await violations(page)).toEqual([]);
    expect(faults).toEqual([]);
    await page.context().close();
  });

  test("takes hostile names and values as text", async () => {
    const { page, faults } = await show();
    apply("plant-1", readings(hostile, { [hostile]: hostile }));
    view.applyAlert(transition({ device: hostile, reason: hostile, metric: hostile }));
    await until(page, ".card", 1);
    for (const selector of [".card .name", ".card th[scope=row]", ".card .value"])
      expect(await text(page, selector)).toContain(hostile);
    await page.locator(".card .name a").click();
    await untilText(page, "h1", /<img src=x/);
    expect(await page.locator("img").count()).toBe(0);
    expect(faults.filter((fault) => !/status of 404/.test(fault))).toEqual([]);
    await page.context().close();
  });

  test("tells that the connection is lost, and goes on by itself", async () => {
    apply("plant-1", readings("tank", { level: 1 }));
    const { page } = await show();
    const port = Number(new URL(api.url()).port);
    await api.stop();
    await until(page, "output.link.lost");
    expect(await text(page, ".banner")).toMatch(/connection to the cloud was lost at/);
    apply("plant-1", readings("tank", { level: 2 }));
    api = await serve({ address: { host: "127.0.0.1", port } });
    await until(page, "output.link.live");
    await until(page, ".card .value:has-text('2')");
    await until(page, ".banner", 0);
    await page.context().close();
  });

  test("scrolls through 10,000 devices without a hitch, and finds one among them", async () => {
    const source = { partition: 1, gateway: gatewayId("plant-1"), lane: "live" as const };
    const own = Array.from({ length: 10_000 }, (_, index) => {
      const device = `device-${`${index}`.padStart(5, "0")}`;
      return taken({ gateway: source.gateway, event: readings(device, { x: 1 }) });
    });
    registry.take({ source, taken: own, dead: [], doubt: undefined, findings: [] }, Date.now());
    const { page, faults } = await show("#/devices");
    await untilText(page, ".head", /10,000 devices/);
    expect(await page.locator(".virtual tbody tr").count()).toBeLessThan(80);
    const frames = (await page.evaluate(scrollThrough)) as number[];
    // A frame has 16.7 ms; a machine that has other work may skip some, but not most.
    expect(frames.toSorted((a, b) => a - b)[Math.floor(frames.length / 2)]).toBeLessThan(34);
    await until(page, "a:text-is('device-09999')");
    expect(await page.locator(".virtual tbody tr").count()).toBeLessThan(80);
    await page.getByRole("searchbox").fill("04321");
    await untilText(page, ".head", /1 device$/);
    await until(page, "a:text-is('device-04321')");
    expect(faults).toEqual([]);
    await page.context().close();
  });

  test("asks for a token where one is set, and a session stands for it then", async () => {
    const token = { name: "ann", scope: "operate", sites: null, secret: "s".repeat(24) } as const;
    await api.stop();
    api = await serve({ tokens: [token] });
    const { page } = await openPage(browser, api.url());
    await until(page, "input[type=password]");
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Tab");
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await until(page, "[role=alert]:text-matches('token', 'i')");
    await page.getByLabel("Token").fill(token.secret);
    await page.keyboard.press("Enter");
    await until(page, "output.link.live");
    expect(await text(page, "footer")).toMatch(/ann \(operate\)/);
    await page.reload();
    await until(page, "output.link.live");
    await page.getByRole("button", { name: "Log out" }).click();
    await until(page, "input[type=password]");
    await page.context().close();
  });

  test("changes its colours by hand, and keeps them", async () => {
    const { page } = await show("", { colorScheme: "light" });
    const ground = () =>
      page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
    const light = await ground();
    const button = page.getByRole("button", { name: /Change to dark/ });
    await page.getByRole("button", { name: /Change to light/ }).click();
    await button.click();
    expect(await ground()).not.toBe(light);
    await page.reload();
    await until(page, "output.link.live");
    expect(await ground()).not.toBe(light);
    await page.context().close();
  });
});

/** Scrolls to the end, a stretch a frame; answers with the frames' times in ms. */
const scrollThrough = `new Promise((done) => {
  const list = document.querySelector(".virtual");
  const frames = [];
  let before;
  const step = (now) => {
    if (before !== undefined) frames.push(now - before);
    before = now;
    list.scrollTop += Math.max(400, list.scrollHeight / 240);
    const isEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 1;
    if (isEnd || frames.length > 2_000) done(frames); else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})`;

describe.skipIf(executablePath === undefined)("the switch of the demo", () => {
  let demo: Server;
  let link: "up" | "cut";
  beforeEach(async () => {
    link = "up";
    demo = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      if (request.method === "POST") link = JSON.parse(body).link;
      const gateway = { acknowledged: 500, waiting: link === "cut" ? 120 : 0, lost: 0 };
      response.end(JSON.stringify({ link, since: Date.now(), gateway }));
    });
    await new Promise<void>((resolve) => demo.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => demo.close());
  const demoUrl = () => `http://127.0.0.1:${(demo.address() as AddressInfo).port}/`;

  test("is there only where npm start says so; elsewhere it is not found", async () => {
    const { page } = await show();
    await until(page, ".figures");
    expect(await page.locator(".demo").count()).toBe(0);
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ link: "cut" });
    expect((await fetch(`${api.url()}/api/demo`)).status).toBe(404);
    const asked = await fetch(`${api.url()}/api/demo`, { method: "POST", headers, body });
    expect(asked.status).toBe(404);
    expect(link).toBe("up");
    await page.context().close();
  });

  test("cuts the link and mends it, and refuses what else it is told", async () => {
    await api.stop();
    api = await serve({ demoUrl: demoUrl() });
    const { page } = await show();
    await page.getByRole("button", { name: "Cut the link" }).click();
    await untilText(page, ".demo", /Cut for \d+ s[\s\S]*120 messages waiting/);
    expect(link).toBe("cut");
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Mend the link" }).focus();
    await page.keyboard.press("Enter");
    await untilText(page, ".demo", /all 120 messages that waited have arrived, none lost/);
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ link: "sideways" });
    const asked = await fetch(`${api.url()}/api/demo`, { method: "POST", headers, body });
    expect(asked.status).toBe(400);
    await page.context().close();
  });
});
