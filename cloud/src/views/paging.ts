/** Pages of a sorted list: `after` names the last row that is known by its place in the order. */
export type SortValue = string | number;

/** Where a row stands: by the value it is sorted by, then by its id. */
export interface Place {
  readonly value: SortValue;
  readonly id: string;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly next: string | null;
}

export interface PageQuery {
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly after?: string | undefined;
}

export function pageOf<Row>(
  all: readonly Row[],
  placeOf: (row: Row) => Place,
  { limit, order, after }: PageQuery,
): Page<Row> {
  const sign = order === "asc" ? 1 : -1;
  const known = after === undefined ? undefined : decoded(after);
  const placed = all.map((row) => ({ row, place: placeOf(row) }));
  const rest =
    known === undefined ? placed : placed.filter(({ place }) => sign * compare(place, known) > 0);
  const sorted = rest.sort((left, right) => sign * compare(left.place, right.place));
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  const isMore = sorted.length > limit && last !== undefined;
  return { rows: page.map(({ row }) => row), next: isMore ? encoded(last.place) : null };
}

function compare(left: Place, right: Place): number {
  if (left.value !== right.value) return left.value < right.value ? -1 : 1;
  if (left.id === right.id) return 0;
  return left.id < right.id ? -1 : 1;
}

function encoded({ value, id }: Place): string {
  return Buffer.from(JSON.stringify([value, id])).toString("base64url");
}

/** What is none of ours begins at the start. */
function decoded(text: string): Place | undefined {
  try {
    const found: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (!Array.isArray(found) || found.length !== 2) return undefined;
    const [value, id] = found as readonly unknown[];
    const isValue = typeof value === "number" || typeof value === "string";
    return isValue && typeof id === "string" ? { value, id } : undefined;
  } catch {
    return undefined;
  }
}
