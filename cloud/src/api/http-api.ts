/**
 * The cloud's HTTP: health, metrics, the fleet as JSON, its changes as a stream, and the page. Who may
 * ask for what is decided in http-guard.ts, by what each route declares.
 */
import { createHash } from "node:crypto";
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { HttpAddress } from "@causeway/shared/http-access.ts";
import { checkHttpAddress } from "@causeway/shared/http-access.ts";
import { MetricsText } from "@causeway/shared/http-metrics.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { SettingsInvalid } from "@causeway/shared/settings.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import fastifyCookie from "@fastify/cookie";
import fastifyRateLimit from "@fastify/rate-limit";
import fastifySwagger from "@fastify/swagger";
import type { FastifyReply } from "fastify";
import { fastify } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  validatorCompiler,
} from "fastify-type-provider-zod";
import type { AuditLine } from "../cli/audit.ts";
import type { HistoryDesk } from "../history/history-desk.ts";
import type { SeriesLimit, SeriesPlace } from "../rules/series-limits.ts";
import type { FleetView } from "../views/fleet-view.ts";
import type { ApiSources } from "./api-sources.ts";
import { compiledOf } from "./api-sources.ts";
import { clientMetrics, viewMetrics } from "./cloud-metrics.ts";
import type { ApiOperations } from "./http-alerts.ts";
import { addAlerts, spokenOf } from "./http-alerts.ts";
import type { HttpClients } from "./http-clients.ts";
import type { ApiCommands } from "./http-commands.ts";
import { addCommands } from "./http-commands.ts";
import type { ApiDeadLetters } from "./http-dead-letters.ts";
import { addDeadLetters } from "./http-dead-letters.ts";
import { addDemo } from "./http-demo.ts";
import type { ApiDevices } from "./http-devices.ts";
import { addDevices } from "./http-devices.ts";
import { addExpected } from "./http-expected.ts";
import type { FleetApi, Troubles } from "./http-fleet.ts";
import { addFleet } from "./http-fleet.ts";
import type { ApiApp, DeclaredRoute } from "./http-guard.ts";
import { addGuard, refuse } from "./http-guard.ts";
import type { ApiOperators } from "./http-operators.ts";
import { addOperators, recordOperators } from "./http-operators.ts";
import { addPage, readPage } from "./http-page.ts";
import { addReadings } from "./http-readings.ts";
import type { ApiReports } from "./http-reports.ts";
import { addReports } from "./http-reports.ts";
import type { ApiRules } from "./http-rules.ts";
import { addRules } from "./http-rules.ts";
import { addSessions } from "./http-sessions.ts";
import type { ViewPlaces } from "./http-stream.ts";
import { addStream } from "./http-stream.ts";
import type { LiveFacts } from "./live-stream.ts";
import type { RequestFault } from "./problem.ts";
import { Refused, statusOfCode } from "./problem.ts";
import { apiSchemas, readySchema } from "./schemas.ts";
import type { SessionStore } from "./session-store.ts";
import { Sessions } from "./sessions.ts";
import type { Scope, Token } from "./tokens.ts";
import { Tokens } from "./tokens.ts";

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, in words; empty where it is ready. */
  readonly reasons: readonly string[];
}

export interface HttpApiOptions {
  readonly address: HttpAddress;
  /** Those that may ask; none: anyone on loopback. */
  readonly tokens?: readonly Token[];
  /** Without a token, on loopback. */
  readonly anonymous?: Scope | "none";
  /** Of one address; the page and its stream take a few. */
  readonly requestsPerMinute?: number;
  readonly view: FleetView;
  readonly ready: () => Readiness;
  readonly engineMetrics: () => readonly Metric[];
  readonly version: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly fleet?: () => FleetDocument;
  /** A gateway is silent after so long; undefined: never. */
  readonly silentAfterMs?: number | undefined;
  readonly places?: ViewPlaces;
  readonly ledger?: (gateway: string) => Promise<readonly AuditLine[]>;
  readonly quota?: FleetApi["quota"];
  readonly access?: FleetApi["access"];
  readonly troubles?: () => Troubles;
  /** What people say of alerts; undefined where it cannot be said here. */
  readonly operations?: ApiOperations;
  /** Who was told of an alert. */
  readonly tellingsOf?: ApiSources["tellingsOf"];
  readonly reports?: ApiReports;
  /** For all processes; its own alone by default. */
  readonly sessionStore?: SessionStore;
  readonly rules?: ApiRules;
  readonly operators?: ApiOperators;
  readonly history?: HistoryDesk;
  readonly commands?: ApiCommands;
  readonly devices?: ApiDevices;
  readonly deadLetters?: ApiDeadLetters;
  /** That rules in force hold a series to. */
  readonly limitsOf?: (place: SeriesPlace) => readonly SeriesLimit[];
  /** Nothing but health and metrics, of a process that does other things. */
  readonly healthOnly?: boolean;
  /** Of the switch that `npm start` has. */
  readonly demoUrl?: string | undefined;
}

const bodyBytesMax = 1_024;
export const usualRequestsPerMinute = 3_000;
const open = { scope: "none", sites: "own" } as const;
const whole = { scope: "read", sites: "all" } as const;

