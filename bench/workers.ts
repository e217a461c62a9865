/** What a bench of workers tells: events per second, and what CPU and memory they take. */

export interface WorkersFigures {
  readonly series: number;
  readonly workers: number;
  readonly events: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly serverCpuSeconds: number;
  /** All workers, before there was any series, and at the end. */
  readonly residentBefore: number;
  readonly residentAfter: number;
}

/** Events that all workers have taken, by the text of their metrics. */
export function takenBy(metrics: readonly string[]): number {
  return sumOf(metrics, "causeway_engine_events_total");
}

/** Partitions that are held, one number a worker. */
export function heldBy(metrics: readonly string[]): readonly number[] {
  return metrics.map((text) => figureIn(text, "causeway_engine_partitions"));
}

function sumOf(metrics: readonly string[], name: string): number {
  return metrics.reduce((sum, text) => sum + figureIn(text, name), 0);
}

function figureIn(text: string, name: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

export function workersTable(results: readonly WorkersFigures[]): string {
  const head = [
    ...["series", "workers", "events/s", "CPU s/M of workers", "events/s per core"],
    ...["CPU s/M of nats-server", "MB a worker", "bytes a series"],
  ];
  const rows = results.map((one) => {
    const { series, workers, events, seconds, cpuSeconds, serverCpuSeconds } = one;
    const million = events / 1e6;
    const { residentBefore, residentAfter } = one;
    return [
      ...[series, workers, thousands(events / seconds), (cpuSeconds / million).toFixed(2)],
      ...[thousands(events / cpuSeconds), (serverCpuSeconds / million).toFixed(2)],
      ...[Math.round(residentAfter / workers / 1e6)],
      ...[Math.round((residentAfter - residentBefore) / series)],
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function thousands(number: number): string {
  return `${Math.round(number / 1_000)}k`;
}
