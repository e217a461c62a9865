// An operator reads off what waits, what was given up, and how long the card will last.
import { expect, test } from "vitest";
import type { OutboxUsage } from "../outbox/outbox.ts";
import { outboxMetrics, outboxRows, wearOf } from "./outbox-figures.ts";

const gibibyte = 1_024 ** 3;
const hourMs = 3_600_000;

const usage: OutboxUsage = {
  bytes: 3_000,
  pendingBytes: 0,
  appended: 10,
  writtenBytes: 1_000_000,
  groups: 5,
  poisonings: 0,
  refused: 2,
  logs: {
    telemetry: { bytes: 2_000, bytesMax: 4_000 },
    priority: { bytes: 1_000, bytesMax: 2_048 },
  },
  freeBytes: 5 * gibibyte,
  given: { thinned: 7, lost: { full: 3 } },
  backlog: {
    telemetry: { events: 9, bytes: 1_536, ageMs: 3 * hourMs },
    priority: { events: 0, bytes: 0, ageMs: undefined },
  },
  drainMs: 90_000,
  obstacle: undefined,
};
const disk = { bytes: 32 * gibibyte, writtenBytes: 4_000_000, forMs: hourMs };

test("wear is what the kernel wrote, by day and by the life of a card of that size", () => {
  expect(wearOf(usage, disk)).toEqual({
    amplification: 4,
    bytesPerDay: 24 * 4_000_000,
    perYear: (24 * 4_000_000 * 365) / (32 * gibibyte * 500),
  });
  expect(wearOf({ ...usage, writtenBytes: 0 }, disk)?.amplification).toBeUndefined();
  expect(wearOf(usage, { ...disk, writtenBytes: undefined })).toBeUndefined();
  const young = wearOf(usage, { ...disk, forMs: 1 });
  expect(young?.bytesPerDay, "a start is no day").toBe(144 * 4_000_000);
});

test("backlog, room, losses and wear are told in words", () => {
  const rows = Object.fromEntries(outboxRows(usage, disk));
  expect(rows).toMatchObject({
    "Backlog of telemetry": "9 events, 1.5 KiB, up to 3 h old",
    "Backlog of priority": "nothing",
    "Taken at this pace in": "90 s",
    "Room used": "telemetry 2.0 KiB of 3.9 KiB, priority 1000 bytes of 2.0 KiB",
    "Free on the disk": "5.0 GiB",
    "Thinned to roll-ups": "7 events",
    Lost: "3 events (full)",
    "Written to the disk": expect.stringMatching(/^91\.6 MiB a day, 4\.0 times the events, some /),
  });
});

test("metrics say the same by log and reason, and -1 where nothing is known", () => {
  const value = (name: string, label?: string) =>
    outboxMetrics({ ...usage, drainMs: undefined }, { ...disk, writtenBytes: undefined }).find(
      (metric) =>
        metric.name === name &&
        (label === undefined || Object.values(metric.labels ?? {}).includes(label)),
    )?.value;
  expect(value("causeway_edge_backlog_events", "telemetry")).toBe(9);
  expect(value("causeway_edge_backlog_age_seconds", "priority")).toBe(-1);
  expect(value("causeway_edge_lost_total", "full")).toBe(3);
  expect(value("causeway_edge_lost_total", "age")).toBe(0);
  expect(value("causeway_edge_drain_seconds")).toBe(-1);
  expect(value("causeway_edge_write_amplification")).toBe(-1);
});
