// What the API says of itself is true, and nothing that is sent to it makes it fail or talk of its inside.
import { seededRandom } from "@causeway/shared/random.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { token } from "./testing/http-api.ts";
import type { WholeApi } from "./testing/nats-whole-api.ts";
import { wholeApi } from "./testing/nats-whole-api.ts";

type Json = Readonly<Record<string, unknown>>;
interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly { name: string; in: string; schema: Json }[];
  readonly body: Json | undefined;
  readonly answers: Readonly<Record<string, Json>>;
}

const secret = "admin-secret";
const rounds = Number(process.env["CAUSEWAY_FUZZ_ROUNDS"] ?? 12);
let api: WholeApi;
let document: Json;
let operations: readonly Operation[];

beforeAll(async () => {
  api = await wholeApi({ tokens: [token(secret)], requestsPerMinute: 1_000_000 });
  const { body } = await api.get("/api/openapi.json", { authorization: `Bearer ${secret}` });
  document = body as Json;
  operations = operationsIn(document);
}, 60_000);

afterAll(() => api.stop());

function operationsIn({ paths }: Json): readonly Operation[] {
  return Object.entries(paths as Readonly<Record<string, Json>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]): Operation => {
      const { parameters = [], requestBody, responses = {} } = told as Json;
      return {
        ...{ method: method.toUpperCase(), path, body: contentOf(requestBody) },
        parameters: parameters as Operation["parameters"],
        answers: Object.fromEntries(
          Object.entries(responses as Json).flatMap(([status, answer]) => {
            const schema = contentOf(answer);
            return schema === undefined ? [] : [[status, schema]];
          }),
        ),
      };
    }),
  );
}

function contentOf(part: unknown): Json | undefined {
  const { content } = (part ?? {}) as { content?: Readonly<Record<string, { schema: Json }>> };
  return content?.["application/json"]?.schema;
}

const random = seededRandom("api");
const below = (count: number) => Math.floor(random.next() * count);
const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;

/** What has broken other programs. */
const hostile: readonly unknown[] = [
  ...[null, true, 0, -1, 1e308, -1e308, 2 ** 53, 0.1, "", " ", "none", "..", "%00", "a/b", "*"],
  ...["'; drop table readings; --", "{{7*7}}", "<script>", "\u0000", "\ud800", "😀"],
  ...["__proto__", "constructor", "x".repeat(3_000), "2026-13-45T99:99:99Z", "NaN", "1e999"],
  ...[[], {}, [[[[]]]], { __proto__: null, toString: 1 }, { constructor: { prototype: {} } }],
];
/** What is there. */
const known = ["gw-1", "gw-2", "tank", "level", "open-gw-1", "north", "retire", "daily", "auto"];

function made(schema: Json, depth = 0): unknown {
  if (random.next() < 0.15) return pick(hostile);
  const { type, enum: options, anyOf, properties, required = [], items, const: fixed } = schema;
  if (fixed !== undefined) return fixed;
  if (Array.isArray(options)) return pick(options);
  if (Array.isArray(anyOf)) return made(pick(anyOf) as Json, depth);
  if (type === "integer" || type === "number") return pick([0, 1, 2, 50, 1_000, -5, 1e12, 1.5]);
  if (type === "boolean") return random.next() < 0.5;
  if (type === "array") return depth > 3 ? [] : [made((items ?? {}) as Json, depth + 1)];
  if (type === "object") {
    const wanted = Object.entries((properties ?? {}) as Readonly<Record<string, Json>>).filter(
      ([name]) => (required as string[]).includes(name) || random.next() < 0.5,
    );
    const own = wanted.map(([name, of]) => [name, made(of, depth + 1)] as const);
    const extra = random.next() < 0.1 ? [["surprise", pick(hostile)] as const] : [];
    return Object.fromEntries([...own, ...extra]);
  }
  return random.next() < 0.5 ? pick(known) : textOf(pick(hostile));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

function requestFor({ method, path, parameters, body }: Operation): Sent {
  const safe = (value: unknown) =>
    encodeURIComponent(textOf(value).replace(/[\ud800-\udfff]/g, "?"));
  let filled = path;
  const query: string[] = [];
  for (const { name, in: place, schema } of parameters) {
    if (place === "path") {
      const value = random.next() < 0.7 ? pick(known) : made(schema);
      filled = filled.replace(`{${name}}`, safe(value) || "x");
    } else if (random.next() < 0.5) query.push(`${name}=${safe(made(schema))}`);
  }
  if (random.next() < 0.1) query.push("limit=1&limit=2", "__proto__=1");
  const whole = query.length === 0 ? filled : `${filled}?${query.join("&")}`;
  if (method === "GET") return { method, path: whole, body: undefined };
  const broken = pick(["{", '"text"', "[]", "null", "", `{"a":${"[".repeat(500)}`]);
  const sent = random.next() < 0.1 ? broken : JSON.stringify(made(body ?? {}));
  return { method, path: whole, body: sent };
}

async function send({ method, path, body }: Sent) {
  const ended = new AbortController();
  const answer = await fetch(api.url + path, {
    ...{ method, redirect: "manual", signal: ended.signal },
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body }),
  });
  const type = answer.headers.get("content-type") ?? "";
  const text = type.startsWith("text/event-stream") ? "" : await answer.text();
  if (text === "") ended.abort();
  return { status: answer.status, type, text };
}

