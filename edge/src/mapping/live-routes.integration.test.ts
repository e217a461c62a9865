/** Goal: a gateway's routes are checked with the place of each fault, and change while it runs. */
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Ended } from "../testing/system-edge-process.ts";
import { compiled, EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";
import type { RoutesStatus } from "./file-live-routes.ts";

const plant = {
  topic: "plant/{line}/{device}/{metric}",
  scale: { temp: 0.1 },
  unit: { temp: "Cel" },
};
const example = (value: number) => ({
  given: { topic: "plant/l1/d1/temp", payload: 215 },
  expect: [{ device: "d1", metric: "temp", value, unit: "Cel" }],
});

function check(config: string): Promise<Ended> {
  return new EdgeProcess([edgeLauncher, "check", "--config", config]).ended;
}

describe("check", () => {
  test("counts good routes beside rules, and runs their examples", async () => {
    const rules = [{ name: "too-warm", detector: "limits", hi: 30 }];
    const { config } = testFolder({ rules, routes: [{ ...plant, examples: [example(21.5)] }] });
    expect(await check(config)).toMatchObject({
      code: 0,
      stdout:
        "the configuration of gateway gw is good: " +
        "1 rules, 0 examples, 0 receivers, 1 routes, 1 examples\n",
    });
  });

  test("tells an example that fails with its place, what was expected and what came, by exit 1", async () => {
    const { config } = testFolder({ routes: [{ ...plant, examples: [example(22)] }] });
    const { code, stdout } = await check(config);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /edge\.yaml:\d+:\d+ routes\.0\.examples\.0\.expect\.0: expected d1 temp 22 Cel; got d1 temp 21\.5 Cel\n/,
    );
    expect(stdout).toContain("is not good: 1 routes, 1 examples, 1 failed\n");
  });

  test.each([
    [{ routes: [{ topic: "a/#/b" }] }, /routes\.0\.topic: "#" stands for all/],
    [
      { routes: [{ topic: "a/{device}", mapping: "payload.t +" }] },
      /edge\.yaml:\d+:\d+ routes\.0\.mapping: /,
    ],
    [{ routes: [{ topic: "a/{device}", filter: {} }] }, /routes\.0\.filter: says nothing/],
    [{ routes: [], routesFile: "r.yaml" }, /routes: stands in the file that routesFile names/],
    [{ unknownTopics: "drop" }, /unknownTopics: /],
    [{ routesFile: "nowhere.yaml" }, /CONFIG_UNREADABLE: .*nowhere\.yaml: there is no such file/],
  ])("refuses %j with the place of the fault", async (settings, fault) => {
    const { config } = testFolder(settings);
    const { code, stderr } = await check(config);
    expect(code).toBe(2);
    expect(stderr).toMatch(fault);
  });

  test("tells faults and examples of a file at their place there", async () => {
    const { config, folder } = testFolder({ routesFile: "routes.yaml" });
    const file = join(folder, "routes.yaml");
    writeFileSync(
      file,
      "routes:\n  - topic: a/{device}\n    mapping: >\n      payload.x +\n      y\n",
    );
    expect((await check(config)).stderr).toMatch(
      /routes\.yaml:5:7 routes\.0\.mapping: no variable y/,
    );
    writeFileSync(
      file,
      "routes:\n  - topic: a/{device}\n    examples:\n      - { given: { topic: a/b, payload: 1 }, expect: [] }\n",
    );
    expect((await check(config)).stdout).toMatch(
      /routes\.yaml:4:\d+ routes\.0\.examples\.0\.expect: got b value 1/,
    );
    writeFileSync(file, "");
    expect((await check(config)).stderr).toMatch(/routes: write routes:, and \[\] for none/);
  });
});

test("decode takes the routes of a configuration", () => {
  const { config } = testFolder({ routes: [plant] });
  const args = ["decode", "--json", "plant/l1/d1/temp", "-"];
  const options = { input: "215", env: { PATH: process.env["PATH"] ?? "", ...compiled } };
  const line = (...more: string[]) =>
    JSON.parse(spawnSync(edgeLauncher, [...args, ...more], options).stdout.toString());
  expect(line()).toMatchObject({ device: "plant/l1/d1", value: 215 });
  expect(line("--config", config)).toMatchObject({ device: "d1", value: 21.5, unit: "Cel" });
});

async function statusOf(url: string) {
  return (await (await fetch(`${url}/api/status`)).json()) as {
    readonly routes?: RoutesStatus;
    readonly intake: {
      readonly readings: number;
      readonly dropped: number;
      readonly keyed: number;
    };
  };
}

test("routes of a file change while the gateway runs, and a broken file stops neither them nor a start", async () => {
  const { config, folder } = testFolder({ routesFile: "routes.yaml" });
  const file = join(folder, "routes.yaml");
  const write = (routes: readonly unknown[]) => writeFileSync(file, JSON.stringify({ routes }));
  const none = runEdge(config);
  expect(await none.ended).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("routes.yaml"),
  });
  write([]);
  const first = runEdge(config);
  const { mqttPort, httpUrl } = await first.ready();
  const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { clientId: "pump" });
  onTestFinished(() => void client.end(true));
  const publish = (seq: number) =>
    client.publishAsync("devices/pump/telemetry", JSON.stringify({ t: 1, seq }), { qos: 1 });
  // A shape is learnt, which the route must not be left to.
  for (const seq of [1, 2, 3]) await publish(seq);
  expect((await statusOf(httpUrl)).intake).toMatchObject({ readings: 6, dropped: 0 });
  write([{ topic: "devices/+/telemetry", drop: ["*"] }]);
  await vi.waitFor(
    async () => expect((await statusOf(httpUrl)).routes).toMatchObject({ routes: 1 }),
    10_000,
  );
  await publish(4);
  expect((await statusOf(httpUrl)).intake).toMatchObject({ readings: 6, dropped: 1 });
  writeFileSync(file, "routes: [");
  await vi.waitFor(async () => {
    const refused = expect.stringContaining("CONFIG_UNREADABLE");
    expect((await statusOf(httpUrl)).routes).toMatchObject({ routes: 1, refused });
  }, 10_000);
  await publish(5);
  expect((await statusOf(httpUrl)).intake).toMatchObject({ readings: 6, dropped: 2 });
  await first.kill();
  const second = runEdge(config);
  const again = await second.ready();
  expect((await statusOf(again.httpUrl)).routes).toMatchObject({
    routes: 1,
    refused: expect.stringContaining("CONFIG_UNREADABLE"),
  });
  rmSync(file);
  write([]);
  await vi.waitFor(async () => {
    expect((await statusOf(again.httpUrl)).routes).toEqual({ routes: 0, file });
  }, 20_000);
}, 60_000);

test("a message that comes again under its key is one event, over a kill too", async () => {
  const routes = [{ topic: "devices/+/telemetry", idempotencyKey: "seq" }];
  const { config } = testFolder({ routes });
  const first = runEdge(config);
  const { mqttPort, httpUrl } = await first.ready();
  const send = async (port: number, ...numbers: readonly number[]) => {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: "pump" });
    for (const seq of numbers)
      await client.publishAsync("devices/pump/telemetry", JSON.stringify({ seq }), { qos: 1 });
    await client.endAsync();
  };
  await send(mqttPort, 1, 2, 2, 3, 1);
  expect((await statusOf(httpUrl)).intake).toMatchObject({ keyed: 2 });
  await first.kill();
  const { mqttPort: port, httpUrl: url } = await runEdge(config).ready();
  await send(port, 3, 4, 2);
  expect((await statusOf(url)).intake).toMatchObject({ keyed: 2 });
}, 60_000);
