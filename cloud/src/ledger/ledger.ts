/**
 * The ledger of one gateway: per (epoch, log) the position through which everything is accounted
 * for, the end where it was told, and the stretches that were not simply taken. One pure fold, used
 * by the engine and by every other reader of the journal.
 *
 *   L1  Of an epoch's log exactly the next position is taken; an earlier one is a repeat, a later
 *       one is not taken.
 *   L2  Epochs are never forgotten, up to a bound of some 100,000; beyond it the oldest are, and an
 *       alert tells of it.
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
 *   L8  A mark does not grow with the gateway's life: it names the epochs that something happened to
 *       of late, and all that owe something; the others stand in pages, written in the same commit.
 *   L9  A mark says of an epoch that it covers what came before only where each predecessor, back to
 *       the beginning, is taken to the ends that its successor states, or is named itself.
 *       It says too where an epoch that comes next is known and not named.
 *   L10 An epoch that is not named is named again as soon as anything comes of it, be it a repeat.
 *   L11 Messages of lane `redrive` have numbers that grow: one is taken once, and never an older one.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type {
  Doubt,
  EpochLedger,
  Hole,
  LogLedger,
  Mark,
  Paged,
  Predecessor,
  Stretch,
} from "@causeway/shared/mark.ts";
import type { LedgerBounds } from "./bounds.ts";
import { defaultLedgerBounds } from "./bounds.ts";
import type { ForkFinding } from "./forks.ts";
import { Forks } from "./forks.ts";
import { Lineage } from "./lineage.ts";
import { LiveRuns, runsOf } from "./live-runs.ts";
import { Pages } from "./pages.ts";
import { Reach } from "./reach.ts";

interface LogState {
  through: number;
  /** Covered by the committed mark. */
  floor: number;
  end: number | undefined;
  /** The highest end that was ever stated: two branches may state different ones. */
  endMax: number;
  readonly stretches: Stretch[];
}

interface EpochState {
  readonly epoch: EpochId;
  readonly logs: Readonly<Record<Log, LogState>>;
  /** The page that has its row as it is committed; undefined where none has. */
  page: number | undefined;
}

/** What became of the pages. */
export interface Settled {
  /** Pages whose epochs are forgotten from now on. */
  readonly forgotten: readonly number[];
  /** Half of what may be remembered is used from now on. */
  readonly isHalfFull: boolean;
}

export type Judgement =
  | { readonly kind: "repeat" }
  /** Taken from `from` on; `effect` is false where the floor covers it. */
  | { readonly kind: "taken"; readonly from: number; readonly effect: boolean }
  | { readonly kind: "expected"; readonly expected: number };

export class GatewayLedger {
  readonly gateway: string;
  readonly #epochs = new Map<EpochId, EpochState>();
  /** As this reader itself learned it, since lateness must be the same in every replay. */
  readonly #lineage = new Lineage();
  /** With what the committed mark knows. */
  readonly #committed = new Lineage();
  readonly #forks = new Forks(this.#committed, (epoch, log) => this.#accounted(epoch, log));
  readonly #live = new LiveRuns(this.#lineage);
  #committedRuns: readonly EpochId[] = [];
  #isNews = false;
  readonly #bounds: LedgerBounds;
  readonly #pages: Pages;
  readonly #reach = new Reach(this.#committed, ({ epoch, ends }) =>
    logs.every((log) => this.#accounted(epoch, log) >= ends[log]),
  );
  /** L8: those that the mark names, the one that something happened to last at the end. */
  readonly #named = new Map<EpochId, EpochState>();
  #namedLast: EpochState | undefined;
  /** They owe something, and the mark has no room for them so far. */
  readonly #waiting = new Set<EpochState>();
  #pagedOrdinal = 0;
  #forgottenOrdinal = 0;
  /** L11. */
  #redriven = { through: 0, floor: 0 };

  constructor(gateway: string, bounds: LedgerBounds = defaultLedgerBounds) {
    this.gateway = gateway;
    this.#bounds = bounds;
    this.#pages = new Pages(gateway, bounds);
  }

  /** Goes on from where a mark says that it was; of the pages what it had then. */
  static fromMark(
    mark: Mark,
    pages: readonly EpochPage[] = [],
    bounds?: LedgerBounds,
  ): GatewayLedger {
    const ledger = new GatewayLedger(mark.gateway, bounds);
    const rows = new Map([...rowsUpTo(pages, mark.paged), ...mark.epochs].map(byEpoch));
    ledger.#forgottenOrdinal = mark.paged?.forgotten ?? 0;
    for (const { epoch, logs: found } of rows.values()) {
      const state = ledger.#epoch(epoch);
      for (const log of logs) {
        const { through, end, stretches } = found[log];
        state.logs[log].through = through;
        state.logs[log].end = end;
        state.logs[log].stretches.push(...stretches);
      }
    }
    for (const row of rows.values())
      ledger.#link(row, (before) => ledger.#learn(row.epoch, before));
    ledger.#live.restore(runsOf(mark));
    if (mark.forks !== undefined) ledger.#forks.restore(mark.forks);
    ledger.#redriven.through = mark.redriven ?? 0;
    ledger.#isNews = false;
    return ledger;
  }

