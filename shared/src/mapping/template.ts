/** A name made of parts of the topic, as `{line}-{device}`; `{*}` is the metric as it was decoded. */
import { shown } from "../shown.ts";
import type { Parts } from "./topic-pattern.ts";

export interface Template {
  fill(parts: Parts, decoded?: string): string;
}

export const decodedMark = "*";

/** The template, or what is wrong with it; `names` are those that may stand in it. */
export function parseTemplate(text: string, names: readonly string[]): Template | string {
  const texts: string[] = [];
  const fields: string[] = [];
  let after = 0;
  for (const { 1: name = "", 0: written, index } of text.matchAll(/\{([^{}]*)\}/g)) {
    if (!names.includes(name)) {
      const known = names.length === 0 ? "none" : names.map((one) => `{${one}}`).join(", ");
      return `no level of the topic is called ${shown(name)}: there is ${known}`;
    }
    texts.push(text.slice(after, index));
    fields.push(name);
    after = index + written.length;
  }
  texts.push(text.slice(after));
  if (texts.some((part) => /[{}]/.test(part))) return "a { without its }";
  return {
    fill: (parts, decoded = "") =>
      texts.reduce((made, part, at) => {
        const name = fields[at - 1] ?? "";
        return `${made}${name === decodedMark ? decoded : (parts[name] ?? "")}${part}`;
      }),
  };
}
