/** A table of any length of which only the rows in sight are drawn. Rows have one height. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Drawn anew only when so many rows have gone by. */
const stepRows = 4;
const beyondRows = 8;
const headHeight = 40;

export interface Sight {
  readonly from: number;
  readonly to: number;
}

export function VirtualTable(props: {
  label: string;
  total: number;
  rowHeight: number;
  columns: number;
  head: ComponentChildren;
  /** Draws a row that may not have come yet. */
  row: (index: number) => ComponentChildren;
  onSight: (sight: Sight) => void;
}) {
  const { label, total, rowHeight, columns, head, row, onSight } = props;
  const own = useRef<HTMLElement>(null);
  const [sight, setSight] = useState<Sight>({ from: 0, to: 30 });
  const look = () => {
    const place = own.current;
    if (place === null) return;
    const top = Math.floor(place.scrollTop / rowHeight / stepRows) * stepRows;
    const from = Math.max(0, top - beyondRows);
    const to = top + Math.ceil(place.clientHeight / rowHeight) + stepRows + beyondRows;
    if (from !== sight.from || to !== sight.to) setSight({ from, to });
  };
  useLayoutEffect(look, [rowHeight, total]);
  useLayoutEffect(() => onSight(sight), [sight, total]);
  const first = Math.min(sight.from, total);
  const end = Math.min(sight.to, total);
  return (
    <section
      class="virtual"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      ref={own}
      onScroll={look}
      style={{ height: `min(${total * rowHeight + headHeight}px, max(320px, 100vh - 250px))` }}
    >
      <table aria-rowcount={total + 1}>
        <thead>{head}</thead>
        <tbody>
          <Spacer height={first * rowHeight} columns={columns} />
          {Array.from({ length: end - first }, (_, offset) => row(first + offset))}
          <Spacer height={(total - end) * rowHeight} columns={columns} />
        </tbody>
      </table>
    </section>
  );
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return height <= 0 ? null : (
    <tr class="spacer">
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  );
}
