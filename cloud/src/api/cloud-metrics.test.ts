// Names of metrics are a contract with dashboards and alert rules.
import { expect, test } from "vitest";
import { FleetView } from "../views/fleet-view.ts";
import {
  clientMetrics,
  feedMetrics,
  letterMetrics,
  receiverMetrics,
  viewMetrics,
} from "./cloud-metrics.ts";

const feed = { sequence: 7, messages: 7, interruptions: 0, rebuilds: 0, waitingFor: undefined };
const counts = { delivered: 3, retries: 1, dead: 0, outstanding: 2, alerts: 5, unfollowed: 0 };
const receiver = { ...counts, waitingFor: "HTTP 503" };
const all = [
  ...viewMetrics(new FleetView().counters()),
  ...clientMetrics({ count: 1, dropped: 2 }),
  ...feedMetrics({ events: feed, alerts: feed, derived: feed }),
  ...letterMetrics(new FleetView().deadGroups()),
  ...receiverMetrics([{ receiver: "ops", ...receiver }]),
];

test("counters end in _total and nothing else does", () => {
  for (const { name, kind } of all) {
    expect(name).toMatch(/^causeway_cloud_[a-z_]+$/);
    expect(name.endsWith("_total"), name).toBe(kind === "counter");
  }
});

test("a receiver that is waited for is down", () => {
  const up = all.find(({ name }) => name === "causeway_cloud_receiver_up");
  expect(up).toMatchObject({ value: 0, labels: { receiver: "ops" } });
});
