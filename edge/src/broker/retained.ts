/**
 * Retained messages, and the wills of clients that are connected. Both are written with the event
 * that they come with or become, so that a crash leaves neither half of it.
 */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Keeper, Records } from "../outbox/companions.ts";
import type { Change } from "../outbox/store.ts";
import type { Message } from "./session-records.ts";
import {
  decodeMessage,
  encodeMessage,
  kindOf,
  namedKey,
  nameOf,
  recordRange,
} from "./session-records.ts";
import { matches } from "./topic-filter.ts";

export interface RetainedBounds {
  /** At a bound a new topic is not retained, and counted. */
  readonly countMax: number;
  readonly bytesMax: number;
}

/** More than any bound allows to be written. */
const readMax = 1_000_000;

export class NamedMessages implements Keeper {
  readonly #kind: "r" | "w";
  readonly #records: Records;
  readonly #bounds: RetainedBounds;
  readonly #messages = new Map<string, Message>();
  #bytes = 0;
  #refused = 0;
  /** Written, and it is not yet known whether it is durable. */
  #pending = 0;

  /** Retained messages by topic ("r"), or wills by client ("w"). */
  constructor(kind: "r" | "w", records: Records, bounds: RetainedBounds) {
    this.#kind = kind;
    this.#records = records;
    this.#bounds = bounds;
    records.keep(this);
  }

  get size(): number {
    return this.#messages.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Not taken at a bound. */
  get refused(): number {
    return this.#refused;
  }

  async load(log: Logger): Promise<void> {
    const entries = await this.#records.scan({ ...recordRange(this.#kind), countMax: readMax });
    for (const [key, value] of entries) {
      try {
        const message = decodeMessage(value);
        // A copy: the entry may be a piece of a larger buffer.
        this.#set(nameOf(key), { ...message, payload: Buffer.from(message.payload) });
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "a retained message or a will is unreadable");
      }
    }
  }

  get(name: string): Message | undefined {
    return this.#messages.get(name);
  }

  all(): readonly (readonly [name: string, message: Message])[] {
    return [...this.#messages];
  }

  /** Those under topics that the filter matches. */
  *under(filter: string): Iterable<Message> {
    if (!/[+#]/.test(filter)) {
      const message = this.#messages.get(filter);
      if (message !== undefined) yield message;
      return;
    }
    for (const [topic, message] of this.#messages) if (matches(filter, topic)) yield message;
  }

  /** To be written, and kept once that is durable; nothing where there is no room. */
  putting(name: string, message: Message): Putting {
    const known = this.#messages.get(name);
    const { countMax, bytesMax } = this.#bounds;
    const bytes = this.#bytes + sizeOf(name, message) - sizeOf(name, known);
    if ((known === undefined && this.#messages.size >= countMax) || bytes > bytesMax) {
      this.#refused++;
      return { changes: [], settle: () => {} };
    }
    const value = encodeMessage(message);
    this.#pending++;
    return {
      changes: [{ kind: "put", key: namedKey(this.#kind, name), value }],
      settle: (isDurable) => {
        this.#pending--;
        // The parser's chunk is larger than the payload, and would live as long.
        if (isDurable) this.#set(name, { ...message, payload: Buffer.from(message.payload) });
      },
    };
  }

  deleting(name: string): Putting {
    const isThere = this.#messages.has(name) || this.#pending > 0;
    if (!isThere) return { changes: [], settle: () => {} };
    this.#pending++;
    return {
      changes: [{ kind: "delete", key: namedKey(this.#kind, name) }],
      settle: (isDurable) => {
        this.#pending--;
        if (isDurable) this.#set(name, undefined);
      },
    };
  }

  /** Alone, with no event; resolves once it is synced. */
  write({ changes, settle }: Putting): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#records.write(changes, (failure) => {
        settle(failure === undefined);
        if (failure === undefined) resolve();
        else reject(failure);
      });
    });
  }

  seal(): readonly Change[] {
    return [];
  }

  restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys
      .filter((key) => kindOf(key) === this.#kind)
      .map((key): Change => {
        const message = this.#messages.get(nameOf(key));
        if (message === undefined) return { kind: "delete", key };
        return { kind: "put", key, value: encodeMessage(message) };
      });
  }

  #set(name: string, message: Message | undefined): void {
    this.#bytes += sizeOf(name, message) - sizeOf(name, this.#messages.get(name));
    if (message === undefined) this.#messages.delete(name);
    else this.#messages.set(name, message);
  }
}

export interface Putting {
  readonly changes: readonly Change[];
  readonly settle: (isDurable: boolean) => void;
}

function sizeOf(name: string, message: Message | undefined): number {
  return message === undefined ? 0 : name.length + message.payload.length;
}