  /** L4: what the committed mark covers had its effect, whatever is read again from here on. */
  layFloor(mark: Mark, pages: readonly EpochPage[] = []): void {
    this.#forgottenOrdinal = mark.paged?.forgotten ?? 0;
    this.#redriven.floor = mark.redriven ?? 0;
    const rows = new Map<EpochId, EpochLedger>();
    for (const { number, epochs } of pages) {
      for (const row of epochs) {
        rows.set(row.epoch, row);
        this.#epoch(row.epoch).page = number;
      }
    }
    this.#pagedOrdinal = mark.paged?.ordinal ?? 0;
    for (const row of mark.epochs) {
      rows.set(row.epoch, row);
      this.#epoch(row.epoch).page = undefined;
    }
    for (const { epoch, logs: found } of rows.values()) {
      const state = this.#epoch(epoch);
      for (const log of logs) {
        const own = state.logs[log];
        own.floor = found[log].through;
        own.end ??= found[log].end;
        own.stretches.splice(0, own.stretches.length, ...found[log].stretches);
      }
    }
    for (const row of rows.values()) {
      this.#link(row, (before) => this.#committed.learn(row.epoch, before));
    }
    this.#pages.restore(pages);
    this.#nameAgain(mark);
    this.#committedRuns = runsOf(mark);
    this.#forks.lineageChanged();
    if (mark.forks !== undefined) this.#forks.restore(mark.forks);
  }

  /** Those that stand nowhere else are named besides what the mark names. */
  #nameAgain({ epochs }: Mark): void {
    this.#named.clear();
    this.#namedLast = undefined;
    for (const state of this.#epochs.values()) {
      if (state.page === undefined) this.#named.set(state.epoch, state);
      else if (this.#isOwed(state)) this.#waiting.add(state);
    }
    for (const { epoch } of epochs) this.#touch(this.#epoch(epoch));
  }

