/**
 * The page: one HTML document with its style and script inside, and the policy that allows just
 * these.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

export function readPage(): Page {
  const html = compact(readFileSync(new URL("./page/page.html", import.meta.url), "utf8"));
  const style = joinLines(
    compact(readFileSync(new URL("./page/page.css", import.meta.url), "utf8")),
  );
  const script = compact(readFileSync(new URL("./page/page.js", import.meta.url), "utf8"));
  return {
    html: insert(insert(html, "<style></style>", style), "<script></script>", script),
    contentSecurityPolicy: [
      "default-src 'none'",
      `style-src '${hashOf(style)}'`,
      `script-src '${hashOf(script)}'`,
      "connect-src 'self'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ].join("; "),
  };
}

/** Indentation and lines of comment are for those who read the source. */
function compact(source: string): string {
  return source.replace(/^[ \t]*(?:\/\/.*)?\n?/gm, "");
}

/** In CSS no space is needed after these. */
function joinLines(style: string): string {
  return style.replace(/([{};,:])\s+/g, "$1").replaceAll(" {", "{");
}

function insert(html: string, place: string, content: string): string {
  const [before, after] = html.split(place);
  const [open, close] = place.split("><");
  return `${before}${open}>${content}<${close}${after}`;
}

function hashOf(content: string): string {
  return `sha256-${createHash("sha256").update(content).digest("base64")}`;
}
