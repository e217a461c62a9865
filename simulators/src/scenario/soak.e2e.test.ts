/**
 * Goal: a backlog as large as an outage of weeks is built and drained, and the gateway stays as it
 * is: memory flat, disk given back, ready at once. CAUSEWAY_LONG=1 makes it 1 GB on the disk, twice.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { EdgeProcess } from "@causeway/edge/testing/system-edge-process.ts";
import { expect, onTestFinished, test } from "vitest";
import { publishBacklog } from "../testing/mqtt-backlog.ts";
import type { Resident } from "../testing/system-resident.ts";
import { cpuMs, residentDuring } from "../testing/system-resident.ts";
import { shippedEdge } from "../testing/system-shipped-edge.ts";
import { until } from "./system-program.ts";
import { Stack } from "./system-stack.ts";

const isLong = process.env["CAUSEWAY_LONG"] === "1";
const mebibyte = 1_024 * 1_024;
const payloadBytes = (isLong ? 1_500 : 40) * mebibyte;
const tailBytesMax = (isLong ? 64 : 8) * mebibyte;
const rounds = isLong ? 2 : 1;
const starts = isLong ? 10 : 3;
const readyMsMax = 500;
/** Of it some 64 MiB are tables that LevelDB maps while it drains; the system may take them back. */
const residentMax = 200 * mebibyte;
const drainMsMax = 1_800_000;

test("a large backlog is built and drained: memory flat, disk given back, ready at once", async () => {
  const { launcher, remove } = shippedEdge();
  onTestFinished(remove);
  const edge = `outbox: { tailBytesMax: ${tailBytesMax} }`;
  const stack = await Stack.start({ edge, edgeProgram: launcher });
  onTestFinished(() => stack.remove());
  const { gateway } = stack;
  for (let round = 1; round <= rounds; round++) {
    await stack.killCloud();
    await stack.nats.kill();
    const building = () => publishBacklog(gateway.mqttUrl, payloadBytes);
    expectFlat("built", await residentDuring(pidOf(stack), building));
    expect(outboxBytes(stack)).toBeGreaterThan(payloadBytes * 0.5);
    await gateway.end("SIGKILL");
    const { readyMs, readyCpuMs } = await startsAfterKill(launcher, gateway.config);
    tell({ round, outboxBytes: outboxBytes(stack), readyMs, readyCpuMs });
    // Times mean something on a quiet machine only; the short form tells them.
    if (isLong) expect.soft(median(readyMs), "ready, on a quiet machine").toBeLessThan(readyMsMax);
    await gateway.start();
    const draining = async () => {
      await stack.nats.start();
      await stack.startCloud();
      await stack.allTaken(drainMsMax);
    };
    expectFlat("drained", await residentDuring(pidOf(stack), draining));
    const isGivenBack = async () => outboxBytes(stack) < tailBytesMax * 1.1 + 4 * mebibyte;
    await until(isGivenBack, 60_000, "the disk has no more than the tail and a tenth");
  }
}, 3_600_000);

function expectFlat(what: "built" | "drained", resident: Resident): void {
  tell({ what, ...resident });
  const { bytesMax, firstHalfMax, secondHalfMax } = resident;
  expect.soft(bytesMax, what).toBeLessThan(residentMax);
  expect(secondHalfMax, `${what}: flat`).toBeLessThan(firstHalfMax * 1.25 + 32 * mebibyte);
}

/** Each start in turn finds what a killed process left. */
async function startsAfterKill(launcher: string, config: string) {
  const readyMs: number[] = [];
  const readyCpuMs: number[] = [];
  for (let each = 0; each < starts; each++) {
    const beganMs = performance.now();
    const edge = new EdgeProcess([launcher, "run", "--config", config]);
    await edge.ready();
    readyMs.push(Math.round(performance.now() - beganMs));
    readyCpuMs.push(cpuMs(edge.child.pid ?? 0));
    // After three kills in a row all tables are read, which is another matter.
    edge.child.kill("SIGTERM");
    await edge.ended;
    const next = new EdgeProcess([launcher, "run", "--config", config]);
    await next.ready();
    await next.kill();
  }
  return { readyMs, readyCpuMs };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? Number.NaN;
}

function pidOf(stack: Stack): number {
  return stack.gateway.program?.pid ?? 0;
}

/** LevelDB may be at work on its files. */
function outboxBytes({ gateway }: Stack): number {
  const folder = join(gateway.data, "outbox");
  const sizes = readdirSync(folder).map(
    (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The figures are what a soak is for. */
function tell(figures: object): void {
  if (isLong) process.stdout.write(`${JSON.stringify(figures)}\n`);
}
