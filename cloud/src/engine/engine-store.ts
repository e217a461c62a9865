/** Stream ENGINE as the engine sees it; nats-engine-store.ts is the real one. */
import type { Checkpoint } from "./checkpoint.ts";

export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The subject's last sequence, which the next write expects; 0 where there is none. */
  readonly lastSequence: number;
}

export interface CommitMessage {
  readonly subject: string;
  readonly data: string;
  /** Replaces the subject's earlier messages. */
  readonly rollup: boolean;
  /** Undefined is for ever. */
  readonly ttlSeconds?: number;
  /** Refuses the whole commit where the subject's last sequence is another one. */
  readonly expectedLast?: number;
}

export type CommitOutcome =
  /** `last` is the sequence of the last message; those before it are consecutive. */
  | { readonly kind: "committed"; readonly last: number }
  | { readonly kind: "refused"; readonly reason: string }
  /** There is no room in the stream, or in its server. */
  | { readonly kind: "full"; readonly reason: string }
  /** No answer: it may have been committed or not. */
  | { readonly kind: "unknown"; readonly reason: string };

/** A piece of a gateway's state in a snapshot. */
export interface Shard {
  readonly subject: string;
  readonly data: Uint8Array;
}

export interface EngineStore {
  /**
   * Changes whenever the server may have become another one, as one that was put back to an older
   * copy: what was read before must be read again before anything is committed.
   */
  session(): number;
  /** From the stream's leader, by partition. */
  loadCheckpoints(partitions: readonly number[]): Promise<ReadonlyMap<number, StoredCheckpoint>>;
  /** The newest message of each subject under the filter. */
  loadLast(filter: string): Promise<readonly { readonly subject: string; readonly text: string }[]>;
  /** Resolves once every shard is stored. */
  saveShards(shards: readonly Shard[]): Promise<void>;
  /** From the leader's stream, newest of each subject. */
  loadShards(filter: string): Promise<readonly Shard[]>;
  /** Deletes a partition's shards of older generations; those of a successor stay. */
  purgeShards(partition: number, kept: string): Promise<void>;
  /** All of it or nothing; sent within the current session or not at all. */
  commit(messages: readonly CommitMessage[]): Promise<CommitOutcome>;
}
