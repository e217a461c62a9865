/**
 * A chart as one SVG file that needs nothing else: panels one below the other over one axis of time,
 * rows of alerts beneath, light or dark as the reader has it.
 *
 *   V1  At most `bytesMax`: where it would be more, points are thinned further, extremes stay.
 *   V2  No text of the data becomes markup.
 */
import type { Band, Chart, Extent, Series } from "./chart.ts";
import { columnsOf, shareOf, timesOf, valuesOf } from "./chart.ts";
import { stretchesOf, thinned } from "./thin.ts";
import type { Tick } from "./ticks.ts";
import { dateLabel, timeTicks, valueTicks } from "./ticks.ts";

export interface SvgOptions {
  readonly width: number;
  readonly bytesMax: number;
  /** At most so many columns of a panel are told apart. */
  readonly columnsMax: number;
}

const usual: SvgOptions = { width: 960, bytesMax: 60_000, columnsMax: 1_920 };

/** In pixels. */
const left = 64;
const right = 16;
const titleHeight = 36;
const markHeight = 10;
const labelHeight = 18;
const panelGap = 14;
const rowHeight = 20;
const axisHeight = 40;
const letterWidth = 7;
const columnsMin = 32;
/** Less would not be seen. */
const spanWidthMin = 2;
const textMax = 120;

const style = `svg{--paper:#fff;--ink:#1f2328;--pale:#59636e;--grid:#d8dee4;--line:#0b62c4;\
--band:#f5c34a;--alert:#c92a2a;--rest:#eaeef2;background:var(--paper)}
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--pale:#9198a1;--grid:#2d333b;\
--line:#58a6ff;--band:#7a5c00;--alert:#ff7b72;--rest:#1c2128}}
text{font:12px system-ui,sans-serif;fill:var(--pale)}
.title{font-size:15px;font-weight:600;fill:var(--ink)}.name{fill:var(--ink)}
.paper{fill:var(--paper)}.grid{stroke:var(--grid);fill:none}.rest{fill:var(--rest)}
.line{stroke:var(--line);fill:none;stroke-width:1.3;stroke-linejoin:round}.dot{fill:var(--line)}
.band{fill:var(--band);fill-opacity:.35}.mark{stroke:var(--alert);stroke-dasharray:4 3}
.alert{fill:var(--alert)}.earlier{fill:var(--pale)}.end{text-anchor:end}.mid{text-anchor:middle}
.over{paint-order:stroke;stroke:var(--paper);stroke-width:3px}`;

export function svgOf(chart: Chart, options: Partial<SvgOptions> = {}): string {
  const { width, bytesMax, columnsMax } = { ...usual, ...options };
  for (let columns = Math.min(width, columnsMax); ; columns = Math.floor(columns / 1.5)) {
    const svg = drawn(chart, width, Math.max(columnsMin, columns));
    if (Buffer.byteLength(svg) <= bytesMax || columns <= columnsMin) return svg;
  }
}

function drawn(chart: Chart, width: number, columns: number): string {
  const { series, rows, marks, title } = chart;
  const times = timesOf(chart);
  const panelHeight = series.length > 2 ? 96 : 190;
  const inner = width - left - right;
  const x = (timeMs: number) => left + shareOf(times, timeMs) * inner;
  const parts: string[] = [];
  const ticks = timeTicks(times, Math.floor(inner / 90));
  const begin = titleHeight + (marks.length > 0 ? markHeight : 0);
  let top = begin;
  for (const one of series) {
    parts.push(panel(one, { times, x, top, height: panelHeight, columns, width, ticks }));
    top += labelHeight + panelHeight + panelGap;
  }
  const bottom = top - panelGap;
  let labelledTo = left;
  for (const { at, label } of marks) {
    const place = place1(x(at));
    parts.push(`<path class="mark" d="M${place} ${begin}V${bottom}"/>`);
    const half = (Math.min(label.length, textMax) * letterWidth) / 2;
    // A label that would lie on the one before is left out; the line stays.
    if (x(at) - half < labelledTo) continue;
    parts.push(`<text class="mid" x="${place}" y="${begin - 3}">${shown(label)}</text>`);
    labelledTo = x(at) + half;
  }
  top += 4;
  for (const { label, spans, isPale = false } of rows) {
    const bars = columnsOf(times, inner, spans).map(([first, last]) => {
      const barWidth = Math.max(spanWidthMin, last - first + 1);
      const from = Math.min(left + first, left + inner - barWidth);
      return `<rect x="${from}" y="${top + 17}" width="${barWidth}" height="12"/>`;
    });
    parts.push(
      `<text class="name" x="${left}" y="${top + 12}">${shown(label)}</text>`,
      `<rect class="rest" x="${left}" y="${top + 17}" width="${inner}" height="12"/>`,
      `<g class="${isPale ? "earlier" : "alert"}">${bars.join("")}</g>`,
    );
    top += rowHeight + 16;
  }
  parts.push(timeAxis(ticks, x, top, times, width));
  const height = top + axisHeight;
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img" aria-label="${shown(title)}">`;
  const paper = `<rect class="paper" width="${width}" height="${height}"/>`;
  const titleText = `<text class="title" x="${left}" y="23">${shown(title)}</text>`;
  return [head, `<style>${style}</style>`, paper, titleText, ...parts, "</svg>\n"].join("\n");
}

