/**
 * Goal: `auto`, on the path of `score`, keeps what docs/detectors.md tells of it. The recordings
 * (parts of the Numenta and Skoltech benchmarks) lie beside the checkout, not in it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { timeOf } from "./csv.ts";
import type { ScoreSettings } from "./score.ts";
import { createScorer } from "./score.ts";

const folder = join(import.meta.dirname, "../../../../shared");
const isThere = existsSync(join(folder, "nab-dev/windows.json"));
if (!isThere) process.stderr.write(`SKIPPED: scores of recordings, for there is no ${folder}\n`);

const plain: ScoreSettings = {
  ...{ detector: "auto", train: undefined, reference: undefined, parameters: new Map() },
  ...{ delimiter: ",", time: "timestamp", values: ["value"] },
};

interface Scored {
  readonly columns: readonly string[];
  readonly score: number;
}

function scored(path: string, settings: ScoreSettings): Scored[] {
  const [head = "", ...rows] = gunzipSync(readFileSync(path)).toString().trim().split(/\r?\n/);
  const scorer = createScorer(settings);
  scorer.head(head);
  return rows.map((row) => {
    const columns = scorer.row(row).split(settings.delimiter);
    return { columns, score: Number(columns.at(-1)) };
  });
}

interface Spans {
  readonly [file: string]: readonly (readonly [string, string])[];
}

interface Found {
  readonly windows: number;
  readonly elsewhere: number;
}

/** Peaks at `threshold` in and out of a recording's windows, its warm-up of 15 % apart. */
function foundIn(file: string, spans: Spans, threshold: number): Found {
  const rows = scored(join(folder, "nab-dev", `${file}.gz`), plain);
  const windows = (spans[file] ?? []).map((span) => span.map((at) => timeOf(at) ?? 0));
  const begin = Math.min(750, Math.floor(0.15 * rows.length));
  const hit = new Set<number>();
  let elsewhere = 0;
  for (const { columns, score } of rows.slice(begin)) {
    if (score < threshold) continue;
    const at = timeOf(columns[0] ?? "") ?? 0;
    const window = windows.findIndex(([from = 0, to = 0]) => from <= at && at <= to);
    if (window < 0) elsewhere += 1;
    else hit.add(window);
  }
  return { windows: hit.size, elsewhere };
}

describe.skipIf(!isThere)("auto with its defaults", () => {
  const spans: Spans = isThere
    ? JSON.parse(readFileSync(join(folder, "nab-dev/windows.json"), "utf8"))
    : {};

  test.each([
    { threshold: 0.5, windows: 35, elsewhere: 10 },
    { threshold: 0.177, windows: 58, elsewhere: 100 },
  ])("at $threshold finds at least $windows of 69 windows of 35 recordings", (bounds) => {
    const found = Object.keys(spans).map((file) => foundIn(file, spans, bounds.threshold));
    const sum = (of: (one: Found) => number) => found.reduce((total, one) => total + of(one), 0);
    expect(sum(({ windows }) => windows)).toBeGreaterThanOrEqual(bounds.windows);
    expect(sum(({ elsewhere }) => elsewhere)).toBeLessThanOrEqual(bounds.elsewhere);
  });

  test("trained on 400 rows and frozen, F1 ≥ 0.72 at a false alarm rate of at most 15 %", () => {
    const counts = { hit: 0, missed: 0, alarmed: 0, quiet: 0 };
    const parts = ["other", "valve1", "valve2"].map((part) => join(folder, "skab-dev", part));
    for (const path of parts.flatMap((part) => readdirSync(part).map((file) => join(part, file)))) {
      for (const { columns, score } of scored(path, skoltech(path)).slice(400)) {
        const isFault = Number(columns.at(-3)) === 1;
        if (isFault) counts[score >= 0.5 ? "hit" : "missed"] += 1;
        else counts[score >= 0.5 ? "alarmed" : "quiet"] += 1;
      }
    }
    const { hit, missed, alarmed, quiet } = counts;
    expect((2 * hit) / (2 * hit + missed + alarmed)).toBeGreaterThanOrEqual(0.72);
    expect(alarmed / (alarmed + quiet)).toBeLessThanOrEqual(0.15);
  });
});

function skoltech(path: string): ScoreSettings {
  const [head = ""] = gunzipSync(readFileSync(path)).toString().split(/\r?\n/, 1);
  const values = head.split(";").slice(1, -2);
  const training = { train: 400, reference: "frozen" };
  return { ...plain, ...training, delimiter: ";", time: "datetime", values };
}
