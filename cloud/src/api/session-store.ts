/**
 * What is kept of sessions: those that were ended, and codes that log in. nats-session-store.ts is for
 * all processes, this one for its own alone.
 */
export interface SessionStore {
  hasEnded(session: string): boolean;
  /** Counts here at once; rejects where it could not be told to the others. */
  end(session: string, at: EndsAt): Promise<void>;
  keepCode(code: string, text: string, at: EndsAt): Promise<void>;
  /** To the first who asks; undefined where it is gone, or never was. */
  takeCode(code: string): Promise<string | undefined>;
}

/** In ms. */
export interface EndsAt {
  readonly now: number;
  readonly expiresAt: number;
}

/** The oldest go. */
const keptMax = 1_000;

export class MemorySessionStore implements SessionStore {
  readonly #codes = new Map<string, string>();
  readonly #ended = new Set<string>();

  hasEnded(session: string): boolean {
    return this.#ended.has(session);
  }

  async end(session: string): Promise<void> {
    this.#ended.add(session);
    dropOldest(this.#ended);
  }

  async keepCode(code: string, text: string): Promise<void> {
    this.#codes.set(code, text);
    dropOldest(this.#codes);
  }

  async takeCode(code: string): Promise<string | undefined> {
    const text = this.#codes.get(code);
    this.#codes.delete(code);
    return text;
  }
}

function dropOldest(kept: Pick<Map<string, unknown>, "keys" | "size" | "delete">): void {
  const [oldest] = kept.keys();
  if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
}
