/**
 * The ledger as a bar: every position that the gateway gave, oldest left, by what became of it. Pure
 * but for drawing; `barOf` decides.
 */
import type { LedgerRow } from "./api-types.ts";
import { countText, wholeText } from "./format.ts";
import type { RowColumn } from "./parts.tsx";
import { Panel, Rows } from "./parts.tsx";

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

const words: Readonly<Record<PieceState, string>> = {
  taken: "taken",
  thinned: "made into averages",
  lost: "lost",
  dead: "dead letters",
  waiting: "waiting at the gateway",
  open: "not come yet",
};
/** A piece is never too thin to be seen. */
const widthMin = 0.6;

export function LedgerPanel({
  ledger,
  waiting,
}: {
  ledger: readonly LedgerRow[];
  waiting: number;
}) {
  const bars = (["telemetry", "priority"] as const)
    .map((log) => barOf(log, ledger, waiting))
    .filter(({ total }) => total > 0);
  if (bars.length === 0) return null;
  const states = [...new Set(bars.flatMap(({ pieces }) => pieces.map(({ state }) => state)))];
  return (
    <Panel
      title="Ledger"
      aside={
        <ul class="legend">
          {states.map((state) => (
            <li key={state}>
              <span class={`swatch ${state}`} />
              {words[state]}
            </li>
          ))}
        </ul>
      }
    >
      {bars.map((bar) => (
        <LedgerBar key={bar.log} bar={bar} />
      ))}
      <details>
        <summary>Every range, in words</summary>
        <LedgerTable bars={bars} />
      </details>
    </Panel>
  );
}

function LedgerBar({ bar: { log, pieces, total } }: { bar: Bar }) {
  const epochs = new Set(pieces.map(({ epoch }) => epoch)).size;
  const widths = pieces.map(({ from, to }) => Math.max(widthMin, ((to - from + 1) / total) * 100));
  const sum = widths.reduce((all, width) => all + width, 0);
  const label = `${log}: ${countText(total, "event")} in ${countText(epochs, "epoch")}`;
  let x = 0;
  return (
    <figure class="ledger">
      <figcaption>{label}</figcaption>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
        {pieces.map((piece, index) => {
          const width = ((widths[index] ?? 0) / sum) * 100;
          const [left, before] = [x, pieces[index - 1]?.epoch];
          x += width;
          return (
            <g key={`${piece.epoch} ${piece.from}`}>
              <rect class={piece.state} x={left} y="0" width={width} height="6">
                <title>{pieceText(piece)}</title>
              </rect>
              {before !== undefined && before !== piece.epoch ? (
                <line class="edge" x1={left} x2={left} y1="0" y2="6" />
              ) : null}
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

function pieceText({ epoch, state, from, to, reason }: Piece): string {
  const why = reason === "" ? "" : ` (${reason})`;
  return `${words[state]}${why}: ${wholeText(from)} to ${wholeText(to)} of epoch ${epoch}`;
}

interface LedgerLine extends Piece {
  readonly log: string;
}

const columns: readonly RowColumn<LedgerLine>[] = [
  { name: "Epoch", cell: ({ epoch }) => <code>{epoch}</code> },
  { name: "Log", cell: ({ log }) => log },
  { name: "From", isNumber: true, cell: ({ from }) => wholeText(from) },
  { name: "To", isNumber: true, cell: ({ to }) => wholeText(to) },
  {
    name: "What became of it",
    cell: ({ state, reason }) => `${words[state]}${reason === "" ? "" : `: ${reason}`}`,
  },
];

function LedgerTable({ bars }: { bars: readonly Bar[] }) {
  const lines = bars.flatMap(({ log, pieces }) =>
    pieces.toReversed().map((piece): LedgerLine => ({ ...piece, log })),
  );
  const idOf = ({ log, epoch, from }: LedgerLine) => `${log} ${epoch} ${from}`;
  return <Rows columns={columns} rows={lines} idOf={idOf} />;
}
