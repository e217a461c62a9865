/**
 * A chain of certificates checked at a time that is handed in, for a machine whose clock cannot be
 * believed. OpenSSL only checks at the time of the wall clock.
 */
import { X509Certificate } from "node:crypto";

export const chainLengthMax = 8;
const serverPurpose = "1.3.6.1.5.5.7.3.1";
const anyPurpose = "2.5.29.37.0";

/** The certificates of a PEM file. */
export function certificatesOf(pem: string): X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.map((text) => new X509Certificate(text));
}

interface Expected {
  /** Name or address by which the server was reached. */
  readonly host: string;
  readonly trusted: readonly X509Certificate[];
  readonly floorMs: number;
}

/**
 * Why a server is not trusted that showed these certificates, its own first; undefined where it is.
 * The present is not before `floorMs`: what had ended by then is refused, and what begins later may
 * have begun, for an authority signs no certificate long before its time.
 */
export function chainFault(
  shown: readonly X509Certificate[],
  { host, trusted, floorMs }: Expected,
): string | undefined {
  const [leaf] = shown;
  if (leaf === undefined) return "the server showed no certificate";
  const purposes = leaf.keyUsage;
  if (purposes !== undefined && !purposes.some((one) => [serverPurpose, anyPurpose].includes(one)))
    return "the certificate is not for servers";
  if ((isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host)) === undefined)
    return `the certificate is for ${leaf.subjectAltName ?? nameOf(leaf)}, not for ${host}`;
  let link = leaf;
  for (let length = 1; length <= chainLengthMax; length++) {
    if (link.validToDate.getTime() < floorMs) {
      return `the certificate of ${nameOf(link)} ended at ${link.validTo}`;
    }
    if (trusted.some(({ fingerprint256 }) => fingerprint256 === link.fingerprint256))
      return undefined;
    const root = trusted.find((one) => hasSigned(one, link));
    if (root !== undefined) {
      const isOver = root.validToDate.getTime() < floorMs;
      return isOver ? `the certificate of ${nameOf(root)} ended at ${root.validTo}` : undefined;
    }
    const signed = link;
    const issuer = shown.find((one) => hasSigned(one, signed));
    if (issuer === undefined) return `nobody trusted has signed the certificate of ${nameOf(link)}`;
    link = issuer;
  }
  return `the chain is longer than ${chainLengthMax} certificates`;
}

function isIP(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(":");
}

function hasSigned(issuer: X509Certificate, issued: X509Certificate): boolean {
  return issuer.ca && issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

function nameOf({ subject }: X509Certificate): string {
  return subject.replaceAll("\n", ", ");
}
