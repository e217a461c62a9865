/** What a bench of the intake found: medians over the rounds, and ratios between peers. */

export interface Cell {
  readonly connections: number;
  readonly window: number;
}

/** One peer in one round; undefined numbers were not to be had. */
export interface Measured {
  readonly perSecond: number;
  readonly cpuPerMillion: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly residentBytes: number | undefined;
}

export interface Result extends Measured {
  readonly cell: Cell;
  readonly peer: string;
  readonly rounds: number;
  /** Why rounds are missing. */
  readonly failure: string | undefined;
}

const mebibyte = 1_048_576;

export function cellOf(text: string): Cell | undefined {
  const match = /^([1-9][0-9]{0,3})x([1-9][0-9]{0,4})$/.exec(text.trim());
  return match === null ? undefined : { connections: Number(match[1]), window: Number(match[2]) };
}

export function median(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((number) => number !== undefined).toSorted((a, b) => a - b);
  const half = known.length >> 1;
  const [below, above] = [known[half - 1], known[half]];
  if (above === undefined) return undefined;
  return known.length % 2 === 1 || below === undefined ? above : (below + above) / 2;
}

export function resultOf(
  cell: Cell,
  peer: string,
  rounds: readonly Measured[],
  failure: string | undefined,
): Result {
  return {
    ...{ cell, peer, rounds: rounds.length, failure },
    perSecond: median(rounds.map((round) => round.perSecond)) ?? 0,
    cpuPerMillion: median(rounds.map((round) => round.cpuPerMillion)),
    p50Ms: median(rounds.map((round) => round.p50Ms)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    residentBytes: median(rounds.map((round) => round.residentBytes)),
  };
}

/** The results of one cell, `base` against each of the others. */
export function table(results: readonly Result[], base: string): string {
  const own = results.find(({ peer }) => peer === base);
  const head = ["", "msg/s", "CPU s/M", "p50 ms", "p99 ms", "RSS MiB", `${base}: rate`, "CPU"];
  const rows = results.map((result) => {
    const { peer, perSecond, cpuPerMillion, p50Ms, p99Ms, residentBytes, failure } = result;
    const mebibytes = residentBytes === undefined ? undefined : residentBytes / mebibyte;
    const isOther = own !== undefined && peer !== base;
    return [
      failure === undefined ? peer : `${peer} (${failure})`,
      `${Math.round(perSecond)}`,
      digits(cpuPerMillion),
      digits(p50Ms),
      digits(p99Ms),
      mebibytes === undefined ? "-" : `${Math.round(mebibytes)}`,
      isOther ? ratio(own.perSecond, perSecond) : "",
      isOther ? ratio(own.cpuPerMillion, cpuPerMillion) : "",
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function digits(number: number | undefined): string {
  return number === undefined ? "-" : `${Number(number.toPrecision(3))}`;
}

function ratio(own: number | undefined, other: number | undefined): string {
  if (own === undefined || other === undefined || other === 0) return "-";
  return `${(own / other).toFixed(2)}x`;
}
