/** What a gateway may send and has sent, as the API shows it. */
import type { Mark } from "@causeway/shared/mark.ts";
import type { Quota } from "./gateway-use.ts";

export interface QuotaShown {
  /** Null where there is no such bound. */
  readonly eventsPerSecond: number | null;
  readonly bytesPerDay: number | null;
  /** In force, for whatever reason; null is none. */
  readonly capBytesPerSecond: number | null;
  /** Slowed down for the sake of the quota. */
  readonly isOver: boolean;
  /** Since midnight, and in one second of late; null where no quota has it counted. */
  readonly used: {
    readonly bytes: number;
    readonly events: number;
    readonly perSecond: number;
  } | null;
  readonly zone: string;
}

/** By the gateway's committed mark; null where nothing bounds it. */
export function quotaShown(
  mark: Mark | undefined,
  quota: Quota | undefined,
  zone: string,
): QuotaShown | null {
  if (quota === undefined && mark?.cap === undefined) return null;
  const { use } = mark ?? {};
  return {
    eventsPerSecond: quota?.eventsPerSecond ?? null,
    bytesPerDay: quota?.bytesPerDay ?? null,
    capBytesPerSecond: mark?.cap ?? null,
    isOver: use?.quotaCap !== undefined,
    used: use === undefined ? null : usedOf(use),
    zone,
  };
}

function usedOf({ bytes, events, perSecond }: NonNullable<Mark["use"]>) {
  return { bytes, events, perSecond: Math.round(perSecond * 10) / 10 };
}
