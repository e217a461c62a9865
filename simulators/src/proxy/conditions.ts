/** What a proxied link does to the bytes that pass, and how such conditions are told in JSON. */
import { CodedError } from "@causeway/shared/errors.ts";

/** `up` is from the client to the server. */
export type Direction = "up" | "down";
export const swallows = ["nothing", "up", "down", "both"] as const;
export type Swallow = (typeof swallows)[number];

export interface CutAfter {
  readonly direction: Direction;
  /** So many bytes of the burst pass; the connection is then reset. */
  readonly bytes: number;
  /** Smaller bursts, which are pings and questions, pass whole. */
  readonly burstBytesMin: number;
}

export interface Conditions {
  readonly delayMs: number;
  /** Added to the delay, up to so much; bytes never overtake each other. */
  readonly jitterMs: number;
  /** In each direction of each connection; undefined is unbounded. */
  readonly bytesPerSecond: number | undefined;
  /** Bytes and endings of this direction vanish, as on a link that is dead and says nothing. */
  readonly swallow: Swallow;
  /** New connections are reset at once. */
  readonly refuse: boolean;
  /** Happens once and is then forgotten. */
  readonly cutAfter: CutAfter | undefined;
  /** Of all bursts; each of them passes in half, and its connection is cut. */
  readonly cutShare: number;
  /** The byte at that place gets another value, once; the connection goes on. */
  readonly corruptAfter: CutAfter | undefined;
  /** Every CONNECT is answered with this HTTP status; where clients ask for a way alone. */
  readonly connectStatus: number | undefined;
  /** Told with it. */
  readonly retryAfterSeconds: number | undefined;
}

export const calm: Conditions = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: undefined,
  swallow: "nothing",
  refuse: false,
  cutAfter: undefined,
  cutShare: 0,
  corruptAfter: undefined,
  connectStatus: undefined,
  retryAfterSeconds: undefined,
};

export function isSwallowed(swallow: Swallow, direction: Direction): boolean {
  return swallow === "both" || swallow === direction;
}

const delayMsMax = 600_000;
const bytesMax = 2 ** 40;

/** Lays the keys of a JSON object over `current`; null takes a bound away. Throws CLI_USAGE. */
export function changed(current: Conditions, change: unknown): Conditions {
  if (typeof change !== "object" || change === null || Array.isArray(change))
    throw wrong("conditions", change, "write a JSON object");
  let next = current;
  for (const [key, value] of Object.entries(change)) next = { ...next, ...one(key, value) };
  return next;
}

function one(key: string, value: unknown): Partial<Conditions> {
  switch (key) {
    case "delayMs":
    case "jitterMs":
      return { [key]: whole(key, value, 0, delayMsMax) };
    case "bytesPerSecond":
      return { bytesPerSecond: value === null ? undefined : whole(key, value, 1, bytesMax) };
    case "swallow":
      return { swallow: swallowOf(value) };
    case "refuse":
      if (typeof value !== "boolean") throw wrong(key, value, "write true or false");
      return { refuse: value };
    case "cutAfter":
    case "corruptAfter":
      return { [key]: value === null ? undefined : placeOf(key, value) };
    case "cutShare":
      if (typeof value !== "number" || !(value >= 0 && value <= 1))
        throw wrong(key, value, "write a number from 0 to 1");
      return { cutShare: value };
    case "connectStatus":
      return { connectStatus: value === null ? undefined : whole(key, value, 300, 599) };
    case "retryAfterSeconds":
      return { retryAfterSeconds: value === null ? undefined : whole(key, value, 0, 86_400) };
    default:
      throw wrong(key, value, `known are ${Object.keys(calm).join(", ")}`);
  }
}

function swallowOf(value: unknown): Swallow {
  const known = swallows.find((swallow) => swallow === value);
  if (known === undefined) throw wrong("swallow", value, `write ${swallows.join(", ")}`);
  return known;
}

function placeOf(key: string, value: unknown): CutAfter {
  const given = typeof value === "object" && value !== null ? value : {};
  const { direction, bytes, burstBytesMin = 0 } = given as Record<string, unknown>;
  if (direction !== "up" && direction !== "down")
    throw wrong(`${key}.direction`, direction, "write up or down");
  return {
    direction,
    bytes: whole(`${key}.bytes`, bytes, 0, bytesMax),
    burstBytesMin: whole(`${key}.burstBytesMin`, burstBytesMin, 0, bytesMax),
  };
}

function whole(key: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  throw wrong(key, value, `write a whole number from ${least} to ${most}`);
}

function wrong(key: string, value: unknown, cure: string): CodedError {
  return new CodedError("CLI_USAGE", `${key}: ${JSON.stringify(value)}: ${cure}`);
}
