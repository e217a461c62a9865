/**
 * Who may ask over HTTP: anyone on loopback, elsewhere only with the token, as `Authorization:
 * Bearer` for programs or as the password of HTTP Basic for browsers (RFC 6750 §2.1, RFC 7617).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { CodedError } from "./errors.ts";
import { isLoopback } from "./loopback.ts";

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
}

/** Throws SECURITY_REFUSED where strangers could reach an address that asks for no token. */
export function checkHttpAddress(address: HttpAddress, token: string | undefined): void {
  if (isLoopback(address.host) || (token !== undefined && token !== "")) return;
  const cure = "set http.tokenFile, or http.host to 127.0.0.1";
  throw new CodedError("SECURITY_REFUSED", `http.host ${address.host} is open to others: ${cure}`);
}

/** Compares in constant time, by hashes of equal length. */
export function isAdmitted(token: string | undefined, authorization: string | undefined): boolean {
  if (token === undefined) return true;
  const offered = tokenIn(authorization);
  // An empty token would admit whoever offers nothing.
  return offered !== "" && timingSafeEqual(digest(offered), digest(token));
}

/** What a header offers; "" where it offers nothing. */
export function tokenIn(authorization: string | undefined): string {
  const [scheme = "", credentials = ""] = (authorization ?? "").split(" ");
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic") return "";
  const pair = Buffer.from(credentials, "base64").toString("utf8");
  return pair.slice(pair.indexOf(":") + 1);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
