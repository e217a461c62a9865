/**
 * What comes in, for those who look: counts by topic and by device, the newest payloads, and a live
 * stream to whoever asks. All of it is bounded, and none of it holds up a publish.
 *
 *   W1  Counts cost the same whatever came before. Of each topic the first ten payloads of a second are
 *       kept, each in the place of the one before, and each that is refused; nothing is decoded for it
 *       before somebody looks.
 *   W2  Beyond a bound counts go on under no name, and a `system` event tells of it once.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { TopicFacts } from "@causeway/shared/decode/decode.ts";
import type { Decoded } from "@causeway/shared/decode/decoded.ts";
import type { Shape } from "@causeway/shared/decode/shape.ts";
import type { CodedError } from "@causeway/shared/errors.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { Publish, SettlePublish } from "../broker/broker.ts";
import { DeviceRow } from "./device-row.ts";
import type { FeedFilter } from "./feed.ts";
import { Feed } from "./feed.ts";
import type { Fate, InspectLine, Outcome } from "./inspected.ts";
import { deviceOf, inspectedOf, outcomeOf, refusalOf, resultOf } from "./inspected.ts";
import type { RowBounds } from "./rows.ts";
import { Beyond, Rows } from "./rows.ts";
import type { SampleBounds } from "./samples.ts";
import { Samples } from "./samples.ts";
import { TopicRow } from "./topic-row.ts";

export interface InspectionBounds {
  readonly topics: RowBounds;
  readonly devices: RowBounds;
  readonly metricsPerDeviceMax: number;
  /** Of all devices, and the characters of their names. */
  readonly metricsMax: number;
  readonly metricCharactersMax: number;
  readonly samples: SampleBounds;
  /** Readers of the live stream. */
  readonly feedsMax: number;
}

const kibibyte = 1_024;

export const defaultInspectionBounds: InspectionBounds = {
  topics: { rowsMax: 4_096, charactersMax: 512 * kibibyte },
  devices: { rowsMax: 4_096, charactersMax: 256 * kibibyte },
  metricsPerDeviceMax: 512,
  metricsMax: 32_768,
  metricCharactersMax: 1_024 * kibibyte,
  samples: { bytesMax: 4 * kibibyte, allBytesMax: 4 * kibibyte * kibibyte },
  feedsMax: 8,
};

export interface InspectionParts {
  readonly clock: Clock;
  /** Real time; undefined while the clock is not set. */
  readonly presentMs: () => number | undefined;
  /** What a message would be now; it changes nothing. */
  readonly explain: (topic: string, payload: Uint8Array) => Decoded;
  /** Who decodes the messages of a topic. */
  readonly about: (topic: string) => TopicFacts;
  /** As a `system` event. */
  readonly tell: (name: string, detail: string) => void;
  readonly bounds?: InspectionBounds;
}

export interface InspectionFigures {
  readonly topics: number;
  /** Of these, those whose last message was refused. */
  readonly topicsRefusing: number;
  readonly devices: number;
  /** Of these, those heard of in the last minute. */
  readonly devicesHeard: number;
  /** Messages on topics, and of devices, that have no row; and names of metrics that were not noted. */
  readonly topicsBeyond: number;
  readonly devicesBeyond: number;
  readonly metricsBeyond: number;
  readonly readers: number;
  /** What readers were not shown. */
  readonly dropped: number;
}

const heardMs = 60_000;
const detailKept = 256;

export class Inspection {
  readonly bounds: InspectionBounds;
  readonly #parts: InspectionParts;
  readonly #samples: Samples;
  readonly #topics: Rows<TopicRow>;
  readonly #devices: Rows<DeviceRow>;
  #metrics = { count: 0, characters: 0 };
  readonly #topicsBeyond: Beyond;
  readonly #devicesBeyond: Beyond;
  readonly #metricsBeyond: Beyond;
  readonly #feeds = new Set<Feed>();
  #droppedBefore = 0;
  /** Messages come in runs of one topic. */
  #last: TopicRow | undefined;

