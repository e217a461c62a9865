/**
 * The ledger of one gateway: per (epoch, log) the position through which everything is accounted
 * for, the end where it was told, and the stretches that were not simply taken. One pure fold, used
 * by the engine and by every other reader of the journal.
 *
 *   L1  Of an epoch's log exactly the next position is taken; an earlier one is a repeat, a later
 *       one is not taken.
 *   L2  Epochs are never forgotten.
 *   L3  An end, once told, does not change; positions beyond it are taken like any others, for
 *       another branch of a fork may have them.
 *   L4  What a committed mark covers (the floor) had its effect: replayed, it has none.
 *   L5  Once a replay has passed the commit that covers it, a hole below the floor is one that the
 *       journal lost: it is passed and told, never waited for.
 *   L6  An event is late when an epoch seen on live has it behind it: its chain of predecessors names
 *       the event's epoch, with an end at or beyond the event. Where a link of the chain is unknown,
 *       a lower ordinal is enough. So a store that was put back is not late for ever.
 *   L7  What is told of forks follows from what takes effect, and is committed with it; a replay
 *       changes and tells nothing of it.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type {
  Doubt,
  EpochLedger,
  Hole,
  LogLedger,
  Mark,
  Predecessor,
  Stretch,
} from "@causeway/shared/mark.ts";
import type { ForkFinding } from "./forks.ts";
import { Forks } from "./forks.ts";
import { Lineage } from "./lineage.ts";

interface LogState {
  through: number;
  /** Covered by the committed mark. */
  floor: number;
  end: number | undefined;
  readonly stretches: Stretch[];
}

interface EpochState {
  readonly epoch: EpochId;
  readonly logs: Readonly<Record<Log, LogState>>;
}

export type Judgement =
  | { readonly kind: "repeat" }
  /** Taken from `from` on; `effect` is false where the floor covers it. */
  | { readonly kind: "taken"; readonly from: number; readonly effect: boolean }
  | { readonly kind: "expected"; readonly expected: number };

/** Positions of an epoch up to these stand behind what was seen on live. */
type Limits = Readonly<Record<Log, number>>;

const nothingLate: Limits = { telemetry: 0, priority: 0 };
const allLate: Limits = { telemetry: Number.POSITIVE_INFINITY, priority: Number.POSITIVE_INFINITY };

export class GatewayLedger {
  readonly gateway: string;
  readonly #epochs = new Map<EpochId, EpochState>();
  /** As this reader itself learned it, since lateness must be the same in every replay. */
  readonly #lineage = new Lineage();
  /** With what the committed mark knows. */
  readonly #committed = new Lineage();
  readonly #forks = new Forks(this.#committed, (epoch, log) => this.#accounted(epoch, log));
  /** The newest epochs seen on live, one for each branch, the latest noted last. */
  #runs: readonly EpochId[] = [];
  #committedRuns: readonly EpochId[] = [];
  readonly #limits = new Map<EpochId, Limits>();
  #isNews = false;

  constructor(gateway: string) {
    this.gateway = gateway;
  }

  /** Goes on from where a mark says that it was. */
  static fromMark(mark: Mark): GatewayLedger {
    const ledger = new GatewayLedger(mark.gateway);
    for (const { epoch, before, logs: found } of mark.epochs) {
      const state = ledger.#epoch(epoch);
      if (before !== undefined) ledger.#learn(epoch, before);
      for (const log of logs) {
        const { through, end, stretches } = found[log];
        state.logs[log].through = through;
        state.logs[log].end = end;
        state.logs[log].stretches.push(...stretches);
      }
    }
    ledger.#runs = runsOf(mark);
    if (mark.forks !== undefined) ledger.#forks.restore(mark.forks);
    ledger.#isNews = false;
    return ledger;
  }

  /** L4: what the committed mark covers had its effect, whatever is read again from here on. */
  layFloor(mark: Mark): void {
    for (const { epoch, before, logs: found } of mark.epochs) {
      const state = this.#epoch(epoch);
      if (before !== undefined) this.#committed.learn(epoch, before);
      for (const log of logs) {
        const own = state.logs[log];
        own.floor = found[log].through;
        own.end ??= found[log].end;
        own.stretches.splice(0, own.stretches.length, ...found[log].stretches);
      }
    }
    this.#committedRuns = runsOf(mark);
    this.#forks.lineageGrew();
    if (mark.forks !== undefined) this.#forks.restore(mark.forks);
  }

