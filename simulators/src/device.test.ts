import { deviceId } from "@causeway/shared/names.ts";
import { expect, test } from "vitest";
import { Device } from "./device.ts";

test("payloads are native JSON: ts, the metrics, and seq without holes", () => {
  const device = new Device(deviceId("pump 1"), () => ({ temperature: 21.5 }), []);
  const { metrics } = device.sample(0);
  expect(device.publish(metrics, 1_700_000_000_000)).toEqual({
    device: "pump 1",
    topic: "devices/pump 1/telemetry",
    payload: '{"ts":1700000000000,"temperature":21.5,"seq":1}',
    seq: 1,
  });
  device.sample(1_000);
  expect(device.publish(metrics, 0).seq).toBe(2);
});
