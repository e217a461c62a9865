/** Goal: the pictures in docs/detectors.md are what the detectors find, and small. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { drawn, missingRecordings, picturesFolder } from "./file-pictures.ts";
import { pictures } from "./pictures.ts";

const bytesMax = 60_000;
const missing = missingRecordings();
if (missing.length > 0) {
  process.stderr.write(`SKIPPED: the pictures are not drawn anew, for there is no ${missing[0]}\n`);
}

const text = (name: string) => readFileSync(join(picturesFolder, `${name}.svg`), "utf8");

test("every picture is there, at most 60 kB, and shown; no other is", () => {
  const names = pictures.map(({ name }) => `${name}.svg`);
  const drawings = readdirSync(picturesFolder).filter((file) => file.endsWith(".svg"));
  expect(drawings.toSorted()).toEqual(names.toSorted());
  const page = readFileSync(join(picturesFolder, "../detectors.md"), "utf8");
  const shown = [...page.matchAll(/!\[[^\]]{20,}\]\(pictures\/([a-z]+\.svg)\)/g)];
  expect(shown.map(([, name]) => name).toSorted()).toEqual(names.toSorted());
  for (const { name } of pictures) expect(text(name).length, name).toBeLessThanOrEqual(bytesMax);
});

describe.skipIf(missing.length > 0)("what is drawn today", () => {
  test.each(pictures)(
    "$name is the picture that is kept: else npm run pictures",
    async (picture) => {
      expect(await drawn(picture)).toBe(text(picture.name));
    },
  );
});

test.each(pictures)(
  "$name: the one alarms in the fault, the other not, or for a moment",
  ({ name }) => {
    const [band] = text(name).matchAll(/class="band" x="([0-9.]+)" y="[0-9.]+" width="([0-9.]+)"/g);
    const [from, to] = [Number(band?.[1] ?? 0), Number(band?.[1] ?? 0) + Number(band?.[2] ?? 960)];
    const [fits = 0, other = 0] = ["alert", "earlier"].map((kind) => {
      const [, bars = ""] = new RegExp(`<g class="${kind}">(.*)</g>`).exec(text(name)) ?? [];
      const found = [...bars.matchAll(/x="([0-9.]+)" y="[0-9.]+" width="([0-9.]+)"/g)];
      return found.reduce((sum, [, x, width]) => {
        const inside = Math.min(to, Number(x) + Number(width)) - Math.max(from, Number(x));
        return sum + Math.max(0, inside);
      }, 0);
    });
    expect(fits).toBeGreaterThan(other + 1);
    expect(other).toBeLessThanOrEqual(2);
  },
);
