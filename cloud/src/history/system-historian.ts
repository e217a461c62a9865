/** The historian that is configured, opened when it is first asked for and again after it failed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CodedError, codeOf } from "@causeway/shared/errors.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import type { FactsOf, Historian } from "./historian.ts";
import type { HistorySettings } from "./history-settings.ts";
import { PeerHistorian, peerSocket } from "./http-peer.ts";

export interface HistorianPlace {
  readonly settings: HistorySettings;
  readonly dataDir: string;
  readonly factsOf: FactsOf;
}

/** Drivers are loaded only where they are used: DuckDB alone takes 70 MB. */
export async function openHistorian({
  settings,
  dataDir,
  factsOf,
}: HistorianPlace): Promise<Historian> {
  const { kind, ...own } = settings;
  if (kind === "duckdb") {
    const { DuckdbHistorian } = await import("./duckdb-historian.ts");
    const { usualKeeping } = await import("./duckdb-parts.ts");
    return DuckdbHistorian.open({
      ...{ ...usualKeeping, ...own, factsOf },
      folder: historyFolder(dataDir),
    });
  }
  if (kind === "postgres") {
    const { PostgresHistorian } = await import("./postgres-historian.ts");
    const { urlFile, retentionDays } = own;
    const url = urlFile === undefined ? (own.url ?? "") : readSecret(urlFile);
    return PostgresHistorian.open({ url, retentionDays, factsOf });
  }
  throw new CodedError("HISTORY_UNAVAILABLE", "history.kind is none: no history is kept");
}

/**
 * For a command: of the process that has it open, else from its files. Throws HISTORY_UNAVAILABLE where
 * there is none.
 */
export async function openToRead(settings: HistorySettings, dataDir: string): Promise<Historian> {
  const factsOf = () => ({ site: "", tags: [] });
  if (settings.kind !== "duckdb") return openHistorian({ settings, dataDir, factsOf });
  const folder = historyFolder(dataDir);
  if (!existsSync(folder)) {
    const cure = "causeway-cloud run fills it, or set dataDir to where it is";
    throw new CodedError("HISTORY_UNAVAILABLE", `there is no history in ${dataDir}: ${cure}`);
  }
  try {
    return await openHistorian({ settings, dataDir, factsOf });
  } catch (failure) {
    const socket = codeOf(failure) === "HISTORY_LOCKED" ? await peerSocket(folder) : undefined;
    if (socket === undefined) throw failure;
    return new PeerHistorian(socket);
  }
}

export function historyFolder(dataDir: string): string {
  return join(dataDir, "history");
}

export class HistorianHolder {
  readonly #place: HistorianPlace;
  #opening: Promise<Historian> | undefined;
  #current: Historian | undefined;
  #isClosed = false;

  constructor(place: HistorianPlace) {
    this.#place = place;
  }

  /** Undefined while it is not open. */
  get current(): Historian | undefined {
    return this.#current;
  }

  async get(): Promise<Historian> {
    if (this.#isClosed) throw new CodedError("HISTORY_UNAVAILABLE", "the historian is closed");
    this.#opening ??= openHistorian(this.#place).then(
      (historian) => {
        this.#current = historian;
        return historian;
      },
      (failure) => {
        this.#opening = undefined;
        throw failure;
      },
    );
    return this.#opening;
  }

  /** The next one who asks has it opened anew. */
  async failed(historian: Historian): Promise<void> {
    if (this.#current !== historian) return;
    [this.#current, this.#opening] = [undefined, undefined];
    await historian.close().catch(() => {}); // what failed is known already
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opening?.then(
      (historian) => historian.close(),
      () => {},
    );
    this.#current = undefined;
  }
}
