/** Engines in memory, for tests. */

import type { AlertMessage } from "@causeway/shared/alert/alert.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { clockSubject } from "@causeway/shared/subjects.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import type { JournalMessage } from "../../ingest/journal.ts";
import { journalMessage, readingEvent } from "../../testing/journal-writer.ts";
import { KeptRuleSets, ruleSetName } from "../../ticks/rule-sets.ts";
import type { Tick } from "../../ticks/tick.ts";
import { encodeTick } from "../../ticks/tick.ts";
import type { EngineParts } from "../engine.ts";
import { Engine } from "../engine.ts";
import { MemoryEngineStore } from "../memory-engine-store.ts";

export const hotRules = rulesSchema.parse([
  { name: "hot", detector: "limits", hi: 50, metrics: ["temperature"] },
]);

/** A journal in memory; readers wait for what is appended later. */
class Journal {
  /** Readings under way end by an exception, as a lost consumer does. */
  #interruptions = 0;

  readonly messages: JournalMessage[] = [];
  readonly #waiting = new Set<() => void>();

  append(message: JournalMessage): void {
    this.messages.push(message);
    this.#wake();
  }

  interrupt(): void {
    this.#interruptions++;
    this.#wake();
  }

  /** Keeps what is up to `last`, as an older copy of the store does. */
  rollBack(last: number): void {
    const kept = this.messages.filter(({ sequence }) => sequence <= last);
    this.messages.splice(0, this.messages.length, ...kept);
    this.interrupt();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<JournalMessage> {
    const interruptions = this.#interruptions;
    for (let next = from; !signal.aborted; ) {
      if (interruptions !== this.#interruptions) throw new Error("interrupted");
      const message = this.messages.find(({ sequence }) => sequence >= next);
      if (message === undefined) {
        await this.#more(signal);
        continue;
      }
      next = message.sequence + 1;
      yield message;
    }
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

type OwnParts = "ledgerBounds" | "leases" | "log" | "tellGap" | "ruleSets" | "store";

/** Engines over a journal, a store and a clock in memory. */
export class EngineWorld {
  readonly clock = new VirtualClock();
  readonly store = new MemoryEngineStore();
  readonly journal = new Journal();
  readonly #random = seededRandom("engine");
  #tick: Tick = { n: 0, at: 0, rules: "", revision: 0 };

  engine(own = hotRules, over: Partial<Pick<EngineParts, OwnParts>> = {}): Engine {
    const engine = new Engine({
      store: this.store,
      journal: (from, signal) => this.journal.read(from, signal),
      messageAt: async (sequence) => {
        const found = this.journal.messages.find((message) => message.sequence === sequence);
        return found && { subject: found.subject, nonce: found.header("Cw-Nonce") };
      },
      firstSequence: async () => this.journal.messages[0]?.sequence ?? 1,
      ruleSets: new KeptRuleSets(this.store, own),
      clock: this.clock,
      random: this.#random,
      log: silentLogger,
      ...over,
    });
    engine.start();
    return engine;
  }

  /** Appends one reading at `position` as the journal's next message. */
  reading(position: number, value: number): void {
    const sequence = (this.journal.messages.at(-1)?.sequence ?? 0) + 1;
    const event = readingEvent("d1", "temperature", value, position);
    const nonce = `1.${this.#random.hex(8)}`;
    this.journal.append(journalMessage(sequence, position, [event], { head: { nonce } }));
  }

  /** Appends a tick as the journal's message of the next number. */
  tick(rules: readonly Rule[] | string, over: Partial<Tick> = {}): void {
    this.#tick = {
      n: this.#tick.n + 1,
      at: this.clock.wallMs(),
      rules: typeof rules === "string" ? rules : ruleSetName(rules),
      revision: 1,
      ...over,
    };
    const nonce = this.#random.hex(8);
    this.journal.append({
      sequence: (this.journal.messages.at(-1)?.sequence ?? 0) + 1,
      subject: clockSubject,
      storedAt: this.clock.wallMs(),
      data: Buffer.from(encodeTick(this.#tick)),
      header: (name) => (name === "Cw-Nonce" ? nonce : undefined),
    });
  }

  through(): number {
    const found = this.store.messages.find(({ subject }) => subject === "mark.3.g1");
    return found === undefined
      ? 0
      : (decodeMark(found.text).epochs[0]?.logs.telemetry.through ?? 0);
  }

  alerts(): string[] {
    return this.store.messages
      .filter(({ subject }) => subject.startsWith("alert."))
      .flatMap(({ text }) => (JSON.parse(text) as AlertMessage).transitions)
      .map(({ id, state }) => `${id} ${state}`);
  }
}
