/** Goal: `causeway-edge status` says in one line whether the real gateway is well, with its exit code. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { beforeAll, expect, test } from "vitest";
import { EdgeProcess, edgeFolder, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";

let httpUrl: string;
let tokenFile: string;

beforeAll(async () => {
  const { config, folder, remove } = edgeFolder();
  tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "secret");
  const own = ["--set", `http.tokenFile=${tokenFile}`];
  const edge = new EdgeProcess([edgeLauncher, "run", "--config", config, ...own]);
  ({ httpUrl } = await edge.ready());
  return async () => {
    await edge.kill();
    remove();
  };
});

const status = (...args: readonly string[]) =>
  new EdgeProcess([edgeLauncher, "status", ...args]).ended;

test("a gateway that runs is told of by backlog, losses, link and clock", async () => {
  const { code, stdout, stderr } = await status("--url", httpUrl, "--token-file", tokenFile);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^gateway gw is healthy\n/);
  for (const name of ["Link", "Last taken", "Backlog of telemetry", "Lost", "Clock"]) {
    expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, "m"));
  }
});

test("--json prints one object with health and backlog", async () => {
  const own = ["--token-file", tokenFile, "--json"];
  const { code, stdout } = await status("--url", httpUrl, ...own);
  expect(code).toBe(0);
  expect(stdout.trim().split("\n")).toHaveLength(1);
  expect(JSON.parse(stdout)).toMatchObject({
    isHealthy: true,
    reasons: [],
    gateway: "gw",
    outbox: { backlog: { telemetry: { events: expect.any(Number) } } },
  });
});

test("an unhealthy gateway is exit code 1, with the reason in the first line", async () => {
  // A machine that boots in 1970.
  const module = "data:text/javascript,const%20right=Date.now;Date.now=()=>right()%251e9";
  const environment = { NODE_OPTIONS: `--import=${module}` };
  const { httpUrl: url } = await runEdge(testFolder().config, [], environment).ready();
  const { code, stdout } = await status("--url", url);
  expect(stdout).toMatch(
    /^gateway gw is unhealthy: the clock is behind: events go undated[^\n]*\n/,
  );
  expect(code).toBe(1);
});

test("no gateway, a missing token and another server are told with their cure", async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["--url", nowhere], 1, /^GATEWAY_UNREACHABLE: .*ECONNREFUSED.*--url\n$/],
    [["--url", httpUrl], 1, /^GATEWAY_UNREACHABLE: .*--token-file/],
    [["--url", "nonsense"], 2, /^CLI_USAGE: --url nonsense/],
    [["--token-file", "/nowhere"], 2, /^CONFIG_UNREADABLE: /],
  ];
  for (const [args, exitCode, told] of cases) {
    const { code, stderr, stdout } = await status(...args);
    expect(stderr).toMatch(told);
    expect([code, stdout]).toEqual([exitCode, ""]);
  }
});
