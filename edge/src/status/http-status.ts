/** The gateway's HTTP: /livez, /readyz, /metrics, /api/status and one status page. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { HttpAddress } from "@causeway/shared/http-access.ts";
import { checkHttpAddress, isAdmitted } from "@causeway/shared/http-access.ts";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { EdgeStatus } from "./status-page.ts";
import { edgeMetrics, statusPage } from "./status-page.ts";

export interface HttpStatusOptions {
  readonly address: HttpAddress;
  readonly token: string | undefined;
  readonly status: () => EdgeStatus;
}

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

export class HttpStatus {
  readonly #options: HttpStatusOptions;
  readonly #registry = new Registry();
  #server: Server | undefined;

  constructor(options: HttpStatusOptions) {
    checkHttpAddress(options.address, options.token);
    this.#options = options;
    collectDefaultMetrics({ register: this.#registry });
    this.#register();
  }

  url(): string {
    const address = this.#server?.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    return `http://${this.#options.address.host}:${port}`;
  }

  /** Throws HTTP_ADDRESS_IN_USE or HTTP_LISTEN_FAILED. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    const { host, port } = this.#options.address;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (failure) => reject(listenFailure(`${host}:${port}`, failure)));
      server.listen(port, host, resolve);
    });
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Values are read when they are asked for; nothing is counted twice. */
  #register(): void {
    const { status } = this.#options;
    for (const { name, help, kind } of edgeMetrics(status())) {
      const now = () => edgeMetrics(status()).find((metric) => metric.name === name)?.value ?? 0;
      const registers = [this.#registry];
      if (kind === "gauge") {
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(now());
          },
        });
      } else {
        new Counter({
          name,
          help,
          registers,
          collect() {
            this.reset();
            this.inc(now());
          },
        });
      }
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { code, type, body } = await this.#answer(request);
    response.writeHead(code, {
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy":
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      ...(code === 401 ? { "www-authenticate": 'Basic realm="causeway"' } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const path = (request.url ?? "/").split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET\n");
    if (path === "/livez") return text(200, "ok\n");
    if (path === "/readyz") return this.#ready();
    if (!isAdmitted(this.#options.token, request.headers.authorization))
      return text(401, "token needed\n");
    if (path === "/metrics") {
      return { code: 200, type: this.#registry.contentType, body: await this.#registry.metrics() };
    }
    if (path === "/api/status") return json(200, this.#options.status());
    if (path === "/")
      return {
        code: 200,
        type: "text/html; charset=utf-8",
        body: statusPage(this.#options.status()),
      };
    return text(404, "not found\n");
  }

  /** Ready means that devices are acknowledged; the link may be down for weeks. */
  #ready(): Answer {
    const { uplink, outbox } = this.#options.status();
    return json(200, {
      ready: true,
      link: uplink.link,
      reasons: uplink.troubles,
      untakenEvents: uplink.untakenEvents,
      outboxBytes: outbox.bytes,
    });
  }
}

function text(code: number, body: string): Answer {
  return { code, type: "text/plain; charset=utf-8", body };
}

function json(code: number, value: unknown): Answer {
  return { code, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

function listenFailure(where: string, failure: Error): CodedError {
  if (codeOf(failure) === "EADDRINUSE") {
    const cure = `${where} is taken: stop the other program or set http.port`;
    return new CodedError("HTTP_ADDRESS_IN_USE", cure, { cause: failure });
  }
  return new CodedError("HTTP_LISTEN_FAILED", `${where}: ${reasonOf(failure)}`, { cause: failure });
}
