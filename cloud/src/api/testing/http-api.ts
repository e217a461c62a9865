/** The API over a real socket, for tests. */
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { FleetView } from "../../views/fleet-view.ts";
import type { HttpApiOptions } from "../http-api.ts";
import { HttpApi } from "../http-api.ts";
import type { Scope, Token } from "../tokens.ts";

export function apiOptions(over: Partial<HttpApiOptions> = {}): HttpApiOptions {
  return {
    address: { host: "127.0.0.1", port: 0 },
    view: new FleetView(),
    ready: () => ({ ready: true, reasons: [] }),
    engineMetrics: () => [],
    version: "1.2.3",
    log: silentLogger,
    clock: systemClock(),
    ...over,
  };
}

export function token(secret: string, scope: Scope = "admin", sites: Token["sites"] = null): Token {
  return { name: `${scope}-token`, scope, sites, secret };
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface StartedApi {
  readonly api: HttpApi;
  readonly url: string;
  get(path: string, head?: Readonly<Record<string, string>>): Promise<Answer>;
  send(
    method: string,
    path: string,
    body?: unknown,
    head?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  stop(): Promise<void>;
}

export async function startedApi(over: Partial<HttpApiOptions> = {}): Promise<StartedApi> {
  const api = new HttpApi(apiOptions(over));
  await api.start();
  const ask = async (path: string, request: RequestInit): Promise<Answer> => {
    const answer = await fetch(api.url() + path, { redirect: "manual", ...request });
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get("content-type") ?? "");
    return { status: answer.status, body: isJson ? JSON.parse(text) : text };
  };
  return {
    api,
    url: api.url(),
    get: (path, headers = {}) => ask(path, { headers }),
    send: (method, path, body, head = {}) => {
      const headers = { "content-type": "application/json", ...head };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      return ask(path, { method, headers, ...sent });
    },
    stop: () => api.stop(),
  };
}
