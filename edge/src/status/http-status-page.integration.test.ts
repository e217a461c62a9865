// The status page in a real browser: readable on a phone, in light and dark, and it follows by itself.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@causeway/shared/system-clock.ts";
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import { stuckStatus, wellStatus } from "../testing/edge-status.ts";
import { InspectedIntake } from "../testing/inspected.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { HttpStatus } from "./http-status.ts";

const executablePath = wantedTool("chromium");
/** To look at; the test itself reads what the page says. */
const screenshots = mkdtempSync(join(tmpdir(), "causeway-status-"));
const arguments_ = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
const phone = { width: 360, height: 640 };
const desk = { width: 1_280, height: 800 };
/** What body text needs to be read by most people (WCAG 2.2, 1.4.3). */
const contrastMin = 4.5;

let browser: Browser;
let http: HttpStatus;
let status: EdgeStatus;
let intake: InspectedIntake;

beforeAll(async () => {
  if (executablePath !== undefined)
    browser = await chromium.launch({ executablePath, args: arguments_ });
});
afterAll(() => browser?.close());
beforeEach(async () => {
  status = wellStatus;
  const address = { host: "127.0.0.1", port: 0 };
  intake = new InspectedIntake(systemClock());
  const { http: inspect } = intake;
  http = new HttpStatus({ address, token: undefined, status: () => status, inspect });
  await http.start();
});
afterEach(() => http.stop());

async function show(options: Parameters<Browser["newContext"]>[0]) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") faults.push(line.text());
  });
  page.on("pageerror", (failure) => faults.push(failure.message));
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await page.goto(http.url());
  return { page, faults, requests };
}

/** The least contrast of a text with what is behind it. */
const leastContrast = `(() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const canvas = document.createElement("div");
  canvas.style.color = "Canvas";
  document.body.append(canvas);
  const behind = luminance(getComputedStyle(canvas).color);
  canvas.remove();
  const texts = [...document.querySelectorAll("h1, h2, dt, dd, .health, li, a, pre, .bad")];
  return Math.min(...texts.map((element) => {
    const own = luminance(getComputedStyle(element).color);
    return (Math.max(own, behind) + 0.05) / (Math.min(own, behind) + 0.05);
  }));
})()`;

const number = async (page: Page, expression: string) => Number(await page.evaluate(expression));

describe.skipIf(executablePath === undefined)("the status page", () => {
  test.each([
    ["light", "phone", phone],
    ["dark", "phone", phone],
    ["light", "desk", desk],
    ["dark", "desk", desk],
  ] as const)("is readable in %s colours on a %s", async (colorScheme, where, viewport) => {
    status = stuckStatus;
    intake.publish("tele/kitchen/SENSOR", '{"AM2301":{"Temperature":21.5}}');
    intake.publish(`plant/${"line-4/".repeat(30)}x`, "hello");
    const { page, faults } = await show({ colorScheme, viewport });
    expect(await page.locator("h1").innerText()).toBe("Gateway plant-3");
    expect(await page.locator(".health").innerText()).toContain("taken nothing for 15 min");
    const shown = await page.locator("main").innerText();
    for (const told of [
      "4185 events, 3.0 MiB, up to 15 min old",
      "7 events (full)",
      "15 min ago",
    ]) {
      expect(shown).toContain(told);
    }
    const path = join(screenshots, `status-${where}-${colorScheme}.png`);
    await page.screenshot({ path, fullPage: true });
    const width = await number(page, "document.documentElement.scrollWidth");
    expect(width, "nothing is beyond the edge").toBeLessThanOrEqual(viewport.width);
    const letters = await number(page, "parseFloat(getComputedStyle(document.body).fontSize)");
    expect(letters).toBeGreaterThanOrEqual(16);
    expect(await number(page, leastContrast)).toBeGreaterThanOrEqual(contrastMin);
    expect(faults).toEqual([]);
  });

  test("follows the gateway by itself", { timeout: 40_000 }, async () => {
    const { page, requests } = await show({ viewport: phone });
    expect(await page.locator(".health").innerText()).toBe("Healthy");
    status = stuckStatus;
    await expect
      .poll(() => page.locator(".health").innerText(), { timeout: 20_000 })
      .toMatch(/^Unhealthy/);
    expect(requests.filter((path) => path !== "/" && path !== "/favicon.ico")).toEqual([]);
  });

  test("shows a name from the field as text", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    status = { ...wellStatus, gateway: hostile };
    const { page } = await show({ viewport: phone });
    expect(await page.locator("h1").innerText()).toBe(`Gateway ${hostile}`);
    expect(await page.locator("img").count()).toBe(0);
  });

  test.each([
    ["light", phone],
    ["dark", desk],
  ] as const)(
    "shows in %s colours which topics are refused, first of all, and leads to their bytes",
    async (colorScheme, viewport) => {
      intake.publish("tele/kitchen/SENSOR", '{"AM2301":{"Temperature":21.5}}', "DVES_1");
      intake.publish("lora/up", Buffer.from([3, 0x67, 0xff]), "bridge");
      const { page, faults } = await show({ colorScheme, viewport });
      const topics = page.locator("section", { has: page.locator("h2", { hasText: /^Topics$/ }) });
      expect(await topics.locator("dt").allInnerTexts()).toEqual([
        "lora/up",
        "tele/kitchen/SENSOR",
      ]);
      expect(await topics.locator(".bad").allInnerTexts()).toEqual([
        expect.stringMatching(/^1 refused, \d+ s ago: binary: 3 bytes/),
      ]);
      const devices = page.locator("section", { has: page.locator("h2", { hasText: /heard of/ }) });
      expect(await devices.innerText()).toContain("client DVES_1");
      await topics.locator("a", { hasText: "lora/up" }).click();
      expect(await page.locator("pre").allInnerTexts()).toEqual(["03 67 ff"]);
      expect(await page.locator("p.bad").innerText()).toMatch(
        /^Quarantined: binary: .*\n.*mapping/,
      );
      await page.goBack();
      await topics.locator("a", { hasText: "tele/kitchen" }).click();
      expect(await page.locator("pre").innerText()).toBe('{"AM2301":{"Temperature":21.5}}');
      expect(await page.locator("li").innerText()).toBe("kitchen AM2301.Temperature 21.5");
      expect(await number(page, "document.documentElement.scrollWidth")).toBeLessThanOrEqual(
        viewport.width,
      );
      expect(await number(page, leastContrast)).toBeGreaterThanOrEqual(contrastMin);
      expect(faults).toEqual([]);
    },
  );

  test("shows topics, clients and payloads from the field as text", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    intake.publish(hostile, `{"${hostile}":"${hostile}"}`, hostile);
    intake.publish(`${hostile}/x`, `{"${hostile}":`, hostile);
    const { page, faults } = await show({ viewport: phone });
    expect(await page.locator("main").innerText()).toContain(hostile);
    expect(await page.locator("img").count()).toBe(0);
    await page.getByRole("link", { name: hostile, exact: true }).click();
    expect(await page.locator("h2").innerText()).toBe(hostile);
    expect(await page.locator("li").innerText()).toContain(hostile);
    expect(await page.locator("img").count()).toBe(0);
    expect(faults).toEqual([]);
  });
});
