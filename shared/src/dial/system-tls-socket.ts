/**
 * TLS on a socket that is open. The server's certificate is checked for the name, or the address, by
 * which it was dialled; at another time than the wall clock's where one is told (certificate-chain.ts),
 * though only with an authority of one's own: for public ones far more would have to be checked.
 */
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { isIP } from "node:net";
import type { SecureVersion, TLSSocket } from "node:tls";
import { connect } from "node:tls";
import { certificatesOf, chainFault, chainLengthMax } from "../certificate-chain.ts";
import { readSecret } from "../system-settings.ts";
import { awaited } from "./tcp-await.ts";

export interface TlsWish {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly serverName?: string | undefined;
  readonly minVersion?: SecureVersion | undefined;
  /** The least that the present can be; undefined where the wall clock is right. */
  readonly floorMs?: number | undefined;
}

/** Nothing is sent on the socket before this resolves, credentials least of all. */
export async function tlsSocket(
  socket: Socket,
  host: string,
  wish: TlsWish,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { caFile, certFile, keyFile, minVersion, floorMs } = wish;
  const name = wish.serverName ?? host;
  const ca = caFile === undefined ? undefined : readSecret(caFile);
  const isFloored = floorMs !== undefined && ca !== undefined;
  const secured = connect({
    socket,
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(certFile === undefined ? {} : { cert: readSecret(certFile) }),
    ...(keyFile === undefined ? {} : { key: readSecret(keyFile) }),
    ...(minVersion === undefined ? {} : { minVersion }),
    rejectUnauthorized: !isFloored,
  });
  await awaited<void>(secured, signal, ({ done }) => ({ secureConnect: () => done() }));
  if (!isFloored) return secured;
  const trusted = certificatesOf(ca);
  const fault = chainFault(shownBy(secured), { host: name, trusted, floorMs });
  if (fault === undefined) return secured;
  secured.destroy();
  throw new Error(`CERT: ${fault}`);
}

/** The server's certificate and those that it showed with it. */
function shownBy(socket: TLSSocket): X509Certificate[] {
  const shown: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && shown.length < chainLengthMax) {
    shown.push(next);
    next = next.issuerCertificate;
  }
  return shown;
}