  constructor(parts: InspectionParts) {
    this.#parts = parts;
    const { tell, bounds = defaultInspectionBounds } = parts;
    this.bounds = bounds;
    const samples = new Samples(bounds.samples);
    this.#samples = samples;
    this.#topics = new Rows(
      bounds.topics,
      (topic, nowMs) => new TopicRow(topic, nowMs),
      ({ sample, refusedSample }) => {
        for (const each of [sample, refusedSample]) if (each !== undefined) samples.free(each);
      },
    );
    this.#devices = new Rows(
      bounds.devices,
      (device, nowMs) => new DeviceRow(device, nowMs),
      ({ metrics }) => {
        this.#metrics.count -= metrics.size;
        for (const { length } of metrics) this.#metrics.characters -= length;
      },
    );
    this.#topicsBeyond = new Beyond((detail) => tell("topics-bound", detail));
    this.#devicesBeyond = new Beyond((detail) => tell("devices-bound", detail));
    this.#metricsBeyond = new Beyond((detail) => tell("metrics-bound", detail));
  }

  // What comes in ----------------------------------------------------------------------------------

  /** A message of a known shape, which has read it. */
  shaped(publish: Publish, device: string, shape: Shape, nowMs: number): void {
    const row = this.#row(publish.topic, nowMs);
    const own = this.#deviceRow(row, device, nowMs);
    this.#count(row, own, publish, nowMs);
    if (row !== undefined) {
      row.result = "readings";
      if (row.isSecondOver(nowMs) && own !== undefined)
        for (const { metric } of shape.metrics) this.#note(own, metric, nowMs);
      if (row.maySample()) this.#sample(row, publish.payload, false, nowMs);
    }
    if (this.#feeds.size > 0) this.#offer(publish, undefined, device, nowMs);
  }

  decoded(publish: Publish, decoded: Decoded, nowMs: number, fate?: Fate): void {
    const row = this.#row(publish.topic, nowMs);
    const device = deviceOf(decoded);
    const own = device === undefined ? undefined : this.#deviceRow(row, device, nowMs);
    this.#count(row, own, publish, nowMs);
    const refusal = refusalOf(decoded);
    if (refusal !== undefined && own !== undefined) own.activity.refused++;
    if (row !== undefined) {
      row.result = resultOf(decoded);
      if (row.isSecondOver(nowMs) && decoded.kind === "readings" && own !== undefined)
        for (const { metric } of decoded.readings) this.#note(own, metric, nowMs);
      if (refusal !== undefined) {
        row.activity.refused++;
        row.reason = refusal.reason;
        row.detail = refusal.detail.slice(0, detailKept);
        row.refusedMs = nowMs;
        this.#sample(row, publish.payload, true, nowMs);
      } else if (row.maySample()) this.#sample(row, publish.payload, false, nowMs);
    }
    for (const presence of decoded.presences ?? [])
      this.presence(presence.device, presence.online, presence.reason);
    if (this.#feeds.size > 0) this.#offer(publish, decoded, device, nowMs, fate);
  }

  /** An answer to a command; its topic has the command's id, so that it has no row. */
  replied(publish: Publish): void {
    if (this.#feeds.size === 0) return;
    const outcome: Outcome = { result: "reply", mapped: [] };
    this.#show(publish, publish.client, false, this.#parts.clock.bootMs(), () => outcome);
  }

  presence(device: string, isOnline: boolean, reason: string): void {
    const nowMs = this.#parts.clock.bootMs();
    this.#deviceRow(undefined, device, nowMs)?.tellPresence(isOnline, reason, nowMs);
  }

  /** What was refused before it was a message. */
  notice(name: string, detail: string): void {
    for (const feed of this.#feeds)
      if (feed.filter.topic === undefined && feed.filter.device === undefined)
        feed.put({ kind: "notice", receivedAt: this.#presentMs, name, detail });
  }

  /** Who looks is told, too, where the disk does not take it. */
  watched(publish: Publish, settle: SettlePublish): SettlePublish {
    if (this.#feeds.size === 0) return settle;
    return (failure: CodedError | undefined) => {
      if (failure !== undefined)
        this.notice("not-kept", `${shown(publish.topic)}: ${failure.message}`);
      settle(failure);
    };
  }

  // Who looks --------------------------------------------------------------------------------------

  /** There are as many readers as there may be. */
  get isFull(): boolean {
    return this.#feeds.size >= this.bounds.feedsMax;
  }

  open(filter: FeedFilter, awaken: () => void): Feed {
    const feed = new Feed(filter, awaken);
    this.#feeds.add(feed);
    return feed;
  }

  close(feed: Feed): void {
    if (this.#feeds.delete(feed)) this.#droppedBefore += feed.dropped;
  }

  topics(): IterableIterator<TopicRow> {
    return this.#topics.all();
  }

  topic(topic: string): TopicRow | undefined {
    return this.#topics.find(topic);
  }

  devices(): IterableIterator<DeviceRow> {
    return this.#devices.all();
  }

  about(topic: string): TopicFacts {
    return this.#parts.about(topic);
  }

  explain(topic: string, payload: Uint8Array): Outcome {
    return outcomeOf(this.#parts.explain(topic, payload), undefined);
  }

  /** The boot's clock, and real time, which is null while that is not known. */
  now(): { readonly bootMs: number; readonly presentMs: number | null } {
    return { bootMs: this.#parts.clock.bootMs(), presentMs: this.#presentMs };
  }

  figures(): InspectionFigures {
    const nowMs = this.#parts.clock.bootMs();
    let [topicsRefusing, devicesHeard, dropped] = [0, 0, this.#droppedBefore];
    for (const { result } of this.#topics.all()) if (result === "quarantined") topicsRefusing++;
    for (const { activity } of this.#devices.all())
      if (activity.messages > 0 && nowMs - activity.lastMs < heardMs) devicesHeard++;
    for (const feed of this.#feeds) dropped += feed.dropped;
    return {
      ...{ topics: this.#topics.size, topicsRefusing },
      ...{ devices: this.#devices.size, devicesHeard },
      topicsBeyond: this.#topicsBeyond.count,
      devicesBeyond: this.#devicesBeyond.count,
      metricsBeyond: this.#metricsBeyond.count,
      ...{ readers: this.#feeds.size, dropped },
    };
  }

  // Within -----------------------------------------------------------------------------------------

  get #presentMs(): number | null {
    return this.#parts.presentMs() ?? null;
  }

  /** W2. */
  #row(topic: string, nowMs: number): TopicRow | undefined {
    if (this.#last?.topic === topic && !this.#last.isGone) return this.#last;
    const row = this.#topics.of(topic, nowMs);
    this.#last = row;
    if (row === undefined)
      this.#topicsBeyond.happened(nowMs, () => {
        const most = `more than ${this.#topics.size} topics, as ${shown(topic)}`;
        return `${most}: others are not listed; does something publish under ever new names?`;
      });
    return row;
  }

  /** W2. */
  #deviceRow(row: TopicRow | undefined, device: string, nowMs: number): DeviceRow | undefined {
    const known = row?.device;
    if (known?.device === device && !known.isGone) return known;
    const own = this.#devices.of(device, nowMs);
    if (row !== undefined) row.device = own;
    if (own === undefined)
      this.#devicesBeyond.happened(nowMs, () => {
        const most = `more than ${this.#devices.size} devices, as ${shown(device)}`;
        return `${most}: others are not listed; does something publish under ever new names?`;
      });
    return own;
  }

  #count(
    row: TopicRow | undefined,
    own: DeviceRow | undefined,
    { client, topic, payload, qos, tell }: Publish,
    nowMs: number,
  ): void {
    const bytes = payload.length;
    if (row !== undefined) {
      row.activity.count(bytes, nowMs);
      row.client = client;
      row.qos = qos;
    }
    if (own === undefined) return;
    own.activity.count(bytes, nowMs);
    own.client = client;
    own.topic = topic;
    own.isFromSource = tell !== undefined;
  }

  #sample(row: TopicRow, payload: Uint8Array, isRefused: boolean, nowMs: number): void {
    if (isRefused) row.refusedSample = this.#samples.keep(row.refusedSample, payload, nowMs);
    else row.sample = this.#samples.keep(row.sample, payload, nowMs);
  }

  /** W2. */
  #note(own: DeviceRow, metric: string, nowMs: number): void {
    if (own.metrics.has(metric)) return;
    const { metricsPerDeviceMax, metricsMax, metricCharactersMax } = this.bounds;
    const all = this.#metrics;
    const hasRoom =
      own.metrics.size < metricsPerDeviceMax &&
      all.count < metricsMax &&
      all.characters + metric.length <= metricCharactersMax;
    if (hasRoom) {
      own.metrics.add(metric);
      all.count++;
      all.characters += metric.length;
      return;
    }
    own.hasMetricsBeyond = true;
    this.#metricsBeyond.happened(nowMs, () => {
      const isOwn = own.metrics.size >= metricsPerDeviceMax;
      const who = isOwn ? `device ${shown(own.device)} has` : "devices have, in all,";
      const many = `${who} more than ${isOwn ? own.metrics.size : all.count} metrics`;
      return `${many}, as ${shown(metric)}: others are not listed; are they ever new names?`;
    });
  }

  #offer(
    publish: Publish,
    decoded: Decoded | undefined,
    device: string | undefined,
    nowMs: number,
    fate?: Fate,
  ): void {
    const isRefused = decoded !== undefined && refusalOf(decoded) !== undefined;
    const { topic, payload } = publish;
    let outcome: Outcome | undefined;
    this.#show(publish, device ?? publish.client, isRefused, nowMs, () => {
      outcome ??= outcomeOf(decoded ?? this.#parts.explain(topic, payload), fate);
      return outcome;
    });
  }

  #show(
    publish: Publish,
    device: string,
    isRefused: boolean,
    nowMs: number,
    outcome: () => Outcome,
  ): void {
    for (const feed of this.#feeds) {
      if (!feed.wants(device, isRefused) || !feed.wantsTopic(publish.topic)) continue;
      if (!feed.admits(nowMs)) continue;
      const line: InspectLine = inspectedOf(publish, outcome(), {
        receivedAt: this.#presentMs,
        ...this.#parts.about(publish.topic),
        bytesMax: this.bounds.samples.bytesMax,
      });
      feed.put(line);
    }
  }
}
