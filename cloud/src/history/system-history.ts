/** The history of a running cloud: the historian, what fills it, and what keeps it in order. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { compileFleet, placeFactsOf } from "@causeway/shared/rules/fleet.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { retireReader } from "../retention/registered-reader.ts";
import type { FactsOf, Historian, HistorianFigures } from "./historian.ts";
import { HistoryDesk } from "./history-desk.ts";
import type { HistorySettings } from "./history-settings.ts";
import { PeerHistorian, PeerServer, peerSocket } from "./http-peer.ts";
import type { HistoryFeedStatus } from "./nats-history-feed.ts";
import { historyReader, NatsHistoryFeed } from "./nats-history-feed.ts";
import { HistorianHolder, historyFolder } from "./system-historian.ts";

export interface HistoryParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: HistorySettings;
  readonly dataDir: string;
  readonly fleet: () => FleetDocument;
  readonly standbyMs?: number;
  /** Others keep it: it is read where they have it. */
  readonly readsOnly?: boolean;
}

export interface HistoryStatus {
  readonly feed: HistoryFeedStatus;
  readonly desk: ReturnType<HistoryDesk["figures"]>;
  readonly stored: HistorianFigures;
}

const lookEveryMs = 5_000;
const maintainEveryMs = 600_000;
const figuresEveryMs = 60_000;

export class SystemHistory {
  readonly desk: HistoryDesk;
  readonly #parts: HistoryParts;
  readonly #holder: HistorianHolder;
  readonly #feed: NatsHistoryFeed;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #stored: HistorianFigures = { series: 0, rows: 0, bytes: 0 };
  #described: FleetDocument | undefined;
  #server: PeerServer | undefined;
  #isLocked = false;
  #fault: string | undefined;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    const { settings, dataDir, clock } = parts;
    this.#holder = new HistorianHolder({ settings, dataDir, factsOf: factsBy(parts.fleet) });
    this.#feed = new NatsHistoryFeed({
      ...parts,
      historian: () => this.#open(),
      failed: (historian) => this.#holder.failed(historian),
    });
    this.desk = new HistoryDesk({ clock, historian: () => this.#current() });
  }

  start(): void {
    const { signal } = this.#stopping;
    if (this.#parts.readsOnly) return;
    if (this.#parts.settings.kind === "none") {
      this.#running = this.#retire(signal);
      return;
    }
    this.#feed.start();
    this.#running = this.#tend(signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#feed.stop();
    await this.#running;
    await this.#server?.stop();
    await this.#holder.close();
  }

  status(): HistoryStatus {
    return { feed: this.#feed.status(), desk: this.desk.figures(), stored: this.#stored };
  }

  /** Where another process has it open, that one is asked. */
  async #current(): Promise<Historian> {
    const { current } = this.#holder;
    if (current !== undefined) return current;
    const { settings, readsOnly = false } = this.#parts;
    if (readsOnly && settings.kind === "postgres") return this.#open();
    const folder = historyFolder(this.#parts.dataDir);
    const socket = this.#isLocked || readsOnly ? await peerSocket(folder) : undefined;
    if (socket !== undefined) return new PeerHistorian(socket);
    const why = this.#fault ?? "the history is being opened";
    throw new CodedError("HISTORY_UNAVAILABLE", why);
  }

  async #open(): Promise<Historian> {
    try {
      const historian = await this.#holder.get();
      [this.#isLocked, this.#fault] = [false, undefined];
      return historian;
    } catch (failure) {
      const reason = reasonOf(failure);
      this.#isLocked = codeOf(failure) === "HISTORY_LOCKED";
      if (reason !== this.#fault) {
        const { log } = this.#parts;
        if (this.#isLocked) log.info({ reason }, "another process has the history open");
        else log.error({ reason }, "the history cannot be opened; the journal waits for it");
      }
      this.#fault = reason;
      throw failure;
    }
  }

  /** Whatever fails is tried again: the journal waits, and people see it in the metrics. */
  async #tend(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let [maintainAt, figuresAt] = [clock.bootMs() + figuresEveryMs, clock.bootMs()];
    while (!signal.aborted) {
      const { current } = this.#holder;
      try {
        if (current !== undefined && this.#feed.status().phase === "running") {
          await this.#announce();
          await this.#describe(current);
          if (clock.bootMs() >= maintainAt || current.isDue) {
            maintainAt = clock.bootMs() + maintainEveryMs;
            const done = await current.maintain(clock.wallMs());
            if (done.compacted + done.removed > 0) log.info({ ...done }, "the history was tidied");
          }
          if (clock.bootMs() >= figuresAt) {
            figuresAt = clock.bootMs() + figuresEveryMs;
            this.#stored = await current.figures();
          }
        }
      } catch (failure) {
        if (!signal.aborted) log.warn({ reason: reasonOf(failure) }, "the history was not tidied");
      }
      await sleep(clock, lookEveryMs, signal);
    }
  }

  /** For other processes on this machine; a database on the network needs none. */
  async #announce(): Promise<void> {
    if (this.#server !== undefined || this.#parts.settings.kind !== "duckdb") return;
    this.#server = new PeerServer(this.desk);
    await this.#server.start(historyFolder(this.#parts.dataDir));
  }

  async #describe(current: Historian): Promise<void> {
    const fleet = this.#parts.fleet();
    if (fleet === this.#described) return;
    await current.describe(factsBy(() => fleet));
    this.#described = fleet;
  }

  /** Or the journal would be kept for a reader that never comes; one that runs elsewhere stays. */
  async #retire(signal: AbortSignal): Promise<void> {
    const { jetstream, manager, clock } = this.#parts;
    const store = new NatsReaderStore(jetstream, manager);
    while (!signal.aborted) {
      try {
        if ((await store.load(historyReader)) !== undefined)
          await retireReader(store, historyReader, clock.wallMs());
        return;
      } catch {
        await sleep(clock, maintainEveryMs, signal);
      }
    }
  }
}

/** Compiled once for each document. */
function factsBy(document: () => FleetDocument): FactsOf {
  let made: { readonly of: FleetDocument; readonly factsOf: FactsOf } | undefined;
  return (gateway, device) => {
    const current = document();
    if (made?.of !== current) {
      const fleet = compileFleet(current);
      made = { of: current, factsOf: (own, name) => placeFactsOf(fleet, own, name) };
    }
    return made.factsOf(gateway, device);
  };
}
