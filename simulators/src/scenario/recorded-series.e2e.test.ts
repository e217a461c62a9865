// A recorded machine temperature series goes through the whole path: every value once and in order,
// the alerts where people labelled the faults, and the same alerts in a second run.

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { runProgram } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

const samples = join(dirname(fileURLToPath(import.meta.url)), "../../samples");
const file = join(samples, "machine_temperature_system_failure.csv.gz");
const rows = gunzipSync(readFileSync(file)).toString("utf8").trim().split("\n").slice(1);
const values = rows.map((row) => Number(row.split(",")[1]));

interface Posted {
  readonly id: string;
  readonly state: string;
  readonly metric: string;
  readonly firingAt: number;
}

async function webhook(): Promise<{ url: string; posted: Posted[]; keys: string[] }> {
  const posted: Posted[] = [];
  const keys: string[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      posted.push(JSON.parse(body));
      keys.push(String(request.headers["webhook-id"]));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}/`, posted, keys };
}

interface Run {
  readonly lines: readonly { id: string; metric: string; value: number }[];
  readonly posted: readonly Posted[];
  readonly keys: readonly string[];
  readonly audit: number | string;
}

async function replayOnce(): Promise<Run> {
  const { url, posted, keys } = await webhook();
  const stack = await Stack.start({
    cloud: `receivers: [{ name: test, kind: webhook, url: "${url}" }]`,
  });
  onTestFinished(() => stack.remove());
  const shape = ["--device", "machine", "--speed", "max", "--time", "original"];
  const replayed = await runProgram("causeway-sim", [
    "replay",
    file,
    "--url",
    stack.mqttUrl,
    ...shape,
  ]);
  expect(replayed.code, replayed.errors).toBe(0);
  await stack.allTaken();
  const tail = await stack.command("tail", "--json", "--from", "start", "--until-idle", "1500");
  expect(tail.code, tail.errors).toBe(0);
  const lines = tail.output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const known = JSON.parse(
    `[${(await stack.command("alerts", "--json")).output.trim().split("\n").join(",")}]`,
  );
  const firings = () => new Set(posted.map(({ id, state }) => `${id} ${state}`)).size;
  const wanted = known.reduce(
    (sum: number, alert: Posted) => sum + (alert.state === "resolved" ? 2 : 1),
    0,
  );
  const deadline = Date.now() + 20_000;
  while (firings() < wanted && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(firings()).toBe(wanted);
  return {
    lines,
    posted: [...posted],
    keys: [...keys],
    audit: (await stack.command("audit")).code,
  };
}

/** Labelled windows of the published benchmark, in ms. */
function windows(): readonly (readonly [number, number])[] {
  const labelled = JSON.parse(readFileSync(join(samples, "windows.json"), "utf8")) as Record<
    string,
    [string, string][]
  >;
  return Object.values(labelled)
    .flat()
    .map(([from, to]) => [
      Date.parse(`${from.replace(" ", "T").slice(0, 19)}Z`),
      Date.parse(`${to.replace(" ", "T").slice(0, 19)}Z`),
    ]);
}

test("every value arrives once and in order, and alerts fall where people labelled the faults", async () => {
  const run = await replayOnce();
  const arrived = run.lines.filter(({ metric }) => metric === "value");
  expect(arrived).toHaveLength(22_695);
  expect(arrived.map(({ value }) => value)).toEqual(values);
  expect(new Set(run.lines.map(({ id }) => id)).size).toBe(run.lines.length);
  expect(run.audit).toBe(0);

  const fired = run.posted.filter(({ state }) => state === "firing");
  const inside = fired.filter(({ firingAt }) =>
    windows().some(([from, to]) => firingAt >= from && firingAt <= to),
  );
  expect(inside.length).toBeGreaterThanOrEqual(1);
  expect(fired.length - inside.length).toBeLessThanOrEqual(5);

  const again = await replayOnce();
  const ids = (posted: readonly Posted[]) => posted.map(({ id, state }) => `${id} ${state}`).sort();
  expect(ids(again.posted)).toEqual(ids(run.posted));
  expect(new Set(run.keys).size).toBe(run.keys.length);
});
