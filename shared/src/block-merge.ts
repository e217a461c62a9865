/**
 * Joins small blocks that follow each other into larger ones, for the wire: where events come one by
 * one each is a block with a dictionary of its own, which says the same again and again.
 *
 * The result holds the same events at the same positions. Large blocks stay the bytes they are, and so
 * does whatever this build does not know the whole layout of.
 */
import { frameBlock, frameBytes } from "./block-codec.ts";

/** Larger blocks are worth their dictionary. */
const smallBytesMax = 2_048;
const joinedBytesMax = 64 * 1_024;

/** A block whose dictionary is text still: most blocks of a gateway have one of a few. */
interface Plain {
  readonly p: number;
  readonly n: number;
  readonly b: string;
  readonly t: number;
  readonly o: number;
  readonly dictionary: string;
  readonly rows: readonly (readonly unknown[])[];
}

/** As BlockBuilder writes it; a quote within a text has a backslash before it, so no text looks like a key. */
const headPattern =
  /^\{"p":([0-9]+),"n":([0-9]+),"b":("[^"\\]*"),"t":(-?[0-9]+),"o":(-?[0-9]+),"r":\[/;
const [seriesKey, eventsKey, end] = ['],"m":[', '],"e":[', "]}"];

/** Framed blocks of one log, each behind the one before. */
export function mergeBlocks(blocks: readonly Uint8Array[]): readonly Uint8Array[] {
  const merged: Uint8Array[] = [];
  let run: { bytes: Uint8Array; plain: Plain }[] = [];
  let runBytes = 0;
  const close = () => {
    const whole = run.length > 1 ? joined(run.map(({ plain }) => plain)) : undefined;
    merged.push(...(whole === undefined ? run.map(({ bytes }) => bytes) : [whole]));
    [run, runBytes] = [[], 0];
  };
  for (const bytes of blocks) {
    const plain = bytes.length <= smallBytesMax ? plainOf(bytes) : undefined;
    const last = run.at(-1)?.plain;
    const isNext = plain !== undefined && last?.n === plain.p - 1 && last.b === plain.b;
    if (!isNext || runBytes + bytes.length > joinedBytesMax) close();
    if (plain === undefined) merged.push(bytes);
    else {
      run.push({ bytes, plain });
      runBytes += bytes.length;
    }
  }
  close();
  return merged;
}

/** Undefined where anything is there that would get lost. */
function plainOf(bytes: Uint8Array): Plain | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    "utf8",
    frameBytes,
  );
  const head = headPattern.exec(text);
  const from = head?.[0].length ?? 0;
  const until = text.indexOf(eventsKey, from);
  if (head === null || until < 0 || !text.endsWith(end)) return undefined;
  const rows = listIn(text.slice(until + eventsKey.length, -end.length));
  if (rows === undefined || !rows.every(isKnownRow)) return undefined;
  const [p, n, t, o] = [head[1], head[2], head[4], head[5]].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { p, n, b: head[3] ?? "", t, o, dictionary: text.slice(from, until), rows };
}

/** Undefined where it is none: whoever reads the block says so. */
function listIn(text: string): readonly unknown[][] | undefined {
  try {
    return JSON.parse(`[${text}]`) as unknown[][];
  } catch {
    return undefined;
  }
}

function isKnownRow([, , , content, extra, ...more]: readonly unknown[]): boolean {
  if (more.length > 0) return false;
  if (!Array.isArray(content)) return true;
  const keys = extra === undefined ? [] : Object.keys(extra as object);
  return keys.every((key) => key === "q" || key === "a");
}

/** Undefined where times lie so far apart that their differences would not be exact. */
function joined(run: readonly Plain[]): Buffer | undefined {
  const [first, last] = [run[0] as Plain, run.at(-1) as Plain];
  const base = { t: first.t, o: run.find(({ o }) => o !== 0)?.o ?? 0 };
  const dictionary = new Dictionary();
  const events: string[] = [];
  for (const { t, o, dictionary: text, rows } of run) {
    const places = dictionary.placesOf(text);
    if (places === undefined) return undefined;
    for (const each of rows) {
      const row = moved(each, places, { t: t - base.t, o: o - base.o });
      if (!isExact(row)) return undefined;
      events.push(JSON.stringify(row));
    }
  }
  return frameBlock(
    `{"p":${first.p},"n":${last.n},"b":${first.b},"t":${base.t},"o":${base.o},` +
      `"r":[${dictionary.routes.join(",")}],"m":[${dictionary.series.join(",")}],` +
      `"e":[${events.join(",")}]}`,
  );
}

/** A row of a block in terms of another one. */
function moved(
  [route, bootMs, observedMs, content, ...more]: readonly unknown[],
  { routes, series }: Places,
  since: { readonly t: number; readonly o: number },
): readonly unknown[] {
  const at = [
    routes[route as number],
    (bootMs as number) + since.t,
    observedMs === null ? null : (observedMs as number) + since.o,
  ];
  if (!Array.isArray(content)) return [...at, content, ...more];
  const values = content.map((each, index) => (index % 2 === 0 ? series[each] : each));
  const [extra] = more;
  if (extra === undefined) return [...at, values];
  const { q, a } = extra as { q?: unknown; a?: readonly (readonly [number, number])[] };
  const times = a?.map(([index, ms]) => [index, ms + since.o]);
  return [...at, values, { q, a: times }];
}

function isExact([, bootMs, observedMs, , extra]: readonly unknown[]): boolean {
  const { a = [] } = (extra ?? {}) as { a?: unknown };
  const times = Array.isArray(a) ? a.map(([, ms]: readonly unknown[]) => ms) : [];
  return [bootMs, observedMs ?? 0, ...times].every(Number.isSafeInteger);
}

/** Where the routes and series of a block stand in the dictionary of all. */
interface Places {
  readonly routes: readonly number[];
  readonly series: readonly number[];
}

class Dictionary {
  readonly routes: string[] = [];
  readonly series: string[] = [];
  readonly #byText = new Map<string, number>();
  readonly #places = new Map<string, Places>();

  placesOf(text: string): Places | undefined {
    const known = this.#places.get(text);
    if (known !== undefined) return known;
    const cut = text.indexOf(seriesKey);
    const routes = listIn(text.slice(0, cut));
    const series = listIn(text.slice(cut + seriesKey.length));
    if (cut < 0 || routes === undefined || series === undefined) return undefined;
    const places = {
      routes: routes.map((entry) => this.#put(this.routes, "r", entry)),
      series: series.map((entry) => this.#put(this.series, "m", entry)),
    };
    this.#places.set(text, places);
    return places;
  }

  #put(list: string[], kind: string, entry: unknown): number {
    const text = JSON.stringify(entry);
    const known = this.#byText.get(kind + text);
    if (known !== undefined) return known;
    this.#byText.set(kind + text, list.length);
    return list.push(text) - 1;
  }
}
