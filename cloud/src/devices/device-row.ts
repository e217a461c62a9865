/**
 * What is known of one device, moved on by each of its events in constant time. Times are those of
 * the gateway, so that a replay finds the same.
 */

import { familyOf, tellsFirmware } from "@causeway/shared/devices/family.ts";
import type { Quality, Reading } from "@causeway/shared/event.ts";
import type { TakenEvent } from "../ingest/fold.ts";

/** What a metric was like last; devices of a gateway share equal ones. */
export interface MetricFact {
  readonly metric: string;
  readonly unit: string | undefined;
  readonly quality: Quality;
}

export interface DeviceBounds {
  readonly metricsPerDeviceMax: number;
  readonly topicsPerDeviceMax: number;
}

/** A longer topic is cut: it is shown, and nothing else. */
export const topicCharactersKept = 256;
const firmwareCharactersMax = 64;
/** Events of the last quarter of an hour or so make the rate. */
export const rateTauMs = 15 * 60_000;
/** Messages of one burst, as of a device with a topic for each metric, tell nothing of its interval. */
const burstMs = 1_000;
const intervalWeight = 1 / 8;
/** Of so many events the size of one is looked at. */
const sizeEvery = 16;
const sizeWeight = 1 / 8;

const noTags: ReadonlyMap<string, readonly string[]> = new Map();

/** Gives a list of tags its one place; undefined where the gateway has no room for another. */
export type SharesTags = (tags: readonly string[]) => readonly string[] | undefined;

/** Gives a fact its one place; undefined where the gateway has no room for another. */
export type Shares = (
  metric: string,
  unit: string | undefined,
  quality: Quality,
) => MetricFact | undefined;

export class DeviceRow {
  readonly device: string;
  family = "";
  firmware = "";
  firstSeen: number;
  lastSeen: number;
  /** When the journal stored what it said last, not late, in ms: what people say has the same clock. */
  storedAt = 0;
  events = 0;
  readings = 0;
  late = 0;
  /** Readings of metrics that had no room. */
  beyond = 0;
  topics: readonly string[] = [];
  readonly metrics: MetricFact[] = [];
  /** By routes: its tags, and those of each of its topics that has some. */
  tags: readonly string[] = [];
  tagsByTopic: ReadonlyMap<string, readonly string[]> = noTags;
  /** What was said of its presence last; undefined where nothing was. */
  isOnline: boolean | undefined;
  presenceReason = "";
  presenceAt = 0;
  /** Start of the last burst; NaN before the first. */
  burstAt = Number.NaN;
  /** Smoothed time between bursts and its deviation; of `intervals` so far. */
  intervalMs = 0;
  deviationMs = 0;
  intervals = 0;
  /** Events, each counting less the older it is, as of `weightAt`. */
  weight = 0;
  weightAt = 0;
  /** Mean characters of an event's readings as JSON. */
  size = 0;

  constructor(device: string, at: number) {
    this.device = device;
    this.firstSeen = at;
    this.lastSeen = at;
  }

  /** Of kind reading, or another that names the device. */
  take({ event, late, receivedAt: at, timeQuality }: TakenEvent, storedAt: number): void {
    this.events++;
    const speaks = event.kind !== "presence" || event.online;
    if (speaks && !late && storedAt > this.storedAt) this.storedAt = storedAt;
    if (at < this.firstSeen) this.firstSeen = at;
    if (event.kind === "presence") this.#tellPresence(event.online, event.reason, at);
    else if (at > this.lastSeen) this.lastSeen = at;
    if (late) this.late++;
    else if (timeQuality === "synchronised") this.#count(at);
  }

