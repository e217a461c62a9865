/**
 * Stream ENGINE in memory, and an engine's way to it. The refusals are those of the server: a whole
 * commit is refused where one subject's last sequence is another than expected.
 */
import { decodeCheckpoint, noCheckpoint } from "@causeway/cloud/engine/checkpoint.ts";
import type {
  CommitMessage,
  CommitOutcome,
  EngineStore,
  Shard,
  StoredCheckpoint,
} from "@causeway/cloud/engine/engine-store.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { Dice, FaultName } from "./faults.ts";
import type { ProcessClock } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";

export interface Stored {
  readonly sequence: number;
  readonly subject: string;
  readonly text: string;
  readonly atMs: number;
}

/** All that ENGINE holds at some moment. */
export interface EngineContents {
  readonly sequence: number;
  readonly last: ReadonlyMap<string, Stored>;
}

/** A subject is kept by its last message; of alerts and dead letters no reader is here. */
export class MemoryEngineStream {
  readonly #timeline: Timeline;
  #sequence = 0;
  #last = new Map<string, Stored>();
  /** Grows with every start of the server; what is under way to an earlier one never arrives. */
  session = 1;
  readonly #marks = new Map<string, Stored[]>();
  /** Told of every commit that was taken. */
  onCommit: (messages: readonly CommitMessage[]) => void = () => {};

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  last(subject: string): Stored | undefined {
    return this.#last.get(subject);
  }

