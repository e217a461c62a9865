/** The words of an alert that a rule gives it: `{device}: door open at {value} {unit}`. */
import { z } from "zod";

const charactersMax = 512;

export const messageFields = [
  ...["rule", "severity", "gateway", "site", "device", "family"],
  ...["metric", "value", "unit", "reason"],
] as const;

/** `{{` and `}}` stand for a bracket itself; whatever else has one is a placeholder. */
const parts = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

export const messageSchema = z
  .string()
  .min(1)
  .max(charactersMax)
  .check(({ value, issues }) => {
    for (const { 0: part, 1: field, index } of value.matchAll(parts)) {
      if (part === "{{" || part === "}}" || messageFields.some((known) => known === field))
        continue;
      const message = `no placeholder ${part}: there are ${messageFields.join(", ")}; a bracket is {{`;
      issues.push({ code: "custom", message, input: value, params: { offset: index } });
    }
  });

/** What is not known is left out. */
export function renderMessage(
  message: string,
  fields: Readonly<Partial<Record<string, string | number | boolean>>>,
): string {
  return message.replaceAll(parts, (part: string, field: string | undefined) => {
    if (part === "{{" || part === "}}") return part.slice(1);
    return field === undefined ? part : String(fields[field] ?? "");
  });
}
