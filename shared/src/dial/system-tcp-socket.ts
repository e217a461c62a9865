/**
 * Opens a TCP connection to a name: the name is looked up each time, and its addresses are tried one
 * a moment after the other, without waiting for the one before to fail (RFC 8305 §5). The first wins.
 */
import type { LookupAddress } from "node:dns";
import { lookup as systemLookup } from "node:dns/promises";
import type { Socket } from "node:net";
import { createConnection, isIP } from "node:net";

export type Lookup = (host: string) => Promise<readonly LookupAddress[]>;

export const lookup: Lookup = (host) => systemLookup(host, { all: true, order: "verbatim" });

/** Longer than most round trips; who waits less dials twice on every slow link. */
const nextAddressMs = 400;

interface Place {
  readonly host: string;
  readonly port: number;
}

export async function addressesOf(host: string, find: Lookup): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await find(host);
  if (found.length === 0) throw Object.assign(new Error("no address"), { code: "ENODATA" });
  return found.map(({ address }) => address);
}

/** Rejects with the first failure once all addresses have failed, or with the signal's reason. */
export function tcpSocket(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    const waiting = [...addresses];
    let timer: NodeJS.Timeout | undefined;
    let first: unknown;
    const end = (winner?: Socket) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      for (const socket of open) if (socket !== winner) socket.destroy();
      open.clear();
    };
    const aborted = () => {
      end();
      reject(signal.reason);
    };
    const next = () => {
      clearTimeout(timer);
      const host = waiting.shift();
      if (host === undefined) return;
      dial({ host, port });
      if (waiting.length > 0) timer = setTimeout(next, nextAddressMs);
    };
    const dial = (place: Place) => {
      const socket = createConnection({ ...place, noDelay: true });
      open.add(socket);
      socket.once("connect", () => {
        end(socket);
        socket.removeListener("error", failed);
        resolve(socket);
      });
      const failed = (failure: unknown) => {
        first ??= failure;
        if (!open.delete(socket)) return;
        if (waiting.length > 0) return next();
        if (open.size > 0) return;
        end();
        reject(first);
      };
      socket.on("error", failed);
    };
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    next();
  });
}
