/** Sessions of pages: a token, or a code that is good once, for a cookie. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { Attempts } from "./attempts.ts";
import type { ApiApp } from "./http-guard.ts";
import { cookieName, viewerOf } from "./http-guard.ts";
import { Refused } from "./problem.ts";
import { sessionSchema } from "./schemas.ts";
import type { SessionCookie, Sessions } from "./sessions.ts";
import type { Tokens, Viewer } from "./tokens.ts";
import { lesser, scopes } from "./tokens.ts";

export interface SessionsApi {
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly clock: Clock;
}

const beginBody = z.union([
  z.strictObject({ token: z.string().min(1).max(1_024), scope: z.enum(scopes).optional() }),
  z.strictObject({ code: z.string().min(1).max(64) }),
]);
const linkBody = z.strictObject({ scope: z.enum(scopes).optional() });
const loginQuery = z.object({ code: z.string().max(64).default("") });
const open = { scope: "none", sites: "own" } as const;
const usedUp = "the link was used, or is too old: causeway-cloud session makes another";

export function addSessions(app: ApiApp, { tokens, sessions, clock }: SessionsApi): void {
  const attempts = new Attempts();
  const tell = (viewer: Viewer) => sessionOf(viewer, sessions);

  app.post(
    "/api/session",
    {
      schema: { body: beginBody, response: { 201: sessionSchema } },
      config: { ...open, act: "session.begin" },
    },
    async (request, reply) => {
      const now = clock.wallMs();
      const waitMs = attempts.waitMs(request.ip, now);
      if (waitMs > 0) {
        reply.header("retry-after", `${Math.ceil(waitMs / 1_000)}`);
        throw new Refused(429, "too many wrong tokens came from this address");
      }
      const { body } = request;
      const begun = "code" in body ? await sessions.redeem(body.code, now) : beginBy(body, now);
      if (begun === undefined) {
        attempts.failed(request.ip, now);
        throw new Refused(401, "code" in body ? usedUp : "there is no such token");
      }
      setCookie(request, reply, begun);
      return reply.code(201).send(tell(begun.viewer));
    },
  );

  function beginBy(
    { token, scope }: { token: string; scope?: Viewer["scope"] | undefined },
    now: number,
  ) {
    const found = tokens.find(token);
    return found && sessions.begin(found, lesser(scope ?? found.scope, found.scope), now);
  }

  app.get(
    "/api/session",
    { schema: { response: { 200: sessionSchema } }, config: { scope: "read", sites: "own" } },
    (request) => tell(viewerOf(request)),
  );

  app.delete(
    "/api/session",
    { config: { ...open, act: "session.end" } },
    async (request, reply) => {
      // The browser forgets it whatever else comes of it.
      void reply.clearCookie(cookieName(request), { path: "/" });
      if (request.viewer !== null) await sessions.end(request.viewer, clock.wallMs());
      return reply.code(204).send();
    },
  );

  app.post(
    "/api/session/links",
    {
      schema: {
        body: linkBody,
        response: { 201: z.object({ path: z.string(), expiresAt: z.number() }) },
      },
      config: { scope: "read", sites: "own", act: "session.link" },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      if (tokens.named(viewer.name) === undefined)
        throw new Refused(409, "nobody needs a link here: ask with a token");
      const scope = lesser(request.body.scope ?? viewer.scope, viewer.scope);
      const { code, expiresAt } = await sessions.code(viewer, scope, clock.wallMs());
      return reply.code(201).send({ path: `/login?code=${code}`, expiresAt });
    },
  );

  app.get(
    "/login",
    { exposeHeadRoute: false, schema: { querystring: loginQuery, hide: true }, config: open },
    async (request, reply) => {
      const begun = await sessions.redeem(request.query.code, clock.wallMs());
      // One that was used leads to the page as well, which asks for a token where it wants one.
      if (begun !== undefined) setCookie(request, reply, begun);
      return reply.redirect("/", 303);
    },
  );
}

function sessionOf(viewer: Viewer, sessions: Sessions) {
  const { name, scope, sites, how, expiresAt } = viewer;
  return {
    ...{ name, scope, how, expiresAt },
    sites: sites === null ? null : [...sites],
    csrf: sessions.csrfOf(viewer) || null,
  };
}

function setCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  { value, viewer: { expiresAt } }: SessionCookie,
): void {
  void reply.setCookie(cookieName(request), value, {
    ...{ path: "/", httpOnly: true, sameSite: "strict" },
    // Only what stands in front speaks TLS.
    secure: request.headers["x-forwarded-proto"] === "https",
    expires: new Date(expiresAt ?? 0),
  });
}
