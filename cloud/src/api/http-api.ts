/**
 * The cloud's HTTP: health, metrics, the fleet as JSON, its changes as a stream, and the page.
 * Everything but /livez and /readyz asks for the token; on loopback, where there may be none, for a
 * local name in `Host`.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { HttpAddress } from "@causeway/shared/http-access.ts";
import { checkHttpAddress, isAdmitted } from "@causeway/shared/http-access.ts";
import { MetricsText } from "@causeway/shared/http-metrics.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { fastify } from "fastify";
import { z } from "zod";
import type { FleetView } from "../views/fleet-view.ts";
import { defaultViewBounds } from "../views/fleet-view.ts";
import { clientMetrics, viewMetrics } from "./cloud-metrics.ts";
import { HttpClients } from "./http-clients.ts";
import type { ApiCommands } from "./http-commands.ts";
import { addCommands } from "./http-commands.ts";
import type { ApiDevices } from "./http-devices.ts";
import { addDevices } from "./http-devices.ts";
import type { ApiOperations } from "./http-operations.ts";
import { addOperations, spokenOf } from "./http-operations.ts";
import { readPage } from "./http-page.ts";
import type { ApiReports } from "./http-reports.ts";
import { addReports } from "./http-reports.ts";
import type { LiveFacts } from "./live-stream.ts";
import { LiveStream } from "./live-stream.ts";
import { isLocalName } from "./local-name.ts";
import { problem, problemType } from "./problem.ts";

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, in words; empty where it is ready. */
  readonly reasons: readonly string[];
}

export interface HttpApiOptions {
  readonly address: HttpAddress;
  readonly token: string | undefined;
  readonly view: FleetView;
  readonly ready: () => Readiness;
  readonly engineMetrics: () => readonly Metric[];
  readonly version: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** What people say of alerts; undefined where it cannot be said here. */
  readonly operations?: ApiOperations;
  readonly reports?: ApiReports;
  readonly commands?: ApiCommands;
  readonly devices?: ApiDevices;
}

const bodyBytesMax = 1_024;
const seriesLimit = { usual: 1_000, most: defaultViewBounds.seriesMax };
const seriesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(seriesLimit.most).default(seriesLimit.usual),
});

const derivedQuery = z.object({
  limit: z.coerce.number().int().min(1).max(defaultViewBounds.derivedMax).default(50),
});

const openPaths: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

const securityHeaders = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

export class HttpApi {
  readonly #options: HttpApiOptions;
  readonly #app: FastifyInstance;
  readonly #clients: HttpClients;
  readonly #metrics = new MetricsText();
  readonly #page = readPage();

  /** Throws SECURITY_REFUSED. */
  constructor(options: HttpApiOptions) {
    checkHttpAddress(options.address, options.token);
    this.#options = options;
    const { view, clock, operations, commands, devices } = options;
    const instance = clock.wallMs().toString(36);
    const spoken = operations === undefined ? undefined : spokenOf(operations, clock);
    const stream = new LiveStream(view, () => this.#facts(), instance, spoken);
    this.#clients = new HttpClients(stream, clock);
    this.#app = fastify({
      logger: false,
      bodyLimit: bodyBytesMax,
      forceCloseConnections: true,
      // A path that is not even one, such as /%zz, never reaches a route.
      frameworkErrors: (failure, _request, reply) => void this.#fail(failure, reply),
    });
    this.#guard();
    this.#addHealth();
    this.#addFleet();
    if (operations !== undefined) addOperations(this.#app, { view, operations, clock, refuse });
    if (options.reports !== undefined) addReports(this.#app, options.reports, refuse);
    if (commands !== undefined) addCommands(this.#app, { commands, clock, refuse });
    if (devices !== undefined) addDevices(this.#app, { devices, clock, refuse });
    this.#addPage();
  }

  url(): string {
    const { host } = this.#options.address;
    const address = this.#app.server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  /** Throws HTTP_ADDRESS_IN_USE or HTTP_LISTEN_FAILED. */
  async start(): Promise<void> {
    const { host, port } = this.#options.address;
    try {
      await this.#app.listen({ host, port });
    } catch (failure) {
      throw listenFailure(`${host}:${port}`, failure);
    }
  }

  /** Streams and idle connections end at once. */
  async stop(): Promise<void> {
    this.#clients.close();
    await this.#app.close();
  }

  #guard(): void {
    this.#app.addHook("onRequest", async (request, reply) => {
      reply.headers(securityHeaders);
      if (!openPaths.has(request.url.split("?", 1)[0] ?? "")) return this.#admit(request, reply);
    });
    this.#app.setNotFoundHandler((_request, reply) => refuse(reply, 404));
    this.#app.setErrorHandler((failure, _request, reply) => this.#fail(failure, reply));
  }

  async #admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { token } = this.#options;
    const { authorization, host } = request.headers;
    if (!isAdmitted(token, authorization)) {
      reply.header("www-authenticate", 'Basic realm="causeway", charset="UTF-8"');
      await refuse(reply, 401, "send the token as Authorization: Bearer, or as the password");
    } else if (token === undefined && !isLocalName(host)) {
      await refuse(reply, 403, "without a token only local names are served: set http.tokenFile");
    }
  }

