// The goal: one who sets a receiver up sees at once whether it will be told.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import { expect, onTestFinished, test } from "vitest";
import { secretFile } from "../notify/testing/file-receiver.ts";

const program = join(import.meta.dirname, "../../../node_modules/.bin/causeway-cloud");

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

function alertsTest(config: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const all = ["alerts", "test", ...args, "--config", config];
    execFile(program, all, (failure, output, errors) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), output, errors });
    });
  });
}

async function configured(): Promise<{ readonly hook: HttpHook; readonly config: string }> {
  const hook = await HttpHook.open();
  onTestFinished(() => hook.close());
  const receivers = [
    { name: "ops", kind: "webhook", url: `${hook.url}/hook` },
    { name: "phone", kind: "ntfy", url: hook.url, topic: "plant-3" },
  ];
  return { hook, config: secretFile(JSON.stringify({ receivers })) };
}

test("a test message goes through the real receiver, and its answer is told", async () => {
  const { hook, config } = await configured();
  const good = await alertsTest(config, "ops");
  expect(good).toEqual({
    code: 0,
    output: expect.stringMatching(/^ops: delivered in \d+ ms\n$/),
    errors: "",
  });
  expect(JSON.parse(hook.requests[0]?.body ?? "")).toMatchObject({
    title: expect.stringMatching(/^test: .*nothing has happened$/),
    notification: { kind: "test", reason: "test" },
  });
  hook.answer = () => ({ status: 403, body: "forbidden topic" });
  const refused = await alertsTest(config, "phone", "--json");
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.output)).toMatchObject({
    ...{ receiver: "phone", kind: "refused", reason: "HTTP 403: forbidden topic" },
  });
  hook.answer = () => ({ status: 503 });
  expect(await alertsTest(config, "ops")).toMatchObject({
    code: 1,
    output: expect.stringMatching(/^ops: would be tried again after \d+ ms: HTTP 503\n$/),
  });
  const ids = hook.requests.map(({ headers }) => headers["webhook-id"]);
  expect(new Set(ids).size).toBe(3); // a receiver that folds repeats takes each test
});

test("a receiver that is not there is bad usage, and those that are there are named", async () => {
  const { config } = await configured();
  for (const args of [["nobody"], []]) {
    const { code, errors } = await alertsTest(config, ...args);
    expect([code, errors]).toEqual([2, expect.stringMatching(/^CLI_USAGE: alerts test /)]);
  }
  expect((await alertsTest(config, "nobody")).errors).toContain("there are ops, phone");
});
