/** Which gateways owe nothing of their history, by their marks; asked by all receivers alike. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { engineStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { owesNothing } from "./history.ts";

/** So that many receivers cost no more than one. */
const keptMs = 10_000;
const askedAtOnceMax = 32;

interface Known {
  readonly at: number;
  readonly isTaken: boolean;
}

export class NatsHistory {
  readonly #manager: JetStreamManager;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(manager: JetStreamManager, clock: Clock) {
    this.#manager = manager;
    this.#clock = clock;
  }

  /** Of these gateways; rejects where there is no answer. */
  async taken(gateways: readonly string[]): Promise<ReadonlySet<string>> {
    const now = this.#clock.bootMs();
    for (const [gateway, { at }] of this.#known)
      if (now - at >= keptMs) this.#known.delete(gateway);
    const unknown = gateways.filter((gateway) => !this.#known.has(gateway));
    for (let from = 0; from < unknown.length; from += askedAtOnceMax) {
      const asked = unknown.slice(from, from + askedAtOnceMax);
      await Promise.all(
        asked.map(async (gateway) => {
          this.#known.set(gateway, { at: now, isTaken: await this.#ask(gateway) });
        }),
      );
    }
    return new Set(gateways.filter((gateway) => this.#known.get(gateway)?.isTaken));
  }

  /** From the leader: a replica may not have heard yet of what is owed. A site owes nothing. */
  async #ask(gateway: string): Promise<boolean> {
    if (!isGatewayId(gateway)) return true;
    const query = { last_by_subj: subjects.markOfGateway(gateway) };
    const found = await this.#manager.streams.getMessage(engineStream, query);
    if (found === null) return true;
    try {
      return owesNothing(decodeMark(found.string()));
    } catch (failure) {
      if (failure instanceof CodedError) return false; // of a later version, say
      throw failure;
    }
  }
}