export class HttpApi {
  readonly #options: HttpApiOptions;
  readonly #app: ApiApp;
  readonly #sources: ApiSources;
  readonly #metrics = new MetricsText();
  readonly #routes: DeclaredRoute[] = [];
  #clients: HttpClients | undefined;

  /** Throws SECURITY_REFUSED. */
  constructor(options: HttpApiOptions) {
    const { address, tokens = [], anonymous = "none" } = options;
    checkHttpAddress(address, anonymous === "none" ? tokens[0]?.secret : undefined);
    this.#options = options;
    this.#sources = sourcesOf(options);
    this.#app = fastify({
      logger: false,
      bodyLimit: bodyBytesMax,
      forceCloseConnections: true,
      // A path that is not even one, such as /%zz, never reaches a route.
      frameworkErrors: (failure, _request, reply) => void this.#fail(failure, reply),
    }).withTypeProvider<ZodTypeProvider>();
    this.#prepare();
    const added = this.#app.after(() => this.#add(new Tokens(tokens)));
    // What is wrong with a route is told when it listens.
    void added;
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
    await this.#app.ready();
    try {
      await this.#app.listen({ host, port });
    } catch (failure) {
      throw listenFailure(`${host}:${port}`, failure);
    }
  }

  /** Streams and idle connections end at once. */
  async stop(): Promise<void> {
    this.#clients?.close();
    await this.#app.close();
  }

  /** All that it answers, after the start. */
  routes(): readonly DeclaredRoute[] {
    return this.#routes;
  }

  /** What it offers, as OpenAPI 3.1; after the start. */
  openApi(): object {
    return this.#app.swagger();
  }

  #prepare(): void {
    const { requestsPerMinute: max = usualRequestsPerMinute, version } = this.#options;
    const app = this.#app;
    app.setValidatorCompiler(validatorCompiler);
    // Answers are held to their schemas by tests; at run time that would cost more than they do.
    app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
    takeEmptyBodies(app);
    app.setNotFoundHandler((_request, reply) => refuse(reply, 404));
    app.setErrorHandler((failure, _request, reply) => this.#fail(failure, reply));
    app.register(fastifyCookie);
    app.register(fastifyRateLimit, { max, timeWindow: 60_000, cache: 10_000 });
    const schemaRegistry = apiSchemas;
    const zodToJsonConfig = { override: openObjects };
    app.register(fastifySwagger, {
      openapi: {
        openapi: "3.1.0",
        info: { title: "Causeway", version, description: "See docs/api.md." },
        components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      },
      transform: createJsonSchemaTransform({ schemaRegistry, zodToJsonConfig }),
      transformObject: createJsonSchemaTransformObject({ schemaRegistry, zodToJsonConfig }),
    });
  }

  #add(tokens: Tokens): void {
    const { address, anonymous = "none", clock, engineMetrics, operations, ...own } = this.#options;
    const app = this.#app;
    const sources = this.#sources;
    const facts = () => this.#facts();
    const sessions = new Sessions(tokens, systemRandom, own.sessionStore);
    const { fleet } = sources;
    addGuard(app, {
      routes: this.#routes,
      host: address.host,
      tokens,
      anonymous,
      sessions,
      fleet,
      clock,
    });
    addTags(app);
    if (own.operators !== undefined) recordOperators(app, own.operators, clock);
    this.#addHealth();
    if (own.healthOnly === true) return;
    addSessions(app, { tokens, sessions, clock });
    const { ledger, quota, access, troubles } = own;
    addFleet(app, { sources, facts, engineMetrics, clock, ledger, quota, access, troubles });
    addAlerts(app, { sources, operations, clock });
    addDeadLetters(app, sources.view, own.deadLetters);
    if (own.operators !== undefined) addOperators(app, own.operators);
    if (own.rules !== undefined) addRules(app, own.rules, clock);
    if (own.reports !== undefined) addReports(app, own.reports);
    if (own.history !== undefined) {
      addReadings(app, own.history, clock);
      addExpected(app, own.history, own.limitsOf ?? (() => []));
    }
    if (own.commands !== undefined) addCommands(app, own.commands, clock);
    if (own.devices !== undefined) addDevices(app, { devices: own.devices, sources, clock });
    const spoken = operations === undefined ? undefined : spokenOf(operations.view, clock);
    this.#clients = addStream(app, { sources, facts, spoken, places: own.places, clock });
    addPage(this.#app, readPage(), this.#options.demoUrl !== undefined);
    addDemo(this.#app, this.#options.demoUrl, this.#options.clock);
  }

  /** The reason goes to the log; strangers learn nothing of the inside. */
  #fail(failure: unknown, reply: FastifyReply): FastifyReply {
    if (failure instanceof CodedError) {
      const status = statusOfCode[failure.code];
      if (status !== undefined)
        return refuse(reply, status, failure.message, { code: failure.code, ...faultsIn(failure) });
    }
    if (failure instanceof Refused) return refuse(reply, failure.statusCode, failure.message);
    const status = statusOf(failure);
    if (status < 500) return refuseRequest(reply, status, failure);
    const { method, url } = reply.request;
    this.#options.log.error({ method, url, reason: reasonOf(failure) }, "a request failed");
    return refuse(reply, 500);
  }

  #addHealth(): void {
    const app = this.#app;
    const config = { ...open, rateLimit: false } as const;
    app.get("/livez", { config }, () => "ok\n");
    app.get(
      "/readyz",
      { schema: { response: { 200: readySchema, 503: readySchema } }, config },
      async (_request, reply) => {
        const { ready, reasons } = this.#options.ready();
        return reply.code(ready ? 200 : 503).send({ ready, reasons });
      },
    );
    app.get("/metrics", { config: whole }, async (_request, reply) => {
      const { view, engineMetrics } = this.#options;
      const { count = 0, dropped = 0 } = this.#clients ?? {};
      const shown = [...viewMetrics(view.counters()), ...clientMetrics({ count, dropped })];
      const own = this.#options.healthOnly === true ? [] : shown;
      const metrics = [...engineMetrics(), ...own];
      return reply.type(this.#metrics.contentType).send(await this.#metrics.text(metrics));
    });
    app.get(
      "/api/openapi.json",
      { schema: { hide: true }, config: { scope: "read", sites: "own" } },
      () => app.swagger(),
    );
  }

  #facts(): LiveFacts {
    const { clock, version, ready } = this.#options;
    return { now: clock.wallMs(), version, ...ready() };
  }
}

