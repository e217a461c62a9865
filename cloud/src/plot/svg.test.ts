/** Goal: a picture that needs nothing but itself, small, and true to the data. */
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { Chart, Point } from "./chart.ts";
import { svgOf } from "./svg.ts";

const empty: Chart = { title: "Nothing", series: [], marks: [], rows: [] };
const noon = Date.UTC(2026, 0, 1, 12);

const small: Chart = {
  title: "Freezer 1",
  series: [
    {
      label: "temperature in Cel",
      points: [1, 2, 3, 9, 3].map((value, minute): Point => [noon + minute * 60_000, value]),
      bands: [{ label: "open", from: noon + 120_000, to: noon + 180_000 }],
    },
  ],
  marks: [{ at: noon + 60_000, label: "defrosted" }],
  rows: [{ label: "limits", spans: [{ from: noon + 180_000, to: noon + 240_000 }] }],
};

test("a small chart", () => {
  const svg = svgOf(small, { width: 320 });
  expect(svg.replace(/<style>.*<\/style>/s, "<style/>")).toMatchInlineSnapshot(`
    "<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 348" width="320" height="348" role="img" aria-label="Freezer 1">
    <style/>
    <rect class="paper" width="320" height="348"/>
    <text class="title" x="64" y="23">Freezer 1</text>
    <text class="name" x="64" y="58">temperature in Cel</text>
    <rect class="band" x="184" y="64" width="60" height="190"/>
    <path class="grid" d="M64 222.6H304"/><text class="end" x="56" y="226.6">2</text>
    <path class="grid" d="M64 180.2H304"/><text class="end" x="56" y="184.2">4</text>
    <path class="grid" d="M64 137.8H304"/><text class="end" x="56" y="141.8">6</text>
    <path class="grid" d="M64 95.4H304"/><text class="end" x="56" y="99.4">8</text>
    <path class="grid" d="M64 64v190"/>
    <path class="line" d="M64 243.8L124 222.6L184 201.4L244 74.2L304 201.4"/>
    <rect class="grid" x="64" y="64" width="240" height="190"/>
    <text class="over" x="188" y="78">open</text>
    <path class="mark" d="M124 46V254"/>
    <text class="mid" x="124" y="43">defrosted</text>
    <text class="name" x="64" y="284">limits</text>
    <rect class="rest" x="64" y="289" width="240" height="12"/>
    <g class="alert"><rect x="244" y="289" width="60" height="12"/></g>
    <text class="mid" x="64" y="320">12:00</text>
    <text class="end" x="304" y="338">2026-01-01 12:00 to 2026-01-01 12:04 UTC</text>
    </svg>
    "
  `);
});

test("it is one file: no script, no reference; light or dark as the reader has it", () => {
  const svg = svgOf(small);
  expect(svg).not.toMatch(/<script|href|url\(|@import|<image|<foreignObject/);
  expect(svg.match(/https?:[^"]*/g)).toEqual(["http://www.w3.org/2000/svg"]);
  expect(svg).toContain("@media(prefers-color-scheme:dark)");
});

test("names from the field are text, never markup (V2)", () => {
  const hostile = '"><script>alert(1)</script>\u0000\uD800&amp;';
  const [series] = small.series;
  const svg = svgOf({
    title: hostile,
    series: [{ points: series?.points ?? [], label: hostile, bands: [{ label: hostile, low: 1 }] }],
    marks: [{ at: noon, label: hostile }],
    rows: [{ label: hostile, spans: [] }],
  });
  expect(svg).not.toContain("<script");
  expect(svg.replaceAll("\n", "")).not.toMatch(/\p{Cc}|\p{Cs}/u);
  expect(svg).toContain("&#60;script&#62;");
});

test("a million noisy readings in four panels stay within 60 kB, their peak at its place (V1)", () => {
  const random = seededRandom("svg");
  const points = Array.from({ length: 250_000 }, (_, minute): Point => {
    return [noon + minute * 60_000, minute === 77_777 ? 1_000 : gaussian(random)];
  });
  const series = ["a", "b", "c", "d"].map((label) => ({ label, points }));
  const spans = points.filter((_, index) => index % 7 === 0).map(([at]) => ({ from: at, to: at }));
  const svg = svgOf({ ...empty, series, rows: [{ label: "busy", spans }] });
  expect(Buffer.byteLength(svg)).toBeLessThanOrEqual(60_000);
  const paths = [...svg.matchAll(/<path class="line" d="M([^"]*)"/g)];
  expect(paths).toHaveLength(4);
  for (const [, path = ""] of paths) {
    const places = path.split("L").map((place) => place.split(" ").map(Number));
    const [x] = places.reduce((highest, place) =>
      (place[1] ?? 0) < (highest[1] ?? 0) ? place : highest,
    );
    expect(x).toBeCloseTo(64 + (77_777 / 249_999) * (960 - 64 - 16), 0);
  }
});

test("alerts lie below the readings that they are about", () => {
  const bar = /<g class="alert"><rect x="([0-9.]+)" y="[0-9.]+" width="([0-9.]+)"/.exec(
    svgOf(small),
  );
  const inner = 960 - 64 - 16;
  expect(Number(bar?.[1])).toBeCloseTo(64 + inner * (3 / 4), -1);
  expect(Number(bar?.[2])).toBeCloseTo(inner / 4, -1);
});

test.each([
  ["nothing", []],
  ["one reading", [[noon, 5]]],
  ["the same again and again", Array.from({ length: 9 }, (_, at) => [noon + at, 7])],
  ["one moment", [1, 2, 3].map((value) => [noon, value])],
  [
    "what is not finite",
    [
      [noon, Number.NaN],
      [Number.NaN, 3],
      [noon + 5, Number.POSITIVE_INFINITY],
    ],
  ],
  [
    "huge and tiny",
    [
      [0, -1.7e308],
      [1, 5e-324],
      [8e15, 1.7e308],
    ],
  ],
])("%s is drawn without a number that is none", (_, points) => {
  const svg = svgOf({ ...small, series: [{ label: "x", points: points as unknown as Point[] }] });
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
