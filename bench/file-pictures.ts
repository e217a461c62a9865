/** Draws the pictures of docs/detectors.md from recordings that lie beside the checkout. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { backtestCsv } from "../cloud/src/cli/csv-backtest.ts";
import { rowsOf } from "../cloud/src/cli/file-rows.ts";
import { svgOf } from "../cloud/src/plot/svg.ts";
import { createAlerting } from "../shared/src/alert/alerting.ts";
import type { Picture } from "./pictures.ts";
import { pictures, shownOf } from "./pictures.ts";

const recordings = fileURLToPath(new URL("../../shared", import.meta.url));
export const picturesFolder = fileURLToPath(new URL("../docs/pictures", import.meta.url));
/** Less than the screen has: a picture shows a recording and is no copy of it. */
const columnsMax = 240;

export interface PicturesTold {
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** What is not there, by path. */
export function missingRecordings(): readonly string[] {
  const paths = pictures.map(({ recording }) => join(recordings, recording));
  return [...new Set(paths)].filter((path) => !existsSync(path));
}

/** The exit code: 1 where a recording is missing, and then nothing is written. */
export async function drawPictures({ print, warn }: PicturesTold): Promise<number> {
  const missing = missingRecordings();
  for (const path of missing) warn(`MISSING: ${path}: the pictures are drawn from it`);
  if (missing.length > 0) return 1;
  await mkdir(picturesFolder, { recursive: true });
  for (const picture of pictures) {
    const svg = await drawn(picture);
    await writeFile(join(picturesFolder, `${picture.name}.svg`), svg);
    print(`docs/pictures/${picture.name}.svg: ${Buffer.byteLength(svg)} bytes`);
  }
  return 0;
}

export async function drawn(picture: Picture): Promise<string> {
  const { recording, rules, title } = picture;
  const path = join(recordings, recording);
  const named = rules.map(({ rule }, index) => ({ name: `rule-${index}`, ...rule }));
  const alerting = createAlerting(compileRules(rulesSchema.parse(named)));
  const { chart } = await backtestCsv(alerting, rowsSince(path, picture.since ?? ""), {
    ...{ title, device: "input", rules: named.map(({ name }) => name) },
    delimiter: ",",
    time: "timestamp",
    values: ["value"],
  });
  return svgOf(shownOf(picture, await chart()), { columnsMax });
}

/** Times of a recording are in order as texts, too. */
async function* rowsSince(path: string, since: string): AsyncGenerator<string> {
  let isHead = true;
  for await (const row of rowsOf(path)) {
    if (isHead || row >= since) yield row;
    isHead = false;
  }
}
