/** The key `rules` of bucket RULES on JetStream, with its history. */
import { rulesStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import { headers } from "@nats-io/nats-core";
import { appendAfter } from "../nats-append.ts";
import type { RulesRevision } from "./rules-revision.ts";

/** By the bucket's rules a deleted key is a message that says so. */
const operationHeader = "KV-Operation";
/** As a URI component: headers are ASCII. */
const noteHeader = "Cw-Note";

export class NatsRulesStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  /** Changes whenever the key may have; much smaller than its text. */
  async identity(): Promise<string> {
    const { created, state } = await this.#manager.streams.info(rulesStream);
    return `${created} ${state.last_seq} ${state.last_ts} ${state.messages}`;
  }

  /** From the leader; undefined where there never was one. */
  async last(): Promise<RulesRevision | undefined> {
    const query = { last_by_subj: subjects.rulesText };
    const found = await this.#manager.streams.getMessage(rulesStream, query);
    return found === null ? undefined : revisionOf(found);
  }

  /** Those that are kept, oldest first. */
  async history(): Promise<readonly RulesRevision[]> {
    const found: RulesRevision[] = [];
    for (let seq = 1; ; seq++) {
      const query = { seq, next_by_subj: subjects.rulesText };
      const message = await this.#manager.streams.getMessage(rulesStream, query);
      if (message === null) return found;
      found.push(revisionOf(message));
      seq = message.seq;
    }
  }

  /** The new revision; undefined where another than `expected` is last. */
  put(text: string, note: string, expected: number): Promise<number | undefined> {
    return this.#append(text, note, expected, headers());
  }

  /** The history stays. */
  remove(note: string, expected: number): Promise<number | undefined> {
    const head = headers();
    head.set(operationHeader, "DEL");
    return this.#append("", note, expected, head);
  }

  #append(text: string, note: string, expected: number, head: MsgHdrs) {
    if (note !== "") head.set(noteHeader, encodeURIComponent(note));
    const place = { stream: rulesStream, subject: subjects.rulesText, expectedLast: expected };
    return appendAfter(this.#jetstream, place, text, { headers: head });
  }
}

function revisionOf(message: StoredMsg): RulesRevision {
  const kind = message.header.get(operationHeader) === "" ? "put" : "removed";
  return {
    revision: message.seq,
    at: message.time.getTime(),
    kind,
    text: kind === "put" ? message.string() : "",
    note: decoded(message.header.get(noteHeader)),
  };
}

/** Any program may have written it. */
function decoded(note: string): string {
  try {
    return decodeURIComponent(note);
  } catch {
    return note;
  }
}
