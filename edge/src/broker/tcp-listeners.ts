/**
 * Where devices connect: TCP, TLS, WebSocket, and WebSocket over TLS. Each connection comes in by
 * one door, where it is counted, before anything is spent on it; then it passes, as the listener
 * says, TLS and HTTP, and arrives as a stream of MQTT bytes.
 */
import type { IncomingMessage } from "node:http";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import type { Server as TlsServer } from "node:tls";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { assert } from "@causeway/shared/assert.ts";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { WebSocket } from "ws";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { WayIn } from "./admission.ts";
import { ipOf, wayIn } from "./admission.ts";
import type { BrokerNotice } from "./broker.ts";
import type { AccessSettings, ListenerSettings } from "./listener-settings.ts";
import { RateThrottle } from "./throttle.ts";
import type { TlsPair } from "./tls-pair.ts";
import { certificateUser } from "./tls-pair.ts";
import { upgradeFault, webSocketPath } from "./upgrade.ts";

/** Not imported, for the reason told in http-status.ts. */
const { createServer: createHttpServer } = process.getBuiltinModule("node:http");

/** A connection of which the first MQTT byte may come. */
export interface Arrival {
  readonly stream: Duplex;
  /** With its port. */
  readonly address: string;
  readonly way: WayIn;
  /** Whom its certificate names, where one was asked for and is good. */
  readonly certificateUser: string | undefined;
}

export interface ListenersParts extends AccessSettings {
  /** By the place of their listener. */
  readonly pairs: readonly (TlsPair | undefined)[];
  /** Of all listeners together, those that have not arrived yet included. */
  readonly connectionsMax: number;
  readonly packetBytesMax: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly arrived: (arrival: Arrival) => void;
  readonly notice: (from: string, notice: BrokerNotice) => void;
}

/** From the first byte of TCP to the first of MQTT. */
const arrivalTimeoutMs = 10_000;
const socketKeepaliveMs = 60_000;
/** A frame may hold several packets, and is gathered before any of them is seen. */
const frameRoomBytes = 64 * 1_024;
/** How long a peer whose frames are wrong may take to read why. */
const closeTimeoutMs = 1_000;

/** What node's TLS sockets have beyond their types. */
interface Below {
  readonly _parent?: Socket;
}

type Route = (socket: Socket) => void;

interface Guest {
  readonly raw: Socket;
  readonly cancelTimeout: Cancel;
}

export class Listeners {
  readonly #parts: ListenersParts;
  readonly #throttle: RateThrottle;
  readonly #servers: { server: Server; settings: ListenerSettings }[] = [];
  readonly #tls = new Map<number, TlsServer>();
  readonly #guests = new Map<string, Guest>();

  constructor(parts: ListenersParts) {
    this.#parts = parts;
    const { connectionsPerSecond, connectionsBurst } = parts.throttle;
    this.#throttle = new RateThrottle(connectionsPerSecond, connectionsBurst);
  }

