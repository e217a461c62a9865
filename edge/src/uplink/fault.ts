/**
 * Every way in which a request to the cloud fails, in one table: what the uplink does about it, and
 * what a person can do. What is not in the table is tried again.
 */
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { RetrySchedule } from "@causeway/shared/retry.ts";

/**
 *   retry      tried again soon
 *   no-answer  the same; often enough in a row the connection itself is in doubt
 *   wait-full  the cloud has no room: waited for, nothing is wrong here
 *   split      goes again in halves
 *   denied     no try will help until a person acts; tried again seldom
 *   version    the cloud is older than this gateway, and cannot read what it sends; the same
 */
export type PublishFault = "retry" | "no-answer" | "wait-full" | "split" | "denied" | "version";

export interface Fault {
  readonly fault: PublishFault;
  readonly reason: string;
}

export const schedules: Readonly<Record<PublishFault, RetrySchedule>> = {
  retry: { firstMs: 500, maxMs: 30_000, factor: 2 },
  "no-answer": { firstMs: 500, maxMs: 30_000, factor: 2 },
  "wait-full": { firstMs: 1_000, maxMs: 30_000, factor: 2 },
  split: { firstMs: 500, maxMs: 30_000, factor: 2 },
  denied: { firstMs: 30_000, maxMs: 600_000, factor: 2 },
  version: { firstMs: 30_000, maxMs: 120_000, factor: 2 },
};

interface Row {
  readonly fault: PublishFault;
  readonly cure?: string;
}

const noCas: Row = { fault: "retry" };
const noRoom: Row = {
  fault: "wait-full",
  cure: "the engine is behind, or give the stream more room",
};
const away: Row = { fault: "retry", cure: "JetStream is starting, electing a leader, or off" };
const headers: Row = {
  fault: "denied",
  cure: "NATS_HEADERS_REFUSED: something between gateway and server adds headers",
};
const notAllowed: Row = {
  fault: "denied",
  cure: "NATS_DENIED: give this gateway's user its lanes and its mark, see deploy/nats",
};

/** JetStream's `err_code`. */
const byErrorCode: Readonly<Record<number, Row>> = {
  10008: away,
  10009: away,
  10014: { fault: "retry", cure: "the consumer is not there: start the cloud" },
  10023: noRoom,
  10028: noRoom,
  10039: { fault: "retry", cure: "enable JetStream for the account" },
  10047: noRoom,
  10054: { fault: "split" },
  10059: { fault: "retry", cure: "the stream is not there: start the cloud" },
  10071: noCas,
  10076: { fault: "retry", cure: "start nats-server with JetStream" },
  10077: noRoom,
  10111: headers,
  10118: away,
  10164: noCas,
  10166: headers,
  10174: headers,
  10188: headers,
};

/** The `name` or `code` of what a client, a socket or our own code throws. */
const byName: Readonly<Record<string, Row>> = {
  TimeoutError: { fault: "no-answer" },
  NoResponders: { fault: "retry", cure: "the stream is not there or JetStream is off" },
  ClosedConnectionError: { fault: "retry" },
  DrainingConnectionError: { fault: "retry" },
  ConnectionError: { fault: "retry" },
  PermissionViolationError: notAllowed,
  AuthorizationError: { fault: "denied", cure: "NATS_AUTH_FAILED: correct uplink.auth" },
  UserAuthenticationExpiredError: { fault: "denied", cure: "NATS_AUTH_FAILED: renew uplink.auth" },
  NATS_AUTH_FAILED: { fault: "denied" },
  CLOCK_BEHIND: { fault: "retry" },
  NATS_NAME_UNKNOWN: { fault: "retry" },
  NATS_TLS_FAILED: { fault: "denied" },
  NATS_UNREACHABLE: { fault: "retry" },
  NATS_WEBSOCKET_REFUSED: { fault: "denied" },
  PROXY_AUTH_FAILED: { fault: "denied" },
  PROXY_REFUSED: { fault: "denied" },
  PROXY_UNREACHABLE: { fault: "retry" },
};

/** An answer that is an error, by JetStream's code, else by its HTTP-like status. */
export function faultOfAnswer(
  errorCode: number | undefined,
  status: number | undefined,
  description: string,
): Fault {
  const row = errorCode === undefined ? undefined : byErrorCode[errorCode];
  const what = `${errorCode ?? status ?? "no sequence"} ${description}`.trim();
  return faultBy(row ?? (status === 503 ? away : { fault: "retry" }), what);
}

/** Whatever was thrown, by the first of its causes that the table knows. */
export function faultOf(thrown: unknown): Fault {
  const reason = reasonOf(thrown);
  for (let each = thrown, depth = 0; each !== undefined && depth < 4; depth++) {
    const row = rowOf(each);
    if (row !== undefined) return faultBy(row, reason);
    each = each instanceof Error ? each.cause : undefined;
  }
  return { fault: "retry", reason };
}

function rowOf(thrown: unknown): Row | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { message, name } = thrown;
  // Told only by their words.
  if (/permissions violation/i.test(message)) return notAllowed;
  if (/max_payload|maximum payload/i.test(message)) return { fault: "split" };
  if (message === "timeout") return { fault: "no-answer" };
  const key = thrown instanceof CodedError ? thrown.code : name;
  return byName[key] ?? byName[codeOf(thrown) ?? ""];
}

function faultBy({ fault, cure }: Row, what: string): Fault {
  return { fault, reason: cure === undefined ? what : `${what} (${cure})` };
}

/** Holds back what was told already: a fault that lasts for weeks must not fill the log. */
export class Told {
  readonly #everyMs: number;
  readonly #told = new Map<string, { atMs: number; more: number }>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** How often it happened since it was last told; undefined where it is not yet to be told again. */
  tell(key: string, nowMs: number): number | undefined {
    const told = this.#told.get(key);
    if (told !== undefined && nowMs - told.atMs < this.#everyMs) {
      told.more++;
      return undefined;
    }
    this.#told.set(key, { atMs: nowMs, more: 0 });
    return (told?.more ?? 0) + 1;
  }
}
