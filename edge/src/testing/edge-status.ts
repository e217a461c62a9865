/** The status of a gateway that is well, for tests that change a part of it. */
import { noBacklog } from "../outbox/backlog.ts";
import { nothingGiven } from "../outbox/given.ts";
import type { EdgeStatus } from "../status/edge-status.ts";

const mebibyte = 1_024 * 1_024;

const nothingWaits = { unsentEvents: 0, untakenEvents: 0 };

export const wellStatus: EdgeStatus = {
  gateway: "plant-3",
  alarms: undefined,
  routes: undefined,
  filter: undefined,
  version: "0.1.0",
  epoch: "7-9f3a2b1c",
  clock: { quality: "set", isDated: true, wallAheadMs: 2, jumps: 0 },
  intake: {
    readings: 48_210,
    quarantined: 3,
    described: 12,
    undescribed: 0,
    asked: 1,
    dropped: 0,
    keyed: 0,
  },
  inspection: {
    ...{ topics: 14, topicsRefusing: 1, topicsBeyond: 0, readers: 0, dropped: 0 },
    ...{ devices: 12, devicesHeard: 11, devicesBeyond: 0, metricsBeyond: 0 },
  },
  outbox: {
    bytes: 9 * mebibyte,
    pendingBytes: 0,
    appended: 12_040,
    writtenBytes: 11 * mebibyte,
    groups: 4_020,
    poisonings: 0,
    refused: 0,
    logs: {
      telemetry: { bytes: 8 * mebibyte, bytesMax: 3_500 * mebibyte },
      priority: { bytes: mebibyte, bytesMax: 256 * mebibyte },
    },
    freeBytes: 21_000 * mebibyte,
    given: nothingGiven,
    backlog: noBacklog,
    drainMs: 0,
    obstacle: undefined,
  },
  uplink: {
    link: "up",
    lanes: { priority: nothingWaits, live: nothingWaits, history: nothingWaits },
    jumps: 0,
    unsentEvents: 0,
    untakenEvents: 0,
    takenAtBootMs: 86_000_000,
    goBacks: 0,
    rollbacks: 0,
    redials: 0,
    budget: {
      ...{ capBytesPerSecond: undefined, bytesPerSecond: undefined },
      ...{ zone: "UTC", day: undefined, holds: {} },
    },
    troubles: [],
  },
  dial: {
    ...{ server: "nats://cloud.example:4222", servers: 1, dials: 1, failedDials: 0, moves: 0 },
    shut: undefined,
  },
  pump: { batches: 812, events: 12_040, bytes: 3 * mebibyte, failures: 0 },
  takenAgoMs: 4_000,
  broker: {
    connections: 12,
    published: 12_000,
    refused: 0,
    folded: 2,
    deniedPublishes: 0,
    deniedSubscribes: 0,
    droppedPublishes: 0,
    droppedDeliveries: 0,
    retained: 4,
    retainedRefused: 0,
    presenceLeftOut: 0,
    sharedIds: 0,
    sessions: 3,
    queuedMessages: 0,
    queuedBytes: 0,
    dropped: 0,
  },
  sources: [],
  downlink: {
    figures: { open: 2, openBytes: 1_100, unwanted: 1, delivered: 1, remembered: 5 },
    counters: { fetched: 8, done: 4, failed: 1, expired: 0, refused: 0 },
    trouble: undefined,
  },
  access: { refusedFiles: 0, certificateDaysLeft: undefined },
  disk: { bytes: 32_000 * mebibyte, writtenBytes: 21 * mebibyte, forMs: 86_400_000 },
};

/** Nothing was taken for a quarter of an hour. */
export const stuckStatus: EdgeStatus = {
  ...wellStatus,
  takenAgoMs: 15 * 60_000,
  uplink: {
    ...wellStatus.uplink,
    link: "down",
    untakenEvents: 4_200,
    troubles: ["link down: NATS_UNREACHABLE: nats://cloud.example:4222: connection refused"],
  },
  dial: { ...wellStatus.dial, server: undefined, failedDials: 12, dials: 13 },
  outbox: {
    ...wellStatus.outbox,
    backlog: {
      telemetry: { events: 4_185, bytes: 3 * mebibyte, ageMs: 15 * 60_000 },
      priority: { events: 15, bytes: 2_048, ageMs: 15 * 60_000 },
    },
    given: { thinned: 120, lost: { full: 7, age: 2 } },
    drainMs: undefined,
  },
};
