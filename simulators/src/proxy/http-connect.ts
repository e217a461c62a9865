/**
 * The front of an HTTP proxy: reads a client's CONNECT (RFC 9110 §9.3.6) and says where it wants to go.
 * A login, where one is wanted, is by Basic.
 */
import type { Socket } from "node:net";
import type { Address } from "./tcp-proxy.ts";

const headBytesMax = 16 * 1_024;

export interface ConnectFront {
  /** `user:password`; undefined lets everybody in. */
  readonly login: string | undefined;
}

/** As conditions have it. */
export interface Denial {
  /** An HTTP status instead of a way. */
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
}

/** Undefined where it was answered already, with a no. What follows the head stays in the socket. */
export async function wantedOf(
  client: Socket,
  { login }: ConnectFront,
  denial: Denial | undefined,
): Promise<Address | undefined> {
  const head = await headOf(client);
  if (head === undefined) return undefined;
  const to = targetOf(head);
  if (to === undefined) return refuse(client, 400, []);
  if (denial !== undefined) {
    const { status, retryAfterSeconds } = denial;
    const retry = retryAfterSeconds === undefined ? [] : [`Retry-After: ${retryAfterSeconds}`];
    return refuse(client, status, retry);
  }
  if (login !== undefined && loginOf(head) !== login)
    return refuse(client, 407, ['Proxy-Authenticate: Basic realm="causeway-sim"']);
  return to;
}

export function accept(client: Socket): void {
  client.write("HTTP/1.1 200 Connection established\r\n\r\n");
}

export function refuse(client: Socket, status: number, more: readonly string[]): undefined {
  const lines = [`HTTP/1.1 ${status} refused`, "Content-Length: 0", "Connection: close", ...more];
  client.end(`${lines.join("\r\n")}\r\n\r\n`);
  return undefined;
}

export function targetOf(head: string): Address | undefined {
  const [, host = "", port] = /^CONNECT (\S+):([0-9]{1,5}) HTTP\/1\.[01]\r\n/.exec(head) ?? [];
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

function loginOf(head: string): string | undefined {
  const [, base64] = /^proxy-authorization: *basic +(\S+) *$/im.exec(head) ?? [];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString("utf8");
}

function headOf(client: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const end = (head: string | undefined) => {
      client.removeListener("data", came);
      client.removeListener("close", gone);
      resolve(head);
    };
    const gone = () => end(undefined);
    const came = (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const at = text.indexOf("\r\n\r\n");
      if (at < 0 && text.length <= headBytesMax) return;
      client.pause();
      const rest = Buffer.from(text.slice(at + 4), "latin1");
      if (at >= 0 && rest.length > 0) client.unshift(rest);
      end(at < 0 ? "" : text.slice(0, at + 2));
    };
    client.on("data", came);
    client.on("error", gone);
    client.once("close", gone);
  });
}
