/** One line of a CSV file into its cells: RFC 4180, but a quoted cell ends with its line. */

/** The cells without their quotes; undefined where a quote is left open or stands amid a cell. */
export function cellsOf(line: string, delimiter: string): readonly string[] | undefined {
  if (!line.includes('"')) return line.split(delimiter);
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    const cell = line[at] === '"' ? quoted(line, at) : bare(line, at, delimiter);
    if (cell === undefined) return undefined;
    cells.push(cell.text);
    if (cell.end === line.length) return cells;
    if (line[cell.end] !== delimiter) return undefined;
    at = cell.end + 1;
  }
}

interface Cell {
  readonly text: string;
  /** Where the delimiter, or nothing, stands. */
  readonly end: number;
}

function bare(line: string, from: number, delimiter: string): Cell | undefined {
  const next = line.indexOf(delimiter, from);
  const end = next < 0 ? line.length : next;
  const text = line.slice(from, end);
  return text.includes('"') ? undefined : { text, end };
}

function quoted(line: string, from: number): Cell | undefined {
  let text = "";
  let at = from + 1;
  for (;;) {
    const quote = line.indexOf('"', at);
    if (quote < 0) return undefined;
    text += line.slice(at, quote);
    if (line[quote + 1] !== '"') return { text, end: quote + 1 };
    text += '"';
    at = quote + 2;
  }
}
