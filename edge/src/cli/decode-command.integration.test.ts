// Somebody has a message that comes out wrong, and no gateway to try it on.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const program = join(import.meta.dirname, "../../../node_modules/.bin/causeway-edge");

function decode(args: readonly string[], input = ""): { code: number | null; lines: unknown[] } {
  const { status, stdout } = spawnSync(program, ["decode", "--json", ...args], { input });
  const lines = stdout.toString().trim().split("\n");
  return { code: status, lines: lines.filter(Boolean).map((line) => JSON.parse(line) as unknown) };
}

test("decode prints the readings of a message as the gateway would take them", () => {
  const topic = "tele/kitchen/SENSOR";
  const payload = '{"Time":"2026-01-01T00:00:00","AM2301":{"Temperature":21.5},"TempUnit":"C"}';
  const { code, lines } = decode([topic, "-"], payload);
  expect(code).toBe(0);
  expect(lines).toContainEqual(
    expect.objectContaining({
      ...{ kind: "reading", device: "kitchen", metric: "AM2301.Temperature", value: 21.5 },
      ...{ unit: "Cel", unitOriginal: "C", quality: "good" },
    }),
  );
  const text = execFileSync(program, ["decode", topic, "-"], { input: payload }).toString();
  expect(text).toContain("kitchen  AM2301.Temperature  21.5 Cel (C)");
});

test("decode learns from messages that came before, as units from discovery", () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-decode-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const discovery = join(folder, "discovery.json");
  const config = { state_topic: "attic/co2", unit_of_measurement: "ppm", unique_id: "co2" };
  writeFileSync(discovery, JSON.stringify(config));
  const before = ["--before", `homeassistant/sensor/attic/config=${discovery}`];
  const { lines } = decode([...before, "attic/co2", "-"], "415");
  expect(lines).toMatchObject([{ kind: "reading", value: 415, unit: "ppm" }]);
});

test("decode says why a message would be quarantined, by exit 1, and what it cannot read, by exit 2", () => {
  const { code, lines } = decode(["devices/d1/telemetry", "-"], "{");
  expect(code).toBe(1);
  expect(lines).toMatchObject([{ kind: "quarantined", device: "d1", reason: "not-json" }]);
  expect(decode(["devices/d1/telemetry", "/nowhere"]).code).toBe(2);
  expect(decode(["--before", "nothing", "devices/d1/telemetry", "-"], "{}").code).toBe(2);
});
