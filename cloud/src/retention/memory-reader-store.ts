/** The bucket READERS in memory, with the same refusals as the real one. */
import type { ReaderState, ReaderStore, StoredReader, WriteOutcome } from "./reader-store.ts";
import { decodeReader, encodeReader } from "./reader-store.ts";

export class MemoryReaderStore implements ReaderStore {
  readonly #entries = new Map<string, { revision: number; text: string }>();
  #revision = 0;

  async load(name: string): Promise<StoredReader | undefined> {
    const found = this.#entries.get(name);
    return found && { name, revision: found.revision, state: decodeReader(found.text) };
  }

  async list(): Promise<readonly StoredReader[]> {
    return [...this.#entries]
      .map(([name, { revision, text }]) => ({ name, revision, state: decodeReader(text) }))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  async write(name: string, state: ReaderState, expected: number): Promise<WriteOutcome> {
    return this.writeText(name, encodeReader(state), expected);
  }

  /** As another version would. */
  writeText(name: string, text: string, expected: number): WriteOutcome {
    if ((this.#entries.get(name)?.revision ?? 0) !== expected) return { kind: "refused" };
    this.#entries.set(name, { revision: ++this.#revision, text });
    return { kind: "written", revision: this.#revision };
  }

  async remove(name: string): Promise<boolean> {
    return this.#entries.delete(name);
  }
}
