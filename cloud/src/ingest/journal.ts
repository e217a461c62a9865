import type { BatchBody } from "@causeway/shared/batch-codec.ts";

/** The journal, stream TLM, as its readers see it; nats-journal.ts is the real one. */
export interface JournalMessage {
  /** Place in the journal. */
  readonly sequence: number;
  readonly subject: string;
  /** When the server stored it, in ms since 1970. */
  readonly storedAt: number;
  readonly data: Uint8Array;
  header(name: string): string | undefined;
  /** The decoded data, shared with other readers; throws where it cannot be read. */
  readonly body?: () => BatchBody;
}
