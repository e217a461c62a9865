/**
 * What `causeway-cloud audit` prints: the committed ledger, and what is not explained in it.
 *
 *   D1  An end counts where a branch that is alive states it: a shared epoch is complete when it is
 *       taken as far as the highest of them.
 *   D2  What only a branch that fell silent has (a store put back: nobody is left who could send it)
 *       is abandoned: shown, and no finding, since it can never be taken.
 *   D3  An epoch that is over, for its branch has a newer one, must have a stated end; else it is
 *       unexplained until a successor tells.
 */
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { EpochLedger, Mark, Stretch } from "@causeway/shared/mark.ts";

export type AuditState = "open" | "complete" | "incomplete" | "unexplained" | "abandoned";

export interface AuditLine {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly through: number;
  readonly end: number | null;
  readonly stretches: readonly Stretch[];
  readonly state: AuditState;
  /** The predecessor; null where a store began with the epoch, or where it is not known. */
  readonly before: string | null;
  /** Where the epoch begins a branch: that a store was put back, or that two go on. */
  readonly fork: "restored" | "conflict" | null;
  /** Every end that successors state, where they do not agree. */
  readonly statedEnds: readonly { readonly by: string; readonly end: number }[];
}

export function auditLines(marks: readonly Mark[]): readonly AuditLine[] {
  return marks.flatMap((mark) => {
    const tree = new Tree(mark);
    return mark.epochs.flatMap((own) => logs.map((log) => lineOf(mark, tree, own, log)));
  });
}

export function isFinding({ state }: AuditLine): boolean {
  return state === "incomplete" || state === "unexplained";
}

/** For people: one line, the reasons of what was not simply taken included. */
export function auditText(line: AuditLine): string {
  const { gateway, epoch, log, through, end, stretches, state, before, fork, statedEnds } = line;
  const shown = isFinding(line) ? state.toUpperCase() : state;
  const lost = stretches.map((each) => `${each.state} ${each.from}-${each.to} (${each.reason})`);
  const branch = fork === null ? [] : [`${fork}, branches from ${before ?? "nothing"}`];
  const ends = statedEnds.map((each) => `end ${each.end} says ${each.by}`);
  const place = [gateway, epoch, log, `through ${through}`, `end ${end ?? "-"}`];
  return [...place, shown, ...branch, ...ends, ...lost].join("  ");
}

function lineOf(mark: Mark, tree: Tree, own: EpochLedger, log: Log): AuditLine {
  const { through, end, stretches } = own.logs[log];
  const { epoch, before } = own;
  const stated = tree.successors(epoch).map((by) => ({
    by: by.epoch,
    end: by.before?.ends[log] ?? 0,
  }));
  const isDisputed = stated.some((each) => each.end !== end);
  const fork = mark.forks?.forks.find((each) => each.epoch === epoch)?.state ?? null;
  const place = { gateway: mark.gateway, epoch, log, through, end: end ?? null, stretches };
  const state = stateOf(tree, own, log);
  const lineage = { before: before?.epoch ?? null, fork, statedEnds: isDisputed ? stated : [] };
  return { ...place, state, ...lineage };
}

function stateOf(tree: Tree, own: EpochLedger, log: Log): AuditState {
  const { through, end } = own.logs[log];
  const successors = tree.successors(own.epoch);
  const living = successors.filter(({ epoch }) => tree.isAlive(epoch));
  const isAlive = living.length > 0 || tree.isAlive(own.epoch);
  const ends = living.map(({ before }) => before?.ends[log] ?? 0);
  // Its own batches state an end before a successor does; then nobody but its own branch vouches.
  if (successors.length === 0 && end !== undefined && isAlive) ends.push(end);
  if (ends.some((each) => through < each)) return "incomplete";
  if (!isAlive) return end !== undefined && through >= end ? "complete" : "abandoned";
  if (ends.length > 0) return "complete";
  return tree.isNewest(own.epoch) ? "open" : "unexplained";
}

/** Who comes after whom, and which branches of the gateway's life are alive. */
class Tree {
  readonly #rows: ReadonlyMap<string, EpochLedger>;
  readonly #successors: ReadonlyMap<string | undefined, readonly EpochLedger[]>;
  readonly #alive: ReadonlyMap<string, boolean>;
  readonly #isTrunkAlive: boolean;
  readonly #newest = new Map<string, number>();

  constructor({ epochs, forks }: Mark) {
    this.#rows = new Map(epochs.map((row) => [row.epoch, row]));
    this.#successors = Map.groupBy(epochs, ({ before }) => before?.epoch);
    this.#alive = new Map(forks?.forks.map(({ epoch, isAlive }) => [epoch, isAlive]));
    this.#isTrunkAlive = forks?.isTrunkAlive ?? true;
    for (const { epoch } of epochs) {
      const branch = this.#branchOf(epoch);
      this.#newest.set(branch, Math.max(this.#newest.get(branch) ?? 0, epochOrdinal(epoch) ?? 0));
    }
  }

  successors(epoch: string): readonly EpochLedger[] {
    return this.#successors.get(epoch) ?? [];
  }

  /** Whether the branch that the epoch belongs to is. */
  isAlive(epoch: string): boolean {
    return this.#alive.get(this.#branchOf(epoch)) ?? this.#isTrunkAlive;
  }

  isNewest(epoch: string): boolean {
    return epochOrdinal(epoch) === this.#newest.get(this.#branchOf(epoch));
  }

  /** The epoch with which the branch begins; "" is the trunk. */
  #branchOf(epoch: string): string {
    if (this.#alive.size === 0) return "";
    const seen = new Set<string>();
    for (let at: string | undefined = epoch; at !== undefined && !seen.has(at); ) {
      if (this.#alive.has(at)) return at;
      seen.add(at);
      at = this.#rows.get(at)?.before?.epoch;
    }
    return "";
  }
}
