/**
 * Who is let in, and to what. Every route declares the scope that it asks for, and whether it shows
 * each viewer its own sites alone; a route that declares nothing is refused at the start.
 *
 *   W1  Whoever asks is known by a token, by the cookie of a session, or, on loopback, by nothing;
 *       then the name in `Host` must be local, for a stranger's page can point its own there.
 *   W2  What changes something takes JSON and no pages of other origins; with a cookie it wants the
 *       word that only the session's page knows. A stranger's page can send neither.
 *   W3  One who may see some sites only is refused what is not told by site.
 *   W4  Wrong tokens are counted by address; beyond the bound no token is let in from there that was
 *       not before.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "@causeway/shared/clock.ts";
import type { ErrorCode } from "@causeway/shared/errors.ts";
import { tokenIn } from "@causeway/shared/http-access.ts";
import { isLocalName } from "@causeway/shared/local-name.ts";
import { isLoopback } from "@causeway/shared/loopback.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { Attempts } from "./attempts.ts";
import type { Problem } from "./problem.ts";
import { problem, problemType } from "./problem.ts";
import type { Sessions } from "./sessions.ts";
import type { Scope, Tokens, Viewer } from "./tokens.ts";
import { allows, seesGateway } from "./tokens.ts";

export type ApiApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface RequestViewer extends Viewer {
  /** Whether a gateway, or a site's `@name`, is shown to it. */
  sees(gateway: string): boolean;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; of a route of scope none, perhaps nobody. */
    viewer: RequestViewer | null;
    /** For the operators' log: what was acted on, where the path does not say it, and in which words. */
    told: { on?: string; detail?: string };
  }
  interface FastifyContextConfig {
    scope?: Scope | "none";
    /** "own": the answer holds the viewer's sites alone; "all": it is refused to who sees some. */
    sites?: "own" | "all";
    /** What it is called in the operators' log; for all that changes something. */
    act?: string;
    /** What a request is called that does not fit its schema. */
    invalid?: ErrorCode;
  }
}

/** What a route declares. */
export interface DeclaredRoute {
  readonly method: string;
  readonly url: string;
  readonly scope: Scope | "none";
  readonly sites: "own" | "all";
  readonly act: string | undefined;
}

export interface GuardParts {
  /** Filled with each. */
  readonly routes: DeclaredRoute[];
  readonly host: string;
  readonly tokens: Tokens;
  /** Without a token, on loopback. */
  readonly anonymous: Scope | "none";
  readonly sessions: Sessions;
  readonly fleet: () => Fleet;
  readonly clock: Clock;
}

export const securityHeaders = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

const changing: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

export function addGuard(app: FastifyInstance, parts: GuardParts): void {
  const attempts = new Attempts();
  app.decorateRequest("viewer", null);
  app.decorateRequest("told");
  app.addHook("onRoute", (route) => {
    const { config, method, url } = route;
    const scope = config?.scope;
    if (scope === undefined) throw new Error(`${String(method)} ${url} declares no scope`);
    const { sites = "all", act } = config ?? {};
    for (const each of [method].flat()) parts.routes.push({ method: each, url, scope, sites, act });
    const security = scope === "none" ? [] : [{ token: [] }];
    // For whoever reads the description.
    route.schema = Object.assign(route.schema ?? {}, { security, "x-scope": scope });
  });
  app.addHook("onRequest", async (request, reply) => {
    request.told = {};
    reply.headers(securityHeaders);
    const { config } = request.routeOptions;
    // What is not there is told to those alone who may look.
    const { scope = "read", sites = "all" } = config;
    const failure = admit(request, reply, parts, attempts, scope);
    if (failure !== undefined) return refuse(reply, failure.status, failure.detail);
    if (changing.has(request.method)) {
      const wrong = changeFault(request, parts);
      if (wrong !== undefined) return refuse(reply, wrong.status, wrong.detail);
    }
    const { viewer } = request;
    if (scope === "none" || viewer === null) return;
    if (!allows(viewer.scope, scope))
      return refuse(reply, 403, `it takes the scope ${scope}; ${viewer.name} has ${viewer.scope}`);
    if (sites === "all" && viewer.sites !== null && !request.is404)
      return refuse(reply, 403, `it is not told by site; ${viewer.name} may see some alone`);
  });
}

