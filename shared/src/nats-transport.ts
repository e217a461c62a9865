/**
 * The client's transport with a dial of our own: names are looked up at each dial, TLS is checked for
 * the name that was dialled, `ws://` and `wss://` and HTTP proxies serve like any way, and a dial that
 * is given up leaves no socket behind.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import { NatsConnectionImpl, setTransportFactory } from "@nats-io/transport-node";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";
import type { DialProgress } from "./dial/dial-progress.ts";
import { tunnel } from "./dial/http-tunnel.ts";
import { webSocket } from "./dial/http-web-socket.ts";
import type { ProxyAddress } from "./dial/proxy-choice.ts";
import type { ServerAddress } from "./dial/server-address.ts";
import { hostAndPort, isSecure, isWebSocket, serverAddress } from "./dial/server-address.ts";
import type { Lookup } from "./dial/system-tcp-socket.ts";
import { addressesOf, tcpSocket } from "./dial/system-tcp-socket.ts";
import type { TlsWish } from "./dial/system-tls-socket.ts";
import { tlsSocket } from "./dial/system-tls-socket.ts";
import { awaited } from "./dial/tcp-await.ts";

export interface Dial {
  readonly lookup: Lookup;
  readonly proxy: (server: ServerAddress) => ProxyAddress | undefined;
  /** Undefined where TLS is nowhere asked for; `tls://` and `wss://` do so themselves. */
  readonly tls: (TlsWish & { readonly handshakeFirst?: boolean | undefined }) | undefined;
  readonly progress: DialProgress;
  /** Ends the dial; it says nothing any more once there is a connection. */
  readonly signal: AbortSignal;
}

type Place = Parameters<NodeTransport["connect"]>[0];
type Options = ConnectionOptions & { readonly dial: Dial };

export function connectByTransport(options: Options): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new DiallingTransport() });
  return NatsConnectionImpl.connect(options);
}

/** INFO is a line of JSON, some KB where a cluster tells all its addresses. */
const helloBytesMax = 256 * 1_024;

interface Hello {
  readonly tls_required?: boolean;
  readonly tls_available?: boolean;
}

class DiallingTransport extends NodeTransport {
  readonly #givenUp = new AbortController();
  #isSecure = false;
  #forget = () => {};

