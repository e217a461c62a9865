// Every route is for those alone whom it declares, and shows them nothing but their own.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeclaredRoute } from "./http-guard.ts";
import { token } from "./testing/http-api.ts";
import type { WholeApi } from "./testing/nats-whole-api.ts";
import { wholeApi } from "./testing/nats-whole-api.ts";
import type { Scope } from "./tokens.ts";
import { allows, scopes } from "./tokens.ts";

const secrets = { read: "read-secret", operate: "operate-secret", admin: "admin-secret" };
const north = "north-secret";
let api: WholeApi;

beforeAll(async () => {
  const tokens = [
    ...scopes.map((scope) => token(secrets[scope], scope)),
    { ...token(north, "operate", ["north"]), name: "north" },
  ];
  api = await wholeApi({ tokens });
  // Wrong tokens shut out nobody who was let in before.
  for (const { secret } of tokens) await api.get("/api/session", bearer(secret));
}, 60_000);

afterAll(() => api.stop());

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
/** What stands for each parameter of a path. */
const pathOf = ({ url }: DeclaredRoute) =>
  url.replace(/:[a-z]+/gi, (name) => (name === ":act" ? "retire" : "none"));
const isStream = ({ url }: DeclaredRoute) => url === "/api/stream";
const routes = () => api.api.routes().filter(({ method }) => method !== "HEAD");

async function ask(route: DeclaredRoute, head: Readonly<Record<string, string>>): Promise<number> {
  const isChange = route.method !== "GET";
  const ended = new AbortController();
  const answer = await fetch(api.url + pathOf(route), {
    ...{ method: route.method, redirect: "manual", signal: ended.signal },
    headers: { ...(isChange ? { "content-type": "application/json" } : {}), ...head },
    ...(isChange ? { body: "{}" } : {}),
  });
  ended.abort();
  return answer.status;
}

