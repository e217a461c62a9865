/**
 * Lists of gateways to be added: a JSON object a line, as `causeway-edge join --json` prints it, or CSV
 * with a head; its columns are `gateway`, `key`, `site`, and any other is a label.
 */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { fieldsOf } from "../cli/csv.ts";
import type { GatewayRequest } from "./gateway-entry.ts";
import { gatewayRequest } from "./gateway-entry.ts";

interface Said {
  readonly by: string;
  readonly note: string;
  readonly replace: boolean;
}

export interface ListedGateway {
  /** Counted from 1. */
  readonly line: number;
  /** A fault, in words, where it cannot be understood. */
  readonly request: GatewayRequest | string;
}

/** Throws INPUT_UNREADABLE where nothing of it can be understood. */
export function listedGateways(text: string, said: Said): readonly ListedGateway[] {
  const lines = text.split(/\r?\n/).map((line, at) => ({ line: at + 1, text: line.trim() }));
  const told = lines.filter((each) => each.text !== "" && !each.text.startsWith("#"));
  const [first, ...rows] = told;
  if (first === undefined) return [];
  if (first.text.startsWith("{")) return told.map((each) => asked(each, jsonOf, said));
  const columns = fieldsOf(first.text.replace(/^\uFEFF/, ""), ",").map((column) => column.trim());
  if (!columns.includes("gateway") || new Set(columns).size < columns.length) {
    const cure = "the first line of CSV names columns: gateway, key, site, and labels";
    throw new CodedError("INPUT_UNREADABLE", `line ${first.line}: ${cure}`);
  }
  return rows.map((each) => asked(each, (row) => rowOf(row, columns), said));
}

function asked(
  { line, text }: { readonly line: number; readonly text: string },
  read: (text: string) => object,
  said: Said,
): ListedGateway {
  try {
    return { line, request: gatewayRequest({ act: "add", ...read(text), ...said }) };
  } catch (failure) {
    return { line, request: reasonOf(failure) };
  }
}

function jsonOf(text: string): object {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CodedError("INPUT_UNREADABLE", "write a JSON object a line");
  return value;
}

/** Fields that are empty say nothing. */
function rowOf(text: string, columns: readonly string[]): object {
  const fields = fieldsOf(text, ",").map((field) => field.trim());
  if (fields.length !== columns.length)
    throw new CodedError(
      "INPUT_UNREADABLE",
      `${fields.length} fields for ${columns.length} columns`,
    );
  const told = columns.flatMap((column, at) =>
    fields[at] === "" ? [] : [[column, fields[at]] as const],
  );
  const known = new Set(["gateway", "key", "site"]);
  const labels = Object.fromEntries(told.filter(([column]) => !known.has(column)));
  return { ...Object.fromEntries(told.filter(([column]) => known.has(column))), labels };
}
