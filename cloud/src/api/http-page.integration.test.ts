// The page in a real browser: it shows the fleet, follows it live, trusts no name from the field.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import type { TakenEvent } from "../ingest/fold.ts";
import { FleetView } from "../views/fleet-view.ts";
import { event, heartbeat, readings, taken } from "../views/testing/taken.ts";
import { HttpApi } from "./http-api.ts";

const executablePath = wantedTool("chromium");
/** To look at; the test itself reads what the page says. */
const screenshots = mkdtempSync(join(tmpdir(), "causeway-page-"));
const hostile = "<img src=x onerror=alert(1)>";
const arguments_ = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
];

let browser: Browser;
let view: FleetView;
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
  view.applyFolded({ source, taken: [own], dead: [], doubt: undefined }, receivedAt - silentMs);
}

/** 20 devices with 3 metrics each, and a history of 40 values. */
function fill(): void {
  for (let step = 0; step < 40; step++) {
    for (let device = 1; device <= 20; device++) {
      const phase = step / 6 + device;
      const list = [
        { metric: "temperature", value: 20 + Math.round(300 * Math.sin(phase)) / 100, unit: "Cel" },
        {
          metric: "vibration",
          value: 1 + Math.round(400 * Math.cos(phase * 3)) / 1_000,
          unit: "mm/s",
        },
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
  if (executablePath !== undefined)
    browser = await chromium.launch({ executablePath, args: arguments_ });
});

afterAll(() => browser?.close());

beforeEach(async () => {
  [view, isReady, positions] = [new FleetView(), true, 0];
  api = await serve(0);
});

afterEach(() => api.stop());

async function serve(port: number): Promise<HttpApi> {
  const started = new HttpApi({
    address: { host: "127.0.0.1", port },
    token: undefined,
    view,
    ready: () => ({ ready: isReady, reasons: isReady ? [] : ["the engine is starting"] }),
    engineMetrics: () => [],
    version: "0.1.0",
    log: silentLogger,
    clock: systemClock(),
  });
  await started.start();
  return started;
}

interface Shown {
  readonly page: Page;
  /** What the browser complained of. */
  readonly faults: string[];
}

async function show(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Shown> {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") faults.push(line.text());
  });
  page.on("pageerror", (failure) => faults.push(failure.message));
  await page.goto(api.url());
  await until(page, "#link[data-state=live]");
  return { page, faults };
}

/** Waits for so many elements; the page's own policy forbids conditions written as code. */
async function until(page: Page, selector: string, count = 1): Promise<void> {
  await expect.poll(() => page.locator(selector).count(), { timeout: 20_000 }).toBe(count);
}

const text = (page: Page, selector: string) => page.locator(selector).innerText();
const picture = (name: string) => ({ path: join(screenshots, `${name}.png`), fullPage: true });

describe.skipIf(executablePath === undefined)("the page", () => {
  test.each(["light", "dark"] as const)("shows a fleet live in %s colours", async (colorScheme) => {
    fill();
    view.applyAlert(transition({ id: "older", gateway: "plant-1", device: "press-9" }));
    view.applyAlert(transition({ id: "older", state: "resolved", device: "press-9" }));
    const { page, faults } = await show({ colorScheme, viewport: { width: 1_280, height: 800 } });
    await until(page, ".device", 20);
    expect(await page.locator(".device tbody tr").count()).toBe(60);
    expect(await text(page, "#gateways")).toMatch(/boat-7\s+○ silent 15 min\s+41,022\s+8.8 MiB/);
    expect(await text(page, "#gateways")).toMatch(/plant-1\s+● connected\s+12\s+47.1 KiB/);
    expect(await text(page, "#figures")).toMatch(/Events taken\s+802/);
    expect(await page.locator("#calm").isVisible()).toBe(true);

    const hot = { metric: "temperature", value: 87.25, unit: "Cel", quality: "good" };
    apply("plant-1", event({ device: "press-3", kind: "reading", readings: [hot] }));
    const now = Date.now();
    const place = { gateway: "plant-1", device: "press-3", at: now, firingAt: now };
    view.applyAlert(transition({ ...place, reason: "87.25 Cel is above 80 Cel" }));
    const other = {
      ...place,
      id: "w",
      severity: "warning",
      device: "press-8",
      metric: "vibration",
    };
    view.applyAlert(transition({ ...other, severity: "warning", rule: "shaking" }));
    await until(page, "#firing li", 2);
    await until(page, ".value:has-text('87.25')");
    expect(await text(page, "#firing")).toMatch(
      /press-3 · temperature[\s\S]*87.25 Cel is above 80/,
    );
    expect(await page.locator("tr.alarmed").count()).toBe(2);
    expect(await page.title()).toBe("(2) Causeway");
    await until(page, "#figures dd:text-is('803')");
    await page.screenshot(picture(`wide-${colorScheme}`));
    expect(faults).toEqual([]);
    await page.context().close();
  });

  test("is legible on a telephone", async () => {
    fill();
    view.applyAlert(transition({ gateway: "plant-1", device: "press-3", firingAt: Date.now() }));
    const { page, faults } = await show({ viewport: { width: 390, height: 844 } });
    await until(page, ".device", 20);
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(390);
    await page.screenshot(picture("narrow"));
    await page.screenshot({ path: join(screenshots, "narrow-top.png") });
    expect(faults).toEqual([]);
    await page.context().close();
  });

  test("says what is empty and what is not ready", async () => {
    isReady = false;
    const { page, faults } = await show();
    await until(page, "#trouble:not([hidden])");
    expect(await text(page, "#trouble")).toBe("Not ready: the engine is starting");
    expect(await text(page, "main")).toMatch(/No gateway has been heard yet/);
    expect(await text(page, "main")).toMatch(/No value has come yet/);
    await page.screenshot(picture("empty"));
    expect(faults).toEqual([]);
    await page.context().close();
  });

  test("takes hostile names and values as text", async () => {
    const { page, faults } = await show();
    apply("plant-1", readings(hostile, { [hostile]: hostile }));
    view.applyAlert(transition({ device: hostile, reason: hostile, metric: hostile }));
    await until(page, ".device", 1);
    await until(page, "#firing li", 1);
    expect(await page.locator("img").count()).toBe(0);
    expect(await text(page, ".device caption")).toContain(hostile);
    expect(await text(page, ".device .value")).toContain(hostile);
    expect(await text(page, "#firing")).toContain(hostile);
    expect(faults).toEqual([]);
    await page.context().close();
  });

  test("tells that the connection is lost, and goes on by itself", async () => {
    apply("plant-1", readings("tank", { level: 1 }));
    const { page } = await show();
    const port = Number(new URL(api.url()).port);
    await api.stop();
    await until(page, "#link[data-state=lost]");
    expect(await text(page, "#link")).toMatch(/^connection lost at .*, trying again$/);
    await page.screenshot(picture("lost"));
    apply("plant-1", readings("tank", { level: 2 }));
    api = await serve(port);
    await until(page, "#link[data-state=live]");
    await until(page, ".value:text-is('2')");
    await page.context().close();
  });
});
