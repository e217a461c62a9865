/**
 * Finds the first message that is as young as asked for, by asking for a few messages' times. Stored
 * times grow with the sequence but for small steps back where the server's leader changes.
 */

/** When the message at a sequence was stored, in ms; undefined where it is not there. */
export type StoredAt = (sequence: number) => Promise<number | undefined>;

export interface Search {
  readonly first: number;
  /** Where nothing before it is young enough, it is the answer. */
  readonly last: number;
  readonly since: number;
  /** The answer of the last search, near which this one will be. */
  readonly hint: number;
}

/** A missing message counts as old: nothing there is kept. At most some 2 log2(n) questions. */
export async function firstSince(
  storedAt: StoredAt,
  { first, last, since, hint }: Search,
): Promise<number> {
  const isOld = async (sequence: number) =>
    ((await storedAt(sequence)) ?? Number.NEGATIVE_INFINITY) < since;
  // `low` is old and `high` is young, or the bound of what is asked for.
  let [low, high] = [first - 1, last];
  if (hint > first && hint < last && (await isOld(hint))) low = hint;
  for (let step = 1; low + step < high; step *= 2) {
    if (await isOld(low + step)) low += step;
    else high = low + step;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await isOld(middle)) low = middle;
    else high = middle;
  }
  return high;
}
