// What an operator reads of the streams' room.
import { expect, test } from "vitest";
import type { RetentionStatus } from "./retention.ts";
import { retentionMetrics, roomReasons } from "./retention-metrics.ts";

const filled = (bytes: number) => ({ first: 5, last: 9, messages: 5, bytes, bytesMax: 1_000 });
const status: RetentionStatus = {
  journal: filled(400),
  engine: filled(20),
  floor: { sequence: 7, heldBy: "reader history" },
  readers: [{ name: "history", messages: 2 }],
  purges: 3,
  purgedMessages: 4,
  cap: undefined,
  fault: undefined,
};

test("metrics tell room, floor, lag and the cap in force", () => {
  const told = (from: RetentionStatus) =>
    retentionMetrics(from).map(
      ({ name, value, labels = {} }) => `${name} ${Object.values(labels).join()} ${value}`,
    );
  expect(told({ ...status, cap: 32_768 })).toEqual([
    "causeway_cloud_stream_bytes TLM 400",
    "causeway_cloud_stream_bytes_max TLM 1000",
    "causeway_cloud_stream_bytes ENGINE 20",
    "causeway_cloud_stream_bytes_max ENGINE 1000",
    "causeway_cloud_journal_first_sequence  5",
    "causeway_cloud_journal_last_sequence  9",
    "causeway_cloud_journal_floor  7",
    "causeway_cloud_reader_lag_messages history 2",
    "causeway_cloud_journal_purges_total  3",
    "causeway_cloud_journal_purged_messages_total  4",
    "causeway_cloud_gateway_cap_bytes  32768",
  ]);
  expect(told({ ...status, journal: undefined }).join()).not.toContain("TLM");
});

test("full streams keep the cloud from being ready, and it says why", () => {
  expect(roomReasons(status)).toEqual([]);
  const full = { ...status, journal: filled(990), engine: filled(999), fault: "no space left" };
  expect(roomReasons(full)).toEqual([
    "stream TLM is full and gateways wait; it is held back by reader history",
    "stream ENGINE is full: raise streams.engineBytesMax",
    "the journal's room cannot be looked after: no space left",
  ]);
});
