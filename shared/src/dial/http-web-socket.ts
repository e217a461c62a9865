/** A WebSocket on a socket that is open, as a plain stream of bytes. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocket } from "ws";
import { DialRefused } from "./dial-refused.ts";
import type { ServerAddress } from "./server-address.ts";
import { addressText, bracketed, hostAndPort } from "./server-address.ts";
import { awaited } from "./tcp-await.ts";

/** Beyond what nats-server sends at once. */
const payloadBytesMax = 8 * 1_024 * 1_024;

/** Throws NATS_WEBSOCKET_REFUSED or NATS_UNREACHABLE. */
export async function webSocket(
  socket: Socket,
  address: ServerAddress,
  signal: AbortSignal,
): Promise<Duplex> {
  const { host, port, path, scheme } = address;
  const isUsual = port === (scheme === "wss" ? 443 : 80);
  // Whoever read before has paused it; the server says nothing before it is asked.
  socket.resume();
  // TLS is on the socket already, so to the client it is a plain one.
  const client = new WebSocket(`ws://${hostAndPort(address)}${path}`, {
    createConnection: () => socket,
    headers: { host: isUsual ? bracketed(host) : hostAndPort(address) },
    perMessageDeflate: false,
    maxPayload: payloadBytesMax,
    followRedirects: false,
  });
  const stream = createWebSocketStream(client);
  await awaited<void>(stream, signal, ({ done, fail }) => {
    client.once("open", () => done());
    client.once("unexpected-response", (_request, { statusCode = 0, headers }) => {
      socket.destroy();
      fail(refusal(address, statusCode, headers["retry-after"]));
    });
    return {};
  });
  return stream;
}

function refusal(address: ServerAddress, status: number, retryAfter?: string): DialRefused {
  const what = `what answers at ${addressText(address)} opens no WebSocket, it answered ${status}`;
  if (status >= 500 || status === 429) return new DialRefused("NATS_UNREACHABLE", what, retryAfter);
  const cure = 'correct the path, or set "websocket" in nats-server';
  return new DialRefused("NATS_WEBSOCKET_REFUSED", `${what}: ${cure}`, retryAfter);
}
