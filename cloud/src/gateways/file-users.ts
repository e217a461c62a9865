/** Writes the file of users: whole or not at all, for nats-server may read it at any moment. */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";

/** Readable by nats-server's user, as it holds public halves only. */
const mode = 0o644;

/** Whether it holds something else now. Throws OUTPUT_UNWRITABLE. */
export function writeUsers(file: string, text: string): boolean {
  const next = `${file}.${process.pid}.new`;
  try {
    if (textIn(file) === text) return false;
    const handle = openSync(next, "w", mode);
    try {
      fchmodSync(handle, mode); // whatever the umask is
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(next, file);
    const folder = openSync(dirname(file), "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    return true;
  } catch (failure) {
    rmSync(next, { force: true });
    const cure = "the user of this command needs the right to write into its folder";
    throw new CodedError("OUTPUT_UNWRITABLE", `${file}: ${reasonOf(failure)}; ${cure}`, {
      cause: failure,
    });
  }
}

function textIn(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (failure) {
    if (codeOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}
