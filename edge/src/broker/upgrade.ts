/** Whether an HTTP request may become MQTT over WebSocket (MQTT 3.1.1 §6). */
import { isLoopback } from "@causeway/shared/loopback.ts";

export const webSocketPath = "/mqtt";

interface Headers {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly "sec-websocket-protocol"?: string | undefined;
}

/** The status line of the refusal; undefined where it may. */
export function upgradeFault(
  url: string,
  headers: Headers,
  { byPassword, isSecure }: { readonly byPassword: boolean; readonly isSecure: boolean },
): string | undefined {
  if (url.replace(/\?.*$/, "") !== webSocketPath) return "404 Not Found";
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  // [MQTT-6.0.0-3]; clients of MQTT 3.1 say so by another name.
  if (!offered.includes("mqtt") && !offered.includes("mqttv3.1")) return "400 Bad Request";
  return byPassword || isOwnPage(headers, isSecure) ? undefined : "403 Forbidden";
}

/**
 * Where no password is asked for, a page of any site could connect through the browser of someone
 * who may. Browsers say whose page it is: this machine's own count, and under TLS, where nobody can
 * take a name that is not theirs, those of the same name.
 */
function isOwnPage({ host, origin }: Headers, isSecure: boolean): boolean {
  if (origin === undefined) return true;
  const from = URL.parse(origin);
  if (from === null) return false;
  return (isSecure && from.host === host) || isLoopback(from.hostname.replace(/^\[|\]$/g, ""));
}
