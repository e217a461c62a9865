/** `causeway-edge decode`: reads payloads from files and standard input, and prints what they say. */
import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import { decodedText } from "../inspect/decoded-line.ts";
import { printable } from "../inspect/printable.ts";
import type { DeviceMessage } from "./decoded-lines.ts";
import { decodedLines } from "./decoded-lines.ts";

export interface DecodeParts {
  readonly topic: string;
  /** `-` for standard input. */
  readonly file: string;
  /** `topic=file` of messages that came before. */
  readonly before: readonly string[];
  readonly json: boolean;
  /** Of the configuration, where one is named. */
  readonly routes: Routes | undefined;
  readonly presentMs: () => number;
  readonly write: (text: string) => Promise<void>;
}

/** Exit 1 where it, or a part of it, would be quarantined. Throws CLI_USAGE. */
export async function decodePayload(parts: DecodeParts): Promise<number> {
  const { topic, json, write } = parts;
  const before = parts.before.map(messageOf);
  const payload = parts.file === "-" ? await buffer(process.stdin) : bytesIn(parts.file);
  const lines = decodedLines(before, { topic, payload }, parts);
  const text = lines.map((line) => printable(json ? JSON.stringify(line) : decodedText(line)));
  if (text.length > 0) await write(`${text.join("\n")}\n`);
  return lines.some(({ kind }) => kind === "quarantined") ? 1 : 0;
}

function messageOf(text: string): DeviceMessage {
  const at = text.lastIndexOf("=");
  if (at < 1) throw new CodedError("CLI_USAGE", `--before ${text}: write TOPIC=FILE`);
  return { topic: text.slice(0, at), payload: bytesIn(text.slice(at + 1)) };
}

function bytesIn(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (failure) {
    throw new CodedError("CLI_USAGE", `${file}: ${reasonOf(failure)}`);
  }
}
