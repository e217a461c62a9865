/**
 * The ledger as a bar: every position that the gateway gave, oldest left, by what became of it. Pure.
 */
import type { LedgerRow } from "./api-types.ts";

export type PieceState = "taken" | "thinned" | "lost" | "dead" | "waiting" | "open";

export interface Piece {
  readonly epoch: string;
  readonly state: PieceState;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

export interface Bar {
  readonly log: LedgerRow["log"];
  readonly pieces: readonly Piece[];
  readonly total: number;
}

/** One bar for each log, epochs oldest first; `waiting` are told to wait in the epoch now open. */
export function barOf(log: LedgerRow["log"], ledger: readonly LedgerRow[], waiting: number): Bar {
  const rows = ledger.filter((row) => row.log === log).toReversed();
  const pieces = rows.flatMap((row, index) => {
    const isOpen = index === rows.length - 1 && row.end === null;
    return piecesOf(row, isOpen && log === "telemetry" ? waiting : 0);
  });
  return { log, pieces, total: pieces.reduce((sum, { from, to }) => sum + to - from + 1, 0) };
}

function piecesOf({ epoch, through, end, stretches }: LedgerRow, waiting: number): Piece[] {
  const pieces: Piece[] = [];
  let next = 1;
  const upTo = (to: number, state: PieceState, reason = "") => {
    if (to >= next) pieces.push({ epoch, state, from: next, to, reason });
    next = Math.max(next, to + 1);
  };
  for (const { from, to, state, reason } of stretches.toSorted((a, b) => a.from - b.from)) {
    upTo(from - 1, "taken");
    upTo(to, state, reason);
  }
  upTo(through, "taken");
  if (end !== null) upTo(end, "open");
  if (waiting > 0) upTo(through + waiting, "waiting");
  return pieces;
}
