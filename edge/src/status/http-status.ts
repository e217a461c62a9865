/** The gateway's HTTP: /livez, /readyz, /metrics, /api/…, the status page and the one of topics. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { HttpAddress } from "@causeway/shared/http-access.ts";
import { checkHttpAddress, isAdmitted } from "@causeway/shared/http-access.ts";
import type { MetricsText } from "@causeway/shared/http-metrics.ts";
import { isLocalName } from "@causeway/shared/local-name.ts";
import type { HttpInspect } from "../inspect/http-inspect.ts";
import { edgeMetrics } from "./edge-metrics.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { healthOf, sectionsOf } from "./edge-status.ts";
import { statusPage } from "./status-page.ts";
import { topicPage } from "./topic-page.ts";

/** An import would load all that node:http names, a WebSocket client too: a tenth of a gateway's start. */
const { createServer } = process.getBuiltinModule("node:http");

export interface HttpStatusOptions {
  readonly address: HttpAddress;
  readonly token: string | undefined;
  readonly status: () => EdgeStatus;
  readonly inspect: HttpInspect;
}

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

/** Goes on until whoever asked leaves. */
interface Stream {
  readonly code: 200;
  readonly type: string;
  readonly to: (response: ServerResponse) => void;
}

export class HttpStatus {
  readonly #options: HttpStatusOptions;
  #metrics: Promise<MetricsText> | undefined;
  #server: Server | undefined;

  constructor(options: HttpStatusOptions) {
    checkHttpAddress(options.address, options.token);
    this.#options = options;
  }

  url(): string {
    const address = this.#server?.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const { host } = this.#options.address;
    return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
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

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = this.#answer(request);
    // A page that fails must not end the gateway.
    const given = await answer.catch((why) => text(500, `${reasonOf(why)}\n`));
    const { code, type } = given;
    response.writeHead(code, {
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy":
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      ...(code === 401 ? { "www-authenticate": 'Basic realm="causeway"' } : {}),
    });
    if (request.method === "HEAD") response.end();
    else if ("body" in given) response.end(given.body);
    else given.to(response);
  }

  async #answer(request: IncomingMessage): Promise<Answer | Stream> {
    const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, "only GET\n");
    if (path === "/livez") return text(200, "ok\n");
    if (path === "/readyz") return this.#ready();
    if (!isAdmitted(this.#options.token, request.headers.authorization))
      return text(401, "token needed\n");
    if (this.#options.token === undefined && !isLocalName(request.headers.host))
      return text(403, "ask by an address of this machine, or set http.tokenFile\n");
    if (path === "/metrics") {
      const metrics = await this.#metricsText();
      const body = await metrics.text(edgeMetrics(this.#options.status()));
      return { code: 200, type: metrics.contentType, body };
    }
    if (path === "/api/status") return this.#status();
    const { inspect } = this.#options;
    if (path === "/") return html(statusPage(this.#options.status(), inspect.seen()));
    if (path === "/inspect") {
      const list = inspect.topics(new URLSearchParams(query));
      return html(topicPage(this.#options.status().gateway, list));
    }
    return this.#inspect(path, new URLSearchParams(query));
  }

  #inspect(path: string, query: URLSearchParams): Answer | Stream {
    const answer = this.#options.inspect.answer(path, query);
    if (answer === undefined) return text(404, "not found\n");
    if (answer.kind === "refused") return text(answer.code, `${answer.why}\n`);
    if (answer.kind === "json") return json(200, answer.value);
    return { code: 200, type: "application/x-ndjson", to: answer.to };
  }

  /** Loaded when first asked for: nobody may ask, and a gateway should be ready soon. */
  #metricsText(): Promise<MetricsText> {
    this.#metrics ??= import("@causeway/shared/http-metrics.ts").then(
      (module) => new module.MetricsText(),
    );
    return this.#metrics;
  }

  #status(): Answer {
    const status = this.#options.status();
    return json(200, { ...status, health: healthOf(status), sections: sectionsOf(status) });
  }

  /** Ready means that devices are acknowledged; the link may be down for weeks. */
  #ready(): Answer {
    const { uplink, outbox } = this.#options.status();
    const { obstacle } = outbox;
    return json(obstacle === undefined ? 200 : 503, {
      ready: obstacle === undefined,
      link: uplink.link,
      reasons: [...(obstacle === undefined ? [] : [obstacle]), ...uplink.troubles],
      untakenEvents: uplink.untakenEvents,
      outboxBytes: outbox.bytes,
    });
  }
}

function text(code: number, body: string): Answer {
  return { code, type: "text/plain; charset=utf-8", body };
}

function html(body: string): Answer {
  return { code: 200, type: "text/html; charset=utf-8", body };
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