interface Failure {
  readonly status: number;
  readonly detail: string;
}

/** W1, W4. */
function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: GuardParts,
  attempts: Attempts,
  scope: Scope | "none",
): Failure | undefined {
  const { tokens, sessions, clock, fleet } = parts;
  const now = clock.wallMs();
  const offered = tokenIn(request.headers.authorization);
  const token = tokens.find(offered);
  const isKnown = token !== undefined && attempts.wasAdmitted(request.ip, token.name);
  const waitMs = offered === "" || isKnown ? 0 : attempts.waitMs(request.ip, now);
  if (waitMs > 0) {
    reply.header("retry-after", `${Math.ceil(waitMs / 1_000)}`);
    return { status: 429, detail: "too many wrong tokens came from this address" };
  }
  const cookie = request.cookies[cookieName(request)];
  const found =
    offered === ""
      ? ((cookie === undefined ? undefined : sessions.find(cookie, now)) ?? withoutToken(parts))
      : asViewer(token);
  if (token !== undefined) attempts.admitted(request.ip, token.name);
  if (found === undefined) {
    if (offered !== "") attempts.failed(request.ip, now);
    if (scope === "none" && offered === "") return undefined;
    reply.header("www-authenticate", challenge(request));
    return { status: 401, detail: "send the token as Authorization: Bearer, or as the password" };
  }
  const isNamed = found.how === "token" || found.how === "cookie";
  if (!isNamed && scope !== "none" && !isLocalName(request.headers.host)) {
    const cure = "without a token only local names are served: set http.tokenFile";
    return { status: 403, detail: cure };
  }
  if (!isNamed && !isLocalName(request.headers.host)) return undefined;
  request.viewer = { ...found, sees: (gateway) => seesGateway(found.sites, gateway, fleet()) };
  return undefined;
}

function asViewer(token: ReturnType<Tokens["find"]>): Viewer | undefined {
  if (token === undefined) return undefined;
  const { name, scope, sites } = token;
  return { name, scope, sites, how: "token", expiresAt: null, session: null };
}

function withoutToken({ host, tokens, anonymous }: GuardParts): Viewer | undefined {
  const common = { sites: null, expiresAt: null, session: null };
  if (!isLoopback(host)) return undefined;
  if (anonymous !== "none")
    return { ...common, name: "anonymous", scope: anonymous, how: "anonymous" };
  return tokens.areSet
    ? undefined
    : { ...common, name: "loopback", scope: "admin", how: "loopback" };
}

/** Scripts of a page get no dialog of the browser. */
function challenge({ headers }: FastifyRequest): string {
  const mode = headers["sec-fetch-mode"];
  const isScript = mode !== undefined && mode !== "navigate";
  return isScript ? 'Bearer realm="causeway"' : 'Basic realm="causeway", charset="UTF-8"';
}

/** W2. */
function changeFault(request: FastifyRequest, { sessions }: GuardParts): Failure | undefined {
  if (!isSameOrigin(request))
    return { status: 403, detail: "asked for by a page of another origin" };
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (request.method === "DELETE" ? type !== undefined && type !== json : type !== json)
    return { status: 415, detail: `send JSON as ${json}` };
  const { viewer, headers } = request;
  if (viewer?.how !== "cookie") return undefined;
  const offered = headers["x-csrf-token"];
  if (typeof offered === "string" && sessions.isCsrf(viewer, offered)) return undefined;
  return { status: 403, detail: "send the session's csrf as x-csrf-token" };
}

const json = "application/json";

/** Programs send no `Origin`. */
function isSameOrigin({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** Browsers share cookies between the ports of a host. */
export function cookieName({ socket }: FastifyRequest): string {
  return `causeway_${socket.localPort ?? 0}`;
}

/** Of a route that asks for a scope there is always one. */
export function viewerOf(request: FastifyRequest): RequestViewer {
  if (request.viewer === null) throw new Error("a route of scope none has no viewer");
  return request.viewer;
}

export function refuse(
  reply: FastifyReply,
  status: number,
  detail?: string,
  more: Pick<Problem, "code" | "errors"> = {},
): FastifyReply {
  return reply
    .code(status)
    .type(problemType)
    .send(JSON.stringify(problem(status, detail, more)));
}
