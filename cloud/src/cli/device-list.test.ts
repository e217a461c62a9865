// The goal: what people read of devices is short and true, and docs/registry.md shows it as it is.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DeviceDetails, DeviceView, GatewayDetails } from "../devices/device-view.ts";
import { accessOf, withAccess } from "../gateways/gateway-access.ts";
import { encodeEntry, GatewayBook, gatewayRequest } from "../gateways/gateway-entry.ts";
import { deviceDetailLines, deviceText, gatewayDetailLines, gatewayText } from "./device-list.ts";

const now = Date.UTC(2026, 10, 21, 12);
const page = readFileSync(join(import.meta.dirname, "../../../docs/registry.md"), "utf8");

function view(over: Partial<DeviceView>): DeviceView {
  return {
    ...{
      gateway: "plant-3",
      device: "oven-2",
      name: "",
      site: "",
      series: over.device ?? "oven-2",
    },
    ...{ replacedBy: "", family: "native", firmware: "", state: "online", reason: "heard of" },
    ...{
      since: null,
      firstSeen: now - 86_400_000,
      lastSeen: now - 4_000,
      events: 12,
      readings: 60,
    },
    ...{ late: 0, eventsPerMinute: 12, intervalMs: 5_000, sizeMean: 180, metrics: 5 },
    ...{ topics: ["devices/oven-2/telemetry"], tags: ["hall", "hot"] },
    ...over,
  };
}

const gateway: GatewayDetails = {
  ...{ gateway: "plant-3", name: "", state: "online", version: "causeway-edge 0.1.0" },
  ...{ firstSeen: 0, storedAt: now - 1_000, devices: 3, events: 48_211, readings: 0, late: 17 },
  ...{ beyond: 0, notices: [] },
};

const unlisted = accessOf(new GatewayBook(), "plant-3");

test("the page shows lists as they are printed", () => {
  const old = {
    device: "oven-1",
    state: "quiet",
    eventsPerMinute: 0,
    replacedBy: "oven-2",
  } as const;
  const plug = { device: "plug-kit", state: "offline", family: "tasmota", metrics: 14 } as const;
  const lines = [
    deviceText(view({ name: "Oven by the door", series: "oven-1" }), now),
    deviceText(view({ ...old, lastSeen: now - 3 * 3_600_000 }), now),
    deviceText(view({ ...plug, eventsPerMinute: 0.2, lastSeen: now - 360_000 }), now),
    gatewayText({ ...gateway, ...unlisted }, now),
  ];
  for (const line of lines) expect(page.split("\n")).toContain(line);
});

test("one device is told with its topics, metrics, notices, and who said what", () => {
  const { metrics: _metrics, ...own } = view({ firmware: "1.4", since: now, reason: "connected" });
  const found: DeviceDetails = {
    ...own,
    metrics: [
      { metric: "level", unit: "m", quality: "good" },
      { metric: "door", unit: null, quality: "bad" },
    ],
    beyond: 3,
    notices: [{ name: "client-takeover-loop", detail: "from a and b", at: now, count: 2 }],
    said: { act: "renamed", by: "ann", note: "moved", at: now },
  };
  const at = "2026-11-21T12:00:00.000Z";
  expect(deviceDetailLines(found, now)).toEqual([
    "plant-3  oven-2",
    `state     online: connected since ${at}`,
    "family    native, firmware 1.4",
    "heard     2026-11-21T11:59:56.000Z (4 s ago), first 2026-11-20T12:00:00.000Z",
    "events    12, 60 readings, 0 late, 12/min, some 180 characters each",
    "topic     devices/oven-2/telemetry",
    "tags      hall, hot",
    "metric    level m  good",
    "metric    door  bad",
    `notice    ${at}, 2 times  client-takeover-loop: from a and b`,
    "beyond    3 readings of metrics that are not listed",
    `said      renamed by ann at ${at}: moved`,
  ]);
  expect(gatewayDetailLines({ ...gateway, ...unlisted, notices: found.notices }, now)).toHaveLength(
    2,
  );
});

test("a gateway's line tells whether its key is in force, also of one that was never heard of", () => {
  const book = new GatewayBook();
  const key = "UAOC5KQFVIQTLM4B7CDLU22YZ6NCO6IM7KTVYS77Y5NYGN4EGE6CBVM2";
  const said = { act: "add", by: "ann", note: "", labels: { zone: "cold" }, site: "hall" };
  for (const request of [
    { ...said, gateway: "plant-3", key },
    { ...said, gateway: "plant-4" },
  ]) {
    const entry = book.after(gatewayRequest(request), now);
    book.take(entry.gateway, encodeEntry(entry));
  }
  const [heard, unheard] = withAccess([gateway], book);
  if (heard === undefined || unheard === undefined) throw new Error("both are listed");
  expect(gatewayText(heard, now)).toContain("plant-3  at hall  permitted  3 devices");
  expect(gatewayDetailLines(unheard, now)).toEqual([
    "unheard  plant-4  at hall  no-key",
    "labels    zone=cold",
    "said      added by ann at 2026-11-21T12:00:00.000Z",
  ]);
});
