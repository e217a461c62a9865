/**
 * Who may connect. A password file has one line per user, `name:scrypt$N$r$p$salt$hash` (salt and
 * hash base64), as `causeway-edge passwd` writes it; `#` begins a comment.
 */
import { scrypt, scryptSync, timingSafeEqual } from "node:crypto";
import { CodedError } from "@causeway/shared/errors.ts";

export interface PasswordEntry {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallel: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export type Passwords = ReadonlyMap<string, PasswordEntry>;

/** 16 MB of memory a check (RFC 7914 §2): slow for a guesser, bearable on a Raspberry Pi. */
const current = { cost: 16_384, blockSize: 8, parallel: 1, hashBytes: 32 };
const memoryBytesMax = 64 * 1_024 * 1_024;
const parallelMax = 16;
/** A shorter hash is guessed, an empty one matches every password. */
const hashBytesMin = 16;

/** Throws CONFIG_INVALID with the line that cannot be read. */
export function parsePasswords(text: string, fileName: string): Passwords {
  const passwords = new Map<string, PasswordEntry>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.lastIndexOf(":");
    const entry = parseEntry(line.slice(colon + 1).trim());
    if (colon < 1 || entry === undefined) {
      const cure = "write it by `causeway-edge passwd`";
      throw new CodedError(
        "CONFIG_INVALID",
        `${fileName}:${index + 1}: not name:scrypt$…; ${cure}`,
      );
    }
    passwords.set(line.slice(0, colon), entry);
  }
  return passwords;
}

function parseEntry(text: string): PasswordEntry | undefined {
  const [scheme, cost, blockSize, parallel, salt, hash] = text.split("$");
  if (scheme !== "scrypt" || salt === undefined || hash === undefined) return undefined;
  const [n = 0, r = 0, p = 0] = [cost, blockSize, parallel].map(Number);
  if (![n, r, p].every((number) => Number.isInteger(number) && number > 0)) return undefined;
  // RFC 7914 §2 and §6: N is a power of two, the work takes 128·N·r bytes.
  if (!Number.isInteger(Math.log2(n)) || 256 * n * r > memoryBytesMax || p > parallelMax) {
    return undefined;
  }
  const hashBytes = Buffer.from(hash, "base64");
  if (hashBytes.length < hashBytesMin) return undefined;
  return {
    cost: n,
    blockSize: r,
    parallel: p,
    salt: Buffer.from(salt, "base64"),
    hash: hashBytes,
  };
}

/** The line for a user; `salt` is 16 random bytes. */
export function passwordLine(name: string, password: string, salt: Buffer): string {
  const { cost, blockSize, parallel, hashBytes } = current;
  const options = { N: cost, r: blockSize, p: parallel, maxmem: memoryBytesMax };
  const hash = scryptSync(password, salt, hashBytes, options);
  const fields = [
    "scrypt",
    cost,
    blockSize,
    parallel,
    salt.toString("base64"),
    hash.toString("base64"),
  ];
  return `${name}:${fields.join("$")}`;
}

/** Compares in constant time; an unknown user costs as much as a wrong password. */
export function checkPassword(
  passwords: Passwords,
  name: string,
  password: Buffer,
): Promise<boolean> {
  const entry = passwords.get(name);
  const salt = entry?.salt ?? Buffer.alloc(16);
  const { cost, blockSize, parallel } = entry ?? current;
  const options = { N: cost, r: blockSize, p: parallel, maxmem: memoryBytesMax };
  const bytes = entry?.hash.length ?? current.hashBytes;
  return new Promise((resolve) => {
    scrypt(password, salt, bytes, options, (failure, hash) => {
      resolve(failure === null && entry !== undefined && timingSafeEqual(hash, entry.hash));
    });
  });
}
