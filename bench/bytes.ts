/** What a bench of the link's bytes found, and the table of it. */

export interface LinkBytes {
  readonly peer: string;
  readonly readings: number;
  /** Over the link in both ways while the fleet spoke. */
  readonly bytes: number;
  readonly spokeMs: number;
  /** The same while it was silent. */
  readonly idleBytes: number;
  readonly idleMs: number;
}

const dayMs = 86_400_000;
const mebibyte = 1_048_576;
const daysOfMonth = 30;

/** What is sent anyway is not counted as of the readings. */
export function bytesPerReading({ bytes, readings, spokeMs, idleBytes, idleMs }: LinkBytes) {
  return (bytes - (idleBytes * spokeMs) / idleMs) / readings;
}

export function bytesTable(results: readonly LinkBytes[]): string {
  const head = [
    "",
    "B/reading",
    "B/reading, all told",
    "idle B/s",
    "idle MiB/day",
    "idle MiB/month",
  ];
  const rows = results.map((result) => {
    const { peer, bytes, readings, idleBytes, idleMs } = result;
    const idlePerDay = (idleBytes * dayMs) / idleMs / mebibyte;
    return [
      peer,
      bytesPerReading(result).toFixed(1),
      (bytes / readings).toFixed(1),
      ((idleBytes * 1_000) / idleMs).toFixed(1),
      idlePerDay.toFixed(2),
      (idlePerDay * daysOfMonth).toFixed(1),
    ];
  });
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
