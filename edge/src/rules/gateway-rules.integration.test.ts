/** Goal: a gateway's rules are checked with the place of each fault, and change while it runs. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { AlarmsStatus } from "../alarms/alarms.ts";
import type { Ended } from "../testing/system-edge-process.ts";
import { EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";

const tooWarm = { name: "too-warm", detector: "limits", hi: 30, metrics: ["t"] };
const example = (at: string) => ({
  given: [{ at: "5s", device: "pump", metric: "t", value: 31 }],
  expect: [{ at, state: "firing", device: "pump" }],
});

function check(config: string): Promise<Ended> {
  return new EdgeProcess([edgeLauncher, "check", "--config", config]).ended;
}

describe("check", () => {
  test("counts good rules, and runs their examples", async () => {
    const { config } = testFolder({ rules: [{ ...tooWarm, examples: [example("5s")] }] });
    expect(await check(config)).toMatchObject({
      code: 0,
      stdout: "the configuration of gateway gw is good: 1 rules, 1 examples, 0 receivers\n",
    });
  });

  test("tells an example that fails with its place, and exits with 1", async () => {
    const { config } = testFolder({ rules: [{ ...tooWarm, examples: [example("50s")] }] });
    const { code, stdout } = await check(config);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /edge\.yaml:\d+:\d+ rules\.0\.examples\.0\.expect\.0: expected firing at 50s for pump; got firing at 5s/,
    );
    expect(stdout).toContain("is not good: 1 rules, 1 examples, 0 receivers, 1 failed\n");
  });

  test.each([
    [
      { rules: [{ name: "x", by: "site", when: "value > 1" }] },
      /rules\.0\.by: a gateway does not see/,
    ],
    [{ rules: [{ ...tooWarm, hi: "hot" }] }, /rules\.0\.hi: /],
    [
      { rules: [tooWarm], rulesFile: "rules.yaml" },
      /rules: stands in the file that rulesFile names/,
    ],
    [{ rules: [], receivers: [{ name: "m", kind: "email" }] }, /receivers\.0\.kind: /],
    [
      { rules: [], receivers: [{ name: "w", kind: "webhook", url: "http://169.254.169.254/" }] },
      /receivers\.0\.url: 169\.254\.169\.254 is link-local/,
    ],
  ])("refuses %j with the place of the fault", async (settings, fault) => {
    const { config } = testFolder(settings);
    const { code, stderr } = await check(config);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^CONFIG_INVALID: .*edge\.yaml:\d+:\d+ /);
    expect(stderr).toMatch(fault);
  });

  test("refuses a rule by site in the file, with its place there", async () => {
    const { config, folder } = testFolder({ rulesFile: "rules.yaml" });
    const text = "rules:\n  - { name: x, by: site, when: value > 1 }\n";
    writeFileSync(join(folder, "rules.yaml"), text);
    const { code, stderr } = await check(config);
    expect(code).toBe(2);
    expect(stderr).toMatch(/rules\.yaml:2:\d+ rules\.0\.by: a gateway does not see its whole site/);
  });
});

async function statusOf(url: string): Promise<AlarmsStatus | undefined> {
  const answer = (await (await fetch(`${url}/api/status`)).json()) as {
    alarms?: { rules?: AlarmsStatus };
  };
  return answer.alarms?.rules;
}

test("rules of a file change while the gateway runs, and a broken file stops neither them nor a start", async () => {
  const { config, folder } = testFolder({ rulesFile: "rules.yaml" });
  const file = join(folder, "rules.yaml");
  const write = (rules: readonly unknown[]) => writeFileSync(file, JSON.stringify({ rules }));
  write([]);
  const first = runEdge(config);
  const { mqttPort, httpUrl } = await first.ready();
  const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { clientId: "pump" });
  onTestFinished(() => void client.end(true));
  const publish = (t: number) =>
    client.publishAsync("devices/pump/telemetry", JSON.stringify({ t }), { qos: 1 });
  await publish(31);
  await vi.waitFor(
    async () => expect(await statusOf(httpUrl)).toMatchObject({ judged: 1 }),
    10_000,
  );
  write([tooWarm]);
  await vi.waitFor(async () => expect(await statusOf(httpUrl)).toMatchObject({ rules: 1 }), 10_000);
  await publish(32);
  await vi.waitFor(async () => {
    expect((await statusOf(httpUrl))?.open).toMatchObject([{ rule: "too-warm", device: "pump" }]);
  }, 10_000);
  writeFileSync(file, "rules: [");
  await vi.waitFor(async () => {
    const refused = expect.stringContaining("CONFIG_UNREADABLE");
    expect(await statusOf(httpUrl)).toMatchObject({ rules: 1, refused });
  }, 10_000);
  await first.kill();
  const second = runEdge(config);
  const again = await second.ready();
  await vi.waitFor(async () => {
    const open = [{ rule: "too-warm", device: "pump" }];
    expect(await statusOf(again.httpUrl)).toMatchObject({ rules: 1, open });
  }, 10_000);
  rmSync(file);
  write([]);
  await vi.waitFor(async () => {
    expect(await statusOf(again.httpUrl)).toMatchObject({ rules: 0, open: [] });
  }, 20_000);
}, 60_000);
