/** Places in the journal as a historian keeps them: [[sequence, subject, nonce | null], …]. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Place } from "../engine/place.ts";

export function encodePlaces(places: readonly Place[]): string {
  return JSON.stringify(
    places.map(({ sequence, identity: { subject, nonce } }) => [sequence, subject, nonce ?? null]),
  );
}

/** Throws HISTORY_OPEN_FAILED. */
export function decodePlaces(text: string): readonly Place[] {
  const rows: unknown = JSON.parse(text);
  if (!Array.isArray(rows)) throw malformed(text);
  return rows.map((row): Place => {
    const [sequence, subject, nonce] = Array.isArray(row) ? (row as unknown[]) : [];
    if (typeof sequence !== "number" || typeof subject !== "string") throw malformed(text);
    return {
      sequence,
      identity: { subject, nonce: typeof nonce === "string" ? nonce : undefined },
    };
  });
}

function malformed(text: string): CodedError {
  return new CodedError("HISTORY_OPEN_FAILED", `its place cannot be read: ${text.slice(0, 120)}`);
}
