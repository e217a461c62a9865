// Readings of a real device stand in the history once, though the cloud is killed while they come: what
// `query` prints is what `tail` prints.
import mqtt from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { until } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

interface Line {
  readonly device: string;
  readonly metric: string;
  readonly value: unknown;
}

const rounds = 200;

test("what was taken is in the history, once, over a kill of the cloud", async () => {
  const stack = await Stack.start();
  onTestFinished(() => stack.remove());
  const client = await mqtt.connectAsync(stack.mqttUrl, {
    clientId: "devices",
    reconnectPeriod: 0,
  });
  for (let round = 0; round < rounds; round++) {
    if (round === rounds / 2) await stack.killCloud();
    if (round === (rounds * 3) / 4) await stack.startCloud();
    const payload = JSON.stringify({ seq: round, state: round % 2 === 0 ? "on" : "off", ok: true });
    await client.publishAsync(`devices/d${round % 5}/telemetry`, payload, { qos: 1 });
  }
  await client.endAsync();
  await stack.allTaken();
  const printed = async (...args: string[]) => {
    const { code, output, errors } = await stack.command(...args);
    expect(code, errors).toBe(0);
    return output
      .trim()
      .split("\n")
      .map((line): Line => JSON.parse(line))
      .filter(({ device }) => /^d[0-9]$/.test(device))
      .map(({ device, metric, value }) => `${device} ${metric} ${String(value)}`)
      .sort();
  };
  const taken = await printed("tail", "--json", "--from", "start", "--until-idle", "1500");
  expect(taken).toHaveLength(rounds * 3);
  const kept = () => printed("query", "--json", "--device", "d*");
  await until(async () => (await kept()).length >= taken.length, 30_000, "the history has it");
  expect(await kept()).toEqual(taken);
  const url = `${stack.cloudUrl}/api/readings?metric=seq&bucket=1d`;
  const { series } = (await (await fetch(url)).json()) as { series: { points: number[][] }[] };
  const counted = series.flatMap(({ points }) => points.map(([, count = 0]) => count));
  expect(counted.reduce((sum, count) => sum + count, 0)).toBe(rounds);
  await stack.killCloud();
  expect(await kept()).toEqual(taken);
});