  /** Whether a gateway's ends or lineage became known since this was last asked. */
  takeNews(): boolean {
    const isNews = this.#isNews;
    this.#isNews = false;
    return isNews;
  }

  /** The position that comes next. */
  expected(epoch: EpochId, log: Log): number {
    return this.#accounted(epoch, log) + 1;
  }

  /** L1, L4. Judges positions `from` to `to` without taking them. */
  judge(epoch: EpochId, log: Log, from: number, to: number): Judgement {
    const { through, floor } = this.#epoch(epoch).logs[log];
    if (to <= through) return { kind: "repeat" };
    if (from > through + 1) return { kind: "expected", expected: Math.max(through, floor) + 1 };
    return { kind: "taken", from: Math.max(from, through + 1), effect: to > floor };
  }

  /** Accounts for everything up to `to`; a stretch says that it was not simply taken. */
  take(epoch: EpochId, log: Log, to: number, stretch?: Stretch): ForkFinding | undefined {
    const state = this.#epoch(epoch).logs[log];
    const found = to > state.floor ? this.#noteFork(epoch, log, to) : undefined;
    if (stretch !== undefined && stretch.to > state.floor) {
      // What the floor covers of it was booked before, under whatever cuts it had then.
      addStretch(state.stretches, { ...stretch, from: Math.max(stretch.from, state.floor + 1) });
    }
    state.through = Math.max(state.through, to);
    return found;
  }

