/** Goal: what a stopped gateway holds can be seen, checked and taken out, and the looking changes nothing. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packetTypes, publishPacket, RawMqtt } from "../testing/mqtt-raw-client.ts";
import { EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { runEdge, testFolder } from "../testing/system-test-edge.ts";

const published = 300;

/** A gateway that acknowledged some readings and one payload that it could not read. */
async function gateway() {
  const { config, dataDir } = testFolder();
  const edge = runEdge(config);
  const client = await RawMqtt.open((await edge.ready()).mqttPort);
  for (let id = 1; id <= published; id++) {
    client.send(publishPacket({ topic: "devices/d1/telemetry/t", id, payload: `${id}` }));
  }
  await client.count(packetTypes.puback, published);
  const outbox = (...args: readonly string[]) =>
    new EdgeProcess([edgeLauncher, "outbox", ...args, "--config", config]).ended;
  return { edge, outbox, folder: join(dataDir, "outbox") };
}

test("a store that is in use is left alone, and the cure is named", async () => {
  const { outbox } = await gateway();
  for (const what of ["status", "verify", "export"]) {
    const { code, stdout, stderr } = await outbox(what);
    expect([code === 0, stdout]).toEqual([false, ""]);
    expect(stderr).toMatch(/^OUTBOX_LOCKED: .*outbox is open in another process/);
  }
});

test("after a kill all is told, checked and exported, and the gateway goes on", async () => {
  const { edge, outbox } = await gateway();
  await edge.kill();
  const verified = await outbox("verify");
  expect([verified.code, verified.stdout]).toEqual([
    0,
    expect.stringMatching(/^[0-9]+ blocks, .* read: all checksums are right\n$/),
  ]);
  const status = await outbox("status", "--json");
  expect(JSON.parse(status.stdout)).toMatchObject({
    backlog: { telemetry: { events: published, ageMs: expect.any(Number) } },
    thinned: 0,
    lost: {},
    faults: [],
    epochs: [{ last: { telemetry: published }, released: { telemetry: 0 } }],
  });
  expect((await outbox("status")).stdout).toMatch(
    new RegExp(`^telemetry: ${published} events not taken, .* old\n.*not taken telemetry 1-`, "s"),
  );
  const { code, stdout } = await outbox("export");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const readings = lines.filter(({ kind }) => kind === "reading");
  expect(code).toBe(0);
  expect(readings.map((event) => event.readings[0].value)).toEqual(
    Array.from({ length: published }, (_, index) => index + 1),
  );
  expect(readings[0]).toMatchObject({
    id: expect.stringMatching(/^gw\/1-[0-9a-f]{8}\/telemetry\/1$/),
    device: "d1",
    receivedAt: expect.any(Number),
  });
  expect(lines.some(({ kind }) => kind === "system")).toBe(true);
});

test("a flipped bit is a finding with exit code 1, and nothing is changed", async () => {
  const { edge, outbox, folder } = await gateway();
  await edge.kill();
  const [log] = readdirSync(folder).filter((name) => name.endsWith(".log"));
  const path = join(folder, log ?? "");
  const bytes = readFileSync(path);
  // Not in the last write, where a power cut would look the same.
  const at = 20;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const before = readdirSync(folder);
  const { code, stdout } = await outbox("verify", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout).findings).toEqual([expect.stringContaining(log ?? "")]);
  expect(readdirSync(folder).filter((name) => !/LOG/.test(name))).toEqual(
    before.filter((name) => !/LOG/.test(name)),
  );
  expect(readFileSync(path)).toEqual(bytes);
});

test("a folder that holds no outbox is not made one", async () => {
  const { config, folder } = testFolder();
  const { code, stderr } = await new EdgeProcess([
    ...[edgeLauncher, "outbox", "verify", "--config", config],
  ]).ended;
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/^DATA_DIR_UNUSABLE: /);
  expect(readdirSync(folder)).toEqual(["edge.yaml"]);
});
