// Goal: a report that could never be made, or never arrive, is refused where it stands.
import { loadSettings } from "@causeway/shared/settings.ts";
import { expect, test } from "vitest";
import { cloudSchema } from "../config.ts";

function load(text: string) {
  return loadSettings(cloudSchema, { fileName: "cloud.yaml", text, environment: {}, sets: [] });
}

const receivers = `receivers:
  - { name: log, kind: log }
  - { name: prom, kind: alertmanager, url: "http://127.0.0.1:9093" }
`;

test("a report is daily at seven in UTC where nothing else is said", () => {
  const { reports } = load(`${receivers}reports: [{ name: daily, receivers: [log] }]`);
  const usual = { every: "daily", at: "07:00", on: "monday", zone: "UTC", match: {} };
  expect(reports).toEqual([{ name: "daily", ...usual, receivers: ["log"] }]);
  expect(load("").reports).toEqual([]);
  expect(load("reports: [{ name: daily, receivers: [log] }]").reports).toHaveLength(1);
});

test.each([
  ["name: a, receivers: [nobody]", "receivers.0: no such receiver; there are: log, prom"],
  ["name: a, receivers: [log, prom]", "receivers.1: alertmanager takes alerts, and no reports"],
  ["name: a, receivers: []", "receivers: "],
  ["name: a b, receivers: [log]", "name: use 1 to 48 letters"],
  ["name: a, receivers: [log], at: 7:00", "at: a time of day such as 07:00"],
  ["name: a, receivers: [log], at: 24:00", "at: a time of day such as 07:00"],
  ["name: a, receivers: [log], zone: Mars/North", "zone: a time zone such as Europe/Berlin"],
  ["name: a, receivers: [log], every: hourly", "every: "],
  ["name: a, receivers: [log], match: { rule: [x] }", "match.rule: no gateway has this label"],
])("{ %s } is refused", (report, fault) => {
  const text = `${receivers}reports:\n  - { ${report} }\n`;
  expect(() => load(text)).toThrow(new RegExp(`cloud\\.yaml:5:\\d+ reports\\.0\\.${fault}`));
});

test("two of one name are refused", () => {
  const own = "{ name: a, receivers: [log] }";
  const text = `${receivers}reports:\n  - ${own}\n  - ${own}\n`;
  expect(() => load(text)).toThrow(/cloud\.yaml:6:\d+ reports\.1\.name: report a is named twice/);
});
