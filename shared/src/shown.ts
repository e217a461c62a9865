const charactersMax = 80;

/**
 * A value from outside as a message may show it: short, on one line, and never throwing. Template
 * literals and JSON.stringify do throw, on an object with a `toString` of its own or deep nesting.
 */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    const cut = value.length > charactersMax ? `${value.slice(0, charactersMax)}…` : value;
    return JSON.stringify(cut);
  }
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
