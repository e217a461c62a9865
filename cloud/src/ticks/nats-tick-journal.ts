/** Subject `clk` of stream TLM. */
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import { appendAfter } from "../nats-append.ts";
import type { Tick } from "./tick.ts";
import { decodeTick, encodeTick } from "./tick.ts";
import type { JournalTick, TickJournal } from "./ticker.ts";

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
    const place = { stream: telemetryStream, subject: clockSubject, expectedLast };
    const text = encodeTick(tick);
    const sequence = await appendAfter(this.#jetstream, place, text, { headers: head });
    return sequence === undefined ? undefined : journalTick(tick, sequence, nonce);
  }
}

function journalTick(tick: Tick, sequence: number, nonce: string): JournalTick {
  return { tick, sequence, identity: `${sequence} ${nonce}` };
}
