// Rules are tried before they are kept, and kept only over those that were looked at.
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { committedOf } from "../cli/nats-tail.ts";
import { startEngine, until } from "../engine/testing/nats-engine.ts";
import { publishReading } from "../testing/nats-journal-writer.ts";
import type { WholeApi } from "./testing/nats-whole-api.ts";
import { wholeApi } from "./testing/nats-whole-api.ts";

const good = `rules:
  - { name: too-hot, detector: limits, hi: 30, metrics: [temperature], severity: critical }
`;
let api: WholeApi;

beforeAll(async () => {
  api = await wholeApi();
}, 60_000);

afterAll(() => api.stop());

const check = (text: string) => api.send("POST", "/api/rules/check", { text });
const put = (text: string, revision?: number) =>
  api.send(
    "PUT",
    "/api/rules",
    { text, note: "by a test" },
    {
      ...(revision === undefined ? {} : { "if-match": `"${revision}"` }),
    },
  );

test("the configuration's are shown until others are put", async () => {
  const { status, body } = await api.get("/api/rules");
  expect(status).toBe(200);
  expect(body).toMatchObject({ source: "settings", revision: 0, isOwn: false, inForce: true });
  expect(body).toMatchObject({
    text: expect.stringContaining("rules:"),
    rules: [{ mode: "live" }],
  });
});

test("a check tells each fault with its line and column, and what would change", async () => {
  expect(await check(good)).toMatchObject({
    ...{ status: 200, body: { good: true, rules: 1, faults: [], failures: [] } },
  });
  const { body } = await check(good);
  expect((body as { changes: unknown[] }).changes).toContainEqual(
    expect.objectContaining({ name: "too-hot", what: "added" }),
  );
  expect(await check(good.replace("hi: 30", 'hi: "x"'))).toMatchObject({
    body: { good: false, faults: [{ line: 2, column: expect.any(Number), path: "rules.0.hi" }] },
  });
  expect(await check("rules: [")).toMatchObject({ status: 200, body: { good: false } });
  const failing = `${good.trimEnd().slice(0, -2)}, examples: [{ given: [{ temperature: 40 }], expect: [] }] }\n`;
  expect(await check(failing)).toMatchObject({ body: { good: false } });
});

test("a trial over the journal tells the alerts that they would have given", async () => {
  // What no engine has committed cannot have been told, so it is not tried.
  const engine = await startEngine(api.natsUrl, []);
  for (const [index, value] of [20, 21, 40, 41].entries())
    await publishReading(api.connection, index + 1, value);
  const { state } = await (await jetstreamManager(api.connection)).streams.info("TLM");
  await until("all is committed", async () => {
    const { coveredUntil } = await committedOf(api.connection, systemRandom);
    return Math.max(0, ...coveredUntil.values()) >= state.last_seq;
  });
  await engine.stop();
  const tried = await api.send("POST", "/api/rules/backtest", { text: good });
  expect(tried).toMatchObject({
    status: 200,
    body: {
      ...{ hasJudged: true, omitted: 0, summary: { new: 1, old: 0, both: 0 } },
      alerts: [{ in: "new", rule: "too-hot", gateway: "g1", device: "d1", state: "firing" }],
    },
  });
  const shadow = good.replace("severity", "mode: shadow, severity");
  expect(await api.send("POST", "/api/rules/backtest", { text: shadow })).toMatchObject({
    body: { summary: { new: 1 } },
  });
  expect(
    await api.send("POST", "/api/rules/backtest", { text: shadow, shadow: false }),
  ).toMatchObject({ body: { summary: { new: 0 } } });
  expect((await api.send("POST", "/api/rules/backtest", { text: "rules: 1" })).status).toBe(422);
  expect(
    (await api.send("POST", "/api/rules/backtest", { text: good, from: 9, to: 8 })).status,
  ).toBe(400);
}, 30_000);

test("two trials at once are one too many; one whose page has gone makes room", async () => {
  const ended = new AbortController();
  const first = fetch(`${api.url}/api/rules/backtest`, {
    ...{ method: "POST", body: JSON.stringify({ text: good }), signal: ended.signal },
    headers: { "content-type": "application/json" },
  }).catch(() => undefined);
  const refused = async () =>
    (await api.send("POST", "/api/rules/backtest", { text: good })).status === 429;
  await expect.poll(refused, { timeout: 10_000, interval: 1 }).toBe(true);
  ended.abort();
  await first;
  const tried = async () => (await api.send("POST", "/api/rules/backtest", { text: good })).status;
  await expect.poll(tried, { timeout: 20_000, interval: 100 }).toBe(200);
}, 40_000);

test("what is put counts from then on, over the revision that was looked at, and can be taken back", async () => {
  const first = await put(good, 0);
  expect(first.status).toBe(200);
  const { revision } = first.body as { revision: number };
  expect(await api.get("/api/rules")).toMatchObject({
    body: { revision, isOwn: true, text: good },
  });
  expect(await put(`${good}# again\n`, revision + 7)).toMatchObject({
    ...{ status: 412, body: { code: "RULES_CHANGED" } },
  });
  expect((await put(good, Number.NaN)).status).toBe(400);
  expect(await put(good.replace("hi: 30", "hi: {}"), revision)).toMatchObject({
    status: 422,
    body: { code: "CONFIG_INVALID", errors: [{ path: expect.stringContaining("rules.0.hi") }] },
  });
  expect((await put("rules: [", revision)).status).toBe(422);
  const mode = (name: string) =>
    api.send("POST", `/api/rules/${name}/mode`, { mode: "shadow", note: "" });
  expect((await mode("too-hot")).status).toBe(200);
  expect((await mode("none")).status).toBe(404);
  const { body } = await api.get("/api/rules/history");
  expect(body).toMatchObject({
    revisions: [
      { what: "put", note: "by a test", rules: 1 },
      { what: "put", note: "too-hot: live -> shadow" },
    ],
  });
  expect(await api.get(`/api/rules/history/${revision}`)).toMatchObject({ body: { text: good } });
  expect((await api.get("/api/rules/history/999")).status).toBe(404);
  expect((await api.send("DELETE", "/api/rules", { note: "back" })).status).toBe(200);
  expect(await api.get("/api/rules")).toMatchObject({ body: { isOwn: false } });
  expect((await api.send("DELETE", "/api/rules")).status).toBe(404);
  expect((await mode("too-hot")).status).toBe(404);
});
