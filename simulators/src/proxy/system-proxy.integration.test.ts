// The command: it tells where it listens, is scripted by HTTP, and ends in order.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

test("a script changes the link step by step, in a loop", async () => {
  const server = createServer((_request, response) => response.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const target = typeof address === "object" ? `${address?.port}` : "";
  const folder = mkdtempSync(join(tmpdir(), "causeway-script-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, "script");
  writeFileSync(script, '{"refuse":true}\n{"afterMs":300,"refuse":false}\n{"afterMs":300}\n');
  const { addresses } = await startCommand(
    ...["--listen", "127.0.0.1:0", "--target", target, "--script", script, "--loop"],
  );
  const passes = () =>
    fetch(`http://${addresses.proxy}/`, { headers: { connection: "close" } }).then(
      () => true,
      () => false,
    );
  for (const isOpen of [false, true, false, true])
    await expect.poll(passes, { timeout: 5_000, interval: 10 }).toBe(isOpen);
});

test.each([
  [["--listen", "1883"], /--target/],
  [["--listen", "here", "--target", "4222"], /CLI_USAGE: .*--listen/],
  [["--listen", "4222", "--target", "4222"], /CLI_USAGE: .*same address/],
  [["--listen", "1883", "--target", "4222", "--connect"], /CLI_USAGE: .*not both/],
  [["--listen", "1883", "--target", "4222", "--cut-share", "2"], /from 0 to 1/],
  [["--listen", "1883", "--target", "4222", "--script", "/no/such"], /INPUT_UNREADABLE/],
])("%j is refused with exit code 2", async (args, reason) => {
  const { code, errors } = await runProgram("causeway-sim", ["proxy", ...args]);
  expect(errors).toMatch(reason);
  expect(code).toBe(2);
});
