/** Goal: a terminal shows what the picture does, in its width. */
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { Chart, Point } from "./chart.ts";
import { terminalOf } from "./terminal.ts";

const noon = Date.UTC(2026, 0, 1, 12);
const minuteMs = 60_000;

function chart(values: readonly number[], wrong: readonly number[] = []): Chart {
  const points = values.map((value, minute): Point => [noon + minute * minuteMs, value]);
  const spans = wrong.map((minute) => {
    const at = noon + minute * minuteMs;
    return { from: at, to: at };
  });
  return {
    title: "freezer-1",
    series: [{ label: "temperature in Cel", points }],
    marks: [],
    rows: [{ label: "auto", spans }],
  };
}

test("a small chart", () => {
  const values = Array.from({ length: 80 }, (_, minute) => 20 + 5 * Math.sin(minute / 8));
  const shown = terminalOf(chart(values.with(60, 40), [60]), { width: 50, lines: 4 });
  expect(`\n${shown}`).toMatchInlineSnapshot(`
    "
    freezer-1
    temperature in Cel
    40.0                                   ⡇
                                          ⢰⢱
          ⣀⡠⠤⠔⠒⠒⠒⠒⠒⠤⢄⣀⡀               ⢀⣀⠤⠤⠜⠘⠒⠒⠒⠢⠤⢄⣀⡀
    15.0 ⠉            ⠈⠉⠒⠒⠤⠤⣀⣀⣀⣀⣀⠤⠤⠔⠊⠉⠁            ⠈⠑⠒
    auto ··································▲··········
         2026-01-01 12:00 to 2026-01-01 13:19 UTC
    "
  `);
});

test("an alert is marked in the column of its time, and every line fits the width", () => {
  const random = seededRandom("terminal");
  for (let turn = 0; turn < 300; turn++) {
    const width = 20 + Math.floor(random.next() * 150);
    const count = 2 + Math.floor(random.next() * 2_000);
    const wrong = Math.floor(random.next() * count);
    const values = Array.from({ length: count }, () => gaussian(random));
    const lines = terminalOf(chart(values, [wrong]), { width, lines: 5 }).split("\n");
    for (const line of lines.slice(0, -2)) expect(line.length).toBeLessThanOrEqual(width);
    const row = lines.find((line) => line.includes("▲")) ?? "";
    const begin =
      Math.max(
        4,
        ...lines
          .slice(2, 7)
          .map((line) => /^ *[-0-9.eGMTk]*/.exec(line)?.[0].trimEnd().length ?? 0),
      ) + 1;
    const columns = width - begin;
    const column = Math.min(columns - 1, Math.floor((wrong / (count - 1)) * columns));
    expect([...row].indexOf("▲")).toBe(begin + column);
    expect([...row].filter((character) => character === "▲")).toHaveLength(1);
  }
});

test("the highest reading has a dot in the top line and the lowest in the bottom one", () => {
  const random = seededRandom("extremes");
  for (let turn = 0; turn < 100; turn++) {
    const values = Array.from({ length: 5_000 }, () => gaussian(random));
    const [high, low] = [0, 1].map(() => Math.floor(random.next() * 5_000));
    const shown = terminalOf(chart(values.with(high ?? 0, 90).with(low ?? 0, -90)), {
      width: 60,
      lines: 6,
    });
    const canvas = shown.split("\n").slice(2, 8);
    const isDot = (text: string | undefined) => /[\u2801-\u28ff]/.test(text ?? "");
    expect(isDot(canvas[0])).toBe(high !== low);
    expect(isDot(canvas[5])).toBe(true);
  }
});

test("no name from the field moves the cursor", () => {
  const hostile = {
    ...chart([1, 2]),
    title: "\u001b[2J\rx",
    rows: [{ label: "\u0007\u009b5A", spans: [] }],
  };
  expect(terminalOf(hostile).replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
});

test("no readings make an empty canvas", () => {
  expect(terminalOf(chart([]), { width: 30, lines: 2 })).toContain("auto");
});
