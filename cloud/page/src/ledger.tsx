/** The ledger as bars, and in words. */
import type { LedgerRow } from "./api-types.ts";
import { countText, wholeText } from "./format.ts";
import type { Bar, Piece, PieceState } from "./ledger-bar.ts";
import { barOf } from "./ledger-bar.ts";
import type { RowColumn } from "./parts.tsx";
import { Panel, Rows } from "./parts.tsx";

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
