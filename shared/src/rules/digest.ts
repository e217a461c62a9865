/** Short names for values: the same for equal values, whatever the order of their keys. */
import { createHash } from "node:crypto";

/** The first `digits` (64 at most) hexadecimal digits of the SHA-256 of the canonical JSON. */
export function digest(value: unknown, digits: number): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, digits);
}

/** JSON with the keys of every object in code unit order (as RFC 8785 §3.2.3). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