  override async connect(place: Place & Partial<{ src: string }>, options: Options): Promise<void> {
    this.options = options;
    const signal = AbortSignal.any([this.#givenUp.signal, options.dial.signal]);
    const drop = () => this.socket?.destroy();
    options.dial.signal.addEventListener("abort", drop);
    this.#forget = () => options.dial.signal.removeEventListener("abort", drop);
    try {
      await this.#open(serverOf(place, options), options.dial, signal);
    } catch (failure) {
      this.socket?.destroy();
      this.#forget();
      throw failure;
    }
    if (signal.aborted) {
      this.socket.destroy();
      throw signal.reason;
    }
    this.connected = true;
    this.setupHandlers();
    this.signal.resolve();
  }

  /** The client calls this also for a dial that took too long. */
  override async close(failure?: Error): Promise<void> {
    this.#giveUp();
    await super.close(failure);
  }

  override discard(): void {
    this.#giveUp();
    this.#forget();
    super.discard();
  }

  override isEncrypted(): boolean {
    return this.#isSecure;
  }

  override setupHandlers(): void {
    const { socket } = this;
    let failure: Error | undefined;
    socket.on("data", (frame: Buffer) => {
      this.yields.push(frame);
      this.signal.resolve();
    });
    socket.on("error", (thrown: Error) => {
      failure = thrown;
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      this.#forget();
      void super.close(failure);
    });
    socket.resume();
  }

  #giveUp(): void {
    if (!this.connected) this.#givenUp.abort(new Error("given up"));
  }

  async #open(server: ServerAddress, dial: Dial, signal: AbortSignal): Promise<void> {
    const { progress, tls } = dial;
    const { scheme } = server;
    const first = isWebSocket(scheme) ? "websocket" : "hello";
    const isTlsFirst = scheme === "wss" || (tls?.handshakeFirst === true && scheme !== "ws");
    this.socket = await road(server, dial, signal, isTlsFirst ? "tls" : first);
    if (isTlsFirst) {
      await this.#secure(server.host, dial, signal);
      progress.passed("tls", this.#tlsText(), first);
    }
    if (isWebSocket(scheme)) {
      const stream = await webSocket(this.socket, server, signal);
      // As far as it is used here, one is like the other.
      this.socket = stream as Socket;
      progress.passed("websocket", server.path, "hello");
    }
    const { line, hello } = await helloOf(this.socket, signal);
    this.yields.push(line);
    const { tls_required: isRequired = false, tls_available: isOffered = false } = hello;
    const isWanted = tls !== undefined || isSecure(scheme);
    progress.passed("hello", helloText(hello), this.#isSecure ? "login" : "tls");
    if (!this.#isSecure && !isWebSocket(scheme) && (isWanted || isRequired || isOffered)) {
      if (!isRequired && !isOffered) throw new Error("server does not support 'tls'");
      await this.#secure(server.host, dial, signal);
      progress.passed("tls", this.#tlsText(), "login");
    }
    progress.step = "login";
  }

  async #secure(host: string, { tls = {} }: Dial, signal: AbortSignal): Promise<void> {
    this.socket = await tlsSocket(this.socket, host, tls, signal);
    this.#isSecure = true;
  }

  #tlsText(): string {
    const { socket } = this;
    if (!(socket instanceof TLSSocket)) return "";
    const until = socket.getPeerX509Certificate()?.validTo;
    return `${socket.getProtocol()}${until === undefined ? "" : `, certificate until ${until}`}`;
  }
}

/** A socket whose bytes reach the server. */
async function road(
  server: ServerAddress,
  { proxy: proxyFor, progress, lookup }: Dial,
  signal: AbortSignal,
  next: "tls" | "websocket" | "hello",
): Promise<Socket> {
  const proxy = proxyFor(server);
  progress.begin(server, proxy === undefined ? undefined : hostAndPort(proxy));
  const near = proxy ?? server;
  const addresses = await raced(addressesOf(near.host, lookup), signal);
  const isOne = addresses.length === 1 && addresses[0] === near.host;
  progress.passed("name", isOne ? near.host : `${near.host} is ${addresses.join(", ")}`, "connect");
  const socket = await tcpSocket(addresses, near.port, signal);
  const at = hostAndPort({ host: socket.remoteAddress ?? near.host, port: near.port });
  if (proxy === undefined) {
    progress.passed("connect", at, next);
    return socket;
  }
  const wish = { caFile: proxy.caFile };
  const open = proxy.isSecure ? await tlsSocket(socket, proxy.host, wish, signal) : socket;
  progress.passed("connect", `${at}, the proxy`, "proxy");
  await tunnel(open, server, proxy, signal);
  progress.passed("proxy", `CONNECT ${hostAndPort(server)}`, next);
  return open;
}

/** Looking up a name cannot be ended, so it is left to itself. */
function raced<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}

/** What a cluster tells of itself has no scheme: it is that of the servers that are configured. */
function serverOf({ src, hostname, port }: Place & Partial<{ src: string }>, options: Options) {
  const [configured] = [options.servers ?? []].flat();
  const scheme = /^[a-z]+:\/\//i.exec(configured ?? "")?.[0] ?? "nats://";
  const text = src ?? hostAndPort({ host: hostname, port });
  const server = serverAddress(text.includes("://") ? text : `${scheme}${text}`);
  if (typeof server === "string") throw new Error(`${text}: ${server}`);
  return server;
}

function helloText(hello: Hello): string {
  const { server_name: name = "", version = "" } = hello as Record<string, unknown>;
  return `nats-server ${version} ${name}`.trim();
}

/** The first line, and what follows it in the same chunk. */
function helloOf(socket: Socket, signal: AbortSignal): Promise<{ line: Buffer; hello: Hello }> {
  const chunks: Buffer[] = [];
  const odd = new Error("unexpected response from server");
  return awaited(socket, signal, ({ done, fail }) => ({
    data(chunk) {
      chunks.push(chunk);
      const line = Buffer.concat(chunks);
      const text = line.toString("utf8");
      if (!text.startsWith("INFO ".slice(0, text.length)) || line.length > helloBytesMax)
        return fail(odd);
      if (!text.includes("\r\n")) return;
      const hello = parsed(/^INFO\s+([^\r\n]+)\r\n/.exec(text)?.[1]);
      if (hello === undefined) return fail(odd);
      socket.pause();
      done({ line, hello });
    },
  }));
}

function parsed(json = ""): Hello | undefined {
  try {
    return JSON.parse(json) as Hello;
  } catch {
    return undefined;
  }
}
