/**
 * Addresses of a receiver's host, looked up and checked before the connection is made, and the
 * connection goes to these: a name that changes its answer afterwards (DNS rebinding) gains nothing.
 */

import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import { connect, isIP } from "node:net";
import type { AddressBlock } from "./egress.ts";
import { isRefused } from "./egress.ts";

/** Why the host may not be connected to, for an address written as such; else undefined. */
export function literalFault(host: string, allowed: readonly AddressBlock[]): string | undefined {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) === 0 || !isRefused(address, allowed)) return undefined;
  return refusal(address);
}

/** For sockets that look a name up themselves. */
export function checkedLookup(allowed: readonly AddressBlock[]): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (failure, addresses) => {
      const [first] = failure === null ? permitted(addresses, allowed) : [];
      if (failure !== null) return done(failure, "");
      if (first === undefined) return done(new Error(refusal(hostname)), "");
      if (options.all) return done(null, [...permitted(addresses, allowed)]);
      done(null, first.address, first.family);
    });
  };
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** A connection to one of the addresses that may be connected to, whichever answers first. */
export function dial(
  { host, port }: Place,
  allowed: readonly AddressBlock[],
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fault = literalFault(host, allowed);
    if (fault !== undefined) return reject(new Error(fault));
    const socket = connect({ host, port, lookup: checkedLookup(allowed), signal });
    // Whoever uses the connection hears of later errors as well.
    socket.on("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}

function permitted(
  addresses: readonly LookupAddress[],
  allowed: readonly AddressBlock[],
): readonly LookupAddress[] {
  return addresses.filter(({ address }) => !isRefused(address, allowed));
}

function refusal(host: string): string {
  return `${host} is link-local or metadata of a cloud, where hosts keep their keys; see allowAddresses`;
}