  takeReadings(
    taken: TakenEvent,
    readings: readonly Reading[],
    bounds: DeviceBounds,
    shares: Shares,
  ): void {
    this.readings += readings.length;
    const { topic } = taken.event;
    if (topic !== null) this.#note(topic, bounds.topicsPerDeviceMax);
    if (this.events % sizeEvery === 1) this.#weigh(readings);
    for (let index = 0; index < readings.length; index++) {
      const reading = readings[index] as Reading;
      if (!this.#describe(reading, index, taken.late, bounds, shares)) this.beyond++;
      if (typeof reading.value === "string" && !taken.late && tellsFirmware(reading.metric))
        this.firmware = reading.value.slice(0, firmwareCharactersMax);
    }
  }

  /** Whether it has other tags than before; `shares` gives equal lists one place. */
  takeTags({ event, late }: TakenEvent, shares: SharesTags): boolean {
    const { tags = none, topic } = event;
    if (late || topic === null || (tags.length === 0 && this.tagsByTopic.size === 0)) return false;
    const kept = keptTopic(topic);
    const known = this.tagsByTopic.get(kept) ?? none;
    if (
      known === tags ||
      (known.length === tags.length && known.every((tag, at) => tag === tags[at]))
    )
      return false;
    const own = tags.length === 0 ? none : shares(tags);
    if (own === undefined || !this.topics.includes(kept)) return false;
    const byTopic = new Map(this.tagsByTopic);
    if (tags.length === 0) byTopic.delete(kept);
    else byTopic.set(kept, own);
    this.tellTags(byTopic);
    return true;
  }

  tellTags(byTopic: ReadonlyMap<string, readonly string[]>): void {
    this.tagsByTopic = byTopic;
    this.tags = [...new Set([...byTopic.values()].flat())].sort();
  }

  /** What comes late says nothing of now; nor does a word that was overtaken. */
  #tellPresence(isOnline: boolean, reason: string, at: number): void {
    if (at < this.presenceAt) return;
    this.isOnline = isOnline;
    this.presenceReason = reason;
    this.presenceAt = at;
  }

  #count(at: number): void {
    const elapsedMs = at - this.weightAt;
    if (elapsedMs > 0) {
      this.weight *= Math.exp(-elapsedMs / rateTauMs);
      this.weightAt = at;
    }
    this.weight++;
    const intervalMs = at - this.burstAt;
    if (intervalMs < burstMs) return;
    this.burstAt = at;
    if (Number.isNaN(intervalMs)) return;
    const isFirst = this.intervals === 0;
    const error = intervalMs - this.intervalMs;
    this.intervalMs = isFirst ? intervalMs : this.intervalMs + error * intervalWeight;
    const deviation = Math.abs(error) - this.deviationMs;
    this.deviationMs = isFirst ? intervalMs / 2 : this.deviationMs + deviation * intervalWeight;
    this.intervals++;
  }

  /** The usual topic is the first that is looked at. */
  #note(topic: string, topicsMax: number): void {
    const kept = keptTopic(topic);
    if (this.topics[0] === kept || this.topics.includes(kept)) return;
    if (this.topics.length >= topicsMax) return;
    this.topics = [...this.topics, kept];
    if (this.family === "") this.family = familyOf(topic);
  }

  #weigh(readings: readonly Reading[]): void {
    const size = JSON.stringify(readings).length;
    this.size = this.size === 0 ? size : this.size + (size - this.size) * sizeWeight;
  }

  /** False where there is no room for it. Metrics come in the same order each time. */
  #describe(
    { metric, unit, quality }: Reading,
    hint: number,
    late: boolean,
    { metricsPerDeviceMax }: DeviceBounds,
    shares: Shares,
  ): boolean {
    const { metrics } = this;
    let at = hint;
    if (metrics[hint]?.metric !== metric)
      at = metrics.findIndex((known) => known.metric === metric);
    const known = metrics[at];
    if (known === undefined && metrics.length >= metricsPerDeviceMax) return false;
    if (known !== undefined && (late || (known.unit === unit && known.quality === quality)))
      return true;
    const fact = shares(metric, unit, quality);
    if (fact === undefined) return known !== undefined;
    if (known === undefined) metrics.push(fact);
    else metrics[at] = fact;
    return true;
  }
}

const none: readonly string[] = [];

function keptTopic(topic: string): string {
  return topic.length > topicCharactersKept ? topic.slice(0, topicCharactersKept) : topic;
}
