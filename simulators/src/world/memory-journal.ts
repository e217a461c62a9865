/** Stream TLM in memory: stored in order, read by engines, able to lose what it had. */
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import type { StreamState } from "@causeway/cloud/retention/floor.ts";
import type { ProcessClock } from "./process-clock.ts";

export interface Publication {
  readonly subject: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly data: Uint8Array;
}

/** At most so many messages reach a reader in one go. */
const chunkMax = 8;
const deliveryMs = 2;

/** With subject and headers. */
function bytesOf(data: Uint8Array): number {
  return data.length + 200;
}

export class MemoryJournal {
  #messages: JournalMessage[] = [];
  #first = 1;
  #bytes = 0;
  #count = 0;
  readonly #orders = new WeakMap<JournalMessage, number>();
  readonly #ordersByPlace = new Map<string, number>();
  bytesMax = 1_000_000_000;
  #waiting = new Set<() => void>();
  /** Grows with every interruption; a reading of an earlier one ends. */
  #reading = 0;

  get messages(): readonly JournalMessage[] {
    return this.#messages;
  }

  /** Of all messages that were ever stored, in their order; a sequence may be given twice. */
  orderOf(message: JournalMessage): number {
    return this.#orders.get(message) ?? 0;
  }

  /** The newest that ever stood there under that nonce; 0 where none did. */
  orderAt(sequence: number, nonce: string | undefined): number {
    return this.#ordersByPlace.get(`${sequence} ${nonce}`) ?? 0;
  }

  state(): StreamState {
    const { first, last } = this;
    const messages = this.#messages.length;
    return { first, last, messages, bytes: this.#bytes, bytesMax: this.bytesMax };
  }

  hasRoomFor(data: Uint8Array): boolean {
    return this.#bytes + bytesOf(data) <= this.bytesMax;
  }

  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#first + this.#messages.length - 1;
  }

  append({ subject, headers, data }: Publication, storedAt: number): JournalMessage {
    const sequence = this.last + 1;
    const header = (name: string) => headers.get(name);
    const message = { sequence, subject, storedAt, data, header };
    this.#messages.push(message);
    this.#bytes += bytesOf(data);
    this.#orders.set(message, ++this.#count);
    this.#ordersByPlace.set(`${sequence} ${headers.get("Cw-Nonce")}`, this.#count);
    this.#wake();
    return message;
  }

  at(sequence: number): JournalMessage | undefined {
    return this.#messages[sequence - this.#first];
  }

  lastOf(subject: string): JournalMessage | undefined {
    return this.#messages.findLast((message) => message.subject === subject);
  }

  /** Ends every reading that is under way by an exception, as a lost consumer does. */
  interrupt(): void {
    this.#reading++;
    this.#wake();
  }

  /** Keeps what is up to `last`; what is lost. */
  rollBack(last: number): readonly JournalMessage[] {
    const lost = this.#messages.filter(({ sequence }) => sequence > last);
    this.#messages = this.#messages.filter(({ sequence }) => sequence <= last);
    this.#forget(lost);
    this.interrupt();
    return lost;
  }

  /** Keeps what is from `first` on; what is lost. */
  purge(first: number): readonly JournalMessage[] {
    const lost = this.#messages.filter(({ sequence }) => sequence < first);
    this.#messages = this.#messages.filter(({ sequence }) => sequence >= first);
    this.#first = Math.max(this.#first, first);
    this.#forget(lost);
    return lost;
  }

  recreate(): readonly JournalMessage[] {
    const lost = this.#messages;
    this.#messages = [];
    this.#first = 1;
    this.#bytes = 0;
    this.interrupt();
    return lost;
  }

  #forget(lost: readonly JournalMessage[]): void {
    for (const { data } of lost) this.#bytes -= bytesOf(data);
  }

  /** As a reader sees it that runs by `clock`; ends when `signal` is aborted. */
  async *read(
    from: number,
    signal: AbortSignal,
    clock: ProcessClock,
  ): AsyncGenerator<JournalMessage> {
    const reading = this.#reading;
    for (let next = Math.max(from, this.#first); !signal.aborted; ) {
      for (let count = 0; count < chunkMax && !signal.aborted; count++) {
        if (reading !== this.#reading) throw new Error("the reading was interrupted");
        // What was purged meanwhile is passed over, as a consumer does.
        next = Math.max(next, this.#first);
        const message = this.at(next);
        if (message === undefined) break;
        next++;
        yield message;
      }
      await this.#more(next, signal, clock);
    }
  }

  /** Waits for the message, and for its way to the reader. */
  async #more(next: number, signal: AbortSignal, clock: ProcessClock): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const arrive = () => clock.after(deliveryMs, go);
      const go = () => {
        signal.removeEventListener("abort", go);
        resolve();
      };
      signal.addEventListener("abort", go, { once: true });
      if (this.at(next) !== undefined) arrive();
      else this.#waiting.add(arrive);
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }
}
