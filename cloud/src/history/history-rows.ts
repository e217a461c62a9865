/** What the historian keeps of taken events: a row for each reading, and for each thinned window. */
import type { RollupEvent } from "@causeway/shared/event.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { lossReason } from "../ingest/fold.ts";
import type { Gap } from "../ingest/journal-reader.ts";
import { gapReason } from "../ingest/journal-reader.ts";
import type { HistoryRow, LostStretch } from "./historian.ts";

/** A device whose clock is worse than this is not believed; recordings of former years are. */
const observedMin = Date.UTC(2000, 0, 1);
const aheadMsMax = 86_400_000;

export function rowsOf(taken: TakenEvent): readonly HistoryRow[] {
  if (taken.event.kind === "reading") return readingRows(taken);
  return taken.event.kind === "rollup" ? windowRows(taken, taken.event) : [];
}

function readingRows(taken: TakenEvent): readonly HistoryRow[] {
  const { event, gateway, receivedAt, timeQuality, lane, late } = taken;
  if (event.kind !== "reading") return [];
  return event.readings.map((reading): HistoryRow => {
    const { metric, value, quality, unit = "", reason } = reading;
    const observedAt = reading.observedAt ?? event.observedAt;
    return {
      gateway,
      device: event.device ?? "",
      metric,
      unit,
      time: placedAt(observedAt, receivedAt, timeQuality),
      receivedAt,
      observedAt,
      value,
      quality,
      reason,
      timeQuality,
      lane,
      late,
    };
  });
}

/** H3. */
function placedAt(
  observedAt: number | null,
  receivedAt: number,
  timeQuality: TakenEvent["timeQuality"],
): number {
  if (observedAt === null || timeQuality !== "synchronised") return receivedAt;
  const isBelieved = observedAt >= observedMin && observedAt <= receivedAt + aheadMsMax;
  return isBelieved ? observedAt : receivedAt;
}

function windowRows(taken: TakenEvent, { series, windowMs, bootMs }: RollupEvent): HistoryRow[] {
  const { gateway, receivedAt, timeQuality, lane, late } = taken;
  const bootAt = receivedAt - bootMs;
  const circumstances = { receivedAt, timeQuality, lane, late };
  return series.flatMap(({ device, metric, unit = "", time, windows }) =>
    windows.map(([number, count, bad, last, min, max, mean]): HistoryRow => {
      const begunAt = number * windowMs;
      const observedAt = time === "observed" ? begunAt : null;
      return {
        ...{ gateway, device: device ?? "", metric, unit, ...circumstances },
        time: time === "boot" ? begunAt + bootAt : placedAt(begunAt, receivedAt, timeQuality),
        observedAt,
        value: mean ?? last,
        quality: bad === count ? "bad" : "good",
        window: { ms: windowMs, count, bad, min, max, last },
      };
    }),
  );
}

/** Positions that a gateway gave up, or no longer has. */
export function lossOf(taken: TakenEvent): LostStretch | undefined {
  const { event, gateway, epoch, log, position: from, receivedAt: at } = taken;
  if (event.kind !== "loss") return undefined;
  return { gateway, epoch, log, from, to: event.to, reason: lossReason(event.reason), at };
}

/** Positions that the journal no longer has, though the engine took them. */
export function gapLoss({ gateway, epoch, log, from, to }: Gap, at: number): LostStretch {
  return { gateway, epoch, log, from, to, reason: gapReason, at };
}
