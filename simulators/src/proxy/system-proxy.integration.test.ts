// The command: it tells where it listens, is scripted by HTTP, and ends in order.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Program } from "../scenario/system-program.ts";
import { runProgram, startProgram, until } from "../scenario/system-program.ts";

interface Ready {
  readonly addresses: { readonly proxy: string; readonly control: string };
}

async function startCommand(...args: readonly string[]): Promise<Ready & { program: Program }> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-proxy-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const program = startProgram("causeway-sim", ["proxy", ...args], join(folder, "proxy.log"));
  onTestFinished(() => program.kill("SIGKILL"));
  const told = () => readFileSync(program.logFile, "utf8").trim();
  await until(async () => told().includes("ready"), 10_000, "the proxy");
  return { ...(JSON.parse(told()) as Ready), program };
}

test("a request goes through it, later as told over HTTP, and SIGTERM ends it", async () => {
  const server = createServer((_request, response) => response.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const target = typeof address === "object" ? `${address?.port}` : "";
  const flags = ["--listen", "127.0.0.1:0", "--target", target, "--control", "127.0.0.1:0"];
  const { addresses, program } = await startCommand(...flags, "--delay", "20ms");
  const get = async () => (await fetch(`http://${addresses.proxy}/`)).text();
  expect(await get()).toBe("hello");
  await fetch(addresses.control, { method: "PUT", body: '{"refuse":true}' });
  await fetch(new URL("/reset", addresses.control), { method: "POST" });
  await expect(get()).rejects.toThrow();
  program.kill("SIGTERM");
  expect(await program.exited).toBe(0);
  expect(readFileSync(program.logFile, "utf8")).toMatch(/"connections":[1-9]/);
});

test.each([
  [["--listen", "1883"], /--target/],
  [["--listen", "here", "--target", "4222"], /CLI_USAGE: .*--listen/],
  [["--listen", "4222", "--target", "4222"], /CLI_USAGE: .*same address/],
])("%j is refused with exit code 2", async (args, reason) => {
  const { code, errors } = await runProgram("causeway-sim", ["proxy", ...args]);
  expect(errors).toMatch(reason);
  expect(code).toBe(2);
});
