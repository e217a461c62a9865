/** JetStream as the retention sees it, in memory: streams that fill, and sessions that end. */
import type { Checkpoint } from "../../engine/checkpoint.ts";
import { decodeCheckpoint } from "../../engine/checkpoint.ts";
import type { StreamState } from "../floor.ts";
import type { JournalSession, StoredMessage } from "../journal-session.ts";
import { MemoryReaderStore } from "../memory-reader-store.ts";

/** The server behind the sessions. */
export class MemoryJournalServer {
  readonly messages = new Map<number, StoredMessage & { readonly bytes: number }>();
  readonly readers = new MemoryReaderStore();
  readonly checkpoints = new Map<number, string>();
  readonly purged: number[] = [];
  first = 1;
  last = 0;
  bytesMax = 100_000;
  engineBytes = 0;
  /** Sessions of an earlier life have ended. */
  life = 0;

  append(message: StoredMessage, bytes: number): number {
    this.messages.set(++this.last, { ...message, bytes });
    return this.last;
  }

  /** As a server that was put back to an older copy: everybody is cut off. */
  rollBack(last: number): void {
    for (let sequence = this.last; sequence > last; sequence--) this.messages.delete(sequence);
    this.last = last;
    this.life++;
  }

  journal(): StreamState {
    const bytes = [...this.messages.values()].reduce((sum, message) => sum + message.bytes, 0);
    const { first, last, bytesMax, messages } = this;
    return { first, last, messages: messages.size, bytes, bytesMax };
  }

  purge(sequence: number): void {
    this.purged.push(sequence);
    for (const known of this.messages.keys()) if (known < sequence) this.messages.delete(known);
    // As the real one: beyond its end it forgets where it was.
    if (sequence > this.last) this.last = sequence - 1;
    this.first = Math.max(this.first, sequence);
  }
}

export class MemoryJournalSession implements JournalSession {
  readonly #server: MemoryJournalServer;
  readonly #life: number;
  isClosed = false;

  constructor(server: MemoryJournalServer) {
    this.#server = server;
    this.#life = server.life;
  }

  async #alive(): Promise<MemoryJournalServer> {
    if (this.isClosed || this.#life !== this.#server.life) throw new Error("the session ended");
    return this.#server;
  }

  async journal(): Promise<StreamState> {
    return (await this.#alive()).journal();
  }

  async engine(): Promise<StreamState> {
    const { engineBytes: bytes } = await this.#alive();
    return { first: 1, last: 1, messages: 1, bytes, bytesMax: 100_000 };
  }

  async messageAt(sequence: number): Promise<StoredMessage | undefined> {
    return (await this.#alive()).messages.get(sequence);
  }

  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    const { checkpoints } = await this.#alive();
    return new Map([...checkpoints].map(([number, text]) => [number, decodeCheckpoint(text)]));
  }

  async readers() {
    return (await this.#alive()).readers.list();
  }

  async purge(sequence: number): Promise<void> {
    (await this.#alive()).purge(sequence);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}
