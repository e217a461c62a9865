/** The deployment's alerts on stream ENGINE. */

import type { AlertMessage } from "@causeway/shared/alert/alert.ts";
import type { AlertSubjects, LastTold } from "@causeway/shared/alert/deployment-alert.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import { engineStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAfter } from "../nats-append.ts";

/** As long as other alerts; one that still holds then is told anew. */
const historyTtl = "2592000s";

export class NatsAlertSubjects implements AlertSubjects {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async last(subject: string): Promise<LastTold | undefined> {
    const query = { last_by_subj: subject };
    const found = await this.#manager.streams.getMessage(engineStream, query);
    const transition = found === null ? undefined : decodeAlertMessage(found.string()).at(-1);
    return found === null || transition === undefined
      ? undefined
      : { sequence: found.seq, transition };
  }

  async append(subject: string, message: AlertMessage, expectedLast: number): Promise<boolean> {
    const place = { stream: engineStream, subject, expectedLast };
    const options = { ttl: historyTtl };
    const text = JSON.stringify(message);
    return (await appendAfter(this.#jetstream, place, text, options)) !== undefined;
  }
}