  /** The first position that takes effect of positions from `from` on. */
  effectFrom(epoch: EpochId, log: Log, from: number): number {
    return Math.max(from, this.#epoch(epoch).logs[log].floor + 1);
  }

  /** L3. A log's last position, told by its own batches or by those of the successor. */
  noteEnd(epoch: EpochId, log: Log, end: number): void {
    const state = this.#epoch(epoch).logs[log];
    if (state.end !== undefined) return;
    state.end = end;
    this.#isNews = true;
  }

  /** What a batch of `epoch` says of its predecessor; null where a store began with it. */
  noteBefore(epoch: EpochId, before: Predecessor | null): void {
    this.#learn(epoch, before);
    if (before === null) return;
    for (const log of logs) this.noteEnd(before.epoch, log, before.ends[log]);
  }

  /** Remembers the newest epoch that came by `live`; what stands behind it is late from now on. */
  noteLive(epoch: EpochId): void {
    if (this.#runs.at(-1) === epoch || this.#limitsOf(epoch) !== nothingLate) return;
    const others = this.#runs.filter((run) => run !== epoch && !this.#isBehind(run, epoch));
    this.#runs = [...others, epoch];
    this.#limits.clear();
  }

  /** L6. */
  isLate(epoch: EpochId, log: Log, position: number): boolean {
    return position <= this.#limitsOf(epoch)[log];
  }

  epochs(): readonly EpochLedger[] {
    return this.#rows(this.#committed, viewOf);
  }

  mark(commit: number, doubts: readonly Doubt[], cap?: number): Mark {
    const head = { commit, gateway: this.gateway, epochs: this.epochs(), doubts, cap };
    return { ...head, ...this.#runsMarked(), forks: this.#forks.book };
  }

  /** Where this reader itself is, for a snapshot; a floor that lies ahead of it does not count. */
  replayMark(): Mark {
    const epochs = this.#rows(this.#lineage, ownView);
    const head = { commit: 0, gateway: this.gateway, epochs, doubts: [], cap: undefined };
    return { ...head, ...this.#runsMarked() };
  }

  /**
   * L5 for one log, up to a position below its floor: what was passed over. With a reason it is
   * booked as lost in this reader's own ledger.
   */
  passTo(epoch: EpochId, log: Log, to: number, reason?: string): Hole | undefined {
    const state = this.#epoch(epoch).logs[log];
    const hole = { epoch, log, from: state.through + 1, to: Math.min(to, state.floor) };
    if (hole.to < hole.from) return undefined;
    state.through = hole.to;
    if (reason !== undefined) {
      addStretch(state.stretches, { from: hole.from, to: hole.to, state: "lost", reason });
    }
    return hole;
  }

  /**
   * L5 for all logs; what the committed mark knew of lineage and live is known from here on. For a
   * reader that begins late, a log of which it met nothing is no hole: it lies before its beginning.
   */
  passFloor(reason?: string, beginsLate = false): readonly Hole[] {
    const holes = [...this.#epochs.values()].flatMap(({ epoch, logs: states }) =>
      logs.flatMap((log) => {
        const { through, floor } = states[log];
        const isBefore = beginsLate && through === 0;
        const hole = this.passTo(epoch, log, floor, isBefore ? undefined : reason);
        return hole === undefined || isBefore ? [] : [hole];
      }),
    );
    this.#lineage.learnAll(this.#committed);
    this.#limits.clear();
    for (const run of this.#committedRuns) this.noteLive(run);
    return holes;
  }

  /** How much of the log this reader has met itself. */
  through(epoch: EpochId, log: Log): number {
    return this.#epochs.get(epoch)?.logs[log].through ?? 0;
  }

  #accounted(epoch: EpochId, log: Log): number {
    const state = this.#epochs.get(epoch)?.logs[log];
    return state === undefined ? 0 : Math.max(state.through, state.floor);
  }

  /** L7. */
  #noteFork(epoch: EpochId, log: Log, to: number): ForkFinding | undefined {
    const isFirst = logs.every((each) => this.#accounted(epoch, each) === 0);
    return this.#forks.note(epoch, log, to, isFirst);
  }

  #learn(epoch: EpochId, before: Predecessor | null): void {
    this.#epoch(epoch);
    if (this.#lineage.learn(epoch, before)) this.#limits.clear();
    if (!this.#committed.learn(epoch, before)) return;
    this.#forks.lineageGrew();
    this.#isNews = true;
  }

  #isBehind(epoch: EpochId, head: EpochId): boolean {
    return this.#lineage.behind(head, epoch) !== "nothing";
  }

  #limitsOf(epoch: EpochId): Limits {
    const known = this.#limits.get(epoch);
    if (known !== undefined) return known;
    let limits = nothingLate;
    for (const run of this.#runs) {
      const behind = this.#lineage.behind(run, epoch);
      if (behind === "unknown") limits = allLate;
      else if (behind !== "nothing") limits = higher(limits, behind);
    }
    this.#limits.set(epoch, limits);
    return limits;
  }

  #runsMarked(): Pick<Mark, "run" | "runs"> {
    return { run: this.#runs.at(-1), runs: this.#runs.slice(0, -1) };
  }

  #rows(lineage: Lineage, view: (state: LogState) => LogLedger): readonly EpochLedger[] {
    return [...this.#epochs.values()].map(({ epoch, logs: { telemetry, priority } }) => {
      const before = lineage.before(epoch);
      const row = { epoch, logs: { telemetry: view(telemetry), priority: view(priority) } };
      return before === undefined ? row : { ...row, before };
    });
  }

  #epoch(epoch: EpochId): EpochState {
    const known = this.#epochs.get(epoch);
    if (known !== undefined) return known;
    const state = { epoch, logs: { telemetry: emptyLog(), priority: emptyLog() } };
    this.#epochs.set(epoch, state);
    this.#lineage.meet(epoch);
    this.#committed.meet(epoch);
    return state;
  }
}

function runsOf({ run, runs = [] }: Mark): readonly EpochId[] {
  return run === undefined ? runs : [...runs, run];
}

/** Another object than `nothingLate`, also where both ends are 0. */
function higher(one: Limits, other: Limits): Limits {
  return {
    telemetry: Math.max(one.telemetry, other.telemetry),
    priority: Math.max(one.priority, other.priority),
  };
}

function emptyLog(): LogState {
  return { through: 0, floor: 0, end: undefined, stretches: [] };
}

function viewOf({ through, floor, end, stretches }: LogState): LogLedger {
  return { through: Math.max(through, floor), end, stretches: [...stretches] };
}

function ownView({ through, end, stretches }: LogState): LogLedger {
  return { through, end, stretches: [...stretches] };
}

function addStretch(stretches: Stretch[], added: Stretch): void {
  const last = stretches.at(-1);
  const joins =
    last?.to === added.from - 1 && last.state === added.state && last.reason === added.reason;
  if (last !== undefined && joins) stretches[stretches.length - 1] = { ...last, to: added.to };
  else stretches.push(added);
}
