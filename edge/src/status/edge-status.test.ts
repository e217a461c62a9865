/** Goal: a gateway is unhealthy when what devices send is not kept or not taken, and says which. */
import type { AlarmTransition } from "@causeway/shared/event.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { stuckStatus, wellStatus } from "../testing/edge-status.ts";
import { InspectedIntake } from "../testing/inspected.ts";
import { edgeMetrics } from "./edge-metrics.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { healthOf, sectionsOf } from "./edge-status.ts";
import { statusPage } from "./status-page.ts";
import { topicPage } from "./topic-page.ts";

const { clock, outbox, uplink, access } = wellStatus;
const reasons = (changes: Partial<EdgeStatus>) => healthOf({ ...wellStatus, ...changes }).reasons;

test("a gateway that is taken from is healthy", () => {
  expect(healthOf(wellStatus)).toEqual({ isHealthy: true, reasons: [] });
});

test("an open socket over which nothing is taken is unhealthy", () => {
  const open = { ...stuckStatus, uplink: { ...stuckStatus.uplink, link: "up", troubles: [] } };
  expect(healthOf(open as EdgeStatus).reasons).toEqual([
    "the cloud has taken nothing for 15 min: no trouble is known, look at the cloud",
  ]);
  expect(healthOf(stuckStatus)).toEqual({
    isHealthy: false,
    reasons: [expect.stringMatching(/^the cloud has taken nothing for 15 min: link down: NATS_/)],
  });
});

test("a cut of seconds, and what was appended a moment ago, are no reason", () => {
  const { takenAgoMs: _never, ...neverTaken } = stuckStatus;
  const seconds = { ...stuckStatus, takenAgoMs: 59_000 };
  const began = {
    ...neverTaken,
    takenAgoMs: undefined,
    disk: { ...stuckStatus.disk, forMs: 5_000 },
  };
  const backlog = {
    telemetry: { events: 0, bytes: 0, ageMs: undefined },
    priority: { events: 1, bytes: 90, ageMs: 3_000 },
  };
  const fresh = { ...stuckStatus, outbox: { ...outbox, backlog } };
  const idle = { ...stuckStatus, uplink: { ...uplink, untakenEvents: 0 } };
  for (const status of [seconds, began, fresh, idle]) expect(healthOf(status).reasons).toEqual([]);
});

test("a gateway that drains a backlog of hours is healthy", () => {
  const backlog = {
    ...stuckStatus.outbox.backlog,
    telemetry: { events: 9e6, bytes: 1e9, ageMs: 9 * 3_600_000 },
  };
  const draining = { ...stuckStatus, takenAgoMs: 800, outbox: { ...outbox, backlog } };
  expect(healthOf(draining).isHealthy).toBe(true);
});

test("a gateway that never was taken from counts from its start", () => {
  expect(healthOf({ ...stuckStatus, takenAgoMs: undefined }).reasons).toEqual([
    expect.stringMatching(/^the cloud has taken nothing for 24 h: /),
  ]);
});

test("an outbox that takes nothing is the gravest, one that gives way is told", () => {
  const obstacle = "OUTBOX_POISONED: the outbox is being reopened after a failed write";
  const poisoned = { ...stuckStatus, outbox: { ...stuckStatus.outbox, obstacle } };
  expect(healthOf(poisoned).reasons).toEqual([
    `nothing is acknowledged: ${obstacle}`,
    expect.stringMatching(/taken nothing/),
  ]);
  const logs = { ...outbox.logs, telemetry: { bytes: 92, bytesMax: 100 } };
  expect(reasons({ outbox: { ...outbox, logs } })).toEqual([
    "the outbox gives way: 92 bytes of 100 bytes of telemetry are used",
  ]);
});

test.each([
  [{ ...clock, quality: "behind", isDated: false }, /^the clock is behind: events go undated/],
  [{ ...clock, quality: "restored", isDated: false }, /perhaps that of the last shutdown: events/],
  [
    { ...clock, quality: "ahead", wallAheadMs: 7_200_000 },
    /^the clock is 2 h ahead; events are dat/,
  ],
] as const)("a clock that is not right is a reason: %o", (own, expected) => {
  expect(reasons({ clock: own })).toEqual([expect.stringMatching(expected)]);
});

test("files that are not in force and certificates that end soon are reasons", () => {
  expect(reasons({ access: { refusedFiles: 2, certificateDaysLeft: 13 } })).toEqual([
    expect.stringMatching(/^2 changed files are not in force/),
    "a listener's certificate ends in 13 days",
  ]);
  expect(reasons({ access: { ...access, certificateDaysLeft: 14 } })).toEqual([]);
  expect(reasons({ access: { ...access, certificateDaysLeft: -1 } })).toEqual([
    "a listener's certificate ended 1 days ago",
  ]);
});

