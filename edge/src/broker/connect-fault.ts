/** What is wrong with a CONNECT, before anybody asks who the client is. */
import { isText, isTopic } from "./topic-filter.ts";

export interface ConnectFacts {
  readonly clientId?: string;
  readonly clean?: boolean;
  readonly will?: { readonly topic: string };
}

export type ConnectFault = "malformed" | "bad-id";

const clientIdBytesMax = 256;

export function connectFault({
  clientId = "",
  clean,
  will,
}: ConnectFacts): ConnectFault | undefined {
  // [MQTT-1.5.3-1], [MQTT-1.5.3-2]; a will is published like anything else.
  if (!isText(clientId) || (will !== undefined && !isTopic(will.topic))) return "malformed";
  // [MQTT-3.1.3-8]
  const isBad =
    (clientId === "" && clean === false) || Buffer.byteLength(clientId) > clientIdBytesMax;
  return isBad ? "bad-id" : undefined;
}
