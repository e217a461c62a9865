/**
 * A page holds what a gateway's mark no longer names. Pages are numbered from 0; rows are only ever
 * added, to the last one, and a full page changes no more: a later row of an epoch replaces an
 * earlier one. The oldest pages are emptied when there are too many.
 *
 *   { "v": 1, "g": gateway, "n": number of the page,
 *     "e": [row as in the mark |
 *           [epoch, through telemetry, through priority]: taken to both ends, and its predecessor is
 *           the row above, with the ends of that row, …],
 *     "s": [[epoch, log index, from, to, state, reason], …]: stretches beyond what a mark holds }
 */
import { CodedError } from "./errors.ts";
import type { EpochLedger, LooseStretch } from "./mark.ts";
import { epochRows, epochsOf, looseOf, looseRow } from "./mark.ts";
import { shown } from "./shown.ts";

export const epochPageVersion = 1;

export interface EpochPage {
  readonly gateway: string;
  readonly number: number;
  readonly epochs: readonly EpochLedger[];
  readonly stretches: readonly LooseStretch[];
}

export function encodeEpochPage({ gateway, number, epochs, stretches }: EpochPage): string {
  const rows = epochRows(epochs).map((row, at) => (isShort(row, at) ? row.slice(0, 3) : row));
  const head = { v: epochPageVersion, g: gateway, n: number, e: rows };
  return JSON.stringify(stretches.length === 0 ? head : { ...head, s: stretches.map(looseRow) });
}

function isShort(row: readonly unknown[], at: number): boolean {
  const [, telemetry, priority, telemetryEnd, priorityEnd, stretches, before] = row;
  const isPlain = Array.isArray(stretches) && stretches.length === 0;
  const isTaken = telemetry === telemetryEnd && priority === priorityEnd;
  return isPlain && isTaken && at > 0 && before === at - 1;
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeEpochPage(text: string): EpochPage {
  const { v, g, n, e, s } = parse(text);
  if (v !== epochPageVersion) {
    throw new CodedError("BATCH_VERSION_UNKNOWN", `a page of epochs of version ${shown(v)}`);
  }
  if (typeof g !== "string" || typeof n !== "number" || !Array.isArray(e)) {
    throw new CodedError("BATCH_MALFORMED", "a page of epochs without gateway, number or rows");
  }
  const stretches = Array.isArray(s) ? s.map(looseOf) : [];
  return { gateway: g, number: n, epochs: epochsOf(e.map(wholeRow)), stretches };
}

function parse(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // told below, with what was found
  }
  throw new CodedError("BATCH_MALFORMED", `a page of epochs that cannot be read: ${shown(text)}`);
}

function wholeRow(row: unknown, at: number): unknown {
  if (!Array.isArray(row) || row.length !== 3) return row;
  return [...row, row[1], row[2], [], at - 1];
}
