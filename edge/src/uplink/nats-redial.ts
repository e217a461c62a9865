/**
 * Keeps a connection to one of the servers, for ever.
 *
 *   R1  Every dial is a new connection, so names are looked up anew and certificates read anew.
 *   R2  Between dials there is a pause with full jitter, the first time too; it grows with each round of
 *       dials that failed, and with connections that carried nothing, up to `redialMaxMs`.
 *   R3  Who on the way asks for a later try (Retry-After) gets it. Where only a person can help, tries are
 *       seldom; while this machine itself has no network, they are frequent, for they cost nobody.
 *   R4  A better server is dialled before the connection at hand is given up.
 *   R5  Outside of `windows` there is no connection, unless an alarm waits or nobody knows the time.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { DialRefused } from "@causeway/shared/dial/dial-refused.ts";
import type { Lookup } from "@causeway/shared/dial/system-tcp-socket.ts";
import { codeOf } from "@causeway/shared/errors.ts";
import type { Hours } from "@causeway/shared/hours.ts";
import { isWithin, nextEdge } from "@causeway/shared/hours.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { localMs } from "@causeway/shared/rules/time-zone.ts";
import { inboxPrefix } from "@causeway/shared/subjects.ts";
import type { NatsConnection } from "@nats-io/nats-core";
import type { DialSettings } from "./dial-settings.ts";
import { windowsOf } from "./dial-settings.ts";
import type { Fault } from "./fault.ts";
import { faultOf, Told } from "./fault.ts";
import { ServerOrder } from "./server-order.ts";

const firstMs = 500;
const denied = { firstMs: 5_000, maxMs: 120_000, factor: 2 };
const offline = { firstMs, maxMs: 2_000, factor: 2 };
/** A connection that lasted so long was a good one. */
const provenMs = 30_000;
/** A server in lame duck mode lets its clients go over half a minute at least. */
const leaveWithinMs = 10_000;
/** After the hour that windows open at, so that not a whole fleet dials at once. */
const openWithinMs = 20_000;
/** The clock may be set meanwhile, for the first time or anew. */
const lookEveryMs = 60_000;
const lookUndatedMs = 5_000;
/** At a start the clock is looked at first. */
const firstLookMs = 1_000;
const alarmOpenMs = 300_000;
/** An absent cloud is told so often, or it would fill the log for weeks. */
const tellEveryMs = 10 * 60_000;

export interface RedialParts {
  readonly gateway: GatewayId;
  readonly settings: DialSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The least that the present can be, while the wall clock is not to be believed. */
  readonly floorOfDoubtedClock?: () => number | undefined;
  /** Real time; undefined while nobody knows it. */
  readonly presentMs?: () => number | undefined;
  readonly lookup?: Lookup;
  readonly dialTimeoutMs?: number;
}

export interface RedialListener {
  readonly up: (connection: NatsConnection) => void;
  readonly down: (reason: string) => void;
}

export interface DialStatus {
  /** That the link is on; undefined while it is down. */
  readonly server: string | undefined;
  readonly servers: number;
  readonly dials: number;
  readonly failedDials: number;
  /** Times that it went to a better server. */
  readonly moves: number;
  /** Why there is to be no link now; undefined where there is. */
  readonly shut: string | undefined;
}

interface Dialled {
  readonly server: string;
  readonly connection: NatsConnection;
}

/** Proven is a connection on which something was answered. */
type Ending =
  | { readonly kind: "closed"; readonly failure: unknown; readonly isProven: boolean }
  | { readonly kind: "shut" };

export class Redial {
  readonly #parts: RedialParts;
  readonly #listener: RedialListener;
  readonly #order: ServerOrder;
  readonly #hours: Hours | undefined;
  readonly #told = new Told(tellEveryMs);
  #alarm = new AbortController();
  #openUntilMs = Number.NEGATIVE_INFINITY;
  #server: string | undefined;
  #counted = { dials: 0, failedDials: 0, moves: 0 };

  constructor(parts: RedialParts, listener: RedialListener) {
    this.#parts = parts;
    this.#listener = listener;
    const { settings, random } = parts;
    const { servers, order = "shuffled", backAfterMs = 600_000 } = settings;
    this.#order = new ServerOrder(servers, order, backAfterMs, random);
    this.#hours = windowsOf(settings);
  }

