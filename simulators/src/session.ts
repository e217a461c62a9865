/**
 * The connections of one run and what became of its publishes: counted, and told line by line to
 * whoever keeps the acknowledgements.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Connect, Connection, ConnectionListener, Publish } from "./connection.ts";
import { Tally } from "./tally.ts";

/** After a signal the process has 10 s in all; the rest is for closing. */
export const drainAfterSignalMsMax = 8_000;

export interface SessionPorts {
  readonly clock: Clock;
  readonly connect: Connect;
  /** A publish got its PUBACK at `ackedAtMs`, wall clock. */
  acknowledged(publish: Publish, resends: number, ackedAtMs: number): void;
  /** For people; each change is told once, not once a connection. */
  say(text: string): void;
}

export interface Drained {
  /** Publishes, sent or waiting, that were not acknowledged in time. */
  readonly failed: number;
}

export class Session {
  readonly tally = new Tally();
  readonly connections: readonly Connection[];
  readonly #ports: SessionPorts;
  readonly #ending = new AbortController();
  readonly #failed = new AbortController();
  #online = 0;
  #everOnline = false;
  #said: "nothing" | "online" | "offline" = "nothing";
  #offlineReason = "";
  #failure: CodedError | undefined;

  constructor(clientIds: readonly string[], ports: SessionPorts) {
    this.#ports = ports;
    this.connections = clientIds.map((clientId) => ports.connect(clientId, this.#listener()));
  }

  /** Aborted when the run is to produce no more: by `end` or by a failure. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  get failure(): CodedError | undefined {
    return this.#failure;
  }

  get online(): number {
    return this.#online;
  }

  get everOnline(): boolean {
    return this.#everOnline;
  }

  /** Why the last connection was lost, while one is; empty otherwise. */
  get offlineReason(): string {
    return this.#online === this.connections.length ? "" : this.#offlineReason;
  }

  start(): void {
    for (const connection of this.connections) connection.start();
  }

  end(): void {
    this.#ending.abort();
  }

  /** The first failure counts; the run ends. */
  fail(failure: CodedError): void {
    this.#failure ??= failure;
    this.#failed.abort();
    this.end();
  }

  /**
   * Waits until everything is acknowledged, at most `drainMs`, and at most drainAfterSignalMsMax
   * once `signal` is aborted, and no longer than until a failure; then closes.
   */
  async drain(drainMs: number, signal: AbortSignal): Promise<Drained> {
    const done = new AbortController();
    const { clock } = this.#ports;
    const settled = this.connections.map((connection) => connection.below(1, done.signal));
    const limits = [
      abortOf(this.#failed.signal, done.signal),
      sleep(clock, drainMs, done.signal),
      abortOf(signal, done.signal).then(() => sleep(clock, drainAfterSignalMsMax, done.signal)),
    ];
    await Promise.race([Promise.all(settled), ...limits]);
    done.abort();
    const failed = this.connections.reduce((sum, { pending }) => sum + pending, 0);
    await Promise.all(this.connections.map((connection) => connection.stop()));
    return { failed };
  }

  #listener(): ConnectionListener {
    const { tally } = this;
    let online = false;
    return {
      online: () => {
        online = true;
        this.#wentOnline();
      },
      offline: (reason) => {
        this.#wentOffline(online, reason);
        online = false;
      },
      sent: () => {
        tally.sent += 1;
      },
      acknowledged: (publish, resends) => {
        tally.acknowledged += 1;
        if (resends > 0) tally.resent += 1;
        this.#ports.acknowledged(publish, resends, this.#ports.clock.wallMs());
      },
      written: () => {
        tally.written += 1;
      },
      refused: (reason) => this.fail(refusal(reason)),
    };
  }

  #wentOnline(): void {
    this.#online += 1;
    this.#everOnline = true;
    if (this.#said === "online" || this.#online < this.connections.length) return;
    this.#said = "online";
    this.#ports.say("connected to the broker");
  }

  #wentOffline(wasOnline: boolean, reason: string): void {
    if (wasOnline) this.#online -= 1;
    this.#offlineReason = reason;
    if (this.#said === "offline" || this.#online > 0 || this.ending.aborted) return;
    this.#said = "offline";
    this.#ports.say(`no connection to the broker, trying again: ${reason}`);
  }
}

/** Resolves when either is aborted. */
function abortOf(...signals: AbortSignal[]): Promise<void> {
  const either = AbortSignal.any(signals);
  return new Promise((resolve) => {
    if (either.aborted) resolve();
    else either.addEventListener("abort", () => resolve(), { once: true });
  });
}

function refusal(reason: string): CodedError {
  return new CodedError(
    "MQTT_REFUSED",
    `${reason}; give --username and --password-file as the broker knows them`,
  );
}
