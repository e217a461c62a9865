/** What a load found, for people and for programs. */

export interface LoadReport {
  readonly qos: 0 | 1;
  readonly connections: number;
  readonly window: number;
  /** Wanted messages a second in an open loop; undefined in a closed one. */
  readonly rate: number | undefined;
  /** Acknowledged, or sent at QoS 0, within the measured time. */
  readonly messages: number;
  readonly again: number;
  readonly unacknowledged: number;
  readonly elapsedMs: number;
  readonly latencyMs: Latency | undefined;
  readonly process: ProcessUse | undefined;
  readonly failures: readonly string[];
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Of the program under load, while it was measured. */
export interface ProcessUse {
  readonly cpuSeconds: number;
  readonly residentBytesMax: number;
}

export function isGoodLoad({ failures, messages, unacknowledged }: LoadReport): boolean {
  return failures.length === 0 && messages > 0 && unacknowledged === 0;
}

export function messagesPerSecond({ messages, elapsedMs }: LoadReport): number {
  return elapsedMs <= 0 ? 0 : Math.round((messages * 1_000) / elapsedMs);
}

/** CPU seconds of the program under load for a million messages. */
export function cpuPerMillion({ process, messages }: LoadReport): number | undefined {
  if (process === undefined || messages === 0) return undefined;
  return rounded((process.cpuSeconds * 1_000_000) / messages);
}

export function loadJson(report: LoadReport): string {
  const { process, latencyMs, rate, ...rest } = report;
  return JSON.stringify({
    ...rest,
    rate: rate ?? null,
    perSecond: messagesPerSecond(report),
    latencyMs: latencyMs ?? null,
    cpuSecondsPerMillion: cpuPerMillion(report) ?? null,
    residentBytesMax: process?.residentBytesMax ?? null,
    good: isGoodLoad(report),
  });
}

export function loadText(report: LoadReport): string {
  const { qos, connections, window, rate, messages, elapsedMs, latencyMs, process } = report;
  const loop = rate === undefined ? `window ${window}` : `${rate} a second wanted`;
  const lines = [
    `QoS ${qos}, ${connections} connections, ${loop}: ${messages} messages in ` +
      `${(elapsedMs / 1_000).toFixed(1)} s, ${messagesPerSecond(report)} a second`,
  ];
  if (latencyMs !== undefined) {
    const { p50, p90, p99, p999, max } = latencyMs;
    lines.push(`latency ms: p50 ${p50}, p90 ${p90}, p99 ${p99}, p99.9 ${p999}, max ${max}`);
  }
  if (process !== undefined) {
    const mebibytes = Math.round(process.residentBytesMax / 1_048_576);
    lines.push(
      `broker: ${cpuPerMillion(report)} CPU seconds per million, ${mebibytes} MiB at most`,
    );
  }
  if (report.again > 0) lines.push(`${report.again} were sent again after a lost connection`);
  if (report.unacknowledged > 0) lines.push(`${report.unacknowledged} were never acknowledged`);
  return [...lines, ...report.failures].join("\n");
}

export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
