/** Topics and devices as they are told: those that need a look first. */
import type { ClientView } from "../broker/client-view.ts";
import { matches } from "../broker/topic-filter.ts";
import type { ActivityView } from "./activity.ts";
import { cureFor } from "./cures.ts";
import type { DeviceRow } from "./device-row.ts";
import type { Inspected, Outcome, Result } from "./inspected.ts";
import { inspectedOf, routeName } from "./inspected.ts";
import type { Inspection } from "./inspection.ts";
import type { Sample } from "./samples.ts";
import type { TopicRow } from "./topic-row.ts";

export interface TopicView extends ActivityView {
  readonly topic: string;
  readonly family: string;
  /** The name of the route that has it. */
  readonly route?: string;
  /** Who published on it last. */
  readonly client: string;
  /** Whom it told of last; undefined where it never told of any. */
  readonly device?: string;
  /** In ms since 1970; null while the clock is not set. */
  readonly lastSeen: number | null;
  readonly agoMs: number;
  /** Of the last message. */
  readonly result: Result;
  /** Of the last refusal, whatever came after it. */
  readonly reason?: string;
  readonly detail?: string;
  readonly cure?: string;
  readonly refusedAgoMs?: number;
  /** The newest that were kept: of a second the first ten, and each that was refused. */
  readonly last?: Inspected;
  readonly lastRefused?: Inspected;
}

export interface TopicQuery {
  readonly topic?: string | undefined;
  readonly device?: string | undefined;
  readonly refused: boolean;
  readonly limit: number;
  /** With the newest payloads. */
  readonly withLast: boolean;
}

export interface TopicList {
  /** Of all that the query selects. */
  readonly total: number;
  readonly topics: readonly TopicView[];
  /** Messages on topics that have no place in the list. */
  readonly beyond: number;
}

const worryMs = 3_600_000;

/** What is refused now comes first, then what was refused within the hour, then the newest. */
export function listTopics(inspection: Inspection, query: TopicQuery): TopicList {
  const { bootMs } = inspection.now();
  const found = [...inspection.topics()].filter((row) => isWanted(row, query));
  const sorted = found.sort(
    (one, other) => worry(other, bootMs) - worry(one, bootMs) || other.lastMs - one.lastMs,
  );
  return {
    total: found.length,
    topics: sorted.slice(0, query.limit).map((row) => topicView(inspection, row, query.withLast)),
    beyond: inspection.figures().topicsBeyond,
  };
}

function isWanted(row: TopicRow, { topic, device, refused }: TopicQuery): boolean {
  if (refused && row.activity.refused === 0) return false;
  if (device !== undefined && row.device?.device !== device) return false;
  return topic === undefined || topic === row.topic || matches(topic, row.topic);
}

function worry({ result, refusedMs }: TopicRow, nowMs: number): number {
  if (result === "quarantined") return 2;
  return nowMs - refusedMs < worryMs ? 1 : 0;
}

function topicView(inspection: Inspection, row: TopicRow, withLast: boolean): TopicView {
  const { bootMs, presentMs } = inspection.now();
  const { topic, client, result, reason, detail, sample, refusedSample } = row;
  const agoMs = bootMs - row.lastMs;
  const { family = "", route } = inspection.about(topic);
  return {
    ...{ topic, family },
    ...(route === undefined ? {} : { route: routeName(route) }),
    client,
    ...(row.device === undefined ? {} : { device: row.device.device }),
    ...row.activity.view(bootMs),
    ...{ lastSeen: presentMs === null ? null : presentMs - agoMs, agoMs, result },
    ...(reason === ""
      ? {}
      : { reason, detail, cure: cureFor(reason), refusedAgoMs: bootMs - row.refusedMs }),
    ...(withLast && sample !== undefined ? { last: kept(inspection, row, sample, false) } : {}),
    ...(withLast && refusedSample !== undefined
      ? { lastRefused: kept(inspection, row, refusedSample, true) }
      : {}),
  };
}

