/**
 * A reader of the journal that is registered: what it reads has its effect once, kept with the place
 * and the ledger in one write, over crashes of its own.
 */
import type { Place } from "@causeway/cloud/engine/place.ts";
import { withPlace } from "@causeway/cloud/engine/place.ts";
import { foldMessage, Ledgers } from "@causeway/cloud/ingest/fold.ts";
import { GatewayLedger } from "@causeway/cloud/ledger/ledger.ts";
import { RegisteredReader } from "@causeway/cloud/retention/registered-reader.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { JournalWayParts } from "./journal-way.ts";
import { JournalWay } from "./journal-way.ts";
import { ProcessClock } from "./process-clock.ts";
import type { Trace } from "./trace.ts";

export interface Effect {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly position: number;
  readonly to: number;
}

export interface HistorianParts extends Omit<JournalWayParts, "clock"> {
  readonly seed: string;
  readonly trace: Trace;
  /** What was written has its effect. */
  readonly onEffects: (effects: readonly Effect[]) => void;
}

/** What it has on its own disk. */
interface Kept {
  readonly places: readonly Place[];
  readonly marks: readonly string[];
}

const messagesOfWriteMax = 20;

export class Historian {
  readonly #parts: HistorianParts;
  #kept: Kept = { places: [], marks: [] };
  #clock: ProcessClock | undefined;
  #ended = new AbortController();
  #starts = 0;

  constructor(parts: HistorianParts) {
    this.#parts = parts;
  }

  get places(): readonly Place[] {
    return this.#kept.places;
  }

  start(): void {
    if (this.#clock !== undefined) return;
    const { timeline } = this.#parts;
    const id = `historian${++this.#starts}`;
    this.#clock = new ProcessClock(timeline, { id, atMs: timeline.nowMs, wrongByMs: 0 });
    this.#ended = new AbortController();
    void this.#run(this.#clock, this.#ended.signal, id);
  }

  kill(): void {
    this.#clock?.kill();
    this.#clock = undefined;
    this.#ended.abort();
  }

  async #run(clock: ProcessClock, signal: AbortSignal, id: string): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#read(clock, signal, id);
      } catch (failure) {
        this.#parts.trace.note("historian", reasonOf(failure));
      }
      await sleep(clock, 500, signal);
    }
  }

  async #read(clock: ProcessClock, signal: AbortSignal, id: string): Promise<void> {
    const { journal, seed } = this.#parts;
    const way = new JournalWay({ ...this.#parts, clock });
    const parts = {
      store: way.readers(),
      messageAt: (sequence: number) => way.messageAt(sequence),
      clock,
      random: seededRandom(`${seed} ${id}`),
    };
    const name = { name: "historian", kind: "history" };
    const own = this.#kept.places;
    const registered = await RegisteredReader.open(parts, name, own);
    const ledgers = new Ledgers();
    for (const mark of this.#kept.marks) ledgers.set(GatewayLedger.fromMark(decodeMark(mark)));
    let places: readonly Place[] = own.filter(({ sequence }) => sequence < registered.from);
    let effects: Effect[] = [];
    let count = 0;
    for await (const message of journal.read(registered.from, signal, clock)) {
      for (const { gateway, epoch, log, position, event } of foldMessage(ledgers, message)?.taken ??
        []) {
        const to = event.kind === "loss" ? event.to : position;
        effects.push({ gateway, epoch, log, position, to });
      }
      const { sequence, subject } = message;
      places = withPlace(places, {
        sequence,
        identity: { subject, nonce: message.header("Cw-Nonce") },
      });
      if (++count < messagesOfWriteMax && sequence < journal.last) continue;
      await sleep(clock, 5, signal);
      if (signal.aborted) return;
      this.#kept = { places, marks: ledgers.all().map((each) => encodeMark(each.replayMark())) };
      this.#parts.onEffects(effects);
      [effects, count] = [[], 0];
      const [newest] = places;
      if (newest !== undefined) await registered.advance(newest);
    }
  }
}
