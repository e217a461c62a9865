/**
 * The client's own transport, which checks the server's certificate at another time than the wall
 * clock's where it is told one (`certificate-chain.ts`). Only with an authority of one's own: for
 * public ones far more would have to be checked than a signature.
 */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import { NatsConnectionImpl, setTransportFactory } from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";
import { certificatesOf, chainFault, chainLengthMax } from "./certificate-chain.ts";
import { readSecret } from "./system-settings.ts";

export interface FlooredTls {
  readonly caFile?: string;
  /** The least that the present can be; undefined where the wall clock is right. */
  readonly floorMs?: number;
}

type Place = Parameters<NodeTransport["connect"]>[0];

export function connectByTransport(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({
    factory: () => new FlooredTransport(),
    dnsResolveFn: nodeResolveHost,
  });
  return NatsConnectionImpl.connect(options);
}

class FlooredTransport extends NodeTransport {
  #host = "";

  override connect(place: Place, options: ConnectionOptions): Promise<void> {
    this.#host = place.tlsName || place.hostname;
    return super.connect(place, options);
  }

  override startTLS(): Promise<TLSSocket> {
    return this.#checked(() => super.startTLS());
  }

  override tlsFirst(place: Place): Promise<TLSSocket> {
    return this.#checked(() => super.tlsFirst(place));
  }

  /** Nothing is sent on the socket before this resolves, credentials least of all. */
  async #checked(open: () => Promise<TLSSocket>): Promise<TLSSocket> {
    const { caFile, floorMs } = (this.options.tls ?? {}) as FlooredTls;
    if (floorMs === undefined || caFile === undefined) return open();
    const trusted = certificatesOf(readSecret(caFile));
    const tls = { ...this.options.tls, rejectUnauthorized: false };
    this.options = { ...this.options, tls };
    const socket = await open();
    const fault = chainFault(shownBy(socket), { host: this.#host, trusted, floorMs });
    if (fault === undefined) return socket;
    socket.destroy();
    throw new Error(`CERT: ${fault}`);
  }
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
