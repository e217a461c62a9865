/** Stream ENGINE in memory, with the same refusals as the real one. */
import { parseSnapshotSubject, subjects } from "@causeway/shared/subjects.ts";
import { decodeCheckpoint, noCheckpoint } from "./checkpoint.ts";
import type {
  CommitMessage,
  CommitOutcome,
  EngineStore,
  Shard,
  StoredCheckpoint,
} from "./engine-store.ts";
import { isOlderGeneration } from "./snapshot.ts";

interface Stored {
  readonly sequence: number;
  readonly subject: string;
  readonly text: string;
}

/** All that the stream holds at some moment. */
export interface MemoryContents {
  readonly messages: readonly Stored[];
  readonly sequence: number;
}

export class MemoryEngineStore implements EngineStore {
  #messages: Stored[] = [];
  #sequence = 0;
  /** What the next commits are answered with instead; `lost` commits without telling. */
  readonly faults: ("refused" | "unknown" | "lost")[] = [];

  #session = 1;

  session(): number {
    return this.#session;
  }

  /** As a server that was restarted with an older copy of its store. */
  restore({ messages, sequence }: MemoryContents): void {
    this.#messages = [...messages];
    this.#sequence = sequence;
    this.#session++;
  }

  contents(): MemoryContents {
    return { messages: [...this.#messages], sequence: this.#sequence };
  }

  get messages(): readonly Stored[] {
    return this.#messages;
  }

  async loadCheckpoints(
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, StoredCheckpoint>> {
    return new Map(
      partitions.map((partition) => {
        const found = this.#last(subjects.checkpoint(partition));
        const checkpoint = found === undefined ? noCheckpoint : decodeCheckpoint(found.text);
        return [partition, { checkpoint, lastSequence: found?.sequence ?? 0 }];
      }),
    );
  }

  async loadLast(filter: string): Promise<readonly { subject: string; text: string }[]> {
    const pattern = new RegExp(`^${filter.replaceAll(".", "\\.").replaceAll("*", "[^.]+")}$`);
    const last = new Map(this.#messages.map(({ subject, text }) => [subject, text]));
    return [...last]
      .filter(([subject]) => pattern.test(subject))
      .map(([subject, text]) => ({ subject, text }));
  }

  /** Changes the newest message under a prefix, as a bad disk would. */
  damage(prefix: string): void {
    const found = this.#messages.findLastIndex(({ subject }) => subject.startsWith(prefix));
    const message = this.#messages[found];
    if (message !== undefined)
      this.#messages[found] = { ...message, text: `AAAA${message.text.slice(4)}` };
  }

  async saveShards(shards: readonly Shard[]): Promise<void> {
    for (const { subject, data } of shards) {
      this.#messages.push({
        sequence: ++this.#sequence,
        subject,
        text: Buffer.from(data).toString("base64"),
      });
    }
  }

  async loadShards(filter: string): Promise<readonly Shard[]> {
    const found = await this.loadLast(filter);
    return found.map(({ subject, text }) => ({ subject, data: Buffer.from(text, "base64") }));
  }

  async purgeShards(partition: number, kept: string): Promise<void> {
    this.#messages = this.#messages.filter(({ subject }) => {
      const shard = parseSnapshotSubject(subject);
      return (
        shard === undefined ||
        shard.partition !== partition ||
        !isOlderGeneration(shard.generation, kept)
      );
    });
  }

  async commit(messages: readonly CommitMessage[]): Promise<CommitOutcome> {
    const fault = this.faults.shift();
    if (fault === "refused" || fault === "unknown") return { kind: fault, reason: "asked for" };
    for (const { subject, expectedLast } of messages) {
      const last = this.#last(subject)?.sequence ?? 0;
      if (expectedLast !== undefined && expectedLast !== last) {
        return { kind: "refused", reason: `10071 wrong last sequence: ${last}` };
      }
    }
    for (const { subject, data, rollup } of messages) {
      if (rollup) this.#messages = this.#messages.filter((stored) => stored.subject !== subject);
      this.#messages.push({ sequence: ++this.#sequence, subject, text: data });
    }
    if (fault === "lost") return { kind: "unknown", reason: "asked for" };
    return { kind: "committed", last: this.#sequence };
  }

  #last(subject: string): Stored | undefined {
    return this.#messages.findLast((stored) => stored.subject === subject);
  }
}
