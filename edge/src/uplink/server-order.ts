/**
 * Which of several servers is dialled next.
 *
 *   S1  Each gateway has an order of its own, which is the one of the configuration or, so that a fleet
 *       spreads, a shuffle of it. The first is preferred.
 *   S2  One that failed, went away or told that it will end comes last for a while; all are tried in a
 *       round before one is tried again.
 *   S3  Who is connected to another than the first goes back, after a while that differs from gateway
 *       to gateway, so that a server that was restarted gets its share again.
 */
import type { Random } from "@causeway/shared/random.ts";

export const orders = ["shuffled", "listed"] as const;
export type Order = (typeof orders)[number];

const failedMs = 60_000;
/** As long as a server in lame duck mode takes to end, by default, and to come back. */
const leavingMs = 180_000;

export class ServerOrder {
  readonly servers: readonly string[];
  readonly #random: Random;
  readonly #avoidedUntilMs = new Map<string, number>();
  readonly #backAfterMs: number;

  constructor(servers: readonly string[], order: Order, backAfterMs: number, random: Random) {
    const distinct = [...new Set(servers)];
    this.servers = order === "listed" ? distinct : shuffled(distinct, random);
    this.#backAfterMs = backAfterMs;
    this.#random = random;
  }

  /** S2. */
  round(nowMs: number): readonly string[] {
    const avoidedMs = (server: string) => {
      const untilMs = this.#avoidedUntilMs.get(server) ?? 0;
      return untilMs > nowMs ? untilMs : 0;
    };
    return [...this.servers].sort((one, other) => avoidedMs(one) - avoidedMs(other));
  }

  /** Where it is better to be than at `server`; undefined where that is the first, or as good. */
  better(server: string, nowMs: number): string | undefined {
    const round = this.round(nowMs);
    const [first] = round;
    const isAvoided = (this.#avoidedUntilMs.get(server) ?? 0) > nowMs;
    if (first === server || first === undefined) return undefined;
    return isAvoided || this.servers.indexOf(first) < this.servers.indexOf(server)
      ? first
      : undefined;
  }

  failed(server: string, nowMs: number): void {
    this.#avoid(server, nowMs + failedMs);
  }

  leaving(server: string, nowMs: number): void {
    this.#avoid(server, nowMs + leavingMs);
  }

  connected(server: string): void {
    this.#avoidedUntilMs.delete(server);
  }

  /** S3: until it looks for a better one; undefined where it never does. */
  lookAfterMs(): number | undefined {
    if (this.servers.length < 2 || this.#backAfterMs === 0) return undefined;
    return Math.floor(this.#backAfterMs * (1 + this.#random.next()));
  }

  #avoid(server: string, untilMs: number): void {
    this.#avoidedUntilMs.set(server, Math.max(untilMs, this.#avoidedUntilMs.get(server) ?? 0));
  }
}

function shuffled<Value>(values: readonly Value[], random: Random): readonly Value[] {
  const keyed = values.map((value) => ({ value, key: random.next() }));
  return keyed.sort((one, other) => one.key - other.key).map(({ value }) => value);
}
