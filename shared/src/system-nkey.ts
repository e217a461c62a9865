/** Files that hold a user's nkey seed: made where it is used, and readable by its owner alone. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { CodedError, codeOf, reasonOf } from "./errors.ts";
import { readSecret } from "./system-settings.ts";

export interface OwnNkey {
  readonly publicKey: string;
  /** Whether it was made just now. */
  readonly isNew: boolean;
}

/** The public half of the seed in the file, which is made where there is none. */
export function ownNkey(file: string): OwnNkey {
  const seed = newSeed();
  const isNew = writeNew(file, seed);
  return { publicKey: isNew ? publicHalf(seed, file) : publicHalf(readSeed(file), file), isNew };
}

/** Another seed in its place; the old one is gone. */
export function renewedNkey(file: string): OwnNkey {
  const seed = newSeed();
  const next = `${file}.new`;
  if (!writeNew(next, seed))
    throw unwritable(next, "it is there already: another run, or a broken one, left it");
  attempt(file, () => renameSync(next, file));
  syncFolder(file);
  return { publicKey: publicHalf(seed, file), isNew: true };
}

function newSeed(): Uint8Array {
  return nkeys.createUser().getSeed();
}

function readSeed(file: string): Uint8Array {
  const seed = new TextEncoder().encode(readSecret(file));
  // Who can read it can be this gateway; an editor or a copy may have opened it to all.
  attempt(file, () => chmodSync(file, 0o600));
  return seed;
}

/** Throws CONFIG_UNREADABLE and CONFIG_INVALID, which never tell what the file holds. */
export function nkeySeed(file: string): Uint8Array {
  if (!existsSync(file)) {
    const cure = "causeway-edge join makes it, or causeway-cloud key";
    throw new CodedError("CONFIG_UNREADABLE", `${file}: there is no such file; ${cure}`);
  }
  const seed = new TextEncoder().encode(readSecret(file));
  pairOf(seed, file);
  return seed;
}

function pairOf(seed: Uint8Array, file: string) {
  try {
    const pair = nkeys.fromSeed(seed);
    if (pair.getPublicKey().startsWith("U")) return pair;
  } catch {
    // Told below.
  }
  const cure = "it holds one line that begins with SU; move it away, and a new one is made";
  throw new CodedError("CONFIG_INVALID", `${file}: this is no seed of a user's nkey; ${cure}`);
}

function publicHalf(seed: Uint8Array, file: string): string {
  return pairOf(seed, file).getPublicKey();
}

/** False where there is one. */
function writeNew(file: string, seed: Uint8Array): boolean {
  let handle: number;
  try {
    handle = openSync(file, "wx", 0o600);
  } catch (failure) {
    if (codeOf(failure) === "EEXIST") return false;
    throw unwritable(file, reasonOf(failure), failure);
  }
  try {
    writeSync(handle, new TextDecoder().decode(seed));
    writeSync(handle, "\n");
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  syncFolder(file);
  return true;
}

function syncFolder(file: string): void {
  attempt(file, () => {
    const handle = openSync(dirname(file), "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  });
}

function attempt(file: string, act: () => void): void {
  try {
    act();
  } catch (failure) {
    throw unwritable(file, reasonOf(failure), failure);
  }
}

function unwritable(file: string, why: string, cause?: unknown): CodedError {
  return new CodedError("OUTPUT_UNWRITABLE", `${file}: ${why}`, { cause });
}
