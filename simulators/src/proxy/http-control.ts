/**
 * Scripts a proxy over HTTP: `GET /` tells conditions and counters, `PUT /` changes conditions by a
 * JSON object, `POST /cut` and `POST /reset` end the connections there are.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { changed } from "./conditions.ts";
import type { Address, TcpProxy } from "./tcp-proxy.ts";

const bodyBytesMax = 64 * 1_024;

export class HttpControl {
  readonly #proxy: TcpProxy;
  readonly #server: Server;

  constructor(proxy: TcpProxy) {
    this.#proxy = proxy;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Throws HTTP_LISTEN_FAILED. */
  async start({ host, port }: Address): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (failure) =>
        reject(new CodedError("HTTP_LISTEN_FAILED", `${host}:${port}: ${reasonOf(failure)}`)),
      );
      this.#server.listen(port, host, resolve);
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await bodyOf(request);
      const isKnown = this.#act(`${request.method} ${request.url}`, body);
      answer(response, isKnown ? 200 : 404, isKnown ? this.#state() : { error: "not found" });
    } catch (failure) {
      answer(response, 400, { error: reasonOf(failure) });
    }
  }

  #act(order: string, body: string): boolean {
    switch (order) {
      case "GET /":
        return true;
      case "PUT /":
        this.#proxy.set(changed(this.#proxy.conditions, JSON.parse(body)));
        return true;
      case "POST /cut":
        this.#proxy.cut();
        return true;
      case "POST /reset":
        this.#proxy.reset();
        return true;
      default:
        return false;
    }
  }

  #state(): object {
    return { conditions: this.#proxy.conditions, counters: this.#proxy.counters() };
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error(`a body of more than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function answer(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(`${JSON.stringify(value)}\n`);
}
