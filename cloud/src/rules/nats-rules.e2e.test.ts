// The goal: an operator changes rules of a running cloud by its command line, and by its file.
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { expect, onTestFinished, test } from "vitest";
import { storedTransitions, until } from "../engine/testing/nats-engine.ts";
import { connectTest, publishReading } from "../testing/nats-journal-writer.ts";
import { brokenText, textAbove } from "./testing/rules-texts.ts";

const program = join(import.meta.dirname, "../../../node_modules/.bin/causeway-cloud");
const patienceMs = 60_000;

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

function runCloud(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, (failure, output, errors) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), output, errors });
    });
  });
}

test("rules of a running cloud are checked, put, tried in shadow, made live, and removed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-rules-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const config = write(
    "cloud.yaml",
    `nats: { servers: ["${server.url}"] }\nhttp: { port: 0 }\nrulesFile: rules.yaml\n`,
  );
  const file = write("rules.yaml", brokenText);
  const withConfig = (...args: readonly string[]) => runCloud(...args, "--config", config);

  expect(await withConfig("check")).toMatchObject({
    code: 2,
    errors: expect.stringContaining("rules.yaml:2:5 rules.0.hi: "),
  });
  expect(await withConfig("run")).toMatchObject({
    code: 2,
    errors: expect.stringContaining("rules.yaml:2:5 rules.0.hi: "),
  });
  write("rules.yaml", textAbove("hot", 50));
  expect(await withConfig("check", "--json")).toMatchObject({
    code: 0,
    output: '{"good":true,"rules":1,"examples":0,"receivers":1,"failures":0}\n',
  });

  const cloud = spawn(program, ["run", "--config", config], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => ended(cloud));
  const log: string[] = [];
  cloud.stdout.on("data", (data: Buffer) => void log.push(data.toString()));
  const logged = (text: string) => until(text, () => log.join("").includes(text), patienceMs);
  await logged('"msg":"ready"');
  await logged('"msg":"rules announced"');
  const connection = await connectTest(server.url);
  onTestFinished(() => connection.close());
  const told = async () =>
    (await storedTransitions(connection)).map(({ rule, state }) => `${rule} ${state}`);
  const tells = (line: string) =>
    until(line, async () => (await told()).includes(line), patienceMs);
  const lines = async (...args: readonly string[]) => {
    const { code, output, errors } = await withConfig(...args, "--json");
    expect([code, errors]).toEqual([0, ""]);
    return output
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  await publishReading(connection, 1, 60);
  await tells("hot firing");
  expect(await lines("rules", "list")).toMatchObject([
    { name: "hot", source: file, inForce: true },
  ]);

  const wrong = write(
    "wrong.yaml",
    `rules:
  - name: high
    when: value > 80
    examples: [{ given: [{ at: 1s, device: a, metric: t, value: 90 }], expect: [] }]
`,
  );
  expect(await runCloud("rules", "check", wrong)).toMatchObject({
    code: 1,
    output: expect.stringContaining("wrong.yaml:4:"),
  });
  expect(await withConfig("rules", "put", wrong)).toMatchObject({
    code: 2,
    errors: expect.stringContaining("wrong.yaml:4:"),
  });
  expect(await lines("rules", "history")).toEqual([]);

  const shadow = textAbove("cold", 5).replace("hi: 5", "hi: 5, mode: shadow");
  const put = await withConfig("rules", "put", write("new.yaml", shadow), "--note", "a trial");
  expect(put).toMatchObject({ code: 0, output: expect.stringMatching(/^revision 1: 1 rules/) });
  await tells("hot resolved"); // nobody looks at it any more
  expect(await lines("rules", "list")).toMatchObject([
    { name: "cold", mode: "shadow", source: "RULES:1", inForce: true },
  ]);
  await publishReading(connection, 2, 60);
  await until(
    "the alert in shadow",
    async () => (await lines("alerts", "--shadow")).some(({ rule }) => rule === "cold"),
    patienceMs,
  );
  expect(await told()).toEqual(["hot firing", "hot resolved"]);
  expect((await withConfig("rules", "mode", "cold", "live")).code).toBe(0);
  await until(
    "the second revision",
    async () => (await lines("rules", "list"))[0]?.["inForce"] === true,
    patienceMs,
  );
  await publishReading(connection, 3, 60);
  await tells("cold firing");
  expect(await lines("rules", "history")).toMatchObject([
    { revision: 1, note: "a trial" },
    { revision: 2, note: "cold: shadow -> live" },
  ]);
  expect((await withConfig("rules", "diff", "1", "2")).output).toBe(
    '~ cold  mode: "shadow" -> "live"\n',
  );

  for (const act of ["remove", "list", "history"])
    expect(await withConfig("rules", act, "cold")).toMatchObject({
      code: 2,
      errors: expect.stringContaining(`rules ${act}: cold is too much`),
    });
  expect(await lines("rules", "list")).toMatchObject([{ name: "cold", mode: "live" }]);
  expect((await withConfig("rules", "remove")).code).toBe(0);
  await tells("cold resolved");
  write("rules.yaml", brokenText);
  cloud.kill("SIGHUP");
  await tells("system-rules-refused firing");
  await logged("rules.yaml:2:5 rules.0.hi");
  write("rules.yaml", textAbove("hot", 50));
  await tells("system-rules-refused resolved");
}, 240_000);

async function ended(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await exited;
}
