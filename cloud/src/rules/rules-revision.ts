/** A revision of the key `rules` in bucket RULES. */
export interface RulesRevision {
  /** Of the whole bucket: the key's may have holes. */
  readonly revision: number;
  /** In ms. */
  readonly at: number;
  /** "removed": from here on the configuration's rules count. */
  readonly kind: "put" | "removed";
  /** "" where it was removed. */
  readonly text: string;
  readonly note: string;
}

export const noteCharactersMax = 256;

/** What it is called in faults and lists. */
export function sourceOf(revision: number): string {
  return `RULES:${revision}`;
}