function sourcesOf(options: HttpApiOptions): ApiSources {
  const { view, fleet: fleetDocument = () => emptyFleet, devices, operations } = options;
  const { clock, silentAfterMs, tellingsOf = () => [] } = options;
  return {
    ...{ view, fleetDocument, fleet: compiledOf(fleetDocument), silentAfterMs },
    devices: devices?.sources,
    operations: operations?.view ?? new Operations(),
    tellingsOf,
    now: () => clock.wallMs(),
  };
}

/** Many clients name a type with every request, a DELETE without a body too. */
function takeEmptyBodies(app: ApiApp): void {
  const parse = app.getDefaultJsonParser("error", "error");
  const options = { parseAs: "string" } as const;
  app.addContentTypeParser("application/json", options, (request, body, done) => {
    if (body === "") done(null, {});
    else void parse(request, String(body), done);
  });
}

/** A poll of what has not changed costs no more than its head. */
function addTags(app: ApiApp): void {
  app.addHook("onSend", async (request, reply, payload) => {
    const isShown = request.method === "GET" && reply.statusCode === 200;
    if (!isShown || typeof payload !== "string") return payload;
    const made = () =>
      `W/"${createHash("sha256").update(payload).digest("base64url").slice(0, 22)}"`;
    const tag = String(reply.getHeader("etag") ?? made());
    void reply.header("etag", tag);
    const wanted = request.headers["if-none-match"]?.split(",").map((each) => each.trim());
    if (!wanted?.some((each) => bare(each) === bare(tag) || each === "*")) return payload;
    void reply.code(304).removeHeader("content-type").removeHeader("content-length");
    return "";
  });
}

/** Weak or strong is the same here (RFC 9110 §13.1.2). */
function bare(tag: string): string {
  return tag.replace(/^W\//, "");
}

/** Answers may get more fields; only what is asked for strictly is closed. */
function openObjects({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: object }): void {
  const { additionalProperties } = jsonSchema as { additionalProperties?: unknown };
  if (additionalProperties !== false || isStrict(zodSchema)) return;
  Reflect.deleteProperty(jsonSchema, "additionalProperties");
}

function isStrict(schema: unknown): boolean {
  const { _zod } = schema as { _zod?: { def?: { catchall?: unknown } } };
  return _zod?.def?.catchall !== undefined;
}

function faultsIn(failure: CodedError): { errors?: readonly RequestFault[] } {
  if (!(failure instanceof SettingsInvalid)) return {};
  const errors = failure.faults.map(({ place, path, message }) => {
    return { path: `${place} ${path}`.trim(), message };
  });
  return { errors };
}

function refuseRequest(reply: FastifyReply, status: number, failure: unknown): FastifyReply {
  const faults = validationFaults(failure);
  const code = faults.errors && reply.request.routeOptions.config.invalid;
  const detail = reasonOf(failure);
  if (code === undefined) return refuse(reply, status, detail, faults);
  return refuse(reply, status, `${code}: ${detail}`, { code, ...faults });
}

/** What is wrong with a request, place by place. */
function validationFaults(failure: unknown): { errors?: readonly RequestFault[] } {
  if (typeof failure !== "object" || failure === null || !("validation" in failure)) return {};
  const { validation } = failure;
  if (!Array.isArray(validation)) return {};
  const context = "validationContext" in failure ? String(failure.validationContext) : "";
  const errors = validation.slice(0, 32).map((fault): RequestFault => {
    const { instancePath = "", message = "" } = fault as Record<string, unknown>;
    return {
      path: `${context}${String(instancePath).replaceAll("/", ".")}`,
      message: `${message}`,
    };
  });
  return { errors };
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
