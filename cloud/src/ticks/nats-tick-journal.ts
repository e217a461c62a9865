/** Subject `clk` of stream TLM. */
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { JetStreamApiError } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import type { Tick } from "./tick.ts";
import { decodeTick, encodeTick } from "./tick.ts";
import type { JournalTick, TickJournal } from "./ticker.ts";

/** The server's codes of a wrong last sequence; the second while another write is under way. */
const wrongLast: ReadonlySet<number> = new Set([10_071, 10_164]);

export class NatsTickJournal implements TickJournal {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async last(): Promise<JournalTick | undefined> {
    const query = { last_by_subj: clockSubject };
    const found = await this.#manager.streams.getMessage(telemetryStream, query);
    if (found === null) return undefined;
    return journalTick(decodeTick(found.data), found.seq, found.header.get("Cw-Nonce"));
  }

  async append(tick: Tick, nonce: string, expectedLast: number): Promise<JournalTick | undefined> {
    const head = headers();
    head.set("Cw-Nonce", nonce);
    try {
      const { seq } = await this.#jetstream.publish(clockSubject, encodeTick(tick), {
        retries: 0,
        headers: head,
        expect: { streamName: telemetryStream, lastSubjectSequence: expectedLast },
      });
      return journalTick(tick, seq, nonce);
    } catch (failure) {
      if (failure instanceof JetStreamApiError && wrongLast.has(failure.code)) return undefined;
      throw failure;
    }
  }
}

function journalTick(tick: Tick, sequence: number, nonce: string): JournalTick {
  return { tick, sequence, identity: `${sequence} ${nonce}` };
}
