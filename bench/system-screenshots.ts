/** Takes the pictures of the page for the README, of a fleet that runs as `npm start` has it. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Shown } from "../cloud/src/api/testing/system-browser.ts";
import { openBrowser, openPage } from "../cloud/src/api/testing/system-browser.ts";
import { startLocalStack } from "../cloud/src/api/testing/system-local-stack.ts";
import type { PicturesTold } from "./file-pictures.ts";
import { picturesFolder } from "./file-pictures.ts";

/** Prints where a tool is, and brings it where it is missing. */
const tools = fileURLToPath(new URL("../deploy/local/tools.mjs", import.meta.url));
/** The demo's fault comes 75 s after the start for 45 s, and again every four minutes. */
const warmUpMs = 335_000;
/** Long enough for the gateway to count as silent. */
const outageMs = 22_000;
const patienceMs = 60_000;
const wide = { width: 1_280, height: 800 };
const narrow = { width: 390, height: 844 };

/** The exit code. */
export async function takeScreenshots({ print }: Pick<PicturesTold, "print">): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [tools, "chromium"]);
  await mkdir(picturesFolder, { recursive: true });
  const stack = await startLocalStack();
  const browser = await openBrowser(stdout.trim());
  try {
    const { page } = await openPage(browser, stack.page);
    await stack.publish("press-4", '{"temperature": 21.5}}');
    const origin = new URL(stack.page).origin;
    const take = async (name: string, hash: string, shown: string, more: Look = {}) => {
      await page.emulateMedia({ colorScheme: more.dark === true ? "dark" : "light" });
      await page.setViewportSize(more.narrow === true ? narrow : wide);
      await page.goto(`${origin}/${hash}`);
      await page.locator(shown).first().waitFor({ timeout: patienceMs });
      await page.waitForTimeout(3_000); // curves fill
      const path = join(picturesFolder, `page-${name}.png`);
      await page.screenshot({ path, fullPage: more.full === true });
      print(`docs/pictures/page-${name}.png`);
    };
    await page.waitForTimeout(warmUpMs);
    await take("device", "#/devices/demo/sim-001", ".chart canvas", { full: true });
    await take("alert-dark", "#/alerts", ".alert.critical", { dark: true });
    await openFirst(page, ".alert.critical a");
    await page.screenshot({ path: join(picturesFolder, "page-alert-dark.png") });
    await take("overview", "", ".card.critical");
    await take("overview-narrow", "", ".card", { narrow: true, dark: true });
    await take("rules", "#/rules", "#rules-check .badge.good");
    await take("gateway", "#/gateways/demo", ".ledger svg");
    await take("dead-letters", "#/dead-letters", ".alert");
    await page.goto(`${origin}/#/`);
    await page.getByRole("button", { name: "Cut the link" }).click();
    await page.waitForTimeout(outageMs);
    await page.screenshot({ path: join(picturesFolder, "page-cut.png") });
    print("docs/pictures/page-cut.png");
    return 0;
  } finally {
    await browser.close();
    await stack.stop();
  }
}

interface Look {
  readonly dark?: boolean;
  readonly narrow?: boolean;
  /** All of it, not only what the screen shows. */
  readonly full?: boolean;
}

async function openFirst(page: Shown["page"], selector: string): Promise<void> {
  await page.locator(selector).first().click();
  await page.locator("article .chart canvas").waitFor({ timeout: patienceMs });
  await page.waitForTimeout(500);
}