  /** The reason goes to the log; strangers learn nothing of the inside. */
  #fail(failure: unknown, reply: FastifyReply): FastifyReply {
    const status = statusOf(failure);
    if (status < 500) return refuse(reply, status, reasonOf(failure));
    const { method, url } = reply.request;
    this.#options.log.error({ method, url, reason: reasonOf(failure) }, "a request failed");
    return refuse(reply, 500);
  }

  #addHealth(): void {
    this.#app.get("/livez", () => "ok\n");
    this.#app.get("/readyz", (_request, reply) => {
      const { ready, reasons } = this.#options.ready();
      return reply.code(ready ? 200 : 503).send({ ready, reasons });
    });
    this.#app.get("/metrics", async (_request, reply) => {
      const { view, engineMetrics } = this.#options;
      const own = [...viewMetrics(view.counters()), ...clientMetrics(this.#clients)];
      const metrics = [...engineMetrics(), ...own];
      return reply.type(this.#metrics.contentType).send(await this.#metrics.text(metrics));
    });
    this.#app.get("/api/status", () => ({
      ...this.#facts(),
      counters: this.#options.view.counters(),
      engine: this.#options.engineMetrics(),
    }));
  }

  #addFleet(): void {
    const { view } = this.#options;
    this.#app.get("/api/series", (request, reply) => {
      const query = seriesQuery.safeParse(request.query);
      if (!query.success) {
        return refuse(reply, 400, `limit: a whole number from 1 to ${seriesLimit.most}`);
      }
      const series = view.latestSeries(query.data.limit).toReversed();
      return reply.send({ total: view.counters().series, series });
    });
    this.#app.get("/api/gateways", () => ({
      gateways: view.gateways(defaultViewBounds.gatewaysMax),
    }));
    if (this.#options.operations === undefined) this.#app.get("/api/alerts", () => view.alerts());
    this.#app.get("/api/derived", (request, reply) => {
      const query = derivedQuery.safeParse(request.query);
      if (!query.success) {
        return refuse(
          reply,
          400,
          `limit: a whole number from 1 to ${defaultViewBounds.derivedMax}`,
        );
      }
      return reply.send({ derived: view.derived(query.data.limit) });
    });
    const stream = { exposeHeadRoute: false };
    this.#app.get("/api/stream", stream, (request, reply) => this.#openStream(request, reply));
  }

  #openStream(request: FastifyRequest, reply: FastifyReply): void {
    if (this.#clients.isFull) {
      reply.header("retry-after", "30");
      void refuse(reply, 503, "too many open streams");
      return;
    }
    const lastEventId = request.headers["last-event-id"];
    reply.hijack();
    reply.raw.writeHead(200, {
      ...securityHeaders,
      "content-type": "text/event-stream; charset=utf-8",
      // Proxies must not gather what is meant to come at once.
      "x-accel-buffering": "no",
    });
    this.#clients.add(reply.raw, typeof lastEventId === "string" ? lastEventId : undefined);
  }

  #addPage(): void {
    const { html, contentSecurityPolicy } = this.#page;
    this.#app.get("/", (_request, reply) =>
      reply
        .type("text/html; charset=utf-8")
        .header("content-security-policy", contentSecurityPolicy)
        .send(html),
    );
  }

  #facts(): LiveFacts {
    const { clock, version, ready } = this.#options;
    return { now: clock.wallMs(), version, ...ready() };
  }
}

function refuse(reply: FastifyReply, status: number, detail?: string): FastifyReply {
  return reply
    .code(status)
    .type(problemType)
    .send(JSON.stringify(problem(status, detail)));
}

function statusOf(failure: unknown): number {
  if (typeof failure !== "object" || failure === null || !("statusCode" in failure)) return 500;
  return typeof failure.statusCode === "number" ? failure.statusCode : 500;
}

function listenFailure(where: string, failure: unknown): CodedError {
  if (codeOf(failure) === "EADDRINUSE") {
    const cure = `${where} is taken: stop the other program or set http.port`;
    return new CodedError("HTTP_ADDRESS_IN_USE", cure, { cause: failure });
  }
  return new CodedError("HTTP_LISTEN_FAILED", `${where}: ${reasonOf(failure)}`, { cause: failure });
}
