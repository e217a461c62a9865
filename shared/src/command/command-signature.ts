/** Ed25519 (RFC 8032) over the body of a command. */
import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { CodedError } from "../errors.ts";

const cure = "make one with: openssl genpkey -algorithm ed25519";

/** A private key in PEM (PKCS #8). Throws CONFIG_INVALID. */
export function commandSigningKey(pem: string, source: string): KeyObject {
  return ed25519(() => createPrivateKey(pem), source);
}

/** One public key in PEM or several, of which any counts, as while a key is replaced. Throws CONFIG_INVALID. */
export function commandPublicKeys(pem: string, source: string): readonly KeyObject[] {
  const blocks = pem.match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g) ?? [pem];
  const isPrivate = blocks.some((block) => block.includes("PRIVATE"));
  if (isPrivate) throw invalid(source, "a private key, which belongs in the cloud only");
  return blocks.map((block) => ed25519(() => createPublicKey(block), source));
}

function ed25519(read: () => KeyObject, source: string): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (failure) {
    throw invalid(source, `not a key in PEM; ${cure}`, failure);
  }
  if (key.asymmetricKeyType !== "ed25519")
    throw invalid(source, `a key of ${key.asymmetricKeyType}, not ed25519; ${cure}`);
  return key;
}

function invalid(source: string, why: string, cause?: unknown): CodedError {
  return new CodedError("CONFIG_INVALID", `${source}: ${why}`, { cause });
}

/** Base64. */
export function signCommand(body: string, key: KeyObject): string {
  return sign(null, Buffer.from(body), key).toString("base64");
}

export function isSignedBy(
  body: string,
  signature: string | undefined,
  keys: readonly KeyObject[],
): boolean {
  if (signature === undefined) return false;
  const bytes = Buffer.from(signature, "base64");
  return keys.some((key) => verify(null, Buffer.from(body), key, bytes));
}
