/** Addresses of nats-server as they are configured: `tls://host:4222`, `wss://host/path`, `host`. */

export const schemes = ["nats", "tls", "ws", "wss"] as const;
export type Scheme = (typeof schemes)[number];

export interface ServerAddress {
  readonly scheme: Scheme;
  /** A name or an address, an IPv6 one without brackets. */
  readonly host: string;
  readonly port: number;
  /** Of a WebSocket, with what follows it. */
  readonly path: string;
}

const usualPorts: Readonly<Record<Scheme, number>> = { nats: 4222, tls: 4222, ws: 80, wss: 443 };

/** In words what is wrong with it, where it is none. */
export function serverAddress(text: string): ServerAddress | string {
  const [, scheme = "nats", rest = ""] =
    /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text.trim()) ?? [];
  /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text.trim()) ?? [];
  const known = schemes.find((each) => each === scheme.toLowerCase());
  if (known === undefined) return `write one of ${schemes.map((each) => `${each}://`).join(", ")}`;
  const url = urlOf(rest);
  if (url === undefined || url.hostname === "") return `write it as ${known}://host:port`;
  if (url.username !== "" || url.password !== "")
    return "credentials do not belong into an address: see auth";
  const hasPath = url.pathname !== "/" || url.search !== "";
  if (hasPath && !isWebSocket(known)) return "only ws:// and wss:// have a path";
  return {
    scheme: known,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: portOf(rest) ?? usualPorts[known],
    path: hasPath ? `${url.pathname}${url.search}` : "/",
  };
}

export function isWebSocket(scheme: Scheme): boolean {
  return scheme === "ws" || scheme === "wss";
}

/** Whether TLS is begun by the client, before the server has said anything. */
export function isSecure(scheme: Scheme): boolean {
  return scheme === "tls" || scheme === "wss";
}

export function hostAndPort({ host, port }: Pick<ServerAddress, "host" | "port">): string {
  return `${bracketed(host)}:${port}`;
}

/** As an address stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

export function addressText(address: ServerAddress): string {
  const { scheme, path } = address;
  return `${scheme}://${hostAndPort(address)}${path === "/" ? "" : path}`;
}

/** A URL leaves out the port that is usual for its scheme, so it is read apart. */
function portOf(rest: string): number | undefined {
  const [, port] = /^(?:\[[^\]]*\]|[^:/?#]*):([0-9]{1,5})(?:[/?#]|$)/.exec(rest) ?? [];
  return port === undefined ? undefined : Number(port);
}

function urlOf(rest: string): URL | undefined {
  try {
    return new URL(`http://${rest}`);
  } catch {
    return undefined;
  }
}
