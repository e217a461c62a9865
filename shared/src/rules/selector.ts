/**
 * Which names a list of patterns means. `*` stands for any run of characters, everything else for
 * itself; a leading `!` excludes; `\*`, `\!` and `\\` are these characters themselves. A name is selected
 * when no exclusion matches it and some inclusion does; a list of exclusions alone includes the rest.
 */
export type Selects = (name: string) => boolean;

export function selectorOf(patterns: readonly string[]): Selects {
  const excluded = patterns.filter(isExclusion).map((pattern) => piecesOf(pattern.slice(1)));
  const included = patterns.filter((pattern) => !isExclusion(pattern)).map(piecesOf);
  return (name) =>
    !excluded.some((pattern) => matches(pattern, name)) &&
    (included.length === 0 || included.some((pattern) => matches(pattern, name)));
}

/** The pattern that means this name alone. */
export function patternOf(name: string): string {
  return name.replace(/[\\*]|^!/g, "\\$&");
}

/** "" stands for any run of characters, which no piece of a name is. */
const anyRun = "";

function piecesOf(pattern: string): readonly string[] {
  const found = pattern.match(/\\[\\*!]|[\s\S]/g) ?? [];
  return found.map((piece) => (piece === "*" ? anyRun : piece.slice(-1)));
}

function isExclusion(pattern: string): boolean {
  return pattern.startsWith("!");
}

/**
 * At most pattern × name steps: only the last `*` is ever widened, since an earlier one that took
 * more would leave less for what follows. A regular expression would take exponentially many for
 * `*a*a*a*b`, and names come from the field.
 */
function matches(pattern: readonly string[], name: string): boolean {
  let [inPattern, inName, afterStar, widenedTo] = [0, 0, -1, 0];
  while (inName < name.length) {
    if (pattern[inPattern] === anyRun) {
      inPattern += 1;
      afterStar = inPattern;
      widenedTo = inName;
    } else if (pattern[inPattern] === name[inName]) {
      inPattern += 1;
      inName += 1;
    } else if (afterStar >= 0) {
      widenedTo += 1;
      inPattern = afterStar;
      inName = widenedTo;
    } else {
      return false;
    }
  }
  while (pattern[inPattern] === anyRun) inPattern += 1;
  return inPattern === pattern.length;
}