test("backlog by log in events, bytes and age, losses by reason, last taken and drain are shown", () => {
  const draining = { ...stuckStatus, outbox: { ...stuckStatus.outbox, drainMs: 90_000 } };
  const told = sectionsOf(draining).flatMap(({ rows }) => rows.map((row) => row.join(": ")));
  expect(told).toEqual(
    expect.arrayContaining([
      "Last taken: 15 min ago",
      "Backlog of telemetry: 4185 events, 3.0 MiB, up to 15 min old",
      "Backlog of priority: 15 events, 2.0 KiB, up to 15 min old",
      "Lost: 7 events (full), 2 events (age)",
      "Thinned to roll-ups: 120 events",
      "Taken at this pace in: 90 s",
      "Clock: set",
    ]),
  );
});

test("the pages hold no script, no foreign address and less than 15 kB, and trust no text", () => {
  const hostile = "<img src=x onerror=alert(1)>\u001b[2J";
  const intake = new InspectedIntake(new VirtualClock());
  for (let n = 0; n < 200; n++) {
    intake.publish(`${hostile}/${n}/${'"'.repeat(300)}`, `{"${hostile}":"${hostile}"}`, hostile);
    intake.publish(`${hostile}/${n}`, hostile.repeat(100), hostile);
    intake.publish(`${"x".repeat(60_000)}${n}`, "1");
  }
  const { http } = intake;
  const troubles = ["link down: <img src=x onerror=alert(1)>"];
  const status = { ...stuckStatus, uplink: { ...stuckStatus.uplink, troubles } };
  const topics = http.topics(new URLSearchParams("refused=1"));
  for (const page of [statusPage(status, http.seen()), topicPage("plant-3", topics)]) {
    expect(Buffer.byteLength(page)).toBeGreaterThan(5_000);
    expect(Buffer.byteLength(page)).toBeLessThan(15_000);
    expect(page).not.toMatch(/<script|<link|<img|https?:/);
    expect(page).not.toContain("\u001b");
    expect(page).toContain("&lt;img src=x onerror=alert(1)&gt;");
  }
});

test("local rules are shown with their open alarms and those who are told, where there are any", () => {
  const alarm: AlarmTransition = {
    ...({ id: "a1", state: "firing", fingerprint: "f", rule: "too-warm" } as const),
    ...({ ruleVersion: "1", severity: "critical", device: "pump", metric: "t" } as const),
    ...{ at: 1, firingAt: 1, value: 31, cause: "c", reason: "31 is above 30" },
  };
  const rules = {
    ...{ source: "rules.yaml", rules: 2, refused: "rules.yaml:1:1 …", judged: 60, behind: 3 },
    ...{ missed: 5, series: 4, readingsBeyond: 0, alarmsRefused: 0, shadowed: 0, openCount: 120 },
    open: Array.from({ length: 12 }, (_, n) => ({ ...alarm, id: `a${n}` })),
  };
  const lamp = {
    ...{ receiver: "lamp", delivered: 2, retries: 0, dead: 1, outstanding: 1, alerts: 1 },
    ...{ unfollowed: 0, waitingFor: "the receiver: HTTP 503" },
  };
  const status = { ...wellStatus, alarms: { rules, receivers: [lamp] } };
  const section = sectionsOf(status).find(({ title }) => title === "Local rules");
  const rows = section?.rows.map(([name, text]) => `${name}: ${text}`) ?? [];
  expect(rows.slice(0, 6)).toEqual([
    "Rules: 2 from rules.yaml",
    "Refused: rules.yaml:1:1 …",
    "Judged: 60 readings of 4 series; 3 events wait",
    "Missed: 5 events, given up unjudged",
    "Open alarms: 120",
    "critical: too-warm: pump t: 31 is above 30",
  ]);
  expect(rows.slice(-2)).toEqual([
    ": and 110 more",
    "Receiver lamp: 2 told, 1 on their way, 1 given up; waits for the receiver: HTTP 503",
  ]);
  const figures = edgeMetrics(status).map(({ name, value }) => `${name} ${value}`);
  expect(figures).toContain("causeway_edge_alarms_open 120");
  expect(figures).toContain("causeway_edge_rules_missed_events_total 5");
  expect(sectionsOf(wellStatus).some(({ title }) => title === "Local rules")).toBe(false);
});
