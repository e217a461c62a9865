/** The certificates of the tests, as files and as texts; certificates/make.sh makes them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ListenerSettings, TlsSettings } from "../broker/listener-settings.ts";
import type { TlsPair } from "../broker/tls-pair.ts";
import { tlsPair } from "../broker/tls-pair.ts";

export type CertificateName = "server" | "renewed" | "expired" | "device" | "nameless" | "stranger";

const fileOf = (name: string) => join(import.meta.dirname, "certificates", `${name}.pem`);

export const authorityFile = fileOf("authority");
export const authority = readFileSync(authorityFile, "utf8");

/** Of the certificate "stranger". */
export const strangerAuthority = readFileSync(fileOf("stranger-authority"), "utf8");

export function pairFiles(name: CertificateName) {
  return { certFile: fileOf(name), keyFile: fileOf(`${name}-key`) };
}

export function pairTexts(name: CertificateName) {
  const { certFile, keyFile } = pairFiles(name);
  return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}

/** What a listener needs to speak TLS, and where clients' certificates count. */
export function tlsOf(
  name: CertificateName,
  clients: "none" | "optional" | "required" = "none",
): { tls: TlsSettings; pair: TlsPair } {
  const ca = clients === "none" ? undefined : authority;
  const tls: TlsSettings = {
    ...pairFiles(name),
    ...(ca === undefined ? {} : { caFile: authorityFile }),
    requireCertificate: clients === "required",
  };
  return { tls, pair: tlsPair({ ...pairTexts(name), ca }, tls) };
}

export function listenerOf(
  protocol: ListenerSettings["protocol"],
  tls?: TlsSettings,
): ListenerSettings {
  return { host: "127.0.0.1", port: 0, protocol, ...(tls === undefined ? {} : { tls }) };
}
