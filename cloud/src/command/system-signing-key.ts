/** The key that commands are signed by, from its file. */
import type { KeyObject } from "node:crypto";
import { commandSigningKey } from "@causeway/shared/command/command-signature.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";

/** Undefined where none is configured. Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function signingKeyOf(file: string | undefined): KeyObject | undefined {
  return file === undefined ? undefined : commandSigningKey(readSecret(file), file);
}
