/** Bucket REGISTRY: each gateway in pieces, all of them in one batch, by compare and set. */
import { CodedError } from "@causeway/shared/errors.ts";
import { parseRegistrySubject, registryStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { CommitMessage } from "../engine/engine-store.ts";
import { readStored } from "../nats-stored.ts";
import type { Batches } from "../notify/nats-ledger.ts";
import type { RegistryBounds } from "./registry.ts";
import type { KeptGateway } from "./registry-codec.ts";
import { decodeGateway, piecesIn } from "./registry-codec.ts";

export interface StoredGateway extends KeptGateway {
  /** What the next write expects. */
  readonly revision: number;
}

export interface GatewayPieces {
  readonly gateway: string;
  readonly pieces: readonly string[];
  /** 0 where nothing was kept of it. */
  readonly revision: number;
}

/** Another process has written meanwhile. */
export class RegistryTaken extends Error {}

export class NatsRegistryStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #batches: Batches;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager, batches: Batches) {
    this.#jetstream = jetstream;
    this.#manager = manager;
    this.#batches = batches;
  }

  /** What cannot be read is handed to `refused` with its revision: it is written anew. */
  async load(
    bounds: RegistryBounds,
    refused: (gateway: string, revision: number, failure: unknown) => void,
  ): Promise<ReadonlyMap<string, StoredGateway>> {
    const pieces = new Map<string, { revision: number; texts: string[] }>();
    for await (const message of readStored(this.#jetstream, registryStream, ">", "newest")) {
      const place = parseRegistrySubject(message.subject);
      if (place === undefined) continue;
      const own = pieces.get(place.gateway) ?? { revision: 0, texts: [] };
      own.texts[place.piece] = message.string();
      if (place.piece === 0) own.revision = message.seq;
      pieces.set(place.gateway, own);
    }
    const loaded = new Map<string, StoredGateway>();
    for (const [gateway, { revision, texts }] of pieces) {
      try {
        // Of a time when it was larger some may be left.
        const whole = texts.slice(0, piecesIn(texts[0] ?? ""));
        loaded.set(gateway, { ...decodeGateway(gateway, whole, bounds), revision });
      } catch (failure) {
        if (!(failure instanceof CodedError)) throw failure;
        refused(gateway, revision, failure);
      }
    }
    return loaded;
  }

  /** All of them or none; their revisions, in order. Throws RegistryTaken. */
  async save(gateways: readonly GatewayPieces[]): Promise<readonly number[]> {
    const messages: CommitMessage[] = [];
    const heads: number[] = [];
    for (const { gateway, pieces, revision } of gateways) {
      for (const [piece, data] of pieces.entries()) {
        const subject = subjects.registry(gateway, piece);
        const expected = piece === 0 ? { expectedLast: revision } : {};
        if (piece === 0) heads.push(messages.length);
        messages.push({ subject, data, rollup: false, ...expected });
      }
    }
    const outcome = await this.#batches.commit(messages);
    if (outcome.kind === "refused") throw new RegistryTaken(outcome.reason);
    if (outcome.kind !== "committed") throw new Error(outcome.reason);
    return heads.map((index) => outcome.last - messages.length + 1 + index);
  }

  async remove(gateway: string): Promise<void> {
    const filter = `${subjects.registry(gateway, 0).slice(0, -1)}*`;
    await this.#manager.streams.purge(registryStream, { filter });
  }
}
