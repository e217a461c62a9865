/**
 * The ledger of one gateway: per (epoch, log) the position through which everything is accounted
 * for, the end where it was told, and the stretches that were not simply taken. One pure fold, used
 * by the engine and by every other reader of the journal.
 *
 *   L1  Of an epoch's log exactly the next position is taken; an earlier one is a repeat, a later
 *       one is not taken.
 *   L2  Epochs are never forgotten.
 *   L3  An end, once told, does not change.
 *   L4  What a committed mark covers (the floor) had its effect: replayed, it has none.
 *   L5  Once a replay has passed the commit that covers it, a hole below the floor is one that the
 *       journal lost: it is passed and told, never waited for.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Doubt, EpochLedger, Mark, Stretch } from "@causeway/shared/mark.ts";

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

export class GatewayLedger {
  readonly gateway: string;
  readonly #epochs = new Map<EpochId, EpochState>();
  #run: EpochId | undefined;
  #runOrdinal = 0;

  constructor(gateway: string) {
    this.gateway = gateway;
  }

  /** Goes on from where a mark says that it was. */
  static fromMark(mark: Mark): GatewayLedger {
    const ledger = new GatewayLedger(mark.gateway);
    for (const { epoch, logs: found } of mark.epochs) {
      const state = ledger.#epoch(epoch);
      for (const log of logs) {
        const { through, end, stretches } = found[log];
        state.logs[log].through = through;
        state.logs[log].end = end;
        state.logs[log].stretches.push(...stretches);
      }
    }
    if (mark.run !== undefined) ledger.noteLive(mark.run);
    return ledger;
  }

  /** L4: what the committed mark covers had its effect, whatever is read again from here on. */
  layFloor(mark: Mark): void {
    for (const { epoch, logs: found } of mark.epochs) {
      const state = this.#epoch(epoch);
      for (const log of logs) {
        const own = state.logs[log];
        own.floor = found[log].through;
        own.end ??= found[log].end;
        own.stretches.splice(0, own.stretches.length, ...found[log].stretches);
      }
    }
  }

  /** The position that comes next. */
  expected(epoch: EpochId, log: Log): number {
    const { through, floor } = this.#epoch(epoch).logs[log];
    return Math.max(through, floor) + 1;
  }

  /** L1, L4. Judges positions `from` to `to` without taking them. */
  judge(epoch: EpochId, log: Log, from: number, to: number): Judgement {
    const { through, floor } = this.#epoch(epoch).logs[log];
    if (to <= through) return { kind: "repeat" };
    if (from > through + 1) return { kind: "expected", expected: Math.max(through, floor) + 1 };
    return { kind: "taken", from: Math.max(from, through + 1), effect: to > floor };
  }

  /** Accounts for everything up to `to`; a stretch says that it was not simply taken. */
  take(epoch: EpochId, log: Log, to: number, stretch?: Stretch): void {
    const state = this.#epoch(epoch).logs[log];
    if (stretch !== undefined && stretch.to > state.floor) addStretch(state.stretches, stretch);
    state.through = Math.max(state.through, to);
  }

  /** L3. A log's last position, told by its own batches or by those of the successor. */
  noteEnd(epoch: EpochId, log: Log, end: number): void {
    this.#epoch(epoch).logs[log].end ??= end;
  }

  /** Remembers the newest epoch that came by `live`; older ones that come after it are late. */
  noteLive(epoch: EpochId): void {
    const ordinal = epochOrdinal(epoch) ?? 0;
    if (ordinal <= this.#runOrdinal) return;
    this.#runOrdinal = ordinal;
    this.#run = epoch;
  }

  isLate(epoch: EpochId): boolean {
    return (epochOrdinal(epoch) ?? 0) < this.#runOrdinal;
  }

  epochs(): readonly EpochLedger[] {
    return [...this.#epochs.values()].map(({ epoch, logs: { telemetry, priority } }) => ({
      epoch,
      logs: { telemetry: viewOf(telemetry), priority: viewOf(priority) },
    }));
  }

  mark(commit: number, doubts: readonly Doubt[]): Mark {
    return { commit, gateway: this.gateway, run: this.#run, epochs: this.epochs(), doubts };
  }

  /** Where this reader itself is, for a snapshot; a floor that lies ahead of it does not count. */
  replayMark(): Mark {
    const epochs = [...this.#epochs.values()].map(({ epoch, logs: { telemetry, priority } }) => ({
      epoch,
      logs: { telemetry: ownView(telemetry), priority: ownView(priority) },
    }));
    return { commit: 0, gateway: this.gateway, run: this.#run, epochs, doubts: [] };
  }

  /** L5 for one log, up to a position below its floor. The positions that were passed over. */
  passTo(epoch: EpochId, log: Log, to: number): number {
    const state = this.#epoch(epoch).logs[log];
    const passed = Math.max(0, Math.min(to, state.floor) - state.through);
    state.through += passed;
    return passed;
  }

  /** L5. The positions that were passed over. */
  passFloor(): number {
    let passed = 0;
    for (const { logs: states } of this.#epochs.values()) {
      for (const log of logs) {
        const state = states[log];
        passed += Math.max(0, state.floor - state.through);
        state.through = Math.max(state.through, state.floor);
      }
    }
    return passed;
  }

  #epoch(epoch: EpochId): EpochState {
    const known = this.#epochs.get(epoch);
    if (known !== undefined) return known;
    const state = { epoch, logs: { telemetry: emptyLog(), priority: emptyLog() } };
    this.#epochs.set(epoch, state);
    return state;
  }
}

function emptyLog(): LogState {
  return { through: 0, floor: 0, end: undefined, stretches: [] };
}

function viewOf({ through, floor, end, stretches }: LogState) {
  return { through: Math.max(through, floor), end, stretches: [...stretches] };
}

function ownView({ through, end, stretches }: LogState) {
  return { through, end, stretches: [...stretches] };
}

function addStretch(stretches: Stretch[], added: Stretch): void {
  const last = stretches.at(-1);
  const joins =
    last?.to === added.from - 1 && last.state === added.state && last.reason === added.reason;
  if (last !== undefined && joins) stretches[stretches.length - 1] = { ...last, to: added.to };
  else stretches.push(added);
}
