/**
 * What the retention sees of JetStream, on one connection. A session ends when its connection breaks,
 * and then nothing is sent by it any more: what was read before cannot purge a server that was put
 * back to an older copy meanwhile.
 */
import type { Checkpoint } from "../engine/checkpoint.ts";
import type { MessageIdentity } from "../engine/place.ts";
import type { StreamState } from "./floor.ts";
import type { StoredReader } from "./reader-store.ts";

export interface StoredMessage {
  readonly identity: MessageIdentity;
  /** In ms. */
  readonly storedAt: number;
}

/** Everything is read from the leader; rejects once the session has ended. */
export interface JournalSession {
  journal(): Promise<StreamState>;
  /** How full stream ENGINE is. */
  engine(): Promise<StreamState>;
  /** Undefined where there is none. */
  messageAt(sequence: number): Promise<StoredMessage | undefined>;
  checkpoints(): Promise<ReadonlyMap<number, Checkpoint>>;
  readers(): Promise<readonly StoredReader[]>;
  /** Deletes what is before `sequence`, which is not beyond the last message. */
  purge(sequence: number): Promise<void>;
  close(): Promise<void>;
}
