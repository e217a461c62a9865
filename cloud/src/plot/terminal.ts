/**
 * A chart in a terminal, by Braille dots: two columns and four lines in a character.
 *
 *      25.1 ⠀⣀⡠⠔⠒⠉⠉⠒⠤⣀   ⡇
 *      19.8 ⠉        ⠑⠒⠤⠃
 *    unusual            ▲▲
 *            2026-01-01 00:00 … 2026-01-02 00:00 UTC
 */
import type { Chart, Extent, Point, Series } from "./chart.ts";
import { columnOf, columnsOf, shareOf, timesOf, valuesOf } from "./chart.ts";
import { stretchesOf, thinned } from "./thin.ts";
import { dateLabel, valueLabel } from "./ticks.ts";

export interface TerminalOptions {
  /** Characters of a line. */
  readonly width: number;
  /** Lines of a panel. */
  readonly lines: number;
}

const usual: TerminalOptions = { width: 100, lines: 8 };
const [dotsAcross, dotsDown] = [2, 4];
const brailleBase = 0x2800;
/** The bits of a Braille character, by line and column. */
const bits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const labelMax = 24;
const canvasMin = 10;

export function terminalOf(chart: Chart, options: Partial<TerminalOptions> = {}): string {
  const { width, lines } = { ...usual, ...options };
  const times = timesOf(chart);
  const edges = chart.series.map((series) => edgesOf(valuesOf(series)));
  const names = [...edges.flat(), ...chart.rows.map(({ label }) => label)].map((name) =>
    shown(name),
  );
  const margin = Math.max(4, ...names.map(({ length }) => length));
  const columns = Math.max(canvasMin, width - margin - 1);
  const found = [shown(chart.title, width)];
  for (const [index, series] of chart.series.entries()) {
    const [low = "", high = ""] = edges[index] ?? [];
    found.push(shown(series.label, width));
    const canvas = drawn(series, times, columns, lines);
    for (const [line, text] of canvas.entries()) {
      const edge = line === 0 ? high : line === canvas.length - 1 ? low : "";
      found.push(`${edge.padStart(margin)} ${text}`);
    }
  }
  for (const { label, spans } of chart.rows) {
    const marks: string[] = new Array(columns).fill("·");
    for (const [first, last] of columnsOf(times, columns, spans)) marks.fill("▲", first, last + 1);
    found.push(`${shown(label).padStart(margin)} ${marks.join("")}`);
  }
  const ends = `${dateLabel(times.from)} to ${dateLabel(times.to)} UTC`;
  found.push(`${" ".repeat(margin)} ${ends}`);
  return found.map((line) => `${line.trimEnd()}\n`).join("");
}

function edgesOf({ from, to }: Extent): readonly [low: string, high: string] {
  const step = (to - from) / 100;
  return [valueLabel(from, step), valueLabel(to, step)];
}

function drawn(series: Series, times: Extent, columns: number, lines: number): readonly string[] {
  const canvas = Array.from({ length: lines }, () => new Uint8Array(columns));
  const [across, down] = [columns * dotsAcross, lines * dotsDown];
  const values = valuesOf(series);
  const dotOf = ([timeMs, value]: Point): readonly [x: number, y: number] => {
    const height = Math.round(shareOf(values, value) * (down - 1));
    return [columnOf(times, across, timeMs), down - 1 - height];
  };
  const dot = (x: number, y: number) => {
    const line = canvas[Math.floor(y / dotsDown)];
    const at = Math.floor(x / dotsAcross);
    const bit = bits[y % dotsDown]?.[x % dotsAcross] ?? 0;
    if (line !== undefined) line[at] = (line[at] ?? 0) | bit;
  };
  for (const stretch of stretchesOf(series.points)) {
    let before: readonly [x: number, y: number] | undefined;
    for (const point of thinned(stretch, times, across)) {
      const here = dotOf(point);
      join(before ?? here, here, dot);
      before = here;
    }
  }
  return canvas.map((line) => Array.from(line, characterOf).join(""));
}

/** A blank where there is no dot: some fonts draw the Braille one as eight hollow dots. */
function characterOf(dots: number): string {
  return dots === 0 ? " " : String.fromCodePoint(brailleBase + dots);
}

type Dot = readonly [x: number, y: number];

/** A straight line of dots, both ends included (Bresenham 1965). */
function join([fromX, fromY]: Dot, [toX, toY]: Dot, dot: (x: number, y: number) => void): void {
  const steps = Math.max(Math.abs(toX - fromX), Math.abs(toY - fromY), 1);
  for (let step = 0; step <= steps; step++) {
    const share = step / steps;
    dot(Math.round(fromX + share * (toX - fromX)), Math.round(fromY + share * (toY - fromY)));
  }
}

/** Nothing that a terminal takes for control. */
function shown(text: string, charactersMax = labelMax): string {
  const clean = text.toWellFormed().replace(/\p{Cc}/gu, "\uFFFD");
  return clean.length > charactersMax ? `${clean.slice(0, charactersMax - 1)}…` : clean;
}