interface Place {
  readonly times: Extent;
  readonly x: (timeMs: number) => number;
  readonly top: number;
  readonly height: number;
  readonly columns: number;
  readonly width: number;
  readonly ticks: readonly Tick[];
}

function panel(series: Series, place: Place): string {
  const { times, x, height, columns, width, ticks } = place;
  const top = place.top + labelHeight;
  const values = padded(valuesOf(series));
  const y = (value: number) => top + height - shareOf(values, value) * height;
  const frame = `x="${left}" y="${top}" width="${width - left - right}" height="${height}"`;
  const grid = valueTicks(values, height / 40).map(({ at, label }) => {
    const line = `M${left} ${place1(y(at))}H${width - right}`;
    const text = `<text class="end" x="${left - 8}" y="${place1(y(at) + 4)}">${label}</text>`;
    return `<path class="grid" d="${line}"/>${text}`;
  });
  const upright = ticks.map(({ at }) => `M${place1(x(at))} ${top}v${height}`).join("");
  const bands = (series.bands ?? []).map((band) => bandOf(band, { times, x, values, y }));
  const bandNames = bands.map(({ name }) => name);
  const lines = stretchesOf(series.points).map((stretch) => {
    const points = thinned(stretch, times, columns);
    const path = points.map(([timeMs, value]) => `${place1(x(timeMs))} ${place1(y(value))}`);
    const [only] = path;
    if (path.length > 1) return `M${path.join("L")}`;
    return only === undefined ? "" : `M${only}h1`;
  });
  return [
    `<text class="name" x="${left}" y="${place.top + 12}">${shown(series.label)}</text>`,
    ...bands.map(({ rectangle }) => rectangle),
    ...grid,
    `<path class="grid" d="${upright}"/>`,
    `<path class="line" d="${lines.join("")}"/>`,
    `<rect class="grid" ${frame}/>`,
    ...bandNames,
  ].join("\n");
}

function bandOf(
  { label, from, to, low, high }: Band,
  at: { times: Extent; values: Extent; x(timeMs: number): number; y(value: number): number },
): { readonly rectangle: string; readonly name: string } {
  const [begin, end] = [at.x(from ?? at.times.from), at.x(to ?? at.times.to)];
  const [above, below] = [at.y(high ?? at.values.to), at.y(low ?? at.values.from)];
  const rectangle =
    `<rect class="band" x="${place1(begin)}" y="${place1(above)}" ` +
    `width="${place1(Math.max(spanWidthMin, end - begin))}" height="${place1(below - above)}"/>`;
  const isWide = end - begin > label.length * letterWidth;
  const place = `x="${place1(begin + 4)}" y="${place1(above + 14)}"`;
  return { rectangle, name: isWide ? `<text class="over" ${place}>${shown(label)}</text>` : "" };
}

function timeAxis(
  ticks: readonly Tick[],
  x: (timeMs: number) => number,
  top: number,
  times: Extent,
  width: number,
): string {
  const labels = ticks.map(({ at, label }) => {
    // In the middle it would leave the picture.
    const isAtEdge = x(at) + (label.length * letterWidth) / 2 > width;
    const anchor = isAtEdge ? "end" : "mid";
    return `<text class="${anchor}" x="${place1(x(at))}" y="${top + 12}">${label}</text>`;
  });
  const ends = `${dateLabel(times.from)} to ${dateLabel(times.to)} UTC`;
  return `${labels.join("")}\n<text class="end" x="${width - right}" y="${top + 30}">${ends}</text>`;
}

/** So that a line never lies on the frame. */
function padded({ from, to }: Extent): Extent {
  const pad = (to - from) * 0.06;
  return { from: from - pad, to: to + pad };
}

/** A tenth of a pixel is enough. */
function place1(number: number): string {
  return String(Math.round(number * 10) / 10);
}

/** V2; and nothing that XML does not allow. */
function shown(text: string): string {
  return text
    .slice(0, textMax)
    .toWellFormed()
    .replace(/[\p{Cc}\uFFFE\uFFFF]/gu, "\uFFFD")
    .replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);
}