  /** Throws BROKER_ADDRESS_IN_USE or BROKER_LISTEN_FAILED. */
  async open(): Promise<void> {
    for (const [index, settings] of this.#parts.listeners.entries()) {
      const server = createServer(this.#door(index, settings));
      await new Promise<void>((resolve, reject) => {
        server.once("error", (failure) => reject(listenFailure(settings, failure)));
        server.listen(settings.port, settings.host, resolve);
      });
      server.on("error", ({ message }) =>
        this.#parts.log.error({ reason: message }, "MQTT listener"),
      );
      this.#servers.push({ server, settings });
    }
  }

  addresses(): readonly string[] {
    return this.#servers.flatMap(({ server, settings }) => {
      const address = server.address();
      if (typeof address !== "object" || address === null) return [];
      const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
      const path = settings.protocol === "ws" ? webSocketPath : "";
      return [`${settings.protocol}${settings.tls ? "s" : ""}://${host}:${address.port}${path}`];
    });
  }

  /** For the connections that come from now on. */
  renew(pairs: readonly (TlsPair | undefined)[]): void {
    for (const [index, server] of this.#tls) {
      const pair = pairs[index];
      if (pair !== undefined) server.setSecureContext(contextOf(pair));
    }
  }

  close(): void {
    for (const { server } of this.#servers) server.close();
    for (const { raw } of this.#guests.values()) raw.destroy();
  }

  #door(index: number, settings: ListenerSettings): Route {
    const pair = this.#parts.pairs[index];
    const way = wayIn(settings, this.#parts.auth);
    const isWebSocket = settings.protocol === "ws";
    const inner: Route = isWebSocket
      ? this.#webSockets(index, way)
      : (socket) => this.#arrive(index, way, socket, socket);
    if (settings.tls === undefined) {
      return (raw) => void (this.#enter(index, raw) && inner(raw));
    }
    assert(pair !== undefined, `the listener ${index} has no certificate`);
    const { caFile, requireCertificate } = settings.tls;
    const server = createTlsServer({
      ...contextOf(pair),
      requestCert: caFile !== undefined,
      rejectUnauthorized: requireCertificate,
      ...(isWebSocket ? { ALPNProtocols: ["http/1.1"] } : {}),
    });
    server.on("secureConnection", inner);
    server.on("tlsClientError", (failure, socket) => {
      // Its handle is gone by now; the socket below it still knows.
      const from = addressOf((socket as unknown as Below)._parent ?? socket);
      const why = socket.authorizationError ?? reasonOf(failure).trim();
      this.#parts.notice(from, { name: "tls-failed", detail: `from ${from}: ${why}` });
      socket.destroy();
    });
    this.#tls.set(index, server);
    return (raw) => void (this.#enter(index, raw) && server.emit("connection", raw));
  }

  /** Whether there is room for it. */
  #enter(index: number, raw: Socket): boolean {
    const { connectionsMax, clock, notice } = this.#parts;
    const address = addressOf(raw);
    // What goes wrong with it is told by its end.
    raw.on("error", () => {});
    if (this.#guests.size >= connectionsMax) {
      const detail = `${connectionsMax} are open, one from ${address} is not`;
      notice("", { name: "connections-full", detail });
      raw.destroy();
      return false;
    }
    if (!this.#throttle.take(ipOf(address), clock.bootMs())) {
      const detail = `${address} connects more often than mqtt.throttle allows`;
      notice(address, { name: "connections-throttled", detail });
      raw.destroy();
      return false;
    }
    raw.setNoDelay(true);
    // A peer that is gone without a word, and asked for no keep alive of MQTT.
    raw.setKeepAlive(true, socketKeepaliveMs);
    const cancelTimeout = clock.after(arrivalTimeoutMs, () => raw.destroy());
    const key = `${index} ${address}`;
    this.#guests.set(key, { raw, cancelTimeout });
    raw.once("close", () => {
      cancelTimeout();
      this.#guests.delete(key);
    });
    return true;
  }

  #arrive(index: number, way: WayIn, socket: Socket, stream: Duplex): void {
    const address = addressOf(socket);
    const guest = this.#guests.get(`${index} ${address}`);
    if (guest === undefined) return void stream.destroy();
    guest.cancelTimeout();
    const user = this.#userOf(socket);
    this.#parts.arrived({ stream, address, way, certificateUser: user });
  }

  #userOf(socket: Socket): string | undefined {
    const { certificateIdentity } = this.#parts.auth;
    const isKnown = socket instanceof TLSSocket && socket.authorized;
    if (!isKnown || certificateIdentity === undefined) return undefined;
    return certificateUser(socket.getPeerCertificate(), certificateIdentity);
  }

  #webSockets(index: number, way: WayIn): Route {
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#parts.packetBytesMax + frameRoomBytes,
      handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : [...offered][0]) ?? false,
    });
    const http = createHttpServer((_request, response) => {
      response.writeHead(426, { connection: "close", upgrade: "websocket" });
      response.end("MQTT over WebSocket\n");
    });
    http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const fault = upgradeFault(request.url ?? "", request.headers, {
        byPassword: way === "password" && this.#userOf(socket) === undefined,
        isSecure: socket instanceof TLSSocket,
      });
      if (fault !== undefined) {
        socket.end(`HTTP/1.1 ${fault}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
        return;
      }
      server.handleUpgrade(request, socket, head, (webSocket) => {
        this.#arrive(index, way, socket, this.#streamOf(webSocket, socket));
      });
    });
    return (socket) => void http.emit("connection", socket);
  }

  #streamOf(webSocket: WebSocket, socket: Socket): Duplex {
    const { notice, clock, packetBytesMax } = this.#parts;
    const from = addressOf(socket);
    // [MQTT-6.0.0-1]; before the stream hears of it, which then takes it no more.
    webSocket.on("message", (_data, isBinary) => {
      if (!isBinary) stream.destroy();
    });
    webSocket.on("error", (failure) => {
      const isLarge = codeOf(failure) === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
      const name = isLarge ? "packet-too-large" : "packet-malformed";
      notice(from, { name, detail: `WebSocket frame from ${from}, bound ${packetBytesMax} bytes` });
      clock.after(closeTimeoutMs, () => socket.destroy());
    });
    const stream = createWebSocketStream(webSocket);
    return stream;
  }
}

function contextOf({ cert, key, ca }: TlsPair) {
  return ca === undefined ? { cert, key } : { cert, key, ca };
}

function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
}

function listenFailure({ host, port }: ListenerSettings, failure: Error): CodedError {
  const where = `${host}:${port}`;
  if (codeOf(failure) === "EADDRINUSE") {
    const cure = `${where} is taken: stop the other program or set mqtt.listeners to another port`;
    return new CodedError("BROKER_ADDRESS_IN_USE", cure, { cause: failure });
  }
  return new CodedError("BROKER_LISTEN_FAILED", `${where}: ${reasonOf(failure)}`, {
    cause: failure,
  });
}
