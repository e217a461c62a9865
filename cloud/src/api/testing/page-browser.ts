/** What a test asks of the page in a browser; axe looks for what keeps people out. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** Waits for so many elements; the page's own policy forbids conditions written as code. */
export async function until(page: Page, selector: string, count = 1): Promise<void> {
  await expect.poll(() => page.locator(selector).count(), { timeout: 20_000 }).toBe(count);
}

/** Waits until the element says so. */
export async function untilText(page: Page, selector: string, text: RegExp): Promise<void> {
  await expect
    .poll(() => page.locator(selector).first().innerText(), { timeout: 30_000 })
    .toMatch(text);
}

/** What keeps people out, by rule, with the places; empty where nothing does. */
export async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found = (await page.evaluate(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
  )) as { id: string; nodes: { target: unknown[]; failureSummary?: string }[] }[];
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`),
  );
}

/** Presses Tab until the element that is named so has the focus: a person without a mouse gets there. */
export async function tabTo(page: Page, name: string, stepsMax = 80): Promise<void> {
  for (let step = 0; step < stepsMax; step++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(
      `(() => { const { activeElement: own } = document;
        return own?.getAttribute("aria-label") ?? own?.textContent?.trim() ?? ""; })()`,
    );
    if (focused === name) return;
  }
  throw new Error(`${stepsMax} tabs do not lead to "${name}"`);
}
