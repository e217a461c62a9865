/** Where in a YAML text a setting stands, and a place inside of its text. */
import type { Document, Node, Scalar } from "yaml";
import { isMap, isNode, isPair, isScalar, isSeq } from "yaml";

export type Path = readonly (string | number)[];

/** Where a path stands, or the nearest thing above it that does; in code units. */
export function offsetAt(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of path) {
    const next = childOf(node, key);
    if (next === undefined) break;
    offset = next.offset;
    node = next.node;
  }
  return offset;
}

/** Where code unit `index` of the text at `path` stands; undefined where that is no text. */
export function offsetInText(
  source: string,
  document: Document.Parsed,
  path: Path,
  index: number,
): number | undefined {
  let node: unknown = document.contents;
  for (const key of path) node = childOf(node, key)?.node;
  return isScalar(node) ? offsetInScalar(source, node, index) : undefined;
}

function childOf(
  node: unknown,
  key: string | number,
): { node: unknown; offset: number } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)];
    return isNode(item) ? { node: item, offset: start(item) } : undefined;
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => isPair(item) && String(item.key) === String(key));
  if (pair === undefined || !isNode(pair.key)) return undefined;
  return { node: pair.value, offset: start(pair.key) };
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}

/**
 * Walks text and source side by side. Where lines are folded or indented the blanks of the two differ:
 * a run of them that holds a line break stands for one run of the text.
 */
function offsetInScalar(source: string, { value: text, type, range }: Scalar, index: number) {
  if (typeof text !== "string" || !range) return undefined;
  const [first, end] = range;
  let at = first + headLength(source.slice(first, end), type);
  let inText = type?.startsWith("BLOCK") ? skipBlanks(text, 0) : 0;
  while (inText < index && at < end) {
    const blanksEnd = skipBlanks(source, at);
    if (source.slice(at, blanksEnd).includes("\n")) {
      at = blanksEnd;
      inText = skipBlanks(text, inText);
    } else {
      const { length, units } = escapeAt(source, at, type);
      at += length;
      inText += units;
    }
  }
  // The two came apart, in an escape that this does not know: the text's own place is near enough.
  if (inText > index && !isBlank(text[index])) return first;
  const isSame = escapeAt(source, at, type).length > 1 || index >= text.length;
  return isSame || source[at] === text[index] || isBlank(text[index]) ? Math.min(at, end) : first;
}

/** The quote, or the line of a block's `|` or `>` with the indentation after it. */
function headLength(source: string, type: Scalar["type"]): number {
  if (type === "QUOTE_DOUBLE" || type === "QUOTE_SINGLE") return 1;
  if (!type?.startsWith("BLOCK")) return 0;
  const lineEnd = source.indexOf("\n");
  return lineEnd < 0 ? source.length : skipBlanks(source, lineEnd);
}

function isBlank(unit: string | undefined): boolean {
  return unit === " " || unit === "\t" || unit === "\n" || unit === "\r";
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (isBlank(text[at])) at += 1;
  return at;
}

const digitsOf: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** How many code units of the source stand for how many of the text. */
function escapeAt(source: string, at: number, type: Scalar["type"]) {
  if (type === "QUOTE_SINGLE" && source.startsWith("''", at)) return { length: 2, units: 1 };
  if (type !== "QUOTE_DOUBLE" || source[at] !== "\\") return { length: 1, units: 1 };
  const letter = source[at + 1] ?? "";
  if (isBlank(letter) && letter !== " " && letter !== "\t")
    return { length: skipBlanks(source, at + 1) - at, units: 0 };
  const digits = digitsOf[letter] ?? 0;
  const isAstral = letter === "U" && Number.parseInt(source.slice(at + 2, at + 10), 16) > 0xffff;
  return { length: 2 + digits, units: isAstral ? 2 : 1 };
}
