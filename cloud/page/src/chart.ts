/** Draws columns with uPlot in the page's colours, which it reads anew at every drawing. */
import UPlot from "uplot";
import type { ChartColumns, Limit, Span } from "./chart-data.ts";
import { onTheme } from "./theme.tsx";

export interface Drawn {
  readonly columns: ChartColumns;
  readonly spans: readonly Span[];
  readonly limits: readonly Limit[];
  readonly isStepped: boolean;
  /** Ms; undefined: what the columns hold. */
  readonly range: readonly [from: number, to: number] | undefined;
}

export interface Chart {
  update(drawn: Drawn): void;
  destroy(): void;
}

export interface ChartParts {
  readonly height: number;
  readonly unit: string;
  /** Of the column that is pointed at; undefined: of none. */
  readonly onPoint: (index: number | undefined) => void;
  /** A range was drawn out with the mouse. */
  readonly onSelect: ((from: number, to: number) => void) | undefined;
}

/** A custom property keeps `light-dark()` as it is written; a colour that is in use does not. */
class Palette {
  readonly #probe: HTMLElement;
  readonly #known = new Map<string, string>();

  constructor(place: HTMLElement) {
    this.#probe = document.createElement("i");
    this.#probe.hidden = true;
    place.append(this.#probe);
  }

  get(name: string): string {
    let known = this.#known.get(name);
    if (known === undefined) {
      this.#probe.style.color = `var(--${name})`;
      known = getComputedStyle(this.#probe).color;
      this.#known.set(name, known);
    }
    return known;
  }

  /** With some of it see-through. */
  pale(name: string, share: number): string {
    return `color-mix(in srgb, ${this.get(name)} ${share * 100}%, transparent)`;
  }

  forget(): void {
    this.#known.clear();
  }
}

export function openChart(place: HTMLElement, first: Drawn, parts: ChartParts): Chart {
  let drawn = first;
  const palette = new Palette(place);
  const plot = new UPlot(
    optionsOf(place, palette, parts, () => drawn),
    dataOf(drawn),
    place,
  );
  const resize = new ResizeObserver(() => {
    const { clientWidth: width } = place;
    if (width > 0 && width !== plot.width) plot.setSize({ width, height: parts.height });
  });
  resize.observe(place);
  const endTheme = onTheme(() => {
    palette.forget();
    plot.redraw(false, true);
  });
  return {
    update(next) {
      drawn = next;
      plot.setData(dataOf(next));
    },
    destroy() {
      endTheme();
      resize.disconnect();
      plot.destroy();
    },
  };
}

function dataOf({ columns }: Drawn): UPlot.AlignedData {
  const { times, low, high, last, late } = columns;
  return [times, low, high, last, late];
}

function optionsOf(
  place: HTMLElement,
  palette: Palette,
  parts: ChartParts,
  drawn: () => Drawn,
): UPlot.Options {
  const { height, unit, onPoint, onSelect } = parts;
  const stepped = UPlot.paths.stepped?.({ align: 1 });
  const path = drawn().isStepped && stepped !== undefined ? { paths: stepped } : {};
  const axis = {
    stroke: () => palette.get("soft"),
    grid: { stroke: () => palette.get("line"), width: 1 },
    ticks: { stroke: () => palette.get("line"), width: 1, size: 4 },
    font: "12px system-ui, sans-serif",
  };
  const few = (plot: UPlot) => plot.data[0].length < plot.bbox.width / 12 / devicePixelRatio;
  return {
    width: place.clientWidth || 600,
    height,
    ms: 1,
    legend: { show: false },
    cursor: {
      drag: { x: onSelect !== undefined, y: false, setScale: false },
      points: { size: 7 },
    },
    scales: {
      x: {
        time: true,
        range: (_plot, least, most) => rangeOf(drawn().range, least, most),
      },
      y: { range: (_plot, least, most) => valueRange(least, most, drawn()) },
    },
    axes: [
      {
        ...axis,
        space: 70,
        size: 34,
        values: (_plot, ticks, _axis, _space, step) => timeTicks(ticks, step),
      },
      {
        ...axis,
        size: 58,
        values: (_plot, ticks) => ticks.map((tick) => `${tick}`),
        ...(unit === "" ? {} : { label: unit, labelSize: 18, labelFont: axis.font, labelGap: 0 }),
      },
    ],
    series: [
      {},
      { stroke: () => palette.pale("info", 0.4), width: 1, points: { show: false } },
      { stroke: () => palette.pale("info", 0.4), width: 1, points: { show: false } },
      { stroke: () => palette.get("accent"), width: 1.5, points: { show: few, size: 4 }, ...path },
      {
        stroke: () => palette.get("late"),
        width: 1.5,
        dash: [4, 3],
        points: { show: few, size: 4 },
        ...path,
      },
    ],
    bands: [{ series: [2, 1], fill: () => palette.pale("info", 0.1) }],
    hooks: {
      drawClear: [(plot) => drawSpans(plot, palette, drawn().spans)],
      draw: [
        (plot) => drawLimits(plot, palette, drawn().limits),
        (plot) => drawDoubtful(plot, palette, drawn().columns),
        (plot) => drawStarts(plot, palette, drawn()),
      ],
      setCursor: [(plot) => onPoint(plot.cursor.idx ?? undefined)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 8 || onSelect === undefined) return;
          onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

const ofSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const ofMinutes = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const ofDays = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The first tick of a day says which it is. */
function timeTicks(ticks: readonly number[], stepMs: number): string[] {
  const days = ticks.map((tick) => new Date(tick).toDateString());
  return ticks.map((tick, index) => {
    if (stepMs >= 86_400_000) return ofDays.format(tick);
    const time = (stepMs < 60_000 ? ofSeconds : ofMinutes).format(tick);
    const isOther = index > 0 && days[index] !== days[index - 1];
    return isOther ? `${time}\n${ofDays.format(tick)}` : time;
  });
}

function rangeOf(range: Drawn["range"], least: number, most: number): [number, number] {
  if (range !== undefined) return [...range];
  return least < most ? [least, most] : [least - 30_000, most + 30_000];
}

/** Limits are in sight where they are not so far that the curve would be flat. */
function valueRange(least: number | null, most: number | null, drawn: Drawn): [number, number] {
  if (least === null || most === null) return [0, 1];
  const span = most - least;
  const near = drawn.limits
    .map(({ value }) => value)
    .filter((value) => value > least - 3 * span && value < most + 3 * span);
  const [low, high] = [Math.min(least, ...near), Math.max(most, ...near)];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

/** A pale ground where anything fired; each alert has its strip above, and a mark where it began. */
function drawSpans(plot: UPlot, palette: Palette, spans: readonly Span[]): void {
  const { ctx, bbox } = plot;
  const { left, top, width, height } = bbox;
  const strip = 3 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  const ground = new Path2D();
  for (const [index, { from, to, severity }] of spans.entries()) {
    const start = plot.valToPos(from, "x", true);
    const end = to === undefined ? left + width : plot.valToPos(to, "x", true);
    const size = Math.max(strip, end - start);
    ground.rect(start, top, size, height);
    ctx.fillStyle = palette.get(severity);
    ctx.fillRect(start, top + (index % 4) * (strip + 1), size, strip);
  }
  ctx.fillStyle = palette.pale("critical", 0.07);
  ctx.fill(ground);
  ctx.restore();
}

function drawStarts(plot: UPlot, palette: Palette, { spans, columns }: Drawn): void {
  const { ctx } = plot;
  const size = 5 * devicePixelRatio;
  for (const { from, severity } of spans) {
    const index = columns.times.findIndex((at) => at >= from);
    const value = columns.last[index] ?? columns.late[index];
    if (typeof value !== "number") continue;
    const [x, y] = [plot.valToPos(from, "x", true), plot.valToPos(value, "y", true)];
    if (x < plot.bbox.left) continue;
    ctx.fillStyle = palette.get(severity);
    ctx.beginPath();
    ctx.moveTo(x, y - size);
    ctx.lineTo(x + size, y);
    ctx.lineTo(x, y + size);
    ctx.lineTo(x - size, y);
    ctx.fill();
  }
}

function drawLimits(plot: UPlot, palette: Palette, limits: readonly Limit[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  for (const { value, text } of limits) {
    const y = plot.valToPos(value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = palette.get("critical");
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(text, bbox.left + 6 * devicePixelRatio, y - 2 * devicePixelRatio);
  }
  ctx.restore();
}

/** Hollow squares, which nothing else is. */
function drawDoubtful(plot: UPlot, palette: Palette, { times, doubtful }: ChartColumns): void {
  const { ctx } = plot;
  const size = 7 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = palette.get("warning");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([]);
  for (const [index, value] of doubtful.entries()) {
    if (value === null) continue;
    const x = plot.valToPos(times[index] ?? 0, "x", true);
    const y = plot.valToPos(value, "y", true);
    ctx.strokeRect(x - size / 2, y - size / 2, size, size);
  }
  ctx.restore();
}
