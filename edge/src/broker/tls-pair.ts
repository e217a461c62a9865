/** A listener's certificate and key: whether they fit, how long they hold, and whom a client's names. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { isText } from "./topic-filter.ts";

/** What the files hold, in PEM. */
export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

export interface TlsPair extends TlsTexts {
  readonly validFromMs: number;
  readonly validToMs: number;
}

interface FileNames {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string | undefined;
}

/** Throws CONFIG_INVALID with the file that is wrong; never with what stands in it. */
export function tlsPair(texts: TlsTexts, { certFile, keyFile, caFile }: FileNames): TlsPair {
  const [own] = certificatesOf(texts.cert, certFile);
  const key = privateKeyOf(texts.key, keyFile);
  if (own === undefined || !own.checkPrivateKey(key)) {
    const cure = "write both anew, the device's own certificate before its issuers";
    throw invalid(`${keyFile} is not the key of the first certificate in ${certFile}: ${cure}`);
  }
  if (texts.ca !== undefined) certificatesOf(texts.ca, caFile ?? "caFile");
  const [validFromMs, validToMs] = [Date.parse(own.validFrom), Date.parse(own.validTo)];
  return { ...texts, validFromMs, validToMs };
}

function certificatesOf(text: string, fileName: string): readonly X509Certificate[] {
  const blocks = text.match(/-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g) ?? [];
  const certificates = blocks.filter((block) => block.startsWith("-----BEGIN CERTIFICATE"));
  if (certificates.length === 0) throw invalid(`${fileName} holds no certificate in PEM`);
  return certificates.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (failure) {
      throw invalid(`${fileName} holds a broken certificate: ${reasonOf(failure)}`);
    }
  });
}

function privateKeyOf(text: string, fileName: string) {
  try {
    return createPrivateKey(text);
  } catch (failure) {
    const isEncrypted = /ENCRYPTED/.test(text);
    const cure = isEncrypted ? "it is encrypted: store it open, for the service only" : "use PEM";
    throw invalid(`${fileName} holds no private key (${reasonOf(failure)}): ${cure}`);
  }
}

function invalid(message: string): CodedError {
  return new CodedError("CONFIG_INVALID", message);
}

const dayMs = 86_400_000;

/** Below zero once it has expired. */
export function daysLeft({ validToMs }: TlsPair, wallMs: number): number {
  return Math.floor((validToMs - wallMs) / dayMs);
}

const renewDaysMin = 14;

/** What is to be told of a certificate's dates; undefined while all is well. */
export function dateFault(pair: TlsPair, wallMs: number): string | undefined {
  const { validFromMs, validToMs } = pair;
  if (wallMs < validFromMs) return `is valid only from ${dateOf(validFromMs)}; is the clock right?`;
  if (wallMs > validToMs) return `expired on ${dateOf(validToMs)}: devices refuse it, renew it`;
  const left = daysLeft(pair, wallMs);
  return left < renewDaysMin ? `expires in ${left} days, on ${dateOf(validToMs)}` : undefined;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** A client's certificate as node:tls tells it. */
export interface PeerCertificate {
  readonly subject?: { readonly CN?: string | readonly string[] };
  readonly subjectaltname?: string | undefined;
}

/** Whom it names: undefined where that is nobody, or not one alone. */
export function certificateUser(peer: PeerCertificate, by: "cn" | "san"): string | undefined {
  const name = by === "cn" ? peer.subject?.CN : onlyOf(alternativeNames(peer.subjectaltname ?? ""));
  return typeof name === "string" && name !== "" && isText(name) ? name : undefined;
}

function onlyOf(names: readonly string[]): string | undefined {
  return names.length === 1 ? names[0] : undefined;
}

/** Node quotes a name, as JSON, that could be taken for several. */
function alternativeNames(text: string): readonly string[] {
  const entries = text.matchAll(/(?:^|, )([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...entries].flatMap(([, kind = "", value = ""]) => {
    if (!["DNS", "URI", "email"].includes(kind)) return [];
    return [value.startsWith('"') ? unquoted(value) : value];
  });
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return "";
  }
}