describe("every route", () => {
  test("declares its scope; what changes something declares its name in the operators' log", () => {
    expect(routes().length).toBeGreaterThan(45);
    for (const { method, url, scope, act } of routes()) {
      if (method === "GET") expect(act, url).toBeUndefined();
      else if (!/^\/api\/rules\/(?:check|backtest)$|\/trial$/.test(url))
        expect(act, `${method} ${url}`).toBeDefined();
      // What is open to anyone tells nothing of the fleet.
      if (scope === "none")
        expect(url).toMatch(/^\/(?:livez|readyz|login|assets\/:name|api\/session)?$/);
    }
  });

  test("wants a token, and one of its scope", async () => {
    for (const route of routes()) {
      const what = `${route.method} ${route.url}`;
      const nobody = await ask(route, {});
      const stranger = await ask(route, bearer("guess"));
      if (route.scope === "none") {
        expect([200, 201, 204, 303, 400, 401, 404, 503], what).toContain(nobody);
        continue;
      }
      expect([nobody, stranger === 429 ? 401 : stranger], what).toEqual([401, 401]);
      for (const scope of scopes) {
        const status = await ask(route, bearer(secrets[scope]));
        const isAllowed = allows(scope, route.scope as Scope);
        if (isAllowed) expect([401, 403], `${what} as ${scope}`).not.toContain(status);
        else expect(status, `${what} as ${scope}`).toBe(403);
      }
    }
  }, 60_000);

  test("refuses who sees some sites what is not told by site", async () => {
    for (const route of routes()) {
      if (route.scope === "none" || route.sites === "own" || route.scope === "admin") continue;
      expect(await ask(route, bearer(north)), route.url).toBe(403);
    }
  });

  test("stands in docs/api.md with its scope, and no other does", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/api.md"), "utf8");
    const told = [...page.matchAll(/^\| (`(?:GET|POST|PUT|DELETE) .*?) \| ([a-z, ]+) \|/gm)];
    const documented = told.flatMap(([, cell = "", scopesText = ""]) => {
      const names = scopesText.split(", ");
      return [...cell.matchAll(/`(GET|POST|PUT|DELETE) ([^\s`?]+)/g)].map(
        ([, method, path], at) => {
          return `${method} ${path} ${names[at] ?? names[0]}`;
        },
      );
    });
    const hidden = /^GET \/(?:assets\/:name|api\/demo) |^POST \/api\/demo /;
    const generic = (url: string) =>
      url
        .replace("/api/devices/:gateway/:device", "/api/devices/G/D")
        .replace("/api/gateways/:gateway", "/api/gateways/G")
        .replace(":act", "ACT")
        .replace(":revision", "N")
        .replace(":name", "NAME")
        .replace(":id", "ID");
    const declared = routes().map(({ method, url, scope }) => `${method} ${url} ${scope}`);
    const wanted = declared.filter((line) => !hidden.test(line)).map(generic);
    expect(documented.toSorted()).toEqual(wanted.toSorted());
  });
});

test("who sees one site finds nothing of another, wherever it looks", async () => {
  const head = bearer(north);
  const lists = routes().filter((route) => route.method === "GET" && route.sites === "own");
  const own = lists.filter((route) => !route.url.includes(":") && !isStream(route));
  for (const route of own) {
    if (route.scope === "none") continue;
    const { body } = await api.get(route.url, head);
    expect(JSON.stringify(body), route.url).not.toMatch(/gw-2|south/);
  }
  const whole = await api.get("/api/gateways", bearer(secrets.read));
  expect(whole.body).toMatchObject({ total: 2, gateways: [{ site: "north" }, { site: "south" }] });
  expect(await api.get("/api/gateways", head)).toMatchObject({ body: { total: 1 } });
  const dead = await api.get("/api/dead-letters", bearer(secrets.read));
  const { groups } = dead.body as { groups: { id: string; gateway: string }[] };
  const other = groups.find(({ gateway }) => gateway === "gw-2")?.id;
  const hidden = [
    ...["/api/gateways/gw-2", "/api/devices/gw-2/tank", "/api/alerts/open-gw-2"],
    `/api/dead-letters/${other}`,
  ];
  for (const path of hidden) {
    expect((await api.get(path, bearer(secrets.read))).status, path).toBe(200);
    expect((await api.get(path, head)).status, path).toBe(404);
  }
  expect((await api.send("POST", "/api/alerts/open-gw-2/ack", {}, head)).status).toBe(404);
  expect((await api.send("POST", "/api/gateways/gw-2/retire", {}, head)).status).toBe(404);
  const command = { gateway: "gw-2", device: "tank", name: "open" };
  expect((await api.send("POST", "/api/commands", command, head)).status).toBe(404);
  expect((await api.send("POST", "/api/alerts/open-gw-1/ack", {}, head)).status).toBe(201);
});

test("its stream tells nothing of another site either", async () => {
  const ended = new AbortController();
  const answer = await fetch(`${api.url}/api/stream`, {
    ...{ headers: bearer(north), signal: ended.signal },
  });
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (/^id: [^\n]*\n\n$/m.test(text)) break;
  }
  ended.abort();
  expect(text).toMatch(/event: latest\n.*"gw-1"/);
  expect(text).not.toMatch(/gw-2|south|event: counters|event: silences/);
});

describe("a page's session", () => {
  async function begun(body: object) {
    const answer = await fetch(`${api.url}/api/session`, {
      ...{ method: "POST", body: JSON.stringify(body) },
      headers: { "content-type": "application/json" },
    });
    const cookie = answer.headers.getSetCookie()[0] ?? "";
    const session = (await answer.json()) as { csrf: string; scope: string };
    return { status: answer.status, cookie, session };
  }
  const sent = (cookie: string) => ({ cookie: cookie.split(";")[0] ?? "" });

  test("is a cookie that no script reads and no other site sends; changes want its word", async () => {
    const { status, cookie, session } = await begun({ token: secrets.operate });
    expect(status).toBe(201);
    expect(cookie).toMatch(/^causeway_\d+=[^;]+;.*HttpOnly.*SameSite=Strict/i);
    const head = sent(cookie);
    expect(await api.get("/api/session", head)).toMatchObject({
      body: { name: "operate-token", scope: "operate", how: "cookie", csrf: session.csrf },
    });
    const ack = (more: Record<string, string>) =>
      api.send("POST", "/api/alerts/open-gw-1/ack", {}, { ...head, ...more });
    expect((await ack({})).status).toBe(403);
    expect((await ack({ "x-csrf-token": "guess" })).status).toBe(403);
    const word = { "x-csrf-token": session.csrf };
    expect((await ack({ ...word, origin: "https://evil.example" })).status).toBe(403);
    expect((await ack({ ...word, "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await ack({ ...word, "content-type": "text/plain" })).status).toBe(415);
    expect(await ack({ ...word, origin: api.url })).toMatchObject({
      ...{ status: 201, body: { by: "operate-token" } },
    });
    expect((await api.send("DELETE", "/api/session", undefined, { ...head, ...word })).status).toBe(
      204,
    );
    expect((await api.get("/api/session", head)).status).toBe(401);
  });

  test("begins by a link too, which is good once", async () => {
    const made = await api.send(
      "POST",
      "/api/session/links",
      { scope: "read" },
      bearer(secrets.admin),
    );
    const { path } = made.body as { path: string };
    const open = () => fetch(api.url + path, { redirect: "manual" });
    const first = await open();
    expect([first.status, first.headers.get("location")]).toEqual([303, "/"]);
    const head = sent(first.headers.getSetCookie()[0] ?? "");
    expect(await api.get("/api/session", head)).toMatchObject({ body: { scope: "read" } });
    const second = await open();
    expect([second.status, second.headers.getSetCookie()]).toEqual([303, []]);
    expect((await begun({ code: "guess" })).status).toBe(401);
  });

  test("is not to be guessed: after twenty wrong tokens an address waits", async () => {
    let status = 0;
    for (let turn = 0; turn < 40 && status !== 429; turn++)
      status = (await begun({ token: `guess-${turn}` })).status;
    expect(status).toBe(429);
    expect((await api.get("/api/session", bearer(secrets.read))).status).toBe(200);
  });
});

test("what operators did is told, with who and how it ended; nobody's tries are not", async () => {
  const head = bearer(secrets.operate);
  const note = `note ${Math.random()}`;
  expect((await api.send("POST", "/api/alerts/open-gw-2/ack", { note }, head)).status).toBe(201);
  expect((await api.send("POST", "/api/gateways/none/retire", {}, head)).status).toBe(404);
  const read = async () => {
    const { body } = await api.get("/api/operators?limit=50", bearer(secrets.admin));
    return (body as { entries: { act: string; detail: string }[] }).entries;
  };
  await expect.poll(async () => (await read()).some(({ detail }) => detail === note)).toBe(true);
  const entries = await read();
  expect(entries.find(({ detail }) => detail === note)).toMatchObject({
    ...{ who: "operate-token", scope: "operate", how: "token", act: "alert.ack", result: "done" },
    on: expect.stringContaining("open-gw-2"),
  });
  expect(entries.find(({ act }) => act === "gateway.retire")).toMatchObject({ result: "refused" });
  const pages = [];
  for (let after: string | null = ""; after !== null && pages.length < 100; ) {
    const query = `limit=2${after === "" ? "" : `&after=${after}`}`;
    const { body } = await api.get(`/api/operators?${query}`, bearer(secrets.admin));
    const page = body as { entries: { id: string }[]; next: string | null };
    pages.push(...page.entries.map(({ id }) => Number(id)));
    after = page.next;
  }
  expect(pages).toEqual([...new Set(pages)].toSorted((a, b) => b - a));
  expect(pages.length).toBeGreaterThanOrEqual(entries.length);
});
