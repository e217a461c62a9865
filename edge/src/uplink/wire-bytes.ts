/**
 * What goes over the wire, as near as can be told without looking at packets: what NATS carries, its
 * own lines, and what TLS and TCP/IP add both ways.
 */

/** HPUB or MSG, with subject, reply and sizes. */
const lineBytes = 75;
/** A PubAck. */
const answerBytes = 60;
const headersFirstBytes = 12;
/** A header's ": " and line end. */
const headerLineBytes = 4;
/** TCP/IP with timestamps; every second segment is acknowledged. */
const segmentBytes = 1_400;
const segmentOverheadBytes = 52 + 52 / 2;
/** TLS. */
const recordBytes = 16_384;
const recordOverheadBytes = 22;
/** PING, PONG and an acknowledgement. */
const pingBytes = 2 * (6 + 52 + 22) + 52;
/** A handshake of TCP and TLS with a chain of two certificates, INFO and CONNECT. */
const dialBytes = 6_000;

export interface Carried {
  readonly inBytes: number;
  readonly outBytes: number;
  readonly inMsgs: number;
  readonly outMsgs: number;
}

/** A batch and the answer to it. */
export function batchWireBytes(headers: readonly [string, string][], bodyBytes: number): number {
  let bytes = headersFirstBytes + bodyBytes;
  for (const [name, value] of headers) bytes += name.length + value.length + headerLineBytes;
  return onWire(bytes + answerBytes, 2);
}

/** All that one connection has carried, with its dial and so many pings. */
export function connectionWireBytes(
  { inBytes, outBytes, inMsgs, outMsgs }: Carried,
  pings: number,
): number {
  return dialBytes + onWire(inBytes + outBytes, inMsgs + outMsgs) + pings * pingBytes;
}

function onWire(payloadBytes: number, messages: number): number {
  const bytes = payloadBytes + messages * lineBytes;
  const segments = Math.max(messages, Math.ceil(bytes / segmentBytes));
  const records = Math.max(messages, Math.ceil(bytes / recordBytes));
  return Math.ceil(bytes + segments * segmentOverheadBytes + records * recordOverheadBytes);
}
