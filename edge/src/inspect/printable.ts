/**
 * Text from outside, as a terminal may have it: what would move the cursor, colour the rest, or turn
 * the direction of writing is shown by its number. JSON stays JSON, and says the same.
 */

/** C0, DEL and C1; marks of direction; line and paragraph separators; lone surrogates. */
const control = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

export function printable(text: string): string {
  return text.replace(control, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** At most so many characters, an ellipsis where there were more. */
export function cutTo(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const end = Math.max(0, charactersMax - 1);
  const isSplit = /[\ud800-\udbff]$/.test(text.slice(0, end));
  return `${text.slice(0, isSplit ? end - 1 : end)}…`;
}
