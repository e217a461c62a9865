// The page over the real stack of `npm start`: the main task of each of its parts is done, by mouse and
// by keyboard, and the browser complains of nothing.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import { tabTo, until, untilText, violations } from "./testing/page-browser.ts";
import { openBrowser, openPage } from "./testing/system-browser.ts";
import type { LocalStack } from "./testing/system-local-stack.ts";
import { startLocalStack } from "./testing/system-local-stack.ts";

const executablePath = wantedTool("chromium");

describe.skipIf(executablePath === undefined)("the page of npm start", () => {
  let stack: LocalStack;
  let browser: Browser;
  let page: Page;
  let faults: string[];
  let origin: string;

  beforeAll(async () => {
    stack = await startLocalStack();
    origin = new URL(stack.page).origin;
    browser = await openBrowser(executablePath ?? "");
    ({ page, faults } = await openPage(browser, stack.page));
  });

  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
  });

  const send = (name: string, payload: string) => stack.publish(name, payload);
  const go = (hash: string) => page.goto(`${origin}/${hash}`);

  test("shows something alive within a second and a half", async () => {
    await until(page, "output.link.live");
    await page.reload();
    const shown = () =>
      page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0");
    await expect.poll(shown).toBeGreaterThan(0);
    expect(await shown()).toBeLessThan(1_500);
    await until(page, ".card", 12);
    await untilText(page, "h1", /\w/);
    expect(await violations(page)).toEqual([]);
  });

  test("the link is cut and mended: what waited arrives, and nothing is lost", async () => {
    await page.getByRole("button", { name: "Cut the link" }).click();
    await untilText(page, ".demo", /([3-9][0-9]|[1-9][0-9]{2,}) messages waiting/);
    await until(page, "td:has-text('silent')");
    await tabTo(page, "Mend the link");
    await page.keyboard.press("Enter");
    await untilText(page, ".demo", /Mended: all \d+ messages that waited have arrived, none lost/);
    await until(page, "td:has-text('connected')");
    await untilText(page, ".proof", /\b0 lost/);
  });

  test("a gateway is opened: its link, its backlog and its ledger", async () => {
    await page.getByRole("navigation").getByRole("link", { name: "Gateways" }).click();
    await tabTo(page, "demo");
    await page.keyboard.press("Enter");
    await untilText(page, "h1", /^demo$/);
    await until(page, ".ledger svg", 2);
    await page.getByText("Every range, in words").click();
    await untilText(page, "details table", /taken/);
    expect(await violations(page)).toEqual([]);
  });

  test("a device is found, and its chart looked at", async () => {
    await go("#/devices");
    await tabTo(page, "Find a device");
    await page.keyboard.type("sim-003");
    await untilText(page, ".head", /1 device/);
    await tabTo(page, "sim-003");
    await page.keyboard.press("Enter");
    await until(page, ".chart canvas");
    await untilText(page, ".chart figcaption", /energy: [\d,.]+ to [\d,.]+/);
    await page.getByRole("button", { name: "power" }).click();
    await untilText(page, ".chart figcaption", /power: [\d,.]+ to [\d,.]+/);
    await page.getByLabel("5m").focus();
    await page.keyboard.press("ArrowRight");
    await untilText(page, ".chart figcaption", /power: [\d,.]+ to [\d,.]+/);
    expect(await violations(page)).toEqual([]);
  });

  test("a device is given a name, is taken out of service and is forgotten", async () => {
    await send("attic", '{"temperature": 12}');
    await go("#/devices/demo/attic");
    await until(page, ".said button:has-text('Rename')");
    await tabTo(page, "Rename");
    await page.keyboard.press("Enter");
    await page.keyboard.type("Under the roof");
    await page.getByLabel("Your name").fill("ann");
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Enter");
    await untilText(page, "h1", /^Under the roof$/);
    await untilText(page, ".facts", /renamed by ann/);
    await page.getByRole("button", { name: "Take out of service" }).click();
    await page.getByLabel("Note").fill("winter");
    await page.getByRole("dialog").getByRole("button", { name: "Take out of service" }).click();
    await untilText(page, ".facts", /retired by ann: winter/);
    await until(page, ".said button:has-text('Back in service')");
    await page.getByRole("button", { name: "Forget" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Forget" }).click();
    await untilText(page, "h1", /^Devices$/);
    await go("#/devices?q=attic");
    await untilText(page, ".head", /0 devices/);
  });

  test("an alert is acknowledged by keyboard, and silenced by mouse", async () => {
    await send("kitchen", '{"temperature": 55}');
    await go("#/alerts");
    await until(page, ".alert:has-text('kitchen')");
    await page.locator(".alert a:has-text('kitchen')").focus();
    await page.keyboard.press("Enter");
    await untilText(page, "h1", /kitchen · temperature/);
    expect(await page.locator(".timeline").innerText()).toMatch(/fired/i);
    await tabTo(page, "Acknowledge");
    await page.keyboard.press("Enter");
    await page.keyboard.type("on my way");
    await page.keyboard.press("Tab");
    await page.keyboard.type("ann");
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Enter");
    await until(page, "article .badge:has-text('acknowledged')");
    await untilText(page, ".timeline", /on my way/);

    await page.getByRole("button", { name: "Silence" }).click();
    await page.getByLabel("Why").fill("the oven is on");
    await page.getByRole("dialog").getByRole("button", { name: "Silence" }).click();
    await until(page, "article .badge:has-text('silenced')");
    await go("#/alerts?show=silences");
    await until(page, ".silence:has-text('the oven is on')");
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "End it" }).click();
    await until(page, ".silence:has-text('the oven is on')", 0);
    await send("kitchen", '{"temperature": 20}');
  });

  test("rules are edited, checked, tried on the past and saved", async () => {
    await go("#/rules");
    const text = page.getByRole("textbox", { name: /text of the rules/ });
    await text.waitFor();
    const before = await text.inputValue();
    await text.fill(before.replace("hi: 32", "hi: much"));
    await untilText(page, ".faults", /line \d+/);
    await page.locator(".faults button").first().click();
    const marked = await page.evaluate(
      "(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))" +
        "(document.activeElement)",
    );
    expect(marked).toMatch(/much/);
    await text.fill(before.replace("hi: 32", "hi: 45"));
    await until(page, "#rules-check .badge.good");
    await untilText(page, "details[open] summary", /1 change/);
    expect(await violations(page)).toEqual([]);
    await tabTo(page, "Try on the past");
    await page.keyboard.press("Enter");
    await untilText(page, ".backtest", /\d+ new.*gone.*as before/);
    await page.getByPlaceholder("What you changed, and why").fill("ovens are hotter");
    await page.keyboard.press("Enter");
    await untilText(page, ".save", /Saved as revision \d+/);
    await untilText(page, "main", /ovens are hotter/);
    await expect.poll(() => page.locator("select[aria-label='Mode of too-hot']").count()).toBe(1);
    await page.getByLabel("Mode of too-hot").selectOption("shadow");
    await expect.poll(() => text.inputValue()).toMatch(/shadow/);
  });

  test("what could not be read is found and looked at", async () => {
    await send("broken", '{"temperature": 21.5}}');
    await go("#/dead-letters");
    await until(page, ".alert:has-text('not readable')");
    await page.locator(".alert a").first().focus();
    await page.keyboard.press("Enter");
    await untilText(page, "pre", /"temperature": 21\.5\}\}/);
    await page.getByRole("button", { name: "As bytes" }).click();
    await untilText(page, "pre", /^0000 {2}7b 22 74/);
    expect(await violations(page)).toEqual([]);
  });

  test("what could not be read is redriven with a mapping, by keyboard, and becomes a reading", async () => {
    await tabTo(page, "Try");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.type(
      "- topic: devices/{device}/telemetry\n  adapter: plain\n  metric: said\n",
    );
    await tabTo(page, "Try");
    await page.keyboard.press("Enter");
    await untilText(page, ".trials", /broken said = \{"temperature": 21\.5\}\}/);
    expect(await violations(page)).toEqual([]);
    await tabTo(page, "Redrive all");
    await page.keyboard.press("Enter");
    await untilText(page, ".done", /1 message redriven, 1 reading/);
    await until(page, ".empty");
    await go("#/devices/demo/broken");
    await untilText(page, "main", /said/);
  });

  test("what is of no use is discarded, with a reason", async () => {
    await send("noise", "{{");
    await go("#/dead-letters");
    await page.locator(".alert a").first().focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Discard all" }).click();
    await page.getByLabel("Reason").fill("a test");
    await page.getByLabel("Your name").fill("ann");
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Enter");
    await untilText(page, ".done", /1 message discarded/);
  });

  test("all of it without a word of complaint from the browser", () => {
    expect(faults).toEqual([]);
  });
});
