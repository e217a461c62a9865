/** Rows for tests. */
import type { HistoryRow } from "../historian.ts";

const usualTime = Date.UTC(2026, 10, 20);

export function rowFor(over: Partial<HistoryRow>): HistoryRow {
  const time = over.time ?? usualTime;
  return {
    ...{ gateway: "g1", device: "d1", metric: "temperature", unit: "" },
    ...{ time, receivedAt: time, observedAt: null, value: 1, quality: "good" },
    ...{ timeQuality: "synchronised", lane: "live", late: false },
    ...over,
  };
}
