/** JSON as devices write it: what JSON.parse reads, and bare NaN and Infinity. */

/**
 * Bare NaN and Infinity as whole tokens outside strings; the first alternative skips strings. A
 * string that never ends is skipped as well: to try again at each of its quotes is quadratic.
 */
const bareWords = /"(?:[^"\\]|\\[\s\S])*"?|[-+]?\b(?:NaN|nan|NAN|Infinity|inf|INF)\b/g;

/** Parsed JSON in a box, since JSON may be null; undefined where it is none. */
export function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // Devices print what C's printf gives them; quoting it turns the word into bad quality.
  }
  if (!/nan|inf/i.test(text)) return undefined;
  try {
    return {
      value: JSON.parse(
        text.replace(bareWords, (token) => (token[0] === '"' ? token : `"${token}"`)),
      ),
    };
  } catch {
    return undefined;
  }
}
