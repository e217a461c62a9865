/**
 * The newest epochs that came by `live`, one for each branch, and what they make late (L6).
 *
 * An epoch that may stand behind another one counts too: its lineage may turn out to be of a branch
 * of its own, and then what stands behind it was late all along.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import type { Lineage } from "./lineage.ts";

/** Positions of an epoch up to these stand behind what was seen on live. */
type Limits = Readonly<Record<Log, number>>;

/** Beyond it the oldest branch makes nothing late. */
const runsMax = 64;
const nothingLate: Limits = { telemetry: 0, priority: 0 };
/** As far as is known, by its ordinal. */
const allLate: Limits = { telemetry: Number.POSITIVE_INFINITY, priority: Number.POSITIVE_INFINITY };

export class LiveRuns {
  readonly #lineage: Lineage;
  /** The latest noted last; before them those that may be behind another. */
  #runs: readonly EpochId[] = [];
  readonly #limits = new Map<EpochId, Limits>();

  constructor(lineage: Lineage) {
    this.#lineage = lineage;
  }

  restore(runs: readonly EpochId[]): void {
    this.#runs = runs;
    this.#limits.clear();
  }

  lineageChanged(): void {
    this.#limits.clear();
  }

  note(epoch: EpochId): void {
    if (this.#runs.at(-1) === epoch) return;
    const limits = this.#limitsOf(epoch);
    const isUnsure = limits === allLate;
    if (isUnsure ? this.#runs.includes(epoch) : limits !== nothingLate) return;
    const others = this.#runs.filter((run) => run !== epoch && !this.#isBehind(run, epoch));
    const runs = isUnsure ? [epoch, ...others] : [...others, epoch];
    this.restore(runs.slice(-runsMax));
  }

  isLate(epoch: EpochId, log: Log, position: number): boolean {
    return position <= this.#limitsOf(epoch)[log];
  }

  marked(): Pick<Mark, "run" | "runs"> {
    return { run: this.#runs.at(-1), runs: this.#runs.slice(0, -1) };
  }

  /** Where it is not known yet, the epoch may be of another branch. */
  #isBehind(epoch: EpochId, head: EpochId): boolean {
    const behind = this.#lineage.behind(head, epoch);
    return behind !== "nothing" && behind !== "unknown";
  }

  #limitsOf(epoch: EpochId): Limits {
    const known = this.#limits.get(epoch);
    if (known !== undefined) return known;
    let [limits, isUnsure] = [nothingLate, false];
    for (const run of this.#runs) {
      const behind = this.#lineage.behind(run, epoch);
      if (behind === "unknown") isUnsure = true;
      else if (behind !== "nothing") limits = higher(limits, behind);
    }
    if (isUnsure) limits = limits === nothingLate ? allLate : higher(limits, allLate);
    this.#limits.set(epoch, limits);
    return limits;
  }
}

export function runsOf({ run, runs = [] }: Mark): readonly EpochId[] {
  return run === undefined ? runs : [...runs, run];
}

/** Another object than `nothingLate`, also where both ends are 0. */
function higher(one: Limits, other: Limits): Limits {
  return {
    telemetry: Math.max(one.telemetry, other.telemetry),
    priority: Math.max(one.priority, other.priority),
  };
}