  status(): DialStatus {
    const servers = this.#order.servers.length;
    return { server: this.#server, servers, ...this.#counted, shut: this.#shut() };
  }

  /** R5. */
  openForAlarm(): void {
    if (this.#parts.settings.windows?.openForAlarms === false) return;
    this.#openUntilMs = this.#parts.clock.bootMs() + alarmOpenMs;
    this.#alarm.abort();
  }

  /** Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    if (this.#hours !== undefined) await sleep(clock, firstLookMs, signal);
    for (let attempt = 1; !signal.aborted; attempt++) {
      await this.#untilOpen(signal);
      if (signal.aborted) return;
      const dialled = await this.#round(attempt, signal);
      let pauseMs: number;
      if (Array.isArray(dialled)) pauseMs = this.#pauseMs(dialled, attempt);
      else {
        const sinceMs = clock.bootMs();
        const ending = await this.#serve(dialled as Dialled, signal);
        if (ending.kind === "shut") continue;
        const reason = ending.failure === undefined ? "closed" : faultOf(ending.failure).reason;
        log.info({ reason }, "link down");
        this.#listener.down(reason);
        if (ending.isProven || clock.bootMs() - sinceMs >= provenMs) attempt = 1;
        const failures = ending.failure === undefined ? [] : [ending.failure];
        pauseMs = retryDelayMs(this.#schedule(failures), attempt, random);
      }
      await sleep(clock, pauseMs, signal);
    }
  }

  /** All servers once; why each failed where all did. */
  async #round(attempt: number, signal: AbortSignal): Promise<Dialled | readonly unknown[]> {
    const { clock, random, log } = this.#parts;
    const failures: unknown[] = [];
    for (const server of this.#order.round(clock.bootMs())) {
      if (failures.length > 0) {
        await sleep(clock, retryDelayMs(offline, 1, random), signal);
      }
      if (signal.aborted) return failures;
      try {
        return await this.#dial(server, signal);
      } catch (failure) {
        failures.push(failure);
      }
    }
    const faults = failures.map(faultOf);
    const reason = faults.map((fault) => fault.reason).join("; or ");
    const times = this.#told.tell(gravest(faults), clock.bootMs());
    if (times !== undefined) log.warn({ reason, attempt, times }, "link down");
    this.#listener.down(reason);
    return failures;
  }

  async #dial(server: string, signal: AbortSignal): Promise<Dialled> {
    const { gateway, settings, random, clock, lookup, dialTimeoutMs } = this.#parts;
    this.#counted.dials++;
    try {
      const connection = await connectNats(
        { ...settings, servers: [server] },
        {
          name: `causeway-edge ${gateway}`,
          inboxPrefix: inboxPrefix(gateway),
          reconnect: false,
          signal,
          floorMs: this.#parts.floorOfDoubtedClock?.(),
          ...(settings.pingMs === undefined ? {} : { pingMs: settings.pingMs }),
          ...(lookup === undefined ? {} : { lookup }),
          ...(dialTimeoutMs === undefined ? {} : { timeoutMs: dialTimeoutMs }),
        },
        random,
      );
      this.#order.connected(server);
      return { server, connection };
    } catch (failure) {
      this.#counted.failedDials++;
      this.#order.failed(server, clock.bootMs());
      throw failure;
    }
  }

  /** Until the connection breaks, or is not to be any more. */
  async #serve(first: Dialled, signal: AbortSignal): Promise<Ending> {
    const { clock, log } = this.#parts;
    for (let current = first; ; ) {
      const { server, connection } = current;
      if (signal.aborted) {
        await connection.close();
        return { kind: "shut" };
      }
      this.#server = server;
      log.info({ server }, "link up");
      this.#listener.up(connection);
      const over = new AbortController();
      const until = AbortSignal.any([signal, over.signal]);
      let stale: string | undefined;
      void onStatus(connection, "staleConnection", () => {
        stale = "the server answers no pings any more";
      });
      const closed = connection.closed();
      const next = await Promise.race([
        closed.then((failure): Ending => {
          const isProven = connection.stats().inMsgs > 0;
          return { kind: "closed", failure: failure ?? stale, isProven };
        }),
        this.#better(current, until),
        this.#untilShut(until),
      ]);
      over.abort();
      this.#server = undefined;
      if ("kind" in next && next.kind === "closed") {
        this.#order.failed(server, clock.bootMs());
        return next;
      }
      const why = "kind" in next ? (this.#shut() ?? "the window ends") : `moved to ${next.server}`;
      log.info({ server, reason: why }, "link down");
      this.#listener.down(why);
      await connection.close();
      if ("kind" in next) return next;
      this.#counted.moves++;
      current = next;
    }
  }

