/** The words of an alert that a rule gives it: `{device}: door open at {value} {unit}`. */
import { z } from "zod";

const charactersMax = 512;

export const messageFields = [
  ...["rule", "severity", "gateway", "site", "device", "family"],
  ...["metric", "value", "unit", "reason"],
] as const;

/** `{{` and `}}` stand for a bracket itself; whatever else has one is a placeholder. */
const parts = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

/** A text whose placeholders are all among `fields`. */
export function templateSchema(fields: readonly string[]) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .check(({ value, issues }) => {
      for (const { 0: part, 1: field, index } of value.matchAll(parts)) {
        if (part === "{{" || part === "}}" || fields.some((known) => known === field)) continue;
        const message = `no placeholder ${part}: there are ${fields.join(", ")}; a bracket is {{`;
        issues.push({ code: "custom", message, input: value, params: { offset: index } });
      }
    });
}

/** With the space before it. */
const spaced = new RegExp(`( )?(${parts.source})`, "g");

export const messageSchema = templateSchema(messageFields);

/** What is not known is left out, with the space before it. */
export function renderMessage(
  message: string,
  fields: Readonly<Partial<Record<string, string | number | boolean>>>,
): string {
  return message.replaceAll(spaced, (whole: string, space = "", part: string, field?: string) => {
    if (part === "{{" || part === "}}") return space + part.slice(1);
    if (field === undefined) return whole;
    const known = String(fields[field] ?? "");
    return known === "" ? "" : space + known;
  });
}
