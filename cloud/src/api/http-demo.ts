/**
 * The switch of the demo: `npm start` has a program that cuts the link between its gateway and the
 * cloud, and names it in `http.demoUrl`. Elsewhere there is no such setting, and this answers 404.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { FastifyReply } from "fastify";
import type { ApiApp } from "./http-guard.ts";
import { refuse } from "./http-guard.ts";

const timeoutMs = 3_000;

export function addDemo(app: ApiApp, url: string | undefined, clock: Clock): void {
  const ask = async (reply: FastifyReply, request: RequestInit): Promise<FastifyReply> => {
    if (url === undefined) return refuse(reply, 404, "only npm start has the switch of the demo");
    const ended = new AbortController();
    const cancel = clock.after(timeoutMs, () => ended.abort());
    try {
      const answer = await fetch(url, { ...request, signal: ended.signal, redirect: "error" });
      const body = await answer.text();
      if (!answer.ok) return refuse(reply, 503, "the demo refused");
      return reply.type("application/json").send(body);
    } catch {
      return refuse(reply, 503, "the demo does not answer");
    } finally {
      cancel();
    }
  };
  const config = { scope: "read", sites: "all" } as const;
  app.get("/api/demo", { config, schema: { hide: true } }, (_request, reply) => ask(reply, {}));
  const acting = { scope: "operate", sites: "all", act: "demo" } as const;
  app.post("/api/demo", { config: acting, schema: { hide: true } }, (request, reply) => {
    const wanted = (request.body as { link?: unknown } | undefined)?.link;
    if (wanted !== "up" && wanted !== "cut") return refuse(reply, 400, 'link: write "up" or "cut"');
    return ask(reply, { method: "POST", body: JSON.stringify({ link: wanted }) });
  });
}