  under(filter: string): readonly Stored[] {
    const pattern = filter.split(".");
    return [...this.#last.values()].filter(({ subject }) => {
      const tokens = subject.split(".");
      if (pattern.at(-1) !== ">" && tokens.length !== pattern.length) return false;
      return pattern.every((token, at) => token === ">" || token === "*" || token === tokens[at]);
    });
  }

  commit(messages: readonly CommitMessage[]): CommitOutcome {
    for (const { subject, expectedLast } of messages) {
      const last = this.#last.get(subject)?.sequence ?? 0;
      if (expectedLast !== undefined && expectedLast !== last) {
        return { kind: "refused", reason: `10071 wrong last sequence: ${last}` };
      }
    }
    for (const { subject, data } of messages) this.#put(subject, data);
    this.onCommit(messages);
    return { kind: "committed", last: this.#sequence };
  }

  save({ subject, data }: Shard): void {
    this.#put(subject, Buffer.from(data).toString("base64"));
  }

  delete(subject: string): void {
    this.#last.delete(subject);
  }

  /** A gateway's mark as a replica has it that is `behindMs` behind. */
  mark(gateway: string, behindMs: number): string | undefined {
    const untilMs = this.#timeline.nowMs - behindMs;
    return this.#marks.get(gateway)?.findLast(({ atMs }) => atMs <= untilMs)?.text;
  }

  contents(): EngineContents {
    return { sequence: this.#sequence, last: new Map(this.#last) };
  }

  /** Goes back; gateways may be told so by the next read of their mark. */
  restore({ sequence, last }: EngineContents): void {
    this.session++;
    this.#sequence = sequence;
    this.#last = new Map(last);
    const atMs = this.#timeline.nowMs;
    for (const gateway of this.#marks.keys()) {
      const [stored] = this.under(`mark.*.${gateway}`);
      this.#marks.set(gateway, stored === undefined ? [] : [{ ...stored, atMs }]);
    }
  }

  #put(subject: string, text: string): void {
    const stored = { sequence: ++this.#sequence, subject, text, atMs: this.#timeline.nowMs };
    this.#last.set(subject, stored);
    const [head, , gateway = ""] = subject.split(".");
    if (head !== "mark") return;
    const marks = this.#marks.get(gateway);
    if (marks === undefined) this.#marks.set(gateway, [stored]);
    else marks.push(stored);
  }
}

const answerTimeoutMs = 10_000;
const lateMaxMs = 30_000;

export interface EngineWay {
  readonly timeline: Timeline;
  readonly clock: ProcessClock;
  readonly stream: MemoryEngineStream;
  readonly dice: Dice;
  readonly isServerUp: () => boolean;
}

/** What an engine sends arrives although the engine dies; answers reach it only while it lives. */
export class EngineStreamClient implements EngineStore {
  readonly #way: EngineWay;

  constructor(way: EngineWay) {
    this.#way = way;
  }

  session(): number {
    return this.#way.stream.session;
  }

  loadCheckpoints(partitions: readonly number[]): Promise<ReadonlyMap<number, StoredCheckpoint>> {
    return this.#ask("load-failed", () => {
      return new Map(partitions.map((partition) => [partition, this.#checkpoint(partition)]));
    });
  }

  loadLast(filter: string): Promise<readonly Stored[]> {
    return this.#ask("load-failed", () => this.#way.stream.under(filter));
  }

  async saveShards(shards: readonly Shard[]): Promise<void> {
    for (const shard of shards) await this.#ask("shard-lost", () => this.#way.stream.save(shard));
  }

  loadShards(filter: string): Promise<readonly Shard[]> {
    return this.#ask("load-failed", () =>
      this.#way.stream
        .under(filter)
        .map(({ subject, text }) => ({ subject, data: Buffer.from(text, "base64") })),
    );
  }

  async purgeShards(partition: number, kept: string): Promise<void> {
    const { dice, stream } = this.#way;
    const found = await this.#ask("load-failed", () => stream.under(`snap.${partition}.>`));
    const fence = Number.parseInt(kept, 10);
    for (const { subject } of found) {
      const generation = subject.split(".")[3] ?? "";
      const isNewer = Number.parseInt(generation, 10) > fence;
      if (generation === kept || (isNewer && !dice.has("zombie-purge"))) continue;
      await this.#ask("load-failed", () => stream.delete(subject));
    }
  }

  commit(messages: readonly CommitMessage[]): Promise<CommitOutcome> {
    const { timeline, clock, stream, dice, isServerUp } = this.#way;
    const lost = dice.hit("commit-lost");
    const refused = dice.hit("commit-refused");
    const unheard = dice.hit("commit-answer-lost");
    const lateMs = dice.hit("commit-late") ? dice.between(1_000, lateMaxMs) : 0;
    return new Promise((resolve) => {
      clock.after(answerTimeoutMs, () => resolve({ kind: "unknown", reason: "timeout" }));
      if (lost) return;
      const { session } = stream;
      timeline.after(dice.between(1, 20) + lateMs, () => {
        if (!isServerUp() || session !== stream.session) return;
        const outcome: CommitOutcome = refused
          ? { kind: "refused", reason: "10008 system temporarily unavailable" }
          : stream.commit(messages);
        if (!unheard) clock.after(dice.between(1, 20), () => resolve(outcome));
      });
    });
  }

  #checkpoint(partition: number): StoredCheckpoint {
    const found = this.#way.stream.last(subjects.checkpoint(partition));
    const checkpoint = found === undefined ? noCheckpoint : decodeCheckpoint(found.text);
    return { checkpoint, lastSequence: found?.sequence ?? 0 };
  }

  /** Asks the leader; rejects when it does not answer. */
  #ask<Answer>(fault: FaultName, read: () => Answer): Promise<Answer> {
    const { timeline, clock, dice, isServerUp } = this.#way;
    const fails = dice.hit(fault);
    // Unless shards may be lost they reach even a server that is away.
    const isPatient = fault === "shard-lost" && !dice.has(fault);
    return new Promise((resolve, reject) => {
      clock.after(answerTimeoutMs, () => reject(new Error("timeout")));
      timeline.after(dice.between(1, 10), () => {
        if (fails || !(isServerUp() || isPatient)) return;
        const answer = read();
        clock.after(dice.between(1, 10), () => resolve(answer));
      });
    });
  }
}
