/** Reads a configuration file and the environment; what they mean is settings.ts. */
import { readFileSync } from "node:fs";
import type { z } from "zod";
import { CodedError, codeOf, reasonOf } from "./errors.ts";
import type { SettingsFault } from "./settings.ts";
import { loadSettings } from "./settings.ts";

/** Throws CONFIG_UNREADABLE or CONFIG_INVALID; without a file only environment and sets count. */
export function readSettings<Schema extends z.ZodType>(
  schema: Schema,
  fileName: string | undefined,
  sets: readonly string[],
  findFaults?: (settings: z.output<Schema>) => readonly SettingsFault[],
): z.output<Schema> {
  const text = fileName === undefined ? "" : readText(fileName);
  const sources = { fileName: fileName ?? "settings", text, environment: process.env, sets };
  return loadSettings(schema, sources, findFaults);
}

function readText(fileName: string): string {
  try {
    return readFileSync(fileName, "utf8");
  } catch (failure) {
    const why = codeOf(failure) === "ENOENT" ? "there is no such file" : reasonOf(failure);
    throw new CodedError("CONFIG_UNREADABLE", `${fileName}: ${why}`, { cause: failure });
  }
}

/** A secret from its file, without the newline that editors add; CONFIG_UNREADABLE otherwise. */
export function readSecret(fileName: string): string {
  const secret = readText(fileName).trimEnd();
  if (secret === "") throw new CodedError("CONFIG_UNREADABLE", `${fileName}: the file is empty`);
  return secret;
}