/** Nothing of where and how it runs. */
const inside =
  /node_modules|node:internal|\n\s+at |\/work\/|\/tmp\/|causeway-api-|TypeError|ZodError/;

test("no request that is made of its own description makes it fail, or tell of its inside", async () => {
  const counts = new Map<number, number>();
  for (let round = 0; round < rounds; round++) {
    for (const operation of operations) {
      const request = requestFor(operation);
      const what = `${request.method} ${request.path} ${request.body?.slice(0, 300) ?? ""}`;
      const { status, type, text } = await send(request);
      counts.set(status, (counts.get(status) ?? 0) + 1);
      const isWanted = status < 500 || (status === 503 && type.startsWith("application/problem"));
      expect(
        isWanted,
        `${status} for ${what}: ${text.slice(0, 300)} ${JSON.stringify(api.errors)}`,
      ).toBe(true);
      expect(text, what).not.toMatch(inside);
      if (status >= 400) expect(type, what).toMatch(/^application\/problem\+json/);
    }
  }
  // It was more than refusals.
  expect((counts.get(200) ?? 0) + (counts.get(201) ?? 0)).toBeGreaterThan(rounds * 10);
  expect(api.errors).toEqual([]);
  expect((await send({ method: "GET", path: "/api/status", body: undefined })).status).toBe(200);
}, 120_000);

test("what it answers is what it says that it answers", async () => {
  const { components } = document as { components: { schemas: Json } };
  const schemaOf = (schema: Json) =>
    z.fromJSONSchema({ ...(resolved(schema, components.schemas) as Json) });
  const places: Readonly<Record<string, string>> = {
    "/api/gateways/{gateway}": "/api/gateways/gw-1",
    "/api/devices/{gateway}/{device}": "/api/devices/gw-1/tank",
    "/api/alerts/{id}": "/api/alerts/over-gw-2",
  };
  const groups = await send({ method: "GET", path: "/api/dead-letters", body: undefined });
  const [group] = (JSON.parse(groups.text) as { groups: { id: string }[] }).groups;
  let checked = 0;
  for (const { method, path, answers } of operations) {
    if (method !== "GET") continue;
    const filled =
      path === "/api/dead-letters/{id}" ? `/api/dead-letters/${group?.id}` : places[path];
    if (filled === undefined && path.includes("{")) continue;
    const answer = await send({ method, path: filled ?? path, body: undefined });
    const schema = answers[`${answer.status}`];
    if (schema === undefined || answer.text === "") continue;
    const found = schemaOf(schema).safeParse(JSON.parse(answer.text));
    expect(found.error?.issues ?? [], path).toEqual([]);
    checked++;
  }
  expect(checked).toBeGreaterThan(20);
});

function resolved(schema: unknown, all: Json): unknown {
  if (Array.isArray(schema)) return schema.map((each) => resolved(each, all));
  if (typeof schema !== "object" || schema === null) return schema;
  const { $ref, ...rest } = schema as { $ref?: string };
  if ($ref !== undefined) return resolved(all[$ref.split("/").at(-1) ?? ""], all);
  return Object.fromEntries(Object.entries(rest).map(([key, own]) => [key, resolved(own, all)]));
}

test("it is OpenAPI 3.1, each route with its scope, and names every problem's shape", () => {
  expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "Causeway" } });
  const { paths } = document as { paths: Readonly<Record<string, Readonly<Record<string, Json>>>> };
  expect(paths["/api/rules"]?.["put"]).toMatchObject({
    "x-scope": "admin",
    security: [{ token: [] }],
  });
  expect(paths["/livez"]?.["get"]).toMatchObject({ "x-scope": "none", security: [] });
  const { components } = document as { components: { schemas: Json } };
  expect(Object.keys(components.schemas)).toEqual(
    expect.arrayContaining(["Problem", "Gateway", "Device", "Alert", "Series", "Overview"]),
  );
  expect(JSON.stringify(document)).not.toMatch(/"additionalProperties":false,"x-/);
});

test("a poll of what did not change costs its head alone", async () => {
  const head = { authorization: `Bearer ${secret}` };
  const first = await fetch(`${api.url}/api/devices`, { headers: head });
  const tag = first.headers.get("etag") ?? "";
  expect(tag).toMatch(/^W\/"/);
  const again = () =>
    fetch(`${api.url}/api/devices`, { headers: { ...head, "if-none-match": tag } });
  const second = await again();
  expect([second.status, await second.text()]).toEqual([304, ""]);
  await api.send("POST", "/api/devices/gw-1/tank/rename", { name: "Tank 1" }, head);
  expect((await again()).status).toBe(200);
});