/** A message that was kept, with what it would be now, or with why it was refused then. */
function kept(
  inspection: Inspection,
  row: TopicRow,
  sample: Sample,
  isRefused: boolean,
): Inspected {
  const { topic, client, qos } = row;
  const { bootMs, presentMs } = inspection.now();
  const { payload, bytes, atMs } = sample;
  const receivedAt = presentMs === null ? null : presentMs - (bootMs - atMs);
  const around = { receivedAt, bytesMax: payload.length, ...inspection.about(topic) };
  const isWhole = bytes === payload.length;
  const now: Outcome = isWhole
    ? inspection.explain(topic, payload)
    : { result: isRefused ? "quarantined" : row.result, mapped: [] };
  const { reason, detail } = row;
  const then: Outcome = {
    result: "quarantined",
    mapped: [],
    reason,
    detail,
    cure: cureFor(reason),
  };
  const outcome = isRefused && now.reason === undefined ? then : now;
  const shown = inspectedOf({ topic, client, qos, payload }, outcome, around);
  return isWhole ? shown : { ...shown, bytes, cut: true };
}

export interface DeviceView extends ActivityView {
  readonly device: string;
  readonly family: string;
  readonly lastSeen: number | null;
  readonly agoMs: number;
  /** Names that were seen in one message a second. */
  readonly metrics: readonly string[];
  /** There are more than are listed. */
  readonly moreMetrics: boolean;
  /** What was said of it last: by its connection, its will, its availability topic, births and deaths. */
  readonly presence?: {
    readonly online: boolean;
    readonly reason: string;
    readonly at: number | null;
  };
  /** Who published for it last: an MQTT client, or a source. */
  readonly client?: string;
  readonly source?: string;
  /** Of the client, while it is connected. */
  readonly connection?: {
    readonly address: string;
    readonly user?: string;
    readonly since: number | null;
  };
  /** How often another came with the client's id. */
  readonly takeovers: number;
  /** Several share the client's id and throw each other out: when that was told last. */
  readonly sharedAt?: number | null;
}

export interface DeviceList {
  readonly total: number;
  readonly devices: readonly DeviceView[];
  /** Messages of devices that have no place in the list. */
  readonly beyond: number;
}

export interface DeviceQuery {
  readonly device?: string | undefined;
  readonly limit: number;
}

export type Clients = (id: string) => ClientView;

/** The newest first. */
export function listDevices(
  inspection: Inspection,
  clients: Clients,
  { device, limit }: DeviceQuery,
): DeviceList {
  const all = [...inspection.devices()];
  const found = all.filter((row) => device === undefined || row.device === device);
  const sorted = found.sort((one, other) => other.lastMs - one.lastMs);
  return {
    total: found.length,
    devices: sorted.slice(0, limit).map((row) => deviceView(inspection, clients, row)),
    beyond: inspection.figures().devicesBeyond,
  };
}

function deviceView(inspection: Inspection, clients: Clients, row: DeviceRow): DeviceView {
  const { bootMs, presentMs } = inspection.now();
  const at = (ms: number) => (presentMs === null ? null : presentMs - (bootMs - ms));
  const { device, topic, client, isFromSource, activity, metrics, hasMetricsBeyond } = row;
  const { isOnline, presenceReason, presenceMs } = row;
  // One that never published is known by its connection.
  const id = activity.messages === 0 ? device : client;
  const seen = isFromSource ? undefined : clients(id);
  const connection = seen?.connection;
  return {
    device,
    family: topic === "" ? "" : (inspection.about(topic).family ?? ""),
    ...activity.view(bootMs),
    ...{ lastSeen: at(row.lastMs), agoMs: bootMs - row.lastMs },
    ...{ metrics: [...metrics], moreMetrics: hasMetricsBeyond },
    ...(isOnline === undefined
      ? {}
      : { presence: { online: isOnline, reason: presenceReason, at: at(presenceMs) } }),
    ...(isFromSource ? { source: client } : { client: id }),
    ...(connection === undefined
      ? {}
      : {
          connection: {
            address: connection.address,
            ...(connection.user === undefined ? {} : { user: connection.user }),
            since: at(connection.sinceMs),
          },
        }),
    takeovers: seen?.takeovers ?? 0,
    ...(seen?.sharedMs === undefined ? {} : { sharedAt: at(seen.sharedMs) }),
  };
}
