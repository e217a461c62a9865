import { deviceId } from "@causeway/shared/names.ts";
import { expect, test } from "vitest";
import { ackedLine } from "./acked.ts";
import { ackedOf } from "./verdict/lines.ts";

const publish = {
  device: deviceId("pump"),
  topic: "devices/pump/telemetry",
  payload: "{}",
  seq: 7,
};

test("a line names the publish and its time, and re-sending only where there was some", () => {
  const line = { device: "pump", topic: "devices/pump/telemetry", seq: 7, hash: "ab", ackedAt: 5 };
  expect(ackedLine(publish, "ab", 0, 5)).toEqual(line);
  expect(ackedLine(publish, "ab", 2, 5)).toEqual({ ...line, resends: 2 });
});

test("a verdict reads what a run writes", () => {
  const line = JSON.stringify(ackedLine(publish, "ab", 2, 5));
  expect(ackedOf(line)).toEqual({ device: "pump", seq: 7, ackedAt: 5, resends: 2 });
});