  /** R4. */
  async #better({ server, connection }: Dialled, signal: AbortSignal): Promise<Dialled> {
    const { clock, random } = this.#parts;
    const leaving = new AbortController();
    void onStatus(connection, "ldm", () => {
      this.#order.leaving(server, clock.bootMs());
      leaving.abort();
    });
    while (!signal.aborted) {
      const isLeaving = leaving.signal.aborted;
      const afterMs = isLeaving ? random.next() * leaveWithinMs : this.#order.lookAfterMs();
      if (afterMs === undefined) await aborted(AbortSignal.any([signal, leaving.signal]));
      else
        await sleep(clock, afterMs, isLeaving ? signal : AbortSignal.any([signal, leaving.signal]));
      const better = this.#order.better(server, clock.bootMs());
      if (signal.aborted || better === undefined || isLeaving !== leaving.signal.aborted) continue;
      const dialled = await this.#dial(better, signal).catch(() => undefined);
      if (dialled === undefined) continue;
      if (!signal.aborted) return dialled;
      await dialled.connection.close();
    }
    return never();
  }

  async #untilOpen(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    let shut = this.#shut();
    if (shut === undefined) return;
    log.info({ reason: shut }, "link down");
    while (shut !== undefined && !signal.aborted) {
      this.#listener.down(shut);
      this.#alarm = new AbortController();
      const either = AbortSignal.any([signal, this.#alarm.signal]);
      await sleep(clock, this.#lookMs(), either);
      shut = this.#shut();
      if (shut !== undefined || either.aborted) continue;
      await sleep(clock, random.next() * openWithinMs, either);
    }
  }

  async #untilShut(signal: AbortSignal): Promise<Ending> {
    if (this.#hours === undefined) return never();
    while (!signal.aborted) {
      if (this.#shut() !== undefined) return { kind: "shut" };
      await sleep(this.#parts.clock, this.#lookMs(), signal);
    }
    return never();
  }

  /** R5. */
  #shut(): string | undefined {
    const hours = this.#hours;
    const presentMs = this.#parts.presentMs?.();
    if (hours === undefined || presentMs === undefined || isWithin(hours, presentMs))
      return undefined;
    if (this.#parts.clock.bootMs() < this.#openUntilMs) return undefined;
    let opensMs = presentMs;
    while (!isWithin(hours, opensMs)) opensMs = nextEdge(hours, opensMs);
    const opens = new Date(localMs(opensMs, hours.zone)).toISOString().slice(11, 16);
    return `uplink.windows keep the link closed until ${opens} (${hours.zone})`;
  }

  #lookMs(): number {
    const presentMs = this.#parts.presentMs?.();
    if (this.#hours === undefined || presentMs === undefined) return lookUndatedMs;
    return Math.min(lookEveryMs, nextEdge(this.#hours, presentMs) - presentMs);
  }

  /** R2, R3. */
  #pauseMs(failures: readonly unknown[], attempt: number): number {
    const { random } = this.#parts;
    const pauseMs = retryDelayMs(this.#schedule(failures), attempt, random);
    const asked = failures.map((failure) =>
      failure instanceof DialRefused ? failure.retryAfterMs : undefined,
    );
    // One server that asks for nothing may be tried as usual.
    if (asked.length === 0 || asked.includes(undefined)) return pauseMs;
    const leastMs = Math.min(...asked.map((askedMs) => askedMs ?? 0));
    return Math.max(pauseMs, Math.floor(leastMs * (1 + random.next() / 4)));
  }

  #schedule(failures: readonly unknown[]) {
    const { redialMaxMs = 15_000 } = this.#parts.settings;
    const isAll = (test: (failure: unknown) => boolean) =>
      failures.length > 0 && failures.every(test);
    if (isAll((failure) => faultOf(failure).fault === "denied")) return denied;
    const maxMs = isAll(isOffline) ? Math.min(offline.maxMs, redialMaxMs) : redialMaxMs;
    return { firstMs, maxMs, factor: 2 };
  }
}

/** Nothing has left this machine. */
function isOffline(failure: unknown): boolean {
  const cause = failure instanceof Error ? failure.cause : undefined;
  return ["ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL", "EAI_AGAIN"].includes(codeOf(cause) ?? "");
}

function gravest(faults: readonly Fault[]): string {
  return faults.every(({ fault }) => fault === "denied") ? "denied" : "retry";
}

async function onStatus(
  connection: NatsConnection,
  wanted: string,
  act: () => void,
): Promise<void> {
  for await (const { type } of connection.status()) if (type === wanted) act();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function never(): Promise<never> {
  return new Promise(() => {});
}