  /** What is behind a page that was forgotten is as if there were nothing. */
  #link(
    { epoch, before, logs: found }: EpochLedger,
    learn: (before: Predecessor | null) => void,
  ): void {
    const states = this.#epoch(epoch).logs;
    for (const log of logs) states[log].endMax = Math.max(states[log].endMax, found[log].end ?? 0);
    if (before === undefined) return;
    if (before === null || this.#isForgotten(before.epoch)) return learn(null);
    learn(before);
    const behind = this.#epochs.get(before.epoch)?.logs;
    if (behind === undefined) return;
    for (const log of logs) behind[log].endMax = Math.max(behind[log].endMax, before.ends[log]);
  }

  /** Whether a gateway's ends or lineage became known since this was last asked. */
  takeNews(): boolean {
    const isNews = this.#isNews;
    this.#isNews = false;
    return isNews;
  }

  /** L10. A batch of the epoch came, whatever is made of it; whether the mark changes by that. */
  hear(epoch: EpochId): boolean {
    const state = this.#epochs.get(epoch);
    if (state === undefined) return false;
    const isNews = !this.#named.has(epoch);
    this.#touch(state);
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
    const own = this.#epoch(epoch);
    const state = own.logs[log];
    const found = to > state.floor ? this.#noteFork(epoch, log, to) : undefined;
    if (to > state.floor) this.#changed(own);
    if (stretch !== undefined && stretch.to > state.floor) {
      // What the floor covers of it was booked before, under whatever cuts it had then.
      addStretch(state.stretches, { ...stretch, from: Math.max(stretch.from, state.floor + 1) });
    }
    state.through = Math.max(state.through, to);
    return found;
  }

  /** L4, L11: whether it takes effect; undefined where it was taken before. */
  takeRedrive(number: number): boolean | undefined {
    if (number <= this.#redriven.through) return undefined;
    this.#redriven.through = number;
    return number > this.#redriven.floor;
  }

  /** The first position that takes effect of positions from `from` on. */
  effectFrom(epoch: EpochId, log: Log, from: number): number {
    return Math.max(from, this.#epoch(epoch).logs[log].floor + 1);
  }

  /** L3. A log's last position, told by its own batches or by those of the successor. */
  noteEnd(epoch: EpochId, log: Log, end: number): void {
    const own = this.#epoch(epoch);
    const state = own.logs[log];
    if (state.end !== undefined && end <= state.endMax) return;
    state.end ??= end;
    state.endMax = Math.max(state.endMax, end);
    this.#changed(own);
    this.#isNews = true;
  }

  /** What a batch of `epoch` says of its predecessor; null where a store began with it. */
  noteBefore(epoch: EpochId, before: Predecessor | null): void {
    this.#learn(epoch, before);
    if (before === null || this.#isForgotten(before.epoch)) return;
    for (const log of logs) this.noteEnd(before.epoch, log, before.ends[log]);
  }

  /** Remembers the newest epoch that came by `live`; what stands behind it is late from now on. */
  noteLive(epoch: EpochId): void {
    this.#live.note(epoch);
  }

  /** L6. */
  isLate(epoch: EpochId, log: Log, position: number): boolean {
    return this.#live.isLate(epoch, log, position);
  }

  /** All of them. */
  epochs(): readonly EpochLedger[] {
    return this.#rows(this.#epochs.values(), this.#committed, viewOf);
  }

  /** L8. To be called before `mark`, in the same commit. */
  settle(): Settled {
    const wasHalfFull = this.#pages.isHalfFull;
    const { markRowsMax, owedRowsMax } = this.#bounds;
    if (this.#named.size > markRowsMax) {
      this.#turnOver(Math.ceil(markRowsMax / 2), (state) => !this.#isOwed(state));
    }
    for (const state of this.#waiting) {
      if (this.#named.size >= owedRowsMax) break;
      this.#waiting.delete(state);
      if (this.#isOwed(state)) this.#touch(state);
    }
    this.#turnOver(owedRowsMax, () => true);
    this.#turnOverStretches();
    const forgotten: number[] = [];
    for (let page = this.#pages.giveUp(); page !== undefined; page = this.#pages.giveUp()) {
      this.#forget(page);
      forgotten.push(page);
    }
    const isHalfFull = this.#pages.isHalfFull && !wasHalfFull;
    return { forgotten, isHalfFull };
  }

  /** Pages that are to be written with the mark. */
  get changedPages(): number {
    return this.#pages.changed;
  }

  takePages(): readonly EpochPage[] {
    return this.#pages.take();
  }

  mark(commit: number, doubts: readonly Doubt[], cap?: number): Mark {
    const rows = this.#rows(this.#named.values(), this.#committed, viewOf);
    const epochs = rows.map((row) => ({
      ...row,
      ...(this.#coversBefore(row.epoch) ? { coversBefore: true } : {}),
      ...(this.#hasPagedNext(row.epoch) ? { hasPagedNext: true } : {}),
    }));
    const head = { commit, gateway: this.gateway, epochs, doubts, cap, paged: this.#paged() };
    const { through, floor } = this.#redriven;
    const redriven = Math.max(through, floor) || undefined;
    return { ...head, ...this.#live.marked(), forks: this.#forks.book, redriven };
  }

  /**
   * Where this reader itself is, for a snapshot; a floor that lies ahead of it does not count. Once
   * it is past the floor, what the pages have need not be said again.
   */
  replayMark(isPastFloor = false): Mark {
    const states = [...this.#epochs.values()];
    const own = isPastFloor ? states.filter((state) => !this.#isInPage(state)) : states;
    const epochs = this.#rows(own, this.#lineage, ownView);
    const head = { commit: 0, gateway: this.gateway, epochs, doubts: [], cap: undefined };
    const paged = isPastFloor ? { paged: this.#paged() } : {};
    const redriven = this.#redriven.through || undefined;
    return { ...head, ...paged, ...this.#live.marked(), redriven };
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
    this.#live.lineageChanged();
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

  #paged(): Paged | undefined {
    const extent = this.#pages.extent;
    if (extent.pages === 0) return undefined;
    return { ...extent, ordinal: this.#pagedOrdinal, forgotten: this.#forgottenOrdinal };
  }

  #isInPage({ epoch, page }: EpochState): boolean {
    return page !== undefined && !this.#named.has(epoch);
  }

  #touch(state: EpochState): void {
    if (state === this.#namedLast) return;
    this.#named.delete(state.epoch);
    this.#named.set(state.epoch, state);
    this.#namedLast = state;
  }

  /** Its row in a page, if there is one, is not as it is any more. */
  #changed(state: EpochState): void {
    state.page = undefined;
    this.#touch(state);
  }

  /** Somebody has positions of it that were not taken. */
  #isOwed({ epoch, logs: states }: EpochState): boolean {
    return logs.some((log) => states[log].endMax > this.#accounted(epoch, log));
  }

  /** Moves rows to pages until `rowsMax` are named, those that nothing happened to for longest first. */
  #turnOver(rowsMax: number, mayGo: (state: EpochState) => boolean): void {
    for (const state of this.#named.values()) {
      if (this.#named.size <= rowsMax) return;
      if (state === this.#namedLast || !mayGo(state)) continue;
      this.#named.delete(state.epoch);
      const [row] = this.#rows([state], this.#committed, viewOf);
      if (this.#isOwed(state)) this.#waiting.add(state);
      if (row === undefined || state.page !== undefined) continue;
      state.page = this.#pages.add(row);
      this.#pagedOrdinal = Math.max(this.#pagedOrdinal, this.#ordinal(state.epoch));
    }
  }

  #turnOverStretches(): void {
    const states = [...this.#named.values()];
    let count = 0;
    for (const state of states) for (const log of logs) count += state.logs[log].stretches.length;
    if (count <= this.#bounds.stretchesMax) return;
    for (const state of states) {
      for (const log of logs) {
        const spare = Math.max(0, count - Math.ceil(this.#bounds.stretchesMax / 2));
        const moved = state.logs[log].stretches.splice(0, spare);
        const { epoch } = state;
        for (const stretch of moved) this.#pages.addLoose({ epoch, log, stretch });
        if (moved.length > 0) state.page = undefined;
        count -= moved.length;
      }
    }
  }

  #forget(page: number): void {
    for (const state of this.#epochs.values()) {
      if (state.page !== page || this.#named.has(state.epoch)) continue;
      this.#forgottenOrdinal = Math.max(this.#forgottenOrdinal, this.#ordinal(state.epoch));
      this.#epochs.delete(state.epoch);
      this.#waiting.delete(state);
      this.#lineage.forget(state.epoch);
      this.#committed.forget(state.epoch);
    }
    this.#reach.clear();
    this.#live.lineageChanged();
    this.#forks.lineageChanged();
  }

  #isForgotten(epoch: EpochId): boolean {
    return !this.#epochs.has(epoch) && this.#ordinal(epoch) <= this.#forgottenOrdinal;
  }

  /** L9. */
  #coversBefore(epoch: EpochId): boolean {
    for (let at = epoch; ; ) {
      at = this.#reach.from(at);
      const before = this.#committed.before(at);
      if (before === undefined) return false;
      if (before === null) return true;
      const isEarlier = this.#ordinal(before.epoch) < this.#ordinal(at);
      if (!isEarlier || !this.#named.has(before.epoch)) return false;
      at = before.epoch;
    }
  }

  #hasPagedNext(epoch: EpochId): boolean {
    const next = this.#committed.successors(epoch);
    return next.some((each) => this.#epochs.has(each) && !this.#named.has(each));
  }

  #ordinal(epoch: EpochId): number {
    return this.#committed.ordinal(epoch);
  }

  /** L7. */
  #noteFork(epoch: EpochId, log: Log, to: number): ForkFinding | undefined {
    const isFirst = logs.every((each) => this.#accounted(epoch, each) === 0);
    return this.#forks.note(epoch, log, to, isFirst);
  }

  #learn(epoch: EpochId, before: Predecessor | null): void {
    this.#epoch(epoch);
    if (this.#lineage.learn(epoch, before)) this.#live.lineageChanged();
    if (!this.#committed.learn(epoch, before)) return;
    this.#forks.lineageGrew(epoch);
    this.#changed(this.#epoch(epoch));
    this.#isNews = true;
  }

  #rows(
    states: Iterable<EpochState>,
    lineage: Lineage,
    view: (state: LogState) => LogLedger,
  ): readonly EpochLedger[] {
    return Array.from(states, ({ epoch, logs: { telemetry, priority } }) => {
      const before = lineage.before(epoch);
      const row = { epoch, logs: { telemetry: view(telemetry), priority: view(priority) } };
      return before === undefined ? row : { ...row, before };
    });
  }

  #epoch(epoch: EpochId): EpochState {
    const known = this.#epochs.get(epoch);
    if (known !== undefined) return known;
    const own = { telemetry: emptyLog(), priority: emptyLog() };
    const state: EpochState = { epoch, logs: own, page: undefined };
    this.#epochs.set(epoch, state);
    this.#touch(state);
    this.#lineage.meet(epoch);
    this.#committed.meet(epoch);
    return state;
  }
}

function byEpoch(row: EpochLedger): readonly [EpochId, EpochLedger] {
  return [row.epoch, row];
}

/** The rows that the pages held at some time. */
function rowsUpTo(pages: readonly EpochPage[], paged: Paged | undefined): readonly EpochLedger[] {
  if (paged === undefined) return [];
  const last = paged.pages - 1;
  return pages.flatMap(({ number, epochs }) => {
    if (number > last) return [];
    return number === last ? epochs.slice(0, paged.rows) : epochs;
  });
}

function emptyLog(): LogState {
  return { through: 0, floor: 0, end: undefined, endMax: 0, stretches: [] };
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
