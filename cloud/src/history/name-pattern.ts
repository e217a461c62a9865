/** Names with stars as SQL compares them by LIKE. */

/** `*` is the only sign of a pattern. */
export function likeOf(pattern: string): string {
  return pattern.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%");
}
