/**
 * QoS 2 publishes whose PUBREL has not come yet. An id is written with its event, so that a publish
 * is an event once, whatever is killed when; its removal is synced before the PUBCOMP.
 */
import type { CodedError } from "@causeway/shared/errors.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Keeper, Records } from "../outbox/companions.ts";
import type { Change } from "../outbox/store.ts";
import {
  decodeHash,
  encodeHash,
  kindOf,
  numberedKey,
  numberOf,
  recordRange,
} from "./session-records.ts";

/** The ids of one message are two bytes: more cannot be open. */
const idsPerClientMax = 1_000;
const idsMax = 1_000_000;

export interface IncomingId {
  readonly hash: number;
  /** Resolves once it is durable, and rejects where it is not. */
  readonly stored: Promise<void>;
}

export class IncomingIds implements Keeper {
  readonly #records: Records;
  readonly #clients = new Map<string, Map<number, IncomingId>>();

  constructor(records: Records) {
    this.#records = records;
    records.keep(this);
  }

  /** Those of a clean session ended with the process before. */
  async load(log: Logger, hasSession: (client: string) => boolean): Promise<void> {
    const entries = await this.#records.scan({ ...recordRange("i"), countMax: idsMax });
    const orphans: Change[] = [];
    for (const [key, value] of entries) {
      const { client, number } = numberOf(key);
      if (!hasSession(client)) {
        orphans.push({ kind: "delete", key });
        continue;
      }
      try {
        const known = { hash: decodeHash(value), stored: Promise.resolve() };
        this.#of(client).set(number, known);
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "a QoS 2 message id is unreadable");
      }
    }
    if (orphans.length > 0) this.#records.write(orphans);
  }

  find(client: string, messageId: number): IncomingId | undefined {
    return this.#clients.get(client)?.get(messageId);
  }

  isFull(client: string): boolean {
    return (this.#clients.get(client)?.size ?? 0) >= idsPerClientMax;
  }

  /** To go with the event. */
  add(
    client: string,
    messageId: number,
    hash: number,
  ): { readonly change: Change; readonly settle: (failure: CodedError | undefined) => void } {
    let settle: (failure: CodedError | undefined) => void = () => {};
    const stored = new Promise<void>((resolve, reject) => {
      settle = (failure) => {
        if (failure === undefined) return resolve();
        if (this.find(client, messageId) === added) this.#delete(client, messageId);
        reject(failure);
      };
    });
    // Only those who repeat it meanwhile wait for it.
    stored.catch(() => {});
    const added = { hash, stored };
    this.#of(client).set(messageId, added);
    const key = numberedKey("i", client, messageId);
    return { change: { kind: "put", key, value: encodeHash(hash) }, settle };
  }

  /** Resolves once the removal is synced. */
  remove(client: string, messageId: number): Promise<void> {
    this.#delete(client, messageId);
    return this.#write([{ kind: "delete", key: numberedKey("i", client, messageId) }]);
  }

  /** The client's session ended, and with it the ids of publishes that are still under way. */
  async clear(client: string): Promise<void> {
    const ids = this.#clients.get(client);
    if (ids === undefined) return;
    this.#clients.delete(client);
    await this.#write(
      [...ids.keys()].map((id) => ({ kind: "delete", key: numberedKey("i", client, id) })),
    );
  }

  seal(): readonly Change[] {
    return [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys
      .filter((key) => kindOf(key) === "i")
      .map((key): Change => {
        const { client, number } = numberOf(key);
        const known = this.find(client, number);
        if (known === undefined) return { kind: "delete", key };
        return { kind: "put", key, value: encodeHash(known.hash) };
      });
  }

  #of(client: string): Map<number, IncomingId> {
    const known = this.#clients.get(client) ?? new Map<number, IncomingId>();
    this.#clients.set(client, known);
    return known;
  }

  #delete(client: string, messageId: number): void {
    const ids = this.#clients.get(client);
    ids?.delete(messageId);
    if (ids?.size === 0) this.#clients.delete(client);
  }

  #write(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#records.write(changes, (failure) =>
        failure === undefined ? resolve() : reject(failure),
      );
    });
  }
}
