/** A real browser at the page; what it complains of is kept. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { chromium } from "playwright-core";

const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
];

export function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: browserArguments });
}

export interface Shown {
  readonly page: Page;
  /** What the browser complained of. */
  readonly faults: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Shown> {
  const viewport = { width: 1_280, height: 800 };
  const context = await browser.newContext({ locale: "en-GB", viewport, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") faults.push(line.text());
  });
  page.on("pageerror", (failure) => faults.push(failure.message));
  await page.goto(url);
  return { page, faults };
}
