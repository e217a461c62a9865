/** The two inputs of a verdict, a line at a time: what was acknowledged, and what came out. */
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";

export interface Acked {
  readonly device: string;
  readonly seq: number;
  readonly ackedAt: number | undefined;
  readonly resends: number;
}

/** One reading of `causeway-cloud tail --json`. */
export interface TailReading {
  readonly gateway: string;
  readonly epoch: string;
  /** Epochs of a gateway in their order. */
  readonly ordinal: number;
  readonly log: string;
  readonly position: number;
  /** Place of the reading in its event. */
  readonly place: number;
  readonly id: string;
  readonly device: string;
  /** Set where this reading is the device's own sequence number. */
  readonly seq: number | undefined;
  /** Marked as late, or caught up with by the lane `history`. */
  readonly late: boolean;
  readonly lane: string;
  /** ms since 1970; undefined where it is not known or not to be trusted. */
  readonly receivedAt: number | undefined;
}

/** Undefined where the line is no acknowledgement. */
export function ackedOf(line: string): Acked | undefined {
  const { device, seq, ackedAt, resends } = objectOf(line) ?? {};
  if (typeof device !== "string" || !isCount(seq)) return undefined;
  return { device, seq, ackedAt: timeOf(ackedAt), resends: isCount(resends) ? resends : 0 };
}

const idPattern = /^([^/]+)\/([^/]+)\/([^/]+)\/([0-9]+)(?:\/([0-9]+))?$/;

/**
 * A reading has an id `gateway/epoch/log/position/place`, an event of another kind one without a
 * place; undefined where the line is neither.
 */
export function tailReadingOf(line: string): TailReading | "other" | undefined {
  const { id, device, metric, value, lane, receivedAt, timeQuality, late } = objectOf(line) ?? {};
  if (typeof id !== "string" || typeof lane !== "string") return undefined;
  const [, gateway = "", epoch = "", log = "", position, place] = idPattern.exec(id) ?? [];
  const ordinal = epochOrdinal(epoch);
  if (ordinal === undefined) return undefined;
  if (place === undefined) return "other";
  return {
    ...{ gateway, epoch, ordinal, log, id, lane },
    late: late === true || lane === "history",
    position: Number(position),
    place: Number(place),
    device: typeof device === "string" ? device : "",
    seq: metric === "seq" && isCount(value) ? value : undefined,
    receivedAt: timeQuality === "unsynchronised" ? undefined : timeOf(receivedAt),
  };
}

function objectOf(line: string): Partial<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** ms since 1970, from such a number or from ISO 8601. */
function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : value;
  return typeof time === "number" && Number.isFinite(time) ? time : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
