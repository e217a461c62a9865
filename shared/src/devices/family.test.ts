// A device's family and firmware are told by what it publishes, and by nothing that only looks alike.
import { expect, test } from "vitest";
import { familyOf, tellsFirmware } from "./family.ts";

test.each([
  ["devices/pump-7/telemetry", /^native$/],
  ["devices/pump-7/telemetry/rpm", /^native$/],
  ["devices/pump-7/commands/stop", /^$/],
  ["spBv1.0/plant/DDATA/edge-1/pump", /^sparkplug/],
  ["tele/plug-3/SENSOR", /^tasmota$/],
  ["zigbee2mqtt/kitchen", /^zigbee2mqtt$/],
  ["shellies/shellyht-1/sensor/temperature", /^shelly/],
  ["homie/boiler/flow/temperature", /^homie/],
  ["application/7/device/70b3d5/event/up", /^chirpstack/],
  ["N/c0619ab/battery/258/Soc", /^victron$/],
  ["rtl_433/pi/events", /^rtl/],
])("%s is of the family %s", (topic, family) => {
  expect(familyOf(topic)).toMatch(family);
});

test.each([
  ["fw", true],
  ["StatusFWR.Version", true],
  ["$fw/version", true],
  ["update.installed_version", true],
  ["params.sys.fw_id", true],
  ["version", true],
  ["protocol.version", false],
  ["config.version", false],
  ["fw_count", false],
])("%s tells the firmware: %s", (metric, told) => {
  expect(tellsFirmware(metric)).toBe(told);
});
