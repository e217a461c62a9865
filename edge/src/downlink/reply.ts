/** What a device answers to a command: any text, or JSON, of which `ok: false` says that it failed. */
import { textCharactersMax } from "@causeway/shared/event.ts";

export interface Answer {
  readonly state: "done" | "failed";
  readonly detail: string;
  readonly payload?: string;
  readonly encoding?: "base64";
}

/** A longer one is cut. */
const payloadBytesMax = 48_000;
const detailCharactersMax = 256;

export function replyOf(payload: Uint8Array): Answer {
  if (payload.length === 0) return { state: "done", detail: "" };
  const isLong = payload.length > payloadBytesMax;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const whole = bytes.toString("utf8");
  const isText = Buffer.from(whole).equals(bytes);
  const { isOk, why } = verdictOf(isText ? whole : "");
  const cut = isLong ? `the first ${payloadBytesMax} of ${payload.length} bytes` : "";
  const told = {
    state: isOk ? "done" : "failed",
    detail: [why, cut].filter((part) => part !== "").join("; "),
  } as const;
  const kept = bytes.subarray(0, payloadBytesMax);
  if (!isText) return { ...told, payload: kept.toString("base64"), encoding: "base64" };
  // A character that is cut in two becomes U+FFFD.
  const text = isLong ? kept.toString("utf8").replace(/\uFFFD$/, "") : whole;
  return { ...told, payload: text.slice(0, textCharactersMax) };
}

function verdictOf(text: string): { readonly isOk: boolean; readonly why: string } {
  if (!text.trimStart().startsWith("{")) return { isOk: true, why: "" };
  try {
    const { ok, error } = JSON.parse(text) as { ok?: unknown; error?: unknown };
    const why = typeof error === "string" ? plain(error) : "";
    return { isOk: ok !== false, why };
  } catch {
    return { isOk: true, why: "" };
  }
}

/** It is shown on terminals. */
function plain(text: string): string {
  const short = text.slice(0, detailCharactersMax);
  return short.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu, " ").trim();
}
