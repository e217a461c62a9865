/** Signatures after Standard Webhooks 1.0: HMAC-SHA256 over `<id>.<timestamp>.<body>`. */
import { createHmac } from "node:crypto";
import { CodedError } from "../errors.ts";

const secretPrefix = "whsec_";
/** Bounds of the specification. */
const secretBytes = { least: 24, most: 64 };

/** The key in a secret's text, `whsec_` and base64; CONFIG_INVALID otherwise. */
export function signingKey(secret: string, source: string): Buffer {
  const text = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : secret;
  const key = Buffer.from(text, "base64");
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  if (isBase64 && key.length >= secretBytes.least && key.length <= secretBytes.most) return key;
  const { least, most } = secretBytes;
  const cure = "make one with: openssl rand -base64 32";
  throw new CodedError(
    "CONFIG_INVALID",
    `${source}: not base64 of ${least}-${most} bytes; ${cure}`,
  );
}

export interface SignedParts {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

/** The value of `webhook-signature`. */
export function sign(key: Buffer, { id, timestamp, body }: SignedParts): string {
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return `v1,${mac}`;
}
