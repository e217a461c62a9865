/** What a gateway may still send, in words for people and in figures for Prometheus. */

import { minuteOf } from "@causeway/shared/day.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import type { BudgetStatus, Hold } from "../uplink/budget.ts";
import { spenders } from "../uplink/budget.ts";
import type { UplinkStatus } from "../uplink/uplink.ts";
import { bytesText, durationText } from "./outbox-figures.ts";

const { gauge } = metricsOf("causeway_edge_");

/** What keeps events from being sent until another day, in one sentence. */
export function budgetTroubles({ holds, zone }: BudgetStatus): readonly string[] {
  if (holds.priority !== undefined) {
    return [`the day's budget is used up, alarms' part too, ${untilText(holds.priority, zone)}`];
  }
  if (holds.live === undefined) return [];
  const until = untilText(holds.live, zone);
  return [`the day's budget is used up ${until}: live data waits, alarms go on`];
}

export function budgetRows({
  budget,
  lanes,
}: UplinkStatus): readonly (readonly [string, string])[] {
  const { capBytesPerSecond: cap, bytesPerSecond, day, holds, zone } = budget;
  const capRow = ["Cap", cap === undefined ? "none" : `${bytesText(cap)} a second`] as const;
  const parts = [
    ...(day === undefined
      ? []
      : [`${megabytes(day.usedBytes)} of ${megabytes(day.bytesMax)} MB used since midnight`]),
    ...(bytesPerSecond === undefined || bytesPerSecond === cap
      ? []
      : [`at most ${bytesText(bytesPerSecond)} a second`]),
    ...budgetTroubles(budget),
    ...(holds.history === undefined || lanes.history.untakenEvents === 0
      ? []
      : [historyText(holds.history, zone)]),
  ];
  return parts.length === 0 ? [capRow] : [capRow, ["Budget", parts.join("; ")]];
}

export function budgetMetrics({ budget }: UplinkStatus): readonly Metric[] {
  const { capBytesPerSecond, bytesPerSecond, day, holds } = budget;
  const held = (["priority", "live", "history"] as const).map((lane) =>
    gauge("budget_held", "1 while the budget keeps a lane waiting", holds[lane] ? 1 : 0, { lane }),
  );
  return [
    gauge(
      "cap_bytes_per_second",
      "What the cloud allows to send, -1 for no cap",
      capBytesPerSecond ?? -1,
    ),
    gauge(
      "budget_bytes_per_second",
      "The lower of that and of the gateway's own budget, -1 for neither",
      bytesPerSecond ?? -1,
    ),
    gauge("budget_day_bytes_max", "What a day may send, -1 for no bound", day?.bytesMax ?? -1),
    ...spenders.map((spender) =>
      gauge("budget_day_bytes", "Of that, used since midnight", day?.used[spender] ?? 0, {
        for: spender,
      }),
    ),
    ...held,
  ];
}

/** What a heartbeat tells of it, where there is one. */
export function budgetFields(
  { bytesPerSecond, day, holds }: BudgetStatus,
  drainMs: number | undefined,
): Record<string, number | null> {
  if (bytesPerSecond === undefined && day === undefined && holds.history === undefined) return {};
  const counted =
    day === undefined ? {} : { budgetBytes: day.usedBytes, budgetBytesMax: day.bytesMax };
  return { drainMs: drainMs ?? null, ...counted };
}

function historyText(hold: Hold, zone: string): string {
  if (hold.why === "hours") return `history waits for its hours, ${untilText(hold, zone)}`;
  if (hold.why === "live") return "history waits, as live data needs what is left of the day";
  return `history waits ${untilText(hold, zone)}`;
}

function untilText({ until, waitsMs }: Hold, zone: string): string {
  if (until === undefined || waitsMs === undefined) return "until the clock is set";
  const minute = minuteOf(until, zone);
  const digits = [Math.floor(minute / 60), minute % 60].map((part) => `${part}`.padStart(2, "0"));
  return `until ${digits.join(":")} ${zone}, in ${durationText(waitsMs)}`;
}

function megabytes(bytes: number): string {
  const value = bytes / 1e6;
  return value < 100 ? `${Math.round(value * 10) / 10}` : `${Math.round(value)}`;
}
